"""Elementwise functions and products of complex numbers, by the formulas of their parts that numpy's own loops compute."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from composit.numpy.elementwise.casting import Astype
from composit.numpy.elementwise.functions import Elementwise
from composit.numpy.products.einsums import Einsum
from composit.numpy.products.matrix_products import Matmul
from composit.operation import Dtype
from mosaic.ir.complex_parts import PART_DTYPES
from mosaic.ir.expressions import Apply, Expression, convert, literal
from mosaic.lowering.algebra import simplified
from mosaic.lowering.complex_registry import ComplexContext, lower_by_parts, lower_complex
from mosaic.lowering.complex_values import AnyValue, ComplexValue, Part, has_complex, imaginary_of, part_type, real_of
from mosaic.lowering.elementwise import loop_dtypes
from mosaic.lowering.registry import NoLowering, Value, lower

Pair: TypeAlias = tuple[Expression, Expression]
_BOOL = np.dtype(bool)


def _apply(name: str, *arguments: Expression) -> Expression:
    return simplified(Apply(name, arguments, arguments[0].dtype))


def _is(name: str, *arguments: Expression) -> Expression:
    return simplified(Apply(name, arguments, _BOOL))


def _where(condition: Expression, x: Expression, y: Expression) -> Expression:
    return simplified(Apply("where", (condition, x, y), x.dtype))


def _multiply(x: Pair, y: Pair) -> Pair:
    # (a + ib) (c + id) = (a c - b d) + i (a d + b c)
    (a, b), (c, d) = x, y
    real = _apply("subtract", _apply("multiply", a, c), _apply("multiply", b, d))
    return real, _apply("add", _apply("multiply", a, d), _apply("multiply", b, c))


def _divide(x: Pair, y: Pair) -> Pair:
    """Smith's method, as numpy: by the larger part of the divisor, so that its square does not overflow."""
    (a, b), (c, d) = x, y
    sizes = _apply("absolute", c), _apply("absolute", d)
    is_real_larger = _is("greater_equal", *sizes)
    large, small = _where(is_real_larger, c, d), _where(is_real_larger, d, c)
    ratio = _apply("divide", small, large)
    scale = _apply("divide", literal(1, c.dtype), _apply("add", large, _apply("multiply", small, ratio)))
    # a + b r and b - a r, or a r + b and b r - a
    first, second = _where(is_real_larger, a, b), _where(is_real_larger, b, a)
    real = _apply("multiply", _apply("add", first, _apply("multiply", second, ratio)), scale)
    straight = _apply("subtract", b, _apply("multiply", a, ratio))
    crossed = _apply("subtract", _apply("multiply", b, ratio), a)
    imaginary = _apply("multiply", _where(is_real_larger, straight, crossed), scale)
    # By 0, each part is divided by |0|.
    is_zero = _is("logical_and", *(_is("equal", size, literal(0, c.dtype)) for size in sizes))
    return (
        _where(is_zero, _apply("divide", a, sizes[0]), real),
        _where(is_zero, _apply("divide", b, sizes[0]), imaginary),
    )


def _reciprocal(x: Pair) -> Pair:
    """1 / x by the larger part, as numpy: NaN at 0, where 1 / x by `divide` is infinite."""
    a, b = x
    one = literal(1, a.dtype)
    is_real_larger = _is("greater", _apply("absolute", a), _apply("absolute", b))
    large, small = _where(is_real_larger, a, b), _where(is_real_larger, b, a)
    ratio = _apply("divide", small, large)
    size = _apply("add", large, _apply("multiply", small, ratio))
    first = _apply("divide", _where(is_real_larger, one, ratio), size)
    second = _apply("divide", _apply("negative", _where(is_real_larger, ratio, one)), size)
    return first, second


def _exponential(x: Pair) -> Pair:
    """e^a (cos b + i sin b), with C99's answers at infinities: Annex G of the C standard, 6.3.1."""
    a, b = x
    zero, most = literal(0, a.dtype), literal(math.log(np.finfo(a.dtype).max), a.dtype)
    size, root = _apply("exp", a), _apply("exp", _apply("multiply", a, literal(0.5, a.dtype)))
    # e^a may be infinite where e^a cos b is not.
    is_large = _is("logical_and", _is("greater", a, most), _is("isfinite", a))
    parts = []
    for name in ("cos", "sin"):
        turn = _apply(name, b)
        by_roots = _apply("multiply", _apply("multiply", root, turn), root)
        parts.append(_where(is_large, by_roots, _apply("multiply", size, turn)))
    is_real, is_turned = _is("equal", b, zero), _is("logical_not", _is("isfinite", b))
    vanishes = _is("logical_and", is_turned, _is("equal", size, zero))
    explodes = _is("logical_and", is_turned, _is("equal", a, literal(math.inf, a.dtype)))
    real = _where(vanishes, zero, _where(explodes, a, parts[0]))
    return _where(is_real, size, real), _where(is_real, b, _where(vanishes, zero, parts[1]))


_TO_COMPLEX: dict[str, Callable[..., Pair]] = {
    "add": lambda x, y: (_apply("add", x[0], y[0]), _apply("add", x[1], y[1])),
    "subtract": lambda x, y: (_apply("subtract", x[0], y[0]), _apply("subtract", x[1], y[1])),
    "multiply": _multiply,
    "divide": _divide,
    "negative": lambda x: (_apply("negative", x[0]), _apply("negative", x[1])),
    "positive": lambda x: x,
    "conjugate": lambda x: (x[0], _apply("negative", x[1])),
    "square": lambda x: _multiply(x, x),
    "reciprocal": _reciprocal,
    "exp": _exponential,
}
_TO_REAL: dict[str, Callable[..., Expression]] = {
    "real": lambda x: x[0],
    "imag": lambda x: x[1],
    "absolute": lambda x: _apply("hypot", *x),
    "equal": lambda x, y: _is("logical_and", _is("equal", x[0], y[0]), _is("equal", x[1], y[1])),
    "not_equal": lambda x, y: _is("logical_or", _is("not_equal", x[0], y[0]), _is("not_equal", x[1], y[1])),
    "isnan": lambda x: _is("logical_or", _is("isnan", x[0]), _is("isnan", x[1])),
    "isinf": lambda x: _is("logical_or", _is("isinf", x[0]), _is("isinf", x[1])),
    "isfinite": lambda x: _is("logical_and", _is("isfinite", x[0]), _is("isfinite", x[1])),
}
"""Functions by numpy's names, as formulas of the parts of their arguments."""


def is_compiled_of_complex(name: str) -> bool:
    """Whether generated C can compute the function on complex numbers."""
    return name in _TO_COMPLEX or name in _TO_REAL


@lower_complex.register
def _(operation: Elementwise, context: ComplexContext) -> Sequence[AnyValue]:
    name, dtypes = operation.function.name, loop_dtypes(operation, context.operand_types)
    count = len(context.operands)
    if len(context.types) != 1 or not all(dtype in PART_DTYPES for dtype in dtypes[:count]):
        raise NoLowering(f"{name} of {', '.join(map(str, dtypes[:count]))} has no expression in C")
    pairs = [_pair(context, index, dtype) for index, dtype in enumerate(dtypes[:count])]
    if name in _TO_COMPLEX and has_complex(*context.types):
        real, imaginary = _TO_COMPLEX[name](*pairs)
        part = PART_DTYPES[context.types[0].dtype]
        return (context.computed(convert(real, part), convert(imaginary, part)),)
    if name in _TO_REAL and not has_complex(*context.types):
        return (context.of_result().computed(convert(_TO_REAL[name](*pairs), context.types[0].dtype)),)
    raise NoLowering(f"{name} of complex numbers has no expression in C")


def _pair(context: ComplexContext, index: int, dtype: Dtype) -> Pair:
    """Return the parts of an operand's element, in the precision of a complex dtype."""
    shape, part = context.types[0].shape, PART_DTYPES[dtype]
    real, imaginary = (
        context.real([context.part(index, each)], (), context.types).load(0, shape, part)
        for each in (real_of, imaginary_of)
    )
    return real, imaginary


@lower_complex.register
def _(operation: Astype, context: ComplexContext) -> Sequence[AnyValue]:
    wanted = context.types[0].dtype
    if wanted in PART_DTYPES:
        return lower_by_parts(Astype(PART_DTYPES[wanted]), context, (0,))
    real = context.real([context.part(0, real_of)], (), context.types).load(0, context.types[0].shape, wanted)
    if wanted != _BOOL:
        return (context.of_result().computed(real),)
    imaginary = context.real([context.part(0, imaginary_of)], (), context.types)
    return (context.of_result().computed(_is("logical_or", real, imaginary.load(0, context.types[0].shape, _BOOL))),)


@lower_complex.register(Matmul)
@lower_complex.register(Einsum)
def _(operation: Matmul | Einsum, context: ComplexContext) -> Sequence[AnyValue]:
    if len(context.operands) == 1:
        return lower_by_parts(operation, context, (0,))
    if len(context.operands) != 2:
        raise NoLowering(f"{operation.name} of more than two complex operands has no lowering to C")

    def product(first: Part, second: Part) -> Value | None:
        return _product(operation, context, (first, second))

    real = _combined(context, "subtract", product(real_of, real_of), product(imaginary_of, imaginary_of))
    imaginary = _combined(context, "add", product(real_of, imaginary_of), product(imaginary_of, real_of))
    return (ComplexValue(real, imaginary),)


def _product(operation: Matmul | Einsum, context: ComplexContext, parts: tuple[Part, Part]) -> Value | None:
    """Return a product of parts; None if it is 0, because one is the imaginary part of real numbers."""
    for value, part in zip(context.operands, parts, strict=True):
        if part is imaginary_of and not isinstance(value, ComplexValue):
            return None
    given = [context.part(number, part) for number, part in enumerate(parts)]
    types = [part_type(each) for each in context.operand_types]
    return lower(operation, context.real(given, types, [part_type(context.types[0])]))[0]


def _combined(context: ComplexContext, name: str, first: Value | None, second: Value | None) -> Value:
    """Return the sum or difference of two products, of which not both are 0."""
    if first is None or second is None:
        given = second if first is None else first
        assert given is not None, "one operand is complex"
        return given
    inner = context.real((first, second), (), [part_type(context.types[0])])
    shape, dtype = inner.types[0].shape, inner.types[0].dtype
    return inner.computed(_apply(name, inner.load(0, shape, dtype), inner.load(1, shape, dtype)))
