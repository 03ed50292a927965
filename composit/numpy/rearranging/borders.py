"""Borders of `pad` as expressions, from which derivatives come: ramps, statistics, odd reflections; and borders of lazy values.

As in numpy, axes are padded one after the other, so that later axes fill the corners.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from composit.errors import MissingDerivativeError
from composit.numpy.calls.expressions import Expressed, expressed

# Any, everywhere here: tensors, their namespace, and numpy's arguments.
Border: TypeAlias = Callable[..., tuple[Any, Any]]


def _part(x: Any, axis: int, start: int | None, stop: int | None, step: int | None = None) -> Expressed:
    return x[(slice(None),) * axis + (slice(start, stop, step),)]


def _repeated(xp: Any, x: Any, axis: int, count: int) -> Expressed:
    return xp.broadcast_to(x, (*x.shape[:axis], count, *x.shape[axis + 1 :]))


def _ramps(xp: Any, x: Any, axis: int, widths: Sequence[int], values: Sequence[Any]) -> tuple[Any, Any]:
    edges = _part(x, axis, 0, 1), _part(x, axis, x.shape[axis] - 1, None)
    shape = (-1,) + (1,) * (x.ndim - 1 - axis)
    ramps = []
    for width, edge, value in zip(widths, edges, values, strict=True):
        weights = xp.asarray(np.reshape(np.arange(width) / max(width, 1), shape))
        ramps.append(value + (edge - value) * weights)
    return ramps[0], _part(ramps[1], axis, None, None, -1)


def _constants(xp: Any, x: Any, axis: int, widths: Sequence[int], values: Sequence[Any]) -> tuple[Any, Any]:
    shapes = [(*x.shape[:axis], width, *x.shape[axis + 1 :]) for width in widths]
    before, after = (xp.broadcast_to(xp.asarray(value), shape) for value, shape in zip(values, shapes, strict=True))
    return before, after


def _statistic(name: str) -> Border:
    def borders(xp: Any, x: Any, axis: int, widths: Sequence[int], lengths: Sequence[Any]) -> tuple[Any, Any]:
        length = x.shape[axis]
        counts = [length if each is None else min(int(each), length) for each in lengths]
        chunks = _part(x, axis, 0, counts[0]), _part(x, axis, length - counts[1], None)
        found = [getattr(xp, name)(chunk, axis=axis, keepdims=True) for chunk in chunks]
        before, after = (_repeated(xp, each, axis, width) for each, width in zip(found, widths, strict=True))
        return before, after

    return borders


def _reflected(xp: Any, x: Any, axis: int, widths: tuple[int, int], mode: str, reflect_type: str) -> Expressed:
    """Return x with reflections, repeated until the borders are full; odd ones are turned around the edge's value."""
    period, (left, right) = x.shape[axis], widths
    if period == 1:
        edges = [_repeated(xp, x, axis, width) for width in widths]
        return xp.concatenate([edges[0], x, edges[1]], axis=axis)
    has_edge = mode == "symmetric"
    while left or right:
        length = x.shape[axis]
        # A chunk is a whole number of periods.
        chunk = length // period * period if has_edge else (length - 1) // (period - 1) * (period - 1)
        first, count_left, count_right = int(not has_edge), min(chunk, left), min(chunk, right)
        before = _part(_part(x, axis, first, first + count_left), axis, None, None, -1)
        after = _part(_part(x, axis, length - first - count_right, length - first), axis, None, None, -1)
        if reflect_type == "odd":
            before = 2 * _part(x, axis, 0, 1) - before
            after = 2 * _part(x, axis, length - 1, None) - after
        x = xp.concatenate([before, x, after], axis=axis)
        left, right = left - count_left, right - count_right
    return x


_BORDERS: Mapping[str, tuple[str, Any, Border]] = {
    "constant": ("constant_values", 0, _constants),
    "linear_ramp": ("end_values", 0, _ramps),
    "maximum": ("stat_length", None, _statistic("max")),
    "mean": ("stat_length", None, _statistic("mean")),
    "median": ("stat_length", None, _statistic("median")),
    "minimum": ("stat_length", None, _statistic("min")),
}


def padded(xp: Any, x: Any, widths: Sequence[tuple[int, int]], mode: str, options: Mapping[str, Any]) -> Expressed:
    """Return x with borders of a mode that computes them, and a pair of widths per axis."""
    if mode in ("reflect", "symmetric"):
        for axis, pair in enumerate(widths):
            x = _reflected(xp, x, axis, pair, mode, options.get("reflect_type", "even"))
        return x
    argument, default, borders = _BORDERS[mode]
    pairs = _pairs(xp, options.get(argument, default), x)
    dtype = x.dtype
    for axis, pair in enumerate(widths):
        before, after = borders(xp, x, axis, pair, pairs[axis])
        x = xp.concatenate([xp.astype(before, dtype), x, xp.astype(after, dtype)], axis=axis)
    return x


def _pairs(xp: Any, value: Any, x: Any) -> Sequence[Sequence[Any]]:
    if value is None:
        return [(None, None)] * x.ndim
    pairs = (
        xp.broadcast_to(xp.asarray(value), (x.ndim, 2))
        if _is_lazy(value)
        else np.broadcast_to(np.asarray(value, object), (x.ndim, 2))
    )
    return [(pairs[axis, 0], pairs[axis, 1]) for axis in range(x.ndim)]


def _is_lazy(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_is_lazy, value))
    return hasattr(value, "__lazy_tensor__")


@expressed(np.pad)
def _pad(
    xp: Any, results: Sequence[Any], array: Any, pad_width: Any, mode: Any = "constant", **options: Any
) -> Expressed:
    x = xp.asarray(array)
    if mode not in (*_BORDERS, "reflect", "symmetric"):
        raise MissingDerivativeError(
            f"pad: its derivative was asked for with mode {mode!r:.60}, a function that numpy calls on arrays; expected the name of a "
            "mode; build the border with concatenate"
        )
    if isinstance(pad_width, dict):
        widths: Any = [pad_width.get(axis, pad_width.get(axis - x.ndim, 0)) for axis in range(x.ndim)]
        widths = [np.broadcast_to(each, 2).tolist() for each in widths]
    else:
        widths = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2)).tolist()
    return padded(xp, x, [tuple(pair) for pair in widths], mode, options)
