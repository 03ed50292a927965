"""Random convolutions, poolings and resamplings."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

import composit as cnp
from composit.nn import operations
from tests.properties.layer_calls.case import Case, Draw, Shape

_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
_LENGTHS = {1: (1, 2, 3, 5, 8, 13, 17, 33), 2: (1, 2, 3, 5, 7, 8, 11, 16), 3: (1, 2, 3, 4, 5)}


def _rank(draw: Draw) -> int:
    return int(draw.choice([1, 2, 2, 2, 3]))


def _flat_sides(sides: Any) -> list[int]:
    """Return widths as torch's pad takes them: the last axis first."""
    return [width for side in reversed(sides) for width in side]


def _first(x: Any) -> Any:
    return x.movedim(-1, 1)


def _last(x: Any) -> Any:
    return x.movedim(1, -1)


def convolution(draw: Draw) -> Case:
    rank = _rank(draw)
    groups = draw.choice([1, 1, 1, 2, 3])
    depthwise = draw.chance(0.2)
    inside, outside = (1, draw.choice([1, 2])) if depthwise else (draw.choice([1, 2, 3]), draw.choice([1, 2, 5]))
    groups = draw.choice([2, 4, 5]) if depthwise else groups
    kernel = draw.each(rank, (1, 1, 2, 3, 3, 4))
    dilation = draw.choice([(1,) * rank, draw.each(rank, (1, 2, 3))])
    spans = tuple(apart * (taps - 1) + 1 for taps, apart in zip(kernel, dilation, strict=True))
    lengths = tuple(max(length, 1) for length in draw.each(rank, _LENGTHS[rank]))
    strides = draw.choice([(1,) * rank, draw.each(rank, (1, 2, 3))])
    mode = draw.choice(["zeros"] * 4 + ["reflect", "replicate", "circular"])
    sides = []
    for length in lengths:
        most = {"zeros": 4, "replicate": 4, "reflect": length - 1, "circular": length}[mode]
        sides.append((draw.integer(0, min(most, 3)), draw.integer(0, min(most, 3))))
    if draw.chance(0.5):
        sides = [(before, before) for before, _ in sides]
    lengths = tuple(
        length + max(0, span - length - sum(side)) for length, span, side in zip(lengths, spans, sides, strict=True)
    )
    padding: Any = tuple(sides)
    if draw.chance(0.25):
        padding, strides = "same", (1,) * rank
        total = [span - 1 for span in spans]
        sides = [(each // 2, each - each // 2) for each in total]
        fits = all(
            max(side) < length if mode == "reflect" else max(side) <= length
            for side, length in zip(sides, lengths, strict=True)
        )
        mode = mode if fits else "zeros"
    batch = draw.choice([1, 1, 2, 3, 0])
    channels_last = draw.chance(0.4)
    x_shape: Shape = (batch, groups * inside, *lengths)
    w_shape: Shape = (groups * outside, inside, *kernel)
    has_bias = draw.chance(0.5)
    named = {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups, "padding_mode": mode}

    def ours(x: Any, w: Any, *bias: Any) -> Any:
        return operations.convolution(x, w, *bias, channels_last=channels_last, **named)

    def theirs(x: Any, w: Any, *bias: Any) -> Any:
        if channels_last:
            x, w = _first(x), _first(w)
        x = F.pad(x, _flat_sides(sides)) if mode == "zeros" else F.pad(x, _flat_sides(sides), mode)
        y = _CONVOLUTIONS[rank](x, w, *bias, stride=strides, dilation=dilation, groups=groups)
        return _last(y) if channels_last else y

    shapes = (x_shape, w_shape, *([(groups * outside,)] if has_bias else []))
    return _convolving(draw, ("convolution", ours, theirs), shapes, {"channels_last": channels_last, **named})


def _moved(shape: Shape) -> Shape:
    return (shape[0], *shape[2:], shape[1])


def _convolving(draw: Draw, functions: tuple[str, Any, Any], shapes: tuple[Shape, ...], named: dict[str, Any]) -> Case:
    """The case of a convolution, whose shapes (input, filters and perhaps a bias) are given with channels first."""
    name, ours, theirs = functions
    if named["channels_last"]:
        shapes = (*map(_moved, shapes[:2]), *shapes[2:])
    operands = tuple(draw.normal(*shape) for shape in shapes)
    return Case(f"{name}({shapes}, {named})", ours, theirs, operands, smooth=True)


def transposed_convolution(draw: Draw) -> Case:
    rank = _rank(draw)
    groups = draw.choice([1, 1, 2, 3])
    inside, outside = draw.choice([1, 2, 3]), draw.choice([1, 2, 5])
    kernel = draw.each(rank, (1, 2, 3, 3, 4))
    dilation = draw.choice([(1,) * rank, draw.each(rank, (1, 2, 3))])
    strides = draw.choice([(1,) * rank, draw.each(rank, (1, 2, 3))])
    positions = draw.each(rank, _LENGTHS[rank][:6])
    extra = tuple(draw.integer(0, max(step, apart) - 1) for step, apart in zip(strides, dilation, strict=True))
    full = [
        (count - 1) * step + apart * (taps - 1) + 1 + more
        for count, step, apart, taps, more in zip(positions, strides, dilation, kernel, extra, strict=True)
    ]
    padding = tuple(draw.integer(0, min(3, (length - 1) // 2)) for length in full)
    channels_last = draw.chance(0.4)
    x_shape: Shape = (draw.choice([1, 1, 2, 3, 0]), groups * inside, *positions)
    w_shape: Shape = (groups * inside, outside, *kernel)
    named = {
        "strides": strides,
        "padding": padding,
        "output_padding": extra,
        "dilation": dilation,
        "groups": groups,
    }
    has_bias = draw.chance(0.5)

    def ours(x: Any, w: Any, *bias: Any) -> Any:
        return operations.transposed_convolution(x, w, *bias, channels_last=channels_last, **named)

    def theirs(x: Any, w: Any, *bias: Any) -> Any:
        if channels_last:
            x, w = _first(x), _first(w)
        y = (
            _TRANSPOSED[rank](x, w, *bias, strides, padding, extra, groups, dilation)
            if bias
            else _TRANSPOSED[rank](x, w, None, strides, padding, extra, groups, dilation)
        )
        return _last(y) if channels_last else y

    shapes = (x_shape, w_shape, *([(groups * outside,)] if has_bias else []))
    return _convolving(
        draw, ("transposed_convolution", ours, theirs), shapes, {"channels_last": channels_last, **named}
    )


_MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVERAGE = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
_UNPOOL = {1: F.max_unpool1d, 2: F.max_unpool2d, 3: F.max_unpool3d}
_LP = {1: F.lp_pool1d, 2: F.lp_pool2d, 3: F.lp_pool3d}


class _Windows:
    """Parameters that pooling functions share."""

    def __init__(self, draw: Draw, dilated: bool) -> None:
        self.rank = rank = _rank(draw)
        self.kernel = draw.each(rank, (1, 2, 2, 3, 3, 5))
        self.dilation = draw.each(rank, (1, 1, 2, 3)) if dilated else (1,) * rank
        self.strides = draw.choice([None, (1,) * rank, draw.each(rank, (1, 2, 3, 4))])
        self.padding = tuple(draw.integer(0, taps // 2) for taps in self.kernel)
        spans = tuple(apart * (taps - 1) + 1 for taps, apart in zip(self.kernel, self.dilation, strict=True))
        self.lengths = tuple(
            max(length, span - 2 * width if rank < 3 else span)  # torch asks this of three axes
            for length, span, width in zip(draw.each(rank, _LENGTHS[rank]), spans, self.padding, strict=True)
        )
        self.ceil_mode = draw.chance(0.5)
        self.channels_last = draw.chance(0.4)
        shape: Shape = (draw.choice([1, 1, 2, 3, 0]), draw.choice([1, 2, 3, 9]), *self.lengths)
        self.shape = _moved(shape) if self.channels_last else shape

    def given(self, x: Any) -> Any:
        return _first(x) if self.channels_last else x

    def returned(self, y: Any) -> Any:
        return _last(y) if self.channels_last else y


def max_pool(draw: Draw) -> Case:
    w = _Windows(draw, dilated=draw.chance(0.5))
    wants = draw.chance(0.5)
    named = {
        "kernel_size": w.kernel,
        "strides": w.strides,
        "padding": w.padding,
        "dilation": w.dilation,
        "ceil_mode": w.ceil_mode,
        "channels_last": w.channels_last,
        "return_indices": wants,
    }

    def theirs(x: Any) -> Any:
        y = _MAX[w.rank](
            w.given(x), w.kernel, w.strides, w.padding, w.dilation, ceil_mode=w.ceil_mode, return_indices=wants
        )
        return tuple(map(w.returned, y)) if wants else w.returned(y)

    operand = draw.choice([draw.normal, draw.with_ties])(*w.shape)
    return Case(f"max_pool({w.shape}, {named})", lambda x: operations.max_pool(x, **named), theirs, (operand,), True)


def average_pool(draw: Draw) -> Case:
    w = _Windows(draw, dilated=False)
    counts = draw.chance(0.5)
    divisor = draw.choice([None, None, 3, -2]) if w.rank > 1 else None
    named = {
        "kernel_size": w.kernel,
        "strides": w.strides,
        "padding": w.padding,
        "ceil_mode": w.ceil_mode,
        "channels_last": w.channels_last,
        "count_include_pad": counts,
        "divisor_override": divisor,
    }

    def theirs(x: Any) -> Any:
        further = () if w.rank == 1 else (divisor,)
        return w.returned(_AVERAGE[w.rank](w.given(x), w.kernel, w.strides, w.padding, w.ceil_mode, counts, *further))

    operand = draw.normal(*w.shape)
    return Case(
        f"average_pool({w.shape}, {named})", lambda x: operations.average_pool(x, **named), theirs, (operand,), True
    )


def lp_pool(draw: Draw) -> Case:
    w = _Windows(draw, dilated=False)
    lengths = tuple(max(length, taps) for length, taps in zip(w.lengths, w.kernel, strict=True))
    shape: Shape = (2, 3, *lengths)
    norm = draw.choice([1.0, 2.0, 3.0, 1.5])
    named = {"kernel_size": w.kernel, "strides": w.strides, "ceil_mode": w.ceil_mode}

    def theirs(x: Any) -> Any:
        kernel, strides = (w.kernel, w.strides) if w.rank > 1 else (w.kernel[0], w.strides and w.strides[0])
        return _LP[w.rank](x, norm, kernel, strides, w.ceil_mode)

    operand = draw.uniform(0.1, 2.0, *shape)
    return Case(
        f"lp_pool({shape}, {norm}, {named})", lambda x: operations.lp_pool(x, norm, **named), theirs, (operand,), True
    )


def max_unpool(draw: Draw) -> Case:
    """Pooling and unpooling in one call: the indices must be some that pooling gives."""
    rank = _rank(draw)
    kernel = draw.each(rank, (1, 2, 3))
    lengths = tuple(max(taps, length) for taps, length in zip(kernel, draw.each(rank, _LENGTHS[rank]), strict=True))
    shape: Shape = (draw.choice([1, 2]), draw.choice([1, 3]), *lengths)
    named = {"kernel_size": kernel}

    def ours(x: Any) -> Any:
        values, places = operations.max_pool(x, kernel_size=kernel, strides=None, return_indices=True)
        return operations.max_unpool(cnp.sin(values), places, output_size=lengths, **named)

    def theirs(x: Any) -> Any:
        values, places = _MAX[rank](x, kernel, None, 0, 1, return_indices=True)
        return _UNPOOL[rank](torch.sin(values), places, kernel, output_size=lengths)

    return Case(f"max_unpool({shape}, {named})", ours, theirs, (draw.normal(*shape),), True)


_ADAPTIVE = {
    "average": {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d},
    "max": {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d},
}


def adaptive_pool(draw: Draw) -> Case:
    rank, kind = _rank(draw), draw.choice(["average", "max"])
    lengths = draw.each(rank, _LENGTHS[rank])
    sizes = tuple(draw.choice([1, 2, 3, length, length + 2]) for length in lengths)
    channels_last = draw.chance(0.3)
    shape: Shape = (draw.choice([1, 2, 0]), draw.choice([1, 2, 9]), *lengths)
    given = _moved(shape) if channels_last else shape
    wants = kind == "max" and draw.chance(0.5)
    function = operations.adaptive_average_pool if kind == "average" else operations.adaptive_max_pool
    named: dict[str, Any] = {"return_indices": True} if wants else {}

    def theirs(x: Any) -> Any:
        x = _first(x) if channels_last else x
        y = _ADAPTIVE[kind][rank](x, sizes, *((True,) if wants else ()))
        if not channels_last:
            return y
        return tuple(map(_last, y)) if wants else _last(y)

    operand = draw.choice([draw.normal, draw.with_ties])(*given)
    text = f"adaptive_{kind}_pool({given}, {sizes}, channels_last={channels_last}, {named})"
    return Case(
        text, lambda x: function(x, sizes, channels_last=channels_last, **named), theirs, (operand,), kind == "average"
    )


def fractional_max_pool(draw: Draw) -> Case:
    rank = int(draw.choice([2, 2, 3]))
    kernel = draw.each(rank, (1, 2, 3))
    sizes = draw.each(rank, (1, 2, 3))
    # Along three axes torch asks for one element more than it needs.
    lengths = tuple(
        draw.integer(size + taps - (rank == 2), size + taps + 5) for size, taps in zip(sizes, kernel, strict=True)
    )
    shape: Shape = (draw.choice([1, 2]), draw.choice([1, 3]), *lengths)
    samples = np.random.default_rng(draw.integer(0, 999)).random((*shape[:2], rank))
    wants = draw.chance(0.5)
    pool = {2: F.fractional_max_pool2d, 3: F.fractional_max_pool3d}[rank]

    def ours(x: Any) -> Any:
        return operations.fractional_max_pool(x, kernel, sizes, samples.astype(x.dtype), return_indices=wants)

    def theirs(x: Any) -> Any:
        return pool(x, kernel, sizes, return_indices=wants, _random_samples=torch.tensor(samples).to(x.dtype))

    text = f"fractional_max_pool({shape}, {kernel}, {sizes}, return_indices={wants})"
    return Case(text, ours, theirs, (draw.normal(*shape),))


_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def interpolate(draw: Draw) -> Case:
    rank = _rank(draw)
    modes = ["nearest", "nearest-exact", "area", _LINEAR[rank], _LINEAR[rank]] + ["bicubic"] * 2 * (rank == 2)
    mode = draw.choice(modes)
    lengths = draw.each(rank, _LENGTHS[rank])
    align = mode in ("bicubic", *_LINEAR.values()) and draw.chance(0.5)
    channels_last = draw.chance(0.3)
    shape: Shape = (draw.choice([1, 2]), draw.choice([1, 3, 9]), *lengths)
    given = _moved(shape) if channels_last else shape
    named: dict[str, Any] = {"mode": mode}
    if draw.chance(0.5):
        named["size"] = draw.each(rank, (1, 2, 3, 5, 9, 12))
    else:
        named["scale_factor"] = tuple(
            max(factor, 1 / length)
            for factor, length in zip(draw.each(rank, (0.5, 1.0, 1.3, 2.0, 2.7)), lengths, strict=True)
        )
        named["recompute_scale_factor"] = draw.chance(0.5)

    def ours(x: Any) -> Any:
        return operations.interpolate(x, align_corners=align, channels_last=channels_last, **named)

    def theirs(x: Any) -> Any:
        x = _first(x) if channels_last else x
        takes = mode in ("bicubic", *_LINEAR.values())
        options = dict(named)
        if "scale_factor" in options:
            options["scale_factor"] = list(options["scale_factor"])
        y = F.interpolate(x, align_corners=align if takes else None, **options)
        return _last(y) if channels_last else y

    text = f"interpolate({given}, align_corners={align}, channels_last={channels_last}, {named})"
    return Case(text, ours, theirs, (draw.normal(*given),), True)


def grid_sample(draw: Draw) -> Case:
    rank = int(draw.choice([2, 2, 3]))
    mode = draw.choice(["bilinear", "nearest"] + ["bicubic"] * (rank == 2))
    padding_mode, align = draw.choice(["zeros", "border", "reflection"]), draw.chance(0.5)
    lengths, positions = draw.each(rank, (1, 2, 3, 5, 6)), draw.each(rank, (1, 2, 3, 4))
    batch = draw.choice([1, 2, 3])
    shape, grid = (batch, draw.choice([1, 2, 5]), *lengths), (batch, *positions, rank)
    named = {"mode": mode, "padding_mode": padding_mode, "align_corners": align}
    operands = (draw.normal(*shape), draw.uniform(-1.7, 1.7, *grid))
    return Case(
        f"grid_sample({shape}, {grid}, {named})",
        lambda x, g: operations.grid_sample(x, g, **named),
        lambda x, g: F.grid_sample(x, g, **named),
        operands,
        smooth=mode != "bicubic",
    )


def unfold(draw: Draw) -> Case:
    kernel, dilation, strides = draw.each(2, (1, 2, 3)), draw.each(2, (1, 2)), draw.each(2, (1, 2, 3))
    padding = draw.each(2, (0, 1, 2))
    spans = [apart * (taps - 1) + 1 for taps, apart in zip(kernel, dilation, strict=True)]
    lengths = tuple(max(length, span) for length, span in zip(draw.each(2, (1, 3, 5, 8)), spans, strict=True))
    shape = (draw.choice([1, 2]), draw.choice([1, 3]), *lengths)
    named = {"kernel_size": kernel, "padding": padding, "dilation": dilation}

    def ours(x: Any) -> Any:
        parts = operations.unfold(x, strides=strides, **named)
        return operations.fold(cnp.sin(parts), lengths, strides=strides, **named), parts

    def theirs(x: Any) -> Any:
        parts = F.unfold(x, stride=strides, **named)
        return F.fold(torch.sin(parts), lengths, stride=strides, **named), parts

    return Case(f"unfold({shape}, strides={strides}, {named})", ours, theirs, (draw.normal(*shape),), True)


def shuffle(draw: Draw) -> Case:
    factor, groups = draw.choice([1, 2, 3]), draw.choice([1, 2, 3])
    shape = (draw.choice([1, 2]), factor * factor * groups, draw.choice([1, 2, 5]), draw.choice([1, 3]))

    def ours(x: Any) -> Any:
        wide = operations.pixel_shuffle(operations.channel_shuffle(x, groups), factor)
        return operations.pixel_unshuffle(cnp.sin(wide), factor), wide

    def theirs(x: Any) -> Any:
        wide = F.pixel_shuffle(torch.channel_shuffle(x, groups), factor)
        return F.pixel_unshuffle(torch.sin(wide), factor), wide

    return Case(f"pixel_shuffle({shape}, {factor}, groups={groups})", ours, theirs, (draw.normal(*shape),), True)


def affine_grid(draw: Draw) -> Case:
    rank = int(draw.choice([2, 3]))
    size = (draw.choice([1, 2]), 2, *draw.each(rank, (1, 2, 3, 5)))
    align = draw.chance(0.5)
    return Case(
        f"affine_grid({size}, align_corners={align})",
        lambda theta: operations.affine_grid(theta, size, align_corners=align),
        lambda theta: F.affine_grid(theta, list(size), align_corners=align),
        (draw.normal(size[0], rank, rank + 1),),
        True,
    )


SPATIAL = (
    *(convolution,) * 5,
    *(transposed_convolution,) * 3,
    *(max_pool,) * 3,
    *(average_pool,) * 2,
    lp_pool,
    max_unpool,
    *(adaptive_pool,) * 2,
    fractional_max_pool,
    *(interpolate,) * 2,
    *(grid_sample,) * 2,
    unfold,
    shuffle,
    affine_grid,
)
