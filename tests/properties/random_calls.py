"""Calls of numpy's functions with random arguments: dtypes, shapes, layouts, axes and options, right and wrong ones."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

# Positional and named arguments.
Call: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]

_DTYPES = (
    "?",
    "i1",
    "u1",
    "i2",
    "i4",
    "i8",
    "i8",
    "u8",
    "f2",
    "f4",
    "f8",
    "f8",
    "g",
    "F",
    "D",
    "m8[s]",
    "S2",
    "U2",
    "O",
)
_SHAPES = ((), (0,), (1,), (5,), (6,), (3, 4), (4, 3), (2, 0), (0, 3), (2, 3, 4), (1, 1), (4, 4))
_NUMBERS_OF_NAN = 0.25


class Calls:
    """Draws calls from one seed."""

    def __init__(self, seed: int) -> None:
        self.choice = random.Random(seed).choice
        self.random = random.Random(seed + 1)
        self.generator = np.random.default_rng(seed)

    def draw(self) -> tuple[str, Call]:
        """Return a function's name and arguments for it."""
        name = self.choice(list(CALLS))
        return name, CALLS[name](self)

    def array(self, dtype: str | None = None, shape: tuple[int, ...] | None = None, nan: bool = True) -> Any:
        """Return an array, sometimes with NaN, sometimes in Fortran's order."""
        kind = np.dtype(self.choice(_DTYPES) if dtype is None else dtype)
        lengths = self.choice(_SHAPES) if shape is None else shape
        values = self.generator.integers(-4, 5, size=lengths)
        array = self._of_kind(np.asarray(values), kind)
        if kind.kind == "f" and nan and array.ndim and self.random.random() < _NUMBERS_OF_NAN:
            array = np.where(self.generator.random(lengths) < 0.2, kind.type(np.nan), array)
        return np.asfortranarray(array) if array.ndim > 1 and self.random.random() < 0.15 else np.array(array)

    def _of_kind(self, values: Any, dtype: np.dtype[Any]) -> Any:
        if dtype.kind == "c":
            return (values + 1j * self.generator.integers(-2, 3, size=values.shape)).astype(dtype)
        if dtype.kind == "f":
            return (values + np.round(self.generator.normal(size=values.shape), 2)).astype(dtype)
        return (np.abs(values) if dtype.kind in "uSU" else values).astype(dtype)

    def reducing(self, **options: Any) -> Call:
        """Return an array with axes and keepdims."""
        named = {"axis": self.choice([None, 0, -1, 1, (0,), (0, 1), 2, ()]), **options}
        if self.choice([True, False, False]):
            named["keepdims"] = True
        return (self.array(),), named

    def along(self, *others: Any, **options: Any) -> Call:
        """Return an array with one axis."""
        return (self.array(), *others), {"axis": self.choice([None, 0, -1, 1, 2]), **options}

    def mask(self) -> Any:
        """Return a mask for some arrays."""
        return self.array("?", self.choice([(), (4,)]))


def _sum(calls: Calls) -> Call:
    named = calls.choice([{}, {}, {"initial": 0.5}, {"initial": 1}, {"where": calls.mask()}, {"dtype": "f4"}])
    return calls.reducing(**named)


def _max(calls: Calls) -> Call:
    return calls.reducing(**calls.choice([{}, {"initial": 1}, {"where": calls.mask(), "initial": -9}]))


def _quantile(calls: Calls) -> Call:
    (array,), named = calls.reducing(method=calls.choice(["linear", "linear", "lower", "nearest", "hazen"]))
    return (array, calls.choice([0.5, 0.3, 0, 1, [0.1, 0.7], np.float32(0.2), np.float64(0.3), 1.5])), named


def _convolve(calls: Calls) -> Call:
    first = calls.array(shape=calls.choice([(5,), (1,), (0,), (6,), ()]))
    second = calls.array(shape=calls.choice([(3,), (1,), (6,)]))
    return (first, second), {"mode": calls.choice(["full", "same", "valid"])}


def _cov(calls: Calls) -> Call:
    others = calls.choice([(), (calls.array(nan=False),)])
    named = {"rowvar": calls.choice([True, False]), "bias": calls.choice([True, False])}
    return (calls.array(nan=False), *others), named


def _diff(calls: Calls) -> Call:
    named = calls.choice([{}, {"prepend": 1.5}, {"append": 2}])
    return (calls.array(),), {"n": calls.choice([1, 2, 0, 3, -1]), "axis": calls.choice([-1, 0, 1]), **named}


def _insert(calls: Calls) -> Call:
    place = calls.choice([0, -1, [0, 1], slice(None, None, 2), 1, [1], 7])
    return calls.along(place, calls.choice([calls.array(shape=(3,)), calls.array(shape=()), 2.5]))


def _delete(calls: Calls) -> Call:
    return calls.along(calls.choice([0, -1, [0, 1], slice(None, None, 2), [True, False, True], 7, 1.5]))


def _select(calls: Calls) -> Call:
    conditions = [calls.array("?", (3, 4)), calls.array("?", calls.choice([(4,), (3, 4), ()]))]
    choices = [calls.array(shape=calls.choice([(3, 4), (4,), ()])), calls.choice([calls.array(shape=(4,)), 2, 2.5])]
    return (conditions, choices), calls.choice([{}, {"default": 1.5}])


def _joined(calls: Calls) -> Call:
    return ([calls.array(), calls.array()],), {}


def _one(calls: Calls) -> Call:
    return (calls.array(),), {}


def _pad(calls: Calls) -> Call:
    mode = calls.choice(["constant", "edge", "reflect", "symmetric", "wrap", "mean", "maximum"])
    return (calls.array(), calls.choice([1, (1, 2), ((0, 1), (2, 0))])), {"mode": mode}


CALLS: dict[str, Callable[[Calls], Call]] = {
    **dict.fromkeys(("sum", "prod", "nansum", "nanprod"), _sum),
    **dict.fromkeys(("max", "min"), _max),
    **dict.fromkeys(("any", "all", "mean", "var", "std", "ptp", "count_nonzero"), Calls.reducing),
    **dict.fromkeys(("nanmax", "nanmin", "nanmean", "nanvar", "nanstd", "median", "nanmedian"), Calls.reducing),
    **dict.fromkeys(("argmax", "argmin", "nanargmax", "nanargmin", "cumsum", "cumprod", "nancumsum"), Calls.along),
    **dict.fromkeys(("sort", "packbits", "cumulative_sum", "cumulative_prod"), Calls.along),
    **dict.fromkeys(("quantile", "nanquantile", "percentile"), _quantile),
    **dict.fromkeys(("convolve", "correlate"), _convolve),
    **dict.fromkeys(("hstack", "vstack", "dstack", "column_stack", "concatenate", "stack", "block"), _joined),
    **dict.fromkeys(
        ("i0", "ediff1d", "sinc", "nan_to_num", "isposinf", "isreal", "angle", "sort_complex", "fix"), _one
    ),
    **dict.fromkeys(
        ("tril", "triu", "diag", "diagflat", "vander", "atleast_2d", "atleast_3d", "nonzero", "ravel"), _one
    ),
    **dict.fromkeys(("zeros_like", "ones_like", "unique", "gradient", "trapezoid", "corrcoef", "flip", "rot90"), _one),
    "cov": _cov,
    "diff": _diff,
    "insert": _insert,
    "delete": _delete,
    "select": _select,
    "pad": _pad,
    "argsort": lambda calls: calls.along(kind="stable"),
    "partition": lambda calls: calls.along(calls.choice([0, 1, -1, [0, 1], 9])),
    "repeat": lambda calls: calls.along(calls.choice([2, [1, 2, 0], 0, 1, -1])),
    "take": lambda calls: calls.along(calls.choice([[0, 1], 0, [-1], [9]]), mode=calls.choice(["raise", "clip"])),
    "compress": lambda calls: ((calls.choice([[True, False, True], [0, 1]]), calls.array()), {"axis": 0}),
    "append": lambda calls: calls.along(calls.choice([calls.array(), 5])),
    "roll": lambda calls: (
        (calls.array(), calls.choice([1, -2, (1, 2), 0])),
        {"axis": calls.choice([None, 0, (0, 1)])},
    ),
    "tile": lambda calls: ((calls.array(), calls.choice([2, (2, 1), (1, 2, 3), 0, ()])), {}),
    "resize": lambda calls: ((calls.array(), calls.choice([(3, 2), 7, (0,), -1])), {}),
    "clip": lambda calls: ((calls.array(), calls.choice([None, -1, 0.5]), calls.choice([None, 2, 1.5])), {}),
    "round": lambda calls: ((calls.array(), calls.choice([0, 1, -1])), {}),
    "isclose": lambda calls: ((calls.array(), calls.choice([calls.array(), 1])), {"equal_nan": True}),
    "isin": lambda calls: ((calls.array(), calls.choice([[1, 2], [1.5]])), {"invert": calls.choice([True, False])}),
    "average": lambda calls: calls.reducing(**calls.choice([{}, {"weights": calls.array("f8", (4,), nan=False)}])),
    "searchsorted": lambda calls: ((np.sort(calls.array(shape=(5,), nan=False)), calls.choice([calls.array(), 2])), {}),
    "digitize": lambda calls: ((calls.array(), calls.choice([[0, 1, 2], [2.5, 1, 0]])), {}),
    "interp": lambda calls: ((calls.array(), np.arange(5.0), calls.array(shape=calls.choice([(5,), (4,)]))), {}),
    "unwrap": lambda calls: ((calls.array(nan=False),), {"period": calls.choice([6.283185307179586, 2, 1.5])}),
    "linspace": lambda calls: ((calls.array(shape=(3,)), calls.choice([5, 1.5])), {"num": calls.choice([0, 1, 5])}),
    "choose": lambda calls: ((np.array([0, 1, 1]), [calls.array(shape=(3,)), calls.array(shape=())]), {}),
}
