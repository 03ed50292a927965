"""Rows for reductions, positions of extrema, running sums and products, and averages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.operations.sample import Sample, booleans, given, integers, normal

AXES: tuple[dict[str, Any], ...] = (
    {},
    {"axis": 0},
    {"axis": -1},
    {"axis": (0, 2)},
    {"axis": (2, -3), "keepdims": True},
    {"axis": ()},
    {"keepdims": True},
)
_MOST = np.array([[True, True, False, True], [True, False, True, True], [True, True, True, True]])
SMOOTH = ("sum", "prod", "mean", "var", "std", "max", "min", "ptp")
TRUTH = ("any", "all", "count_nonzero")
DTYPES = (np.float32, np.float16, np.int8, np.uint8, np.int64, np.complex64)


def _call(name: str, options: dict[str, Any]) -> Callable[..., Any]:
    return lambda xp, x: getattr(xp, name)(x, **options)


def _words(options: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in options.items()) or "all axes"


def _rows() -> Iterator[Sample]:
    for name in (*SMOOTH, *TRUTH):
        for options in AXES:
            # A spread over nothing is 0, where the root has no derivative; count_nonzero takes no empty axes.
            if options == {"axis": ()} and name in ("std", "var", "ptp", "count_nonzero"):
                continue
            yield Sample(
                f"reductions.{name} {_words(options)}", _call(name, options), (normal(2, 3, 4),), name in SMOOTH
            )
        for dtype in DTYPES:
            maker = normal(5, 3, dtype=dtype) if np.dtype(dtype).kind in "fc" else integers(0, 5, 5, 3, dtype=dtype)
            yield Sample(f"reductions.{name} of {np.dtype(dtype).name}", _call(name, {"axis": 0}), (maker,))
        yield Sample(f"reductions.{name} of rank 0", _call(name, {}), (normal(),))
        yield Sample(f"reductions.{name} along a kept empty axis", _call(name, {"axis": 1}), (normal(0, 3),))
    for name in ("sum", "prod", *TRUTH):
        yield Sample(f"reductions.{name} of nothing", _call(name, {"axis": 0}), (normal(0, 3),))
        yield Sample(f"reductions.{name} of booleans", _call(name, {"axis": 0}), (booleans(4, 3),))


def _position_rows() -> Iterator[Sample]:
    for name in ("argmax", "argmin"):
        for options in ({}, {"axis": 0}, {"axis": -1, "keepdims": True}, {"keepdims": True}):
            yield Sample(f"reductions.{name} {_words(options)}", _call(name, options), (normal(3, 4),))
        yield Sample(
            f"reductions.{name} of a tie", _call(name, {"axis": 1}), (given(np.array([[1, 3, 3], [0, 0, 0]])),)
        )
        yield Sample(f"reductions.{name} of NaN", _call(name, {}), (given(np.array([1.0, np.nan, 3.0])),))


def _running_rows() -> Iterator[Sample]:
    for name in ("cumsum", "cumprod"):
        for options in ({}, {"axis": 0}, {"axis": -1}):
            yield Sample(f"reductions.{name} {_words(options)}", _call(name, options), (normal(3, 4),), True)
        yield Sample(f"reductions.{name} of int8", _call(name, {"axis": 1}), (integers(1, 4, 2, 3, dtype=np.int8),))
        yield Sample(f"reductions.{name} of nothing", _call(name, {"axis": 0}), (normal(0, 2),))
        yield Sample(f"reductions.{name} of rank 0", _call(name, {}), (normal(),), True)


OTHERS = (
    Sample("reductions.sum with dtype", _call("sum", {"dtype": np.float64}), (normal(3, 4, dtype=np.float32),)),
    Sample("reductions.sum with initial", _call("sum", {"initial": 3.0, "axis": 0}), (integers(0, 9, 3, 4),)),
    Sample("reductions.max with initial", _call("max", {"initial": 0.5, "axis": 0}), (normal(3, 4),), True),
    Sample("reductions.max of nothing with initial", _call("max", {"initial": 0.5, "axis": 0}), (normal(0, 4),)),
    Sample(
        "reductions.sum where", lambda xp, x, mask: xp.sum(x, axis=0, where=mask), (normal(3, 4), booleans(4)), True
    ),
    Sample("reductions.var where", lambda xp, x, m: xp.var(x, 0, ddof=1, where=m), (normal(3, 4), given(_MOST)), True),
    Sample(
        "reductions.std where",
        lambda xp, x, m: xp.std(x, where=m, keepdims=True),
        (normal(3, 4), given(_MOST[:, :1])),
        True,
    ),
    Sample(
        "reductions.var where of int8",
        lambda xp, x, m: x.var(1, where=m),
        (integers(-9, 9, 3, 4, dtype="i1"), given(_MOST)),
    ),
    Sample(
        "reductions.mean where",
        lambda xp, x, mask: xp.mean(x, axis=0, where=mask),
        (normal(3, 4), given(np.array([[True], [True], [False]]))),
        True,
    ),
    Sample("reductions.var with ddof", _call("var", {"ddof": 1, "axis": (0, 1)}), (normal(3, 4, 2),), True),
    Sample("reductions.std with correction", _call("std", {"correction": 1}), (normal(3, 4, 2),), True),
    Sample("reductions.mean of many float16", _call("mean", {}), (normal(300, 300, dtype=np.float16),)),
    Sample(
        "reductions.average",
        lambda xp, x, w: xp.average(x, axis=1, weights=w),
        (normal(3, 4), normal(4)),
        True,
        rtol=1e-15,
    ),
    Sample(
        "reductions.prod with zeros",
        _call("prod", {"axis": 0}),
        (given(np.array([[0.0, 0, 3], [0, 2, 4], [5, 6, 7]])),),
        True,
    ),
    Sample(
        "reductions.cumprod with zeros",
        _call("cumprod", {"axis": 0}),
        (given(np.array([[1.0, 0, 3], [0, 2, 4], [0, 6, 7]])),),
        True,
    ),
)

REDUCTIONS = (*_rows(), *_position_rows(), *_running_rows(), *OTHERS)
