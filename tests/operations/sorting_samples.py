"""Rows for order: sorting, positions in an order, medians and quantiles."""

from __future__ import annotations

import numpy as np

from tests.operations.sample import Sample, booleans, given, integers, normal

_X = normal(3, 4)
_ORDERED = given(np.array([-1.0, -0.25, 0.5, 2.0]))

SORTING = (
    Sample("sorting.sort", lambda xp, x: xp.sort(x), (_X,), True),
    Sample("sorting.sort along the first axis", lambda xp, x: xp.sort(x, axis=0), (_X,), True),
    Sample("sorting.sort of all", lambda xp, x: xp.sort(x, axis=None, kind="stable"), (_X,), True),
    Sample(
        "sorting.sort stable of int8", lambda xp, x: xp.sort(x, -2, stable=True), (integers(0, 4, 5, 3, dtype="i1"),)
    ),
    Sample("sorting.sort of nothing", lambda xp, x: xp.sort(x), (normal(0, 3),)),
    Sample("sorting.sort of texts", lambda xp, x: xp.sort(x), (given(np.array(["b", "aa", "a"])),)),
    Sample("sorting.argsort", lambda xp, x: xp.argsort(x, axis=-2), (_X,)),
    Sample("sorting.argsort of equal ones", lambda xp, x: xp.argsort(x, kind="stable"), (integers(0, 3, 9),)),
    Sample("sorting.partition", lambda xp, x: xp.partition(x, 2), (_X,)),
    Sample("sorting.partition at two places", lambda xp, x: xp.partition(x, (1, -1), axis=0), (_X,)),
    Sample("sorting.argpartition", lambda xp, x: xp.argpartition(x, 1, axis=None), (_X,)),
    Sample("sorting.lexsort", lambda xp, x, y: xp.lexsort((x, y)), (integers(0, 3, 9), integers(0, 3, 9))),
    Sample("sorting.searchsorted", lambda xp, a, v: xp.searchsorted(a, v), (_ORDERED, _X)),
    Sample("sorting.searchsorted of a number", lambda xp, a: xp.searchsorted(a, 0.5, side="right"), (_ORDERED,)),
    Sample("sorting.digitize", lambda xp, x, bins: xp.digitize(x, bins, right=True), (_X, _ORDERED)),
    Sample("sorting.sort_complex", lambda xp, x: xp.sort_complex(x), (normal(5, dtype=np.float32),)),
    Sample("sorting.median", lambda xp, x: xp.median(x), (_X,), True),
    Sample("sorting.median of an odd number", lambda xp, x: xp.median(x, axis=0), (_X,), True),
    Sample(
        "sorting.median along two axes", lambda xp, x: xp.median(x, (0, 2), keepdims=True), (normal(2, 3, 4),), True
    ),
    Sample("sorting.median of integers", lambda xp, x: xp.median(x, -1), (integers(0, 9, 3, 4, dtype=np.int16),)),
    Sample("sorting.median of float32", lambda xp, x: xp.median(x, -1), (normal(3, 4, dtype=np.float32),)),
    Sample("sorting.quantile", lambda xp, x: xp.quantile(x, 0.3), (_X,), True),
    Sample("sorting.quantile of float32", lambda xp, x: xp.quantile(x, 0.3), (normal(3, 4, dtype=np.float32),)),
    Sample("sorting.quantile at several places", lambda xp, x: xp.quantile(x, [0.1, 0.9], axis=1), (_X,), True),
    Sample(
        "sorting.quantile at numpy's number", lambda xp, x: xp.quantile(x, np.float64(0.2)), (normal(4, dtype="f4"),)
    ),
    Sample("sorting.quantile by choice", lambda xp, x: xp.quantile(x, 0.3, method="lower"), (integers(0, 9, 7),)),
    Sample("sorting.quantile at an end", lambda xp, x: xp.quantile(x, 1), (integers(0, 9, 7),)),
    Sample("sorting.percentile", lambda xp, x: xp.percentile(x, 40, axis=0, keepdims=True), (_X,), True),
    Sample("sorting.percentile of integers", lambda xp, x: xp.percentile(x, [0, 25, 100]), (integers(0, 9, 7),)),
    Sample("sorting.isin", lambda xp, x: xp.isin(x, [1, 2]), (integers(0, 4, 3, 4),)),
    Sample(
        "sorting.isin inverted", lambda xp, x, y: xp.isin(x, y, invert=True), (integers(0, 4, 5), integers(0, 4, 2))
    ),
    Sample("sorting.packbits", lambda xp, x: xp.packbits(x, axis=-1), (booleans(3, 11),)),
    Sample("sorting.unpackbits", lambda xp, x: xp.unpackbits(x, axis=0), (integers(0, 255, 2, 3, dtype=np.uint8),)),
)
