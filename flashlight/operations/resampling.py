"""Other lengths of spatial axes (upsample_*), values at positions that are data (grid_sampler), channels moved into positions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import composit.numpy as cnp
from composit import nn
from composit.nn.operations.interpolation import antialiased, resized
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, cast, pulled_back
from flashlight.table import Call, Row, register

# torch's numbers of grid_sample's modes.
_MODES = ("bilinear", "nearest", "bicubic")
_PADDING_MODES = ("zeros", "border", "reflection")


def _nearest(mode: str) -> Row:
    def row(
        call: Call, x: LazyTensor, output_size: Sequence[int], *factors: float | None, **named: float
    ) -> LazyTensor:
        return resized(x, output_size, _factors(output_size, factors, named), mode, False)

    return row


def _interpolated(mode: str, resize: Callable[..., LazyTensor] = resized) -> Row:
    def row(
        call: Call,
        x: LazyTensor,
        output_size: Sequence[int],
        align_corners: bool,
        *factors: float | None,
        **named: float,
    ) -> LazyTensor:
        scales = _factors(output_size, factors, named)
        return cast(resize(x, output_size, scales, mode, align_corners), call.dtype)

    return row


def _factors(
    output_size: Sequence[int], given: Sequence[float | None], named: dict[str, float]
) -> Sequence[float | None]:
    # torch ignores factors that are not positive.
    factors = [factor if factor and factor > 0 else None for factor in (*given, *named.values())]
    return factors or [None] * len(output_size)


def _derivative(forward: Row) -> Row:
    def row(call: Call, g: LazyTensor, output_size: Sequence[int], input_size: Sequence[int], *how: Any) -> LazyTensor:
        # The operations are linear: their derivative is the same everywhere.
        zeros = cnp.zeros(tuple(input_size), g.dtype)
        return pulled_back(lambda x: forward(call, x, output_size, *how), (zeros,), g)[0]

    return row


_ROWS: dict[Any, tuple[Row, Any]] = {  # Any: operations of torch
    aten.upsample_nearest1d.default: (_nearest("nearest"), aten.upsample_nearest1d_backward.default),
    aten.upsample_nearest2d.default: (_nearest("nearest"), aten.upsample_nearest2d_backward.default),
    aten.upsample_nearest3d.default: (_nearest("nearest"), aten.upsample_nearest3d_backward.default),
    aten._upsample_nearest_exact1d.default: (
        _nearest("nearest-exact"),
        aten._upsample_nearest_exact1d_backward.default,
    ),
    aten._upsample_nearest_exact2d.default: (
        _nearest("nearest-exact"),
        aten._upsample_nearest_exact2d_backward.default,
    ),
    aten._upsample_nearest_exact3d.default: (
        _nearest("nearest-exact"),
        aten._upsample_nearest_exact3d_backward.default,
    ),
    aten.upsample_linear1d.default: (_interpolated("linear"), aten.upsample_linear1d_backward.default),
    aten.upsample_bilinear2d.default: (_interpolated("bilinear"), aten.upsample_bilinear2d_backward.default),
    aten.upsample_bicubic2d.default: (_interpolated("bicubic"), aten.upsample_bicubic2d_backward.default),
    aten.upsample_trilinear3d.default: (_interpolated("trilinear"), aten.upsample_trilinear3d_backward.default),
    aten._upsample_bilinear2d_aa.default: (
        _interpolated("bilinear", antialiased),
        aten._upsample_bilinear2d_aa_backward.default,
    ),
    aten._upsample_bicubic2d_aa.default: (
        _interpolated("bicubic", antialiased),
        aten._upsample_bicubic2d_aa_backward.default,
    ),
}
for _operation, (_row, _backward) in _ROWS.items():
    register(_operation)(_row)
    register(_backward)(_derivative(_row))


def _sampled(
    x: LazyTensor, grid: LazyTensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> LazyTensor:
    return nn.operations.grid_sample(
        x,
        grid,
        mode=_MODES[interpolation_mode],
        padding_mode=_PADDING_MODES[padding_mode],
        align_corners=align_corners,
    )


@register(aten.grid_sampler_2d, aten.grid_sampler_3d)
def _grid_sampler(call: Call, x: LazyTensor, grid: LazyTensor, *how: Any) -> LazyTensor:
    return cast(_sampled(x, grid, *how), call.dtype)


@register(aten.grid_sampler_2d_backward, aten.grid_sampler_3d_backward)
def _grid_sampler_backward(
    call: Call, g: LazyTensor, x: LazyTensor, grid: LazyTensor, *how: Any
) -> list[LazyTensor | None]:
    *modes, output_mask = how
    gradients = pulled_back(lambda x, grid: _sampled(x, grid, *modes), (x, grid), g)
    # torch always computes the derivative by the grid.
    return [gradients[0] if output_mask[0] else None, gradients[1]]


@register(aten.affine_grid_generator)
def _affine_grid(call: Call, theta: LazyTensor, size: Sequence[int], align_corners: bool) -> LazyTensor:
    return nn.operations.affine_grid(theta, size, align_corners=align_corners)


@register(aten.pixel_shuffle)
def _pixel_shuffle(call: Call, x: LazyTensor, factor: int) -> LazyTensor:
    return nn.operations.pixel_shuffle(x, factor)


@register(aten.pixel_unshuffle)
def _pixel_unshuffle(call: Call, x: LazyTensor, factor: int) -> LazyTensor:
    return nn.operations.pixel_unshuffle(x, factor)


@register(aten.channel_shuffle, aten.native_channel_shuffle)
def _channel_shuffle(call: Call, x: LazyTensor, groups: int) -> LazyTensor:
    return nn.operations.channel_shuffle(x, groups)
