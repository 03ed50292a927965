"""How torch's arguments become ours, for functions over spatial axes: convolution, pooling, resizing, padding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

import composit as cnp
from composit.nn import operations

Tensor = Any
Function = Callable[..., Any]


def _as_first(names: tuple[str, ...], args: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """The arguments by name: torch takes all of these by position too."""
    return {**dict(zip(names, args, strict=False)), **named}


def _strides(named: dict[str, Any], given: str = "stride") -> Any:
    strides = named.pop(given, None)
    return None if strides in (None, (), []) else strides


def convolution(x: Tensor, filters: Tensor, *args: Any, **named: Any) -> Tensor:
    given = _as_first(("bias", "stride", "padding", "dilation", "groups"), args, named)
    return operations.convolution(x, filters, given.pop("bias", None), strides=given.pop("stride", 1), **given)


def transposed_convolution(x: Tensor, filters: Tensor, *args: Any, **named: Any) -> Tensor:
    given = _as_first(("bias", "stride", "padding", "output_padding", "groups", "dilation"), args, named)
    return operations.transposed_convolution(
        x, filters, given.pop("bias", None), strides=given.pop("stride", 1), **given
    )


def average_pool(rank: int) -> Function:
    names = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")

    def call(x: Tensor, *args: Any, **named: Any) -> Tensor:
        given = _as_first(names, args, named)
        kernel = _per_axis(given.pop("kernel_size"), rank)
        return operations.average_pool(x, kernel_size=kernel, strides=_strides(given), **given)

    return call


def max_pool(rank: int) -> Function:
    names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")

    def call(x: Tensor, *args: Any, **named: Any) -> Any:
        given = _as_first(names, args, named)
        kernel = _per_axis(given.pop("kernel_size"), rank)
        return operations.max_pool(x, kernel_size=kernel, strides=_strides(given), **given)

    return call


def _per_axis(value: Any, rank: int) -> tuple[int, ...]:
    several = tuple(value) if isinstance(value, list | tuple) else (value,)
    return several * rank if len(several) == 1 else several


def adaptive(function: Function, rank: int) -> Function:
    def call(x: Tensor, output_size: Any, *args: Any, **named: Any) -> Any:
        given = _as_first(("return_indices",), args, named)
        return function(x, _per_axis(output_size, rank), **given)

    return call


def fractional_max_pool(rank: int) -> Function:
    """The starts of windows are drawn by torch, from the state that its record draws from."""
    names = ("kernel_size", "output_size", "output_ratio", "return_indices")

    def call(x: Tensor, *args: Any, **named: Any) -> Any:
        given = _as_first(names, args, named)
        size, ratio = given.get("output_size"), given.get("output_ratio")
        if size is None:
            ratios = ratio if isinstance(ratio, list | tuple) else (ratio,) * rank
            size = [int(length * each) for length, each in zip(x.shape[-rank:], ratios, strict=True)]
        rows = x.shape[:-rank] if x.ndim > rank + 1 else (1, x.shape[0])
        drawn = torch.rand((*rows, rank), dtype=torch.float64).numpy()
        return operations.fractional_max_pool(
            x,
            _per_axis(given["kernel_size"], rank),
            _per_axis(size, rank),
            given.get("_random_samples", drawn),
            return_indices=bool(given.get("return_indices", False)),
        )

    return call


def max_unpool(rank: int) -> Function:
    names = ("kernel_size", "stride", "padding", "output_size")

    def call(x: Tensor, indices: Tensor, *args: Any, **named: Any) -> Tensor:
        given = _as_first(names, args, named)
        size = given.get("output_size")
        return operations.max_unpool(
            x,
            indices,
            kernel_size=_per_axis(given["kernel_size"], rank),
            strides=_strides(given),
            padding=given.get("padding", 0),
            output_size=None if size is None else tuple(size)[-rank:],
        )

    return call


def interpolate(x: Tensor, *args: Any, **named: Any) -> Tensor:
    given = _as_first(("size", "scale_factor", "mode", "align_corners", "recompute_scale_factor"), args, named)
    given.pop("antialias", None)
    for name in ("align_corners", "recompute_scale_factor"):
        given[name] = bool(given.get(name))
    return operations.interpolate(x, **given)


def upsample(mode: str) -> Function:
    def call(x: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
        return operations.interpolate(x, size, scale_factor, mode=mode, align_corners=mode == "bilinear")

    return call


def unfold(x: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    kernel = _per_axis(kernel_size, 2)
    return operations.unfold(x, kernel_size=kernel, strides=stride, padding=padding, dilation=dilation)


_MODES = {"reflect": "reflect", "replicate": "edge"}


def pad(x: Tensor, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    """torch.nn.functional.pad by np.pad: torch names the last axis first, and negative widths cut."""
    pairs = [(0, 0)] * x.ndim
    for number in range(len(pad) // 2):
        pairs[x.ndim - 1 - number] = (pad[2 * number], pad[2 * number + 1])
    kept = tuple(
        slice(max(0, -before), length - max(0, -after)) for (before, after), length in zip(pairs, x.shape, strict=True)
    )
    widths = [(max(0, before), max(0, after)) for before, after in pairs]
    if mode == "constant":
        return cnp.pad(x[kept], widths, constant_values=value or 0)
    if mode == "circular":
        return cnp.pad(x[kept], widths, mode="wrap")
    # torch fills from the elements that are cut off afterwards.
    return cnp.pad(x, widths, mode=_MODES[mode])[_kept_behind(widths, kept, x.shape)]


def _kept_behind(widths: Any, kept: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    ends = [before + length + after for (before, after), length in zip(widths, shape, strict=True)]
    return tuple(
        slice(part.start, end - (length - part.stop)) for part, end, length in zip(kept, ends, shape, strict=True)
    )


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    return operations.channel_shuffle(x, groups)


def grid_sample(
    x: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Tensor:
    return operations.grid_sample(x, grid, mode=mode, padding_mode=padding_mode, align_corners=bool(align_corners))


SPATIAL: dict[str, Function] = {
    **{f"conv{rank}d": convolution for rank in (1, 2, 3)},
    **{f"conv_transpose{rank}d": transposed_convolution for rank in (1, 2, 3)},
    **{f"avg_pool{rank}d": average_pool(rank) for rank in (1, 2, 3)},
    **{f"max_pool{rank}d": max_pool(rank) for rank in (1, 2, 3)},
    **{f"adaptive_avg_pool{rank}d": adaptive(operations.adaptive_average_pool, rank) for rank in (1, 2, 3)},
    **{f"adaptive_max_pool{rank}d": adaptive(operations.adaptive_max_pool, rank) for rank in (1, 2, 3)},
    **{f"fractional_max_pool{rank}d": fractional_max_pool(rank) for rank in (2, 3)},
    **{f"max_unpool{rank}d{kind}": max_unpool(rank) for rank in (1, 2, 3) for kind in ("", "|grad")},
    **{
        f"interpolate|{mode}": interpolate
        for mode in ("nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area")
    },
    "upsample_bilinear": upsample("bilinear"),
    "upsample_nearest": upsample("nearest"),
    **{f"pad|{mode}": pad for mode in ("constant", "reflect", "replicate", "replicate_negative", "circular")},
    "unfold": unfold,
    "grid_sample": grid_sample,
    "pixel_shuffle": operations.pixel_shuffle,
    "pixel_unshuffle": operations.pixel_unshuffle,
    "channel_shuffle": channel_shuffle,
}
