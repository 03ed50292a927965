"""What differences that numpy computes at the call are differentiated as: gradient by coordinates, ediff1d with ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from composit.numpy.arguments.normalizing import normalize_axes
from composit.numpy.calls.expressions import Expressed, expressed

# Any, everywhere here: tensors, their namespace, and numpy's arguments.


@expressed(np.gradient)
def _gradient(
    xp: Any, results: Sequence[Any], f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1
) -> Expressed:
    values = xp.asarray(f)
    axes = tuple(range(values.ndim)) if axis is None else normalize_axes(axis, values.ndim)
    steps = varargs * len(axes) if len(varargs) == 1 else varargs or (1.0,) * len(axes)
    return [_along(xp, values, *pair, edge_order) for pair in zip(axes, steps, strict=True)]


def _along(xp: Any, values: Any, axis: int, step: Any, edge_order: int) -> Expressed:
    f = xp.moveaxis(values, axis, -1)
    length, given = f.shape[-1], xp.asarray(step)
    h = xp.diff(given) if given.ndim else xp.broadcast_to(given, (length - 1,))
    before, after = h[:-1], h[1:]
    inner = _weighted(f[..., :-2], f[..., 1:-1], f[..., 2:], *_weights(before, after, before))
    if edge_order == 1:
        first = (f[..., 1:2] - f[..., :1]) / h[:1]
        last = (f[..., -1:] - f[..., -2:-1]) / h[-1:]
    else:
        first = _weighted(f[..., :1], f[..., 1:2], f[..., 2:3], *_weights(h[:1], h[1:2], 0))
        last = _weighted(f[..., -3:-2], f[..., -2:-1], f[..., -1:], *_weights(h[-2:-1], h[-1:], h[-2:-1] + h[-1:]))
    return xp.moveaxis(xp.concatenate([first, inner, last], axis=-1), -1, axis)


def _weights(first: Any, second: Any, at: Any) -> tuple[Any, Any, Any]:
    """Return the weights of values at 0, first, first + second in the slope at `at` of the parabola through them."""
    whole = first + second
    return (
        (2 * at - first - whole) / (first * whole),
        -(2 * at - whole) / (first * second),
        (2 * at - first) / (whole * second),
    )


def _weighted(a: Any, b: Any, c: Any, of_a: Any, of_b: Any, of_c: Any) -> Expressed:
    return a * of_a + b * of_b + c * of_c


@expressed(np.ediff1d)
def _ediff1d(xp: Any, results: Sequence[Any], ary: Any, to_end: Any = None, to_begin: Any = None) -> Expressed:
    flat = xp.ravel(xp.asarray(ary))
    ends = [None if each is None else xp.ravel(xp.asarray(each)) for each in (to_begin, to_end)]
    parts = [ends[0], flat[1:] - flat[:-1], ends[1]]
    return xp.concatenate([part for part in parts if part is not None])
