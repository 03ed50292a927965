"""Convolutions of 3 taps by Winograd's tiles: a statement of its own, see `mosaic.ir.winograd`.

Padding is an operation before the convolution: what computes x writes it into the middle of an array with a border. So tiles
read that array in place, and only those at its far ends are filled up with zeros.
"""

from __future__ import annotations

from collections.abc import Sequence

from composit.nn.operations.convolution import Convolution, TransposedConvolution
from mosaic.ir.expressions import Accumulated, literal
from mosaic.ir.views import View
from mosaic.ir.winograd import WinogradProduct
from mosaic.lowering.convolution import as_channels_first, by_group
from mosaic.lowering.registry import Context, Value
from mosaic.lowering.windows import channels_last, with_border


def winograd(operation: Convolution, context: Context, outputs: int) -> Sequence[Value]:
    """Append the convolution in tiles of `outputs` results along each axis with 3 taps; one with 1 tap stays as it is.

    Pre:  strides and dilation are 1, axes have 3 taps or 1, of which one or two have 3, dtypes are one of float32 and float64
    """
    filters = by_group(context.view(1), 0, operation.groups)
    return _appended(context, channels_last(context, context.view(0)), filters, outputs)


def transposed_winograd(operation: TransposedConvolution, context: Context, outputs: int) -> Sequence[Value]:
    """Append a transposed convolution, which is a convolution of x with a border by filters that go backwards.

    Pre:  that of `winograd`
    """
    filters = by_group(context.view(1), 0, operation.groups).transpose((0, 2, 1, *range(3, context.view(1).ndim + 1)))
    taps = filters.shape[3:]
    for axis, count in enumerate(taps, start=3):
        filters = filters.slice_axis(axis, count - 1, count, -1)
    x = with_border(context, context.view(0), tuple((count - 1, count - 1) for count in taps))
    return _appended(context, x, filters, outputs)


def _appended(context: Context, x: View, filters: View, outputs: int) -> Sequence[Value]:
    """Append the convolution of x[n, channels, lengths...], whose channels lie side by side, by filters[group, o, c, k...]."""
    groups, num_each, _, *taps = filters.shape
    image = by_group(x.transpose((0, *range(2, x.ndim), 1)), x.ndim - 1, groups)
    num_batch, _, *positions = context.types[0].shape
    result = context.memory.reordered_temporary((num_batch, *positions, groups, num_each), context.types[0].dtype)
    if not result.size or not image.size:
        context.define(result, literal(0, result.dtype))
        return (as_channels_first(result),)
    seen = _over_two_axes(result), _over_two_axes(image), filters if len(taps) == 2 else filters.expand_dims((3,))
    kernel = (1,) * (2 - len(taps)) + tuple(taps)
    tiles = tuple(outputs if count > 1 else 1 for count in kernel)
    origins = (context.position,)
    context.statements.append(WinogradProduct(*seen, Accumulated(result.dtype), origins, tiles, kernel))
    return (as_channels_first(result),)


def _over_two_axes(view: View) -> View:
    """Return a view [n, positions..., group, channel] with two axes of positions."""
    return view if view.ndim == 5 else view.expand_dims((1,))
