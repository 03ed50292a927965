"""The gradient of filters as one statement, `mosaic.ir.filter_sums`: blocks of positions are multiplied tap by tap.

Axes with one tap are read at their strides, so that nothing between them is copied. A convolution over one axis is one over two.
"""

from __future__ import annotations

from collections.abc import Sequence

from composit.nn.operations.convolution import FilterGradient
from composit.operation import Operation
from mosaic.ir.expressions import literal
from mosaic.ir.filter_sums import FilterSums
from mosaic.ir.views import View
from mosaic.lowering.convolution import channels_by_group
from mosaic.lowering.registry import Context, Value


def sums_over_positions(operation: Operation, context: Context) -> Sequence[Value]:
    """Append the gradient.

    Pre:  one or two axes, dtypes are one of float32 and float64
    """
    assert isinstance(operation, FilterGradient), "registered for gradients of filters"
    (num_outputs, num_channels, *kernel), dtype = context.types[0].shape, context.types[0].dtype
    groups, missing = operation.groups, 2 - len(kernel)
    result = context.memory.temporary((num_outputs, num_channels, *kernel), dtype)
    g = channels_by_group(context.view(1), groups)
    image = channels_by_group(context.view(0), groups)
    if not result.size or not g.size:
        context.define(result, literal(0, dtype))
        return (result,)
    stored = View(
        result.buffer,
        result.offset,
        (groups, num_outputs // groups, *result.shape[1:]),
        (num_outputs // groups * result.strides[0], *result.strides),
    )
    image, g = (view.expand_dims(range(1, 1 + missing)) for view in (image, g))
    stored = stored.expand_dims(range(3, 3 + missing))
    strides, dilation = ((1,) * missing + each for each in (operation.strides, operation.dilation))
    for axis, (taps, step) in enumerate(zip(stored.shape[3:], strides, strict=True), start=1):
        if taps == 1:
            image = image.slice_axis(axis, 0, g.shape[axis], step)
    strides = tuple(1 if taps == 1 else step for taps, step in zip(stored.shape[3:], strides, strict=True))
    context.statements.append(FilterSums(stored, image, g, (context.position,), strides, dilation))
    return (result,)
