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
    Sample("sorting.partition", lambda xp, x: xp.partition(x, 2), (_X,), True),
    Sample("sorting.partition at two places", lambda xp, x: xp.partition(x, (1, -1), axis=0), (_X,), True),
    Sample("sorting.argpartition", lambda xp, x: xp.argpartition(x, 1, axis=None), (_X,)),
    Sample("sorting.lexsort", lambda xp, x, y: xp.lexsort((x, y)), (integers(0, 3, 9), integers(0, 3, 9))),
    Sample("sorting.searchsorted", lambda xp, a, v: xp.searchsorted(a, v), (_ORDERED, _X)),
    Sample("sorting.searchsorted of a number", lambda xp, a: xp.searchsorted(a, 0.5, side="right"), (_ORDERED,)),
    Sample("sorting.digitize", lambda xp, x, bins: xp.digitize(x, bins, right=True), (_X, _ORDERED)),
    Sample("sorting.sort_complex", lambda xp, x: xp.sort_complex(x), (normal(5, dtype=np.float32),)),
    Sample("sorting.sort_complex, its real part", lambda xp, x: xp.real(xp.sort_complex(x)), (_X,), True),
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
    Sample("sorting.select", lambda xp, x, y: xp.select([x > 0.5, x > 0], [x, y]), (_X, normal(4)), True),
    Sample("sorting.select of mixed dtypes", lambda xp, x: xp.select([x > 2], [x], 0.5), (integers(0, 5, 6),)),
    Sample("sorting.choose", lambda xp, n, x, y: xp.choose(n, [x, y]), (integers(0, 2, 3, 4), _X, normal(4)), True),
    Sample(
        "sorting.choose wrapped", lambda xp, n, x: xp.choose(n, (x, x), mode="wrap"), (integers(-3, 4, 4), _X), True
    ),
    Sample("sorting.compress", lambda xp, x: xp.compress([True, False, True], x, axis=0), (_X,), True),
    Sample("sorting.vander", lambda xp, x: xp.vander(x, 4), (normal(3),), True),
    Sample("sorting.vander of integers", lambda xp, x: xp.vander(x, increasing=True), (integers(0, 5, 3, dtype="i1"),)),
    Sample("sorting.delete", lambda xp, x: xp.delete(x, [0, -1], axis=1), (_X,), True),
    Sample("sorting.delete from all", lambda xp, x: xp.delete(x, slice(None, None, 2)), (_X,), True),
    Sample("sorting.insert", lambda xp, x, y: xp.insert(x, 1, y, axis=1), (_X, normal(3)), True),
    Sample("sorting.insert several", lambda xp, x: xp.insert(x, [1, 1, 3], 5, axis=0), (_X,), True),
    Sample("sorting.insert in all", lambda xp, x, y: xp.insert(x, [0, 2], y), (_X, normal(2)), True),
    Sample("sorting.block", lambda xp, x, y: xp.block([[x, y], [y, x]]), (_X, _X), True),
    Sample("sorting.block with a number", lambda xp, x: xp.block([x, 1.5]), (normal(3, dtype=np.float32),)),
    Sample("reductions.sum of chosen ones", lambda xp, x, m: xp.sum(x, axis=1, where=m), (_X, booleans(3, 4)), True),
    Sample("reductions.sum from a start", lambda xp, x: xp.sum(x, initial=0.3), (_X,), True),
    Sample(
        "reductions.prod of chosen ones", lambda xp, x, m: xp.prod(x, 0, where=m, initial=2), (_X, booleans(4)), True
    ),
    Sample(
        "reductions.max of chosen ones", lambda xp, x, m: xp.max(x, 1, where=m, initial=0.1), (_X, booleans(3, 4)), True
    ),
    Sample("reductions.min from a start", lambda xp, x: xp.min(x, axis=0, initial=-0.2, keepdims=True), (_X,), True),
    Sample("reductions.any of chosen ones", lambda xp, x, m: xp.any(x > 0, 1, where=m), (_X, booleans(3, 4))),
)
