"""Memory read as numbers of another dtype: the bits of one element, or of a few neighbours, as those of others.

Elements of another size are taken apart and put together by shifts of unsigned integers, the lowest byte first, as all targets have them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from composit.numpy.views.view_operations import ViewAs
from composit.operation import Dtype
from mosaic.ir.expressions import Apply, Expression, Load, convert, literal
from mosaic.ir.views import View
from mosaic.lowering.registry import Context, NoLowering, Value, lower


@lower.register
def _(operation: ViewAs, context: Context) -> Sequence[Value]:
    given, wanted = context.operand_types[0].dtype, context.types[0].dtype
    if given == wanted:
        return (context.operands[0],)
    if "b" in (given.kind, wanted.kind):
        raise NoLowering(f"memory of {given} read as {wanted} has no lowering to C")
    if given.itemsize == wanted.itemsize:
        return (context.computed(_as_bits_of(context.load(0, context.types[0].shape, given), wanted)),)
    view = context.view(0)
    return (_taken_apart(context, view) if given.itemsize > wanted.itemsize else _put_together(context, view),)


def _as_bits_of(expression: Expression, dtype: Dtype) -> Expression:
    """Return the same bits as a number of a dtype of the same size."""
    if expression.dtype == dtype:
        return expression
    return Apply(f"bits_as_{dtype.kind}", (expression,), dtype)


def _unsigned(itemsize: int) -> Dtype:
    return np.dtype(f"u{itemsize}")


def _taken_apart(context: Context, view: View) -> View:
    """Return [a, b] of 4 bytes as [a0, a1, b0, b1] of 2 bytes each."""
    result, size = context.result(), context.types[0].dtype.itemsize
    count = view.dtype.itemsize // size
    axis, length = view.ndim - 1, view.shape[-1]
    whole = _as_bits_of(Load(view), _unsigned(view.dtype.itemsize))
    for place in range(count):
        distance = literal(8 * size * place, whole.dtype)
        shifted = Apply("right_shift", (whole, distance), whole.dtype) if place else whole
        part = _as_bits_of(convert(shifted, _unsigned(size)), result.dtype)
        context.define(result.slice_axis(axis, place, length, count), part)
    return result


def _put_together(context: Context, view: View) -> View:
    """Return [a0, a1, b0, b1] of 2 bytes each as [a, b] of 4 bytes."""
    dtype = context.types[0].dtype
    size, unsigned = view.dtype.itemsize, _unsigned(dtype.itemsize)
    count = dtype.itemsize // size
    axis, length = view.ndim - 1, view.shape[-1] // count
    whole: Expression | None = None
    for place in range(count):
        part = _as_bits_of(Load(view.slice_axis(axis, place, length, count)), _unsigned(size))
        wide: Expression = convert(part, unsigned)
        if place:
            wide = Apply("left_shift", (wide, literal(8 * size * place, unsigned)), unsigned)
        whole = wide if whole is None else Apply("bitwise_or", (whole, wide), unsigned)
    assert whole is not None, "an element has bytes"
    return context.define(context.result(), _as_bits_of(whole, dtype))
