"""Rows for differences, integrals, interpolation, covariances, convolutions, and reductions that leave NaN out."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.operations.sample import Maker, Sample, booleans, given, integers, normal

_X = normal(3, 4)
_PLACES = given(np.array([-1.5, -0.25, 0.5, 2.0]))


def _with_nan(*shape: int, dtype: Any = np.float64) -> Maker:
    """Normally distributed numbers, some of them NaN, no row and no column of them only."""

    def make(generator: np.random.Generator) -> Any:
        values = generator.normal(size=shape).astype(dtype)
        values[..., 1] = np.where(np.arange(values[..., 1].size).reshape(values.shape[:-1]) % 2, values[..., 1], np.nan)
        return values

    return make


_N = _with_nan(3, 4)

CALCULUS = (
    Sample("calculus.diff", lambda xp, x: xp.diff(x), (_X,), True),
    Sample("calculus.diff twice", lambda xp, x: xp.diff(x, 2, axis=0), (_X,), True),
    Sample("calculus.diff with borders", lambda xp, x: xp.diff(x, prepend=0, append=x), (_X,), True),
    Sample("calculus.diff of booleans", lambda xp, x: xp.diff(x), (booleans(5),)),
    Sample("calculus.diff of uint8", lambda xp, x: xp.diff(x), (integers(0, 9, 5, dtype=np.uint8),)),
    Sample("calculus.ediff1d", lambda xp, x: xp.ediff1d(x), (_X,), True),
    Sample("calculus.gradient", lambda xp, x: xp.gradient(x), (_X,), True),
    Sample(
        "calculus.gradient of the second order", lambda xp, x: xp.gradient(x, 0.3, axis=1, edge_order=2), (_X,), True
    ),
    Sample("calculus.gradient of float32", lambda xp, x: xp.gradient(x, 0.1), (normal(7, dtype=np.float32),)),
    Sample("calculus.gradient of integers", lambda xp, x: xp.gradient(x, 2), (integers(0, 9, 7),)),
    Sample("calculus.trapezoid", lambda xp, y: xp.trapezoid(y, dx=0.3), (_X,), True),
    Sample("calculus.trapezoid at places", lambda xp, y, x: xp.trapezoid(y, x), (_X, _PLACES), True),
    Sample("calculus.trapezoid along the first axis", lambda xp, y, x: xp.trapezoid(y, x, axis=0), (_X, _X), True),
    Sample("calculus.unwrap", lambda xp, x: xp.unwrap(x * 4), (_X,), True),
    Sample("calculus.unwrap of float32", lambda xp, x: xp.unwrap(x, axis=0, period=1.0), (normal(9, 2, dtype="f4"),)),
    Sample("calculus.interp", lambda xp, x, at, of: xp.interp(x, at, of), (_X, _PLACES, normal(4)), True),
    Sample("calculus.interp of a number", lambda xp, at, of: xp.interp(0.25, at, of), (_PLACES, normal(4)), True),
    Sample("calculus.cumulative_sum", lambda xp, x: xp.cumulative_sum(x, axis=1, include_initial=True), (_X,), True),
    Sample("calculus.cumulative_prod", lambda xp, x: xp.cumulative_prod(x), (normal(4),), True),
    Sample("calculus.cov", lambda xp, x: xp.cov(x), (_X,), True),
    Sample("calculus.cov of columns", lambda xp, x, y: xp.cov(x, y, rowvar=False), (normal(6, 2), normal(6)), True),
    Sample("calculus.cov of one variable", lambda xp, x: xp.cov(x, bias=True), (normal(5, dtype=np.float32),)),
    Sample("calculus.corrcoef", lambda xp, x: xp.corrcoef(x), (_X,)),
    Sample("calculus.convolve", lambda xp, a, v: xp.convolve(a, v), (normal(5), normal(3)), True),
    Sample("calculus.convolve same", lambda xp, a, v: xp.convolve(a, v, "same"), (normal(5), normal(4)), True),
    Sample("calculus.convolve valid", lambda xp, a, v: xp.convolve(a, v, "valid"), (normal(2), normal(6)), True),
    Sample(
        "calculus.convolve of integers", lambda xp, a, v: xp.convolve(a, v), (integers(0, 9, 5), normal(3, dtype="f4"))
    ),
    Sample("calculus.correlate", lambda xp, a, v: xp.correlate(a, v), (normal(5), normal(3)), True),
    Sample(
        "calculus.correlate with a longer one",
        lambda xp, a, v: xp.correlate(a, v, "same"),
        (normal(2), normal(5)),
        True,
    ),
    Sample("calculus.correlate in full", lambda xp, a, v: xp.correlate(a, v, "full"), (normal(3), normal(5)), True),
    Sample("calculus.nansum", lambda xp, x: xp.nansum(x, axis=1), (_N,), True),
    Sample("calculus.nansum of integers", lambda xp, x: xp.nansum(x), (integers(0, 9, 2, 3, dtype=np.int8),)),
    Sample("calculus.nanprod", lambda xp, x: xp.nanprod(x, axis=0, keepdims=True), (_N,), True),
    Sample("calculus.nancumsum", lambda xp, x: xp.nancumsum(x), (_N,), True),
    Sample("calculus.nancumprod", lambda xp, x: xp.nancumprod(x, axis=-1), (_N,), True),
    Sample("calculus.nanmax", lambda xp, x: xp.nanmax(x, axis=1), (_N,), True),
    Sample("calculus.nanmin", lambda xp, x: xp.nanmin(x), (_N,), True),
    Sample("calculus.nanmax of integers", lambda xp, x: xp.nanmax(x, axis=(0, 1)), (integers(0, 9, 2, 3),)),
    Sample("calculus.nanargmax", lambda xp, x: xp.nanargmax(x, axis=0), (_N,)),
    Sample("calculus.nanargmin", lambda xp, x: xp.nanargmin(x), (_N,)),
    Sample("calculus.nanmean", lambda xp, x: xp.nanmean(x, axis=(0, 1)), (_N,), True),
    Sample(
        "calculus.nanmean of float32", lambda xp, x: xp.nanmean(x, 1, keepdims=True), (_with_nan(3, 4, dtype="f4"),)
    ),
    Sample("calculus.nanmean of integers", lambda xp, x: xp.nanmean(x, 1), (integers(0, 9, 2, 3, dtype=np.int8),)),
    Sample("calculus.nanvar", lambda xp, x: xp.nanvar(x, axis=1, ddof=1), (_N,), True),
    Sample("calculus.nanstd", lambda xp, x: xp.nanstd(x), (_N,), True),
    Sample("calculus.nanstd of float32", lambda xp, x: xp.nanstd(x, axis=0), (_with_nan(4, 4, dtype=np.float32),)),
    Sample("calculus.nanmedian", lambda xp, x: xp.nanmedian(x, axis=0), (_N,)),
    Sample("calculus.nanmedian of all float32", lambda xp, x: xp.nanmedian(x), (_with_nan(3, 4, dtype=np.float32),)),
    Sample("calculus.nanquantile", lambda xp, x: xp.nanquantile(x, 0.3, axis=1), (_N,)),
    Sample("calculus.nanpercentile", lambda xp, x: xp.nanpercentile(x, [20, 80]), (_N,)),
    Sample("calculus.i0", lambda xp, x: xp.i0(x), (_X,)),
)
