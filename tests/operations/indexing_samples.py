"""Rows for reading elements: basic and integer indexing, take."""

from __future__ import annotations

import numpy as np

from tests.operations.sample import Sample, booleans, given, integers, normal

_X = normal(4, 5, 6)
_I = integers(-4, 4, 3)

INDEXING = (
    Sample("indexing.integer", lambda xp, x: x[1], (_X,), True),
    Sample("indexing.negative integer", lambda xp, x: x[-1, 2], (_X,), True),
    Sample("indexing.all integers", lambda xp, x: x[1, 2, 3], (_X,), True),
    Sample("indexing.all integers and an ellipsis", lambda xp, x: x[1, 2, 3, ...], (_X,), True),
    Sample("indexing.slices", lambda xp, x: x[1:3, ::2, -2:], (_X,), True),
    Sample("indexing.negative steps", lambda xp, x: x[::-1, 4:1:-2], (_X,), True),
    Sample("indexing.new axes", lambda xp, x: x[None, ..., None, 0], (_X,), True),
    Sample("indexing.empty slice", lambda xp, x: x[2:2], (_X,)),
    Sample("indexing.slices of float32", lambda xp, x: x[:, 1:-1], (normal(4, 5, dtype=np.float32),)),
    Sample("indexing.slices of booleans", lambda xp, x: x[::2], (booleans(5, 3),)),
    Sample("indexing.integers", lambda xp, x, i: x[i], (_X, _I), True),
    Sample("indexing.integers at the last axis", lambda xp, x, i: x[..., i], (_X, _I), True),
    Sample("indexing.integers twice", lambda xp, x, i, j: x[i, j], (_X, _I, integers(0, 5, 3)), True),
    Sample("indexing.integers apart", lambda xp, x, i, j: x[i, :, j], (_X, _I, integers(0, 6, 2, 1)), True),
    Sample("indexing.integers and a slice", lambda xp, x, i: x[1:3, i], (_X, _I), True),
    Sample("indexing.repeated integers", lambda xp, x, i: x[i], (normal(2, 3), given(np.array([0, 0, 1]))), True),
    Sample("indexing.take", lambda xp, x, i: xp.take(x, i, axis=0), (_X, _I), True),
    Sample("indexing.take of all", lambda xp, x, i: xp.take(x, i), (_X, integers(0, 100, 2, 3)), True),
    Sample(
        "indexing.take and wrap", lambda xp, x, i: xp.take(x, i, axis=-1, mode="wrap"), (_X, integers(-20, 20, 4)), True
    ),
    Sample("indexing.take of float32", lambda xp, x, i: xp.take(x, i, axis=1), (normal(2, 5, dtype=np.float32), _I)),
    Sample(
        "indexing.take_along_axis",
        lambda xp, x, i: xp.take_along_axis(x, i, axis=1),
        (normal(3, 4), integers(0, 4, 3, 2)),
        True,
    ),
)
