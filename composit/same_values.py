"""The comparison behind guards: whether two values look the same to Python. NaN equals NaN, and -0.0 differs from 0.0."""

from __future__ import annotations

from typing import Any

import numpy as np

from composit.operation import Array

# Reads that give Python an int, which has one zero: the sign of a float's zero is lost.
_WITHOUT_SIGN_OF_ZERO = frozenset(["int", "index", "round", "trunc", "hash"])


def look_the_same(kind: str, before: Any, now: Any) -> bool:
    """Return whether a read of this kind gives Python the same thing: truth for "bool", else every element.

    Payload and sign of a NaN do not count: they differ between processors for the same program.
    """
    if kind == "bool":
        return bool(before) == bool(now)
    before, now = np.asarray(before), np.asarray(now)
    return before.shape == now.shape and _are_equal(before, now, kind not in _WITHOUT_SIGN_OF_ZERO)


def _are_equal(before: Array, now: Array, signs: bool) -> bool:
    if before.dtype.names is not None:
        return all(_are_equal(before[name], now[name], signs) for name in before.dtype.names)
    kind = before.dtype.kind
    if kind == "c":
        return _are_equal(before.real, now.real, signs) and _are_equal(before.imag, now.imag, signs)
    if kind == "f":
        same = (before == now) & ((np.signbit(before) == np.signbit(now)) | (not signs))
        return bool(np.all(same | (np.isnan(before) & np.isnan(now))))
    if kind == "O":
        return all(_elements_are_equal(x, y, signs) for x, y in zip(before.flat, now.flat, strict=True))
    return bool(np.array_equal(before, now, equal_nan=kind in "mM"))


def _elements_are_equal(x: Any, y: Any, signs: bool) -> bool:
    """Compare two elements of arrays of objects: numbers and arrays as above, anything else as Python does."""
    if x is y:
        return True
    if isinstance(x, float | complex | np.generic | np.ndarray) and isinstance(y, type(x)):
        before, now = np.asarray(x), np.asarray(y)
        return (before.shape, before.dtype) == (now.shape, now.dtype) and _are_equal(before, now, signs)
    return bool(np.all(x == y))
