"""Elementwise functions composed of ufuncs, as in numpy: clip, round, isclose, nan_to_num, real, imag.

Their derivatives are those of their parts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply
from composit.errors import DtypeError, NoRuleError
from composit.handle import TensorHandle, described
from composit.numpy.arguments.normalizing import (
    TensorLike,
    broadcast_shapes,
    handle_of,
    is_number,
    new_handle,
    truth,
    whole,
)
from composit.numpy.calls.array_function import ArrayFunction
from composit.numpy.calls.declarations import rule_for
from composit.numpy.calls.expressions import Expressed, expressed
from composit.numpy.elementwise import table
from composit.numpy.elementwise.casting import in_dtype
from composit.numpy.elementwise.conditional import where
from composit.numpy.views.view_operations import ComplexPart
from composit.numpy.views.writes import assign_result, writing_to
from composit.operation import Dtype, OperationKind, TensorType, VjpContext, tensor_type
from composit.storage import mark_view

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = [
    "angle",
    "around",
    "clip",
    "fix",
    "imag",
    "isclose",
    "iscomplex",
    "isneginf",
    "isposinf",
    "isreal",
    "nan_to_num",
    "real",
    "round",
]


_absent: Any = np._NoValue  # Any: the default of parameters of any type


@rule_for(np.clip)
def clip(
    a: TensorLike,
    a_min: TensorLike = _absent,
    a_max: TensorLike = _absent,
    out: None = None,
    *,
    min: TensorLike = _absent,
    max: TensorLike = _absent,
) -> LazyTensor:
    """Return the elements limited to an interval; None leaves a side open. Reference: numpy.clip.

    Derivative:  g inside the interval, half of it at its borders, 0 outside
    """
    low, high = _limits(a_min, a_max, min, max)
    result = handle_of(a)
    low, high = _without_loose_limits(result.dtype, low, high)
    if low is None and high is None:
        return table.positive(result)
    if low is None:
        return table.minimum(result, high)
    return table.maximum(result, low) if high is None else table.clip_between(result, low, high)


def _limits(a_min: Any, a_max: Any, low: Any, high: Any) -> tuple[Any, Any]:
    if a_min is _absent and a_max is _absent:
        return (None if low is _absent else low), (None if high is _absent else high)
    if a_min is _absent or a_max is _absent:
        missing = "a_min" if a_min is _absent else "a_max"
        raise TypeError(f"clip() missing 1 required positional argument: '{missing}'; give both, None for an open side")
    if low is not _absent or high is not _absent:
        raise ValueError("Passing `min` or `max` keyword argument when `a_min` and `a_max` are provided is forbidden.")
    return a_min, a_max


def _without_loose_limits(dtype: Dtype, low: Any, high: Any) -> tuple[Any, Any]:
    """Return the limits; None for a Python int beyond the range of the integer dtype, which then limits nothing."""
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        low = None if type(low) is int and low <= info.min else low
        high = None if type(high) is int and high >= info.max else high
    return low, high


@dataclass(frozen=True, slots=True)
class RoundComplex(ArrayFunction):
    """Complex elements with both parts rounded to a number of decimals. Reference: numpy.round."""

    function = staticmethod(np.round)
    no_derivative = "it is piecewise constant"
    decimals: int
    kind = OperationKind.ELEMENTWISE

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (operand,) = operand_types
        return (tensor_type(operand.shape, operand.dtype, is_scalar=not operand.shape),)


@rule_for(np.round)
def round(a: TensorLike, decimals: int = 0, out: None = None) -> LazyTensor:
    """Return the elements rounded to a number of decimals, halves to even. Reference: numpy.round.

    Derivative:  0, since the function is piecewise constant
    """
    handle = handle_of(a)
    if handle.dtype.kind not in "biufc":
        raise NoRuleError("round: elements that are no numbers")
    decimals = whole(decimals, num_bits=32)
    if handle.dtype.kind in "iu" and decimals >= 0:
        return table.positive(handle)
    if handle.dtype.kind == "c":
        return apply(RoundComplex(decimals), handle)
    if decimals == 0:
        return table.rint(handle)
    if handle.dtype.kind == "b":
        raise DtypeError(
            f"Cannot cast ufunc 'multiply' output from dtype('float64') to dtype('bool') with casting rule 'same_kind': round"
            f" to {decimals} decimals was asked of {described(handle)}; expected numbers; convert it with astype first"
        )
    scale = 10.0 ** abs_of(decimals)
    scaled = table.multiply(handle, scale) if decimals > 0 else table.divide(handle, scale)
    rounded = table.rint(scaled)
    result = table.divide(rounded, scale) if decimals > 0 else table.multiply(rounded, scale)
    return result if handle.dtype.kind == "f" else result.astype(handle.dtype)


around = rule_for(np.around)(round)


def abs_of(number: int) -> int:
    """Return the absolute value of a Python int. (`abs` is numpy's function in this module.)"""
    return number if number >= 0 else -number


@rule_for(np.fix)
def fix(x: TensorLike, out: None = None) -> LazyTensor:
    """Return the elements rounded towards zero. Reference: numpy.fix."""
    return table.trunc(x)


@dataclass(frozen=True, slots=True)
class ComplexNanToNum(ArrayFunction):
    """Complex elements with NaN and infinities in either part replaced.

    Derivative:  g, in each part that is finite
    Reference:   numpy.nan_to_num
    """

    function = staticmethod(np.nan_to_num)
    nan: Any  # a Python or numpy scalar, like the next two; None stands for the largest numbers
    posinf: Any
    neginf: Any
    kind = OperationKind.ELEMENTWISE

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type(operand_types[0].shape, operand_types[0].dtype),)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (x,) = context.xp, context.cotangents, context.operands
        # With x = a + ib, the cotangent of a is Re(g), that of b is -Im(g).
        real, imag = (xp.where(xp.isfinite(part(x)), part(g), 0) for part in (xp.real, xp.imag))
        return [real + 1j * imag]


@expressed(np.nan_to_num)
def _nan_to_num(
    xp: Any, results: Sequence[Any], x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Expressed:
    given = xp.asarray(x)
    if given.dtype.kind == "c":
        parts = [_nan_to_num(xp, results, part, True, nan, posinf, neginf) for part in (xp.real(given), xp.imag(given))]
        return parts[0] + 1j * parts[1]
    largest = float(np.finfo(given.dtype).max)
    result = xp.where(xp.isnan(given), nan, given)
    result = xp.where(xp.isposinf(given), largest if posinf is None else posinf, result)
    return xp.where(xp.isneginf(given), -largest if neginf is None else neginf, result)


@rule_for(np.nan_to_num)
def nan_to_num(
    x: TensorLike, copy: bool = True, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> LazyTensor:
    """Return the elements with NaN and infinities replaced, by default with 0 and the largest numbers."""
    handle = handle_of(x)
    if not copy and isinstance(x, TensorHandle) and not x.type.is_scalar:
        with writing_to(x):
            result = nan_to_num(x, True, nan, posinf, neginf)
            if not isinstance(result, TensorHandle):
                raise NoRuleError("nan_to_num: a string, which numpy returns unchanged")
            assign_result(x, result)
        return handle
    if handle.dtype.kind in "biu":
        return new_handle(handle) if handle.ndim else handle[()]
    if (
        handle.dtype.kind == "c"
        and handle.ndim
        and all(value is None or is_number(value) for value in (nan, posinf, neginf))
    ):
        return apply(ComplexNanToNum(nan, posinf, neginf), handle)
    if handle.dtype.kind != "f":
        raise NoRuleError("nan_to_num: a complex scalar, replacements that are arrays, or elements that are no numbers")
    largest = float(np.finfo(handle.dtype).max)
    above, below = largest if posinf is None else posinf, -largest if neginf is None else neginf
    result = where(table.isnan(handle), nan, handle)
    result = where(isposinf(handle), above, result)
    result = where(isneginf(handle), below, result)
    if result.shape != handle.shape or not np.can_cast(result.dtype, handle.dtype, "same_kind"):
        raise NoRuleError("nan_to_num: numpy casts or refuses the replacement")
    return in_dtype(result, handle.dtype) if handle.ndim else result[()]


def _real_number(x: TensorLike) -> LazyTensor:
    handle = handle_of(x)
    if handle.dtype.kind not in "biuf":
        raise NoRuleError("isposinf: the elements are no real numbers")
    return handle


@rule_for(np.isposinf)
def isposinf(x: TensorLike, out: None = None) -> LazyTensor:
    """Return whether each element is positive infinity. Reference: numpy.isposinf."""
    return table.equal(_real_number(x), math.inf)


@rule_for(np.isneginf)
def isneginf(x: TensorLike, out: None = None) -> LazyTensor:
    """Return whether each element is negative infinity. Reference: numpy.isneginf."""
    return table.equal(_real_number(x), -math.inf)


@dataclass(frozen=True, slots=True)
class IsClose(ArrayFunction):
    """Whether |a - b| <= atol + rtol |b|, elementwise. Reference: numpy.isclose."""

    function = staticmethod(np.isclose)
    no_derivative = "the result is boolean"
    rtol: Any  # a Python or numpy scalar, like the next
    atol: Any
    equal_nan: bool
    kind = OperationKind.ELEMENTWISE

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        shape = broadcast_shapes(*(operand.shape for operand in operand_types))
        return (tensor_type(shape, np.bool, is_scalar=not shape),)


@rule_for(np.isclose)
def isclose(
    a: TensorLike, b: TensorLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> LazyTensor:
    """Return whether |a - b| <= atol + rtol |b|, elementwise; equal infinities are close."""
    x, y = handle_of(a), handle_of(b)
    if x.dtype.kind not in "biufc" or y.dtype.kind not in "biufc" or not is_number(rtol) or not is_number(atol):
        raise NoRuleError("isclose: the elements are no numbers, or a tolerance is an array")
    if not (np.isfinite(rtol) and np.isfinite(atol)) or np.iscomplexobj(rtol) or np.iscomplexobj(atol):
        raise NoRuleError("isclose: numpy warns of the tolerances, or they are complex")
    return apply(IsClose(rtol, atol, truth(equal_nan)), x, y)


@rule_for(np.real)
def real(val: TensorLike) -> LazyTensor:
    """Return the real part; a real tensor itself. Reference: numpy.real."""
    handle = handle_of(val)
    return _part("real", table.real_part, handle, val) if handle.dtype.kind == "c" else handle


@rule_for(np.imag)
def imag(val: TensorLike) -> LazyTensor:
    """Return the imaginary part; zeros for a real tensor. Reference: numpy.imag."""
    handle = handle_of(val)
    return _part("imag", table.imaginary_part, handle, val)


def _part(name: str, function: Callable[..., LazyTensor], whole: LazyTensor, given: TensorLike) -> LazyTensor:
    if not whole.ndim and not whole.type.is_scalar:
        # numpy's imag of a 0-d array is a 0-d array; a ufunc would return a scalar.
        part = apply(ComplexPart(name), whole)
    else:
        part = function(whole)
    # The parts of a complex array are views in numpy, so writes to them must reach it.
    if whole is given and whole.dtype.kind == "c" and whole is not part:
        mark_view(part, whole, ComplexPart(name))
    return part


@rule_for(np.angle)
def angle(z: TensorLike, deg: bool = False) -> LazyTensor:
    """Return the angle of complex numbers in radians, or degrees. Reference: numpy.angle."""
    handle = handle_of(z)
    # numpy uses a Python 0 as imaginary part of real numbers, which does not influence the dtype.
    result = table.arctan2(imag(handle) if handle.dtype.kind == "c" else 0, real(handle))
    return table.multiply(result, 180 / math.pi) if deg else result


@rule_for(np.isreal)
def isreal(x: TensorLike) -> LazyTensor:
    """Return whether each element has no imaginary part. Reference: numpy.isreal."""
    return table.equal(_imaginary(x, "isreal"), 0)


@rule_for(np.iscomplex)
def iscomplex(x: TensorLike) -> LazyTensor:
    """Return whether each element has an imaginary part. Reference: numpy.iscomplex."""
    return table.not_equal(_imaginary(x, "iscomplex"), 0)


def _imaginary(x: TensorLike, function: str) -> LazyTensor:
    handle = handle_of(x)
    if handle.dtype.kind not in "biufc":
        raise NoRuleError(f"{function}: elements that are no numbers")
    return imag(handle)
