"""Elementwise functions, conversions and `where`: one definition each, over the broadcast domain."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from composit.nn.operations.half_precision import RoundToBfloat16, RoundToFloat16
from composit.numpy.calls.expressions import SameValue
from composit.numpy.elementwise.cardinal_sine import Sinc
from composit.numpy.elementwise.casting import Astype
from composit.numpy.elementwise.conditional import Where
from composit.numpy.elementwise.functions import Elementwise
from composit.operation import TensorType
from mosaic.codegen.elementwise import is_compiled
from mosaic.ir.expressions import Apply, Uniform, convert, literal
from mosaic.lowering.algebra import simplified
from mosaic.lowering.registry import Context, NoLowering, Value, lower


@lower.register
def _(operation: Elementwise, context: Context) -> Sequence[Value]:
    dtypes = loop_dtypes(operation, context.operand_types)
    name, shape = operation.function.name, context.types[0].shape
    inner = dtypes[: len(context.operands)]
    if len(context.types) != 1 or not is_compiled(name, inner):
        raise NoLowering(f"{name} of {', '.join(map(str, inner))} has no expression in C")
    arguments = tuple(context.load(index, shape, dtype) for index, dtype in enumerate(inner))
    function = _clip_function(inner[0], context.operand_types) if name == "clip" else name
    expression = convert(simplified(Apply(function, arguments, dtypes[-1])), context.types[0].dtype)
    return (context.computed(expression),)


def _clip_function(dtype: np.dtype, operand_types: Sequence[TensorType]) -> str:
    """Return the name of one of numpy's two loops of clip, which differ at zeros: clip(0.0, -0.0, 1).

    The loop for limits that stay the same keeps the element, the loop for arrays of limits takes the limit. Numpy runs
    the second also for a single element if it does not have to broadcast: clip(x[1], low[1], high[1]).
    """
    x, *limits = operand_types
    arrays = [each.shape for each in limits if each.shape]
    shapes = {*arrays, x.shape} - {()}
    is_stepped = any(math.prod(shape) != 1 for shape in arrays) or (arrays and len(shapes) == 1)
    return "clip_by_arrays" if dtype.kind == "f" and is_stepped else "clip"


def loop_dtypes(operation: Elementwise, operand_types: Sequence[TensorType]) -> tuple[np.dtype, ...]:
    """Return the dtypes of numpy's inner loop: one per operand, then one per result."""
    function, dtype = operation.function, operation.dtype
    casting = "same_kind" if dtype is None else "unsafe"
    return tuple(function.loop_dtypes(operand_types, dtype, casting))


@lower.register
def _(operation: Astype, context: Context) -> Sequence[Value]:
    value = context.operands[0]
    if isinstance(value, Uniform):
        converted = convert(value.literal, context.types[0].dtype)
        return (context.define(context.result(), converted),)
    if value.dtype == context.types[0].dtype:
        return (value,)
    return (context.copy(value, context.result()),)


@lower.register
def _(operation: SameValue, context: Context) -> Sequence[Value]:
    return (context.operands[0],)


@lower.register
def _(operation: Where, context: Context) -> Sequence[Value]:
    shape, dtype = context.types[0].shape, context.types[0].dtype
    condition = context.load(0, shape, np.dtype(bool))
    arguments = (condition, context.load(1, shape, dtype), context.load(2, shape, dtype))
    return (context.computed(simplified(Apply("where", arguments, dtype))),)


@lower.register(RoundToBfloat16)
@lower.register(RoundToFloat16)
def _(operation: RoundToBfloat16 | RoundToFloat16, context: Context) -> Sequence[Value]:
    shape, dtype = context.types[0].shape, context.types[0].dtype
    return (context.computed(Apply(operation.name, (context.load(0, shape, dtype),), dtype)),)


@lower.register
def _(operation: Sinc, context: Context) -> Sequence[Value]:
    shape, dtype = context.types[0].shape, context.types[0].dtype
    if operation.order or not is_compiled("sin", (dtype,)):
        raise NoLowering(f"the derivative of order {operation.order} of sinc of {dtype} has no expression in C")
    one, zero = literal(1, dtype), literal(0, dtype)
    scaled = Apply("multiply", (context.load(0, shape, dtype), literal(math.pi, dtype)), dtype)
    is_zero = Apply("equal", (scaled, zero), np.dtype(np.bool))
    safe = Apply("where", (is_zero, one, scaled), dtype)
    quotient = Apply("divide", (Apply("sin", (safe,), dtype), safe), dtype)
    return (context.computed(Apply("where", (is_zero, one, quotient), dtype)),)
