"""The gradient of filters as one statement, `mosaic.ir.filter_sums`: blocks of positions are multiplied tap by tap.

Axes with one tap are read at their strides, so that nothing between them is copied. A convolution over one axis is one over two.
"""

from __future__ import annotations

from collections.abc import Sequence

from composit.nn.operations.convolution import FilterGradient
from composit.operation import Operation
from mosaic.ir.expressions import literal
from mosaic.ir.filter_sums import FilterSums, GroupSums
from mosaic.ir.views import View
from mosaic.lowering.convolution import channels_by_group
from mosaic.lowering.registry import Context, Value
from mosaic.lowering.windows import channels_last


def sums_over_positions(operation: Operation, context: Context) -> Sequence[Value]:
    """Append the gradient in tiles of outputs and channels.

    Pre:  one or two axes, dtypes are one of float32 and float64
    """
    return _appended(operation, context, context.view(0), context.view(1), FilterSums)


def sums_by_groups(operation: Operation, context: Context) -> Sequence[Value]:
    """Append the gradient with lanes along groups, for which channels are stored last.

    Pre:  that of `sums_over_positions`; groups have as many outputs as channels, which divide a vector
    """
    x, g = (channels_last(context, context.view(number)) for number in (0, 1))
    return _appended(operation, context, x, g, GroupSums)


def _appended(operation: Operation, context: Context, x: View, g: View, kind: type[FilterSums]) -> Sequence[Value]:
    assert isinstance(operation, FilterGradient), "registered for gradients of filters"
    (num_outputs, num_channels, *kernel), dtype = context.types[0].shape, context.types[0].dtype
    groups, missing = operation.groups, 2 - len(kernel)
    result = context.memory.temporary((num_outputs, num_channels, *kernel), dtype)
    if not result.size or not g.size:
        context.define(result, literal(0, dtype))
        return (result,)
    each = num_outputs // groups
    shape, strides = (groups, each, *result.shape[1:]), (each * result.strides[0], *result.strides)
    stored = View(result.buffer, result.offset, shape, strides).expand_dims(range(3, 3 + missing))
    image, g = (channels_by_group(view, groups).expand_dims(range(1, 1 + missing)) for view in (x, g))
    steps, dilation = ((1,) * missing + given for given in (operation.strides, operation.dilation))
    for axis, (taps, step) in enumerate(zip(stored.shape[3:], steps, strict=True), start=1):
        if taps == 1:
            image = image.slice_axis(axis, 0, g.shape[axis], step)
    steps = tuple(1 if taps == 1 else step for taps, step in zip(stored.shape[3:], steps, strict=True))
    context.statements.append(kind(stored, image, g, (context.position,), steps, dilation))
    return (result,)
