"""The comparison behind guards: whether two values look the same to Python. NaN equals NaN, and -0.0 differs from 0.0."""

from __future__ import annotations

from typing import Any

import numpy as np

from composit.operation import Array

# Reads that give Python an int, which has one zero: the sign of a float's zero is lost.
_WITHOUT_SIGN_OF_ZERO = frozenset(["int", "index", "round", "trunc", "hash"])


# How far floats of this many bytes may be apart where two libraries computed them: a few roundings of a deep network. Relative to
# the largest element.
_ROUNDING = {2: 2e-3, 4: 1e-5, 8: 1e-12}


def look_the_same(kind: str, before: Any, now: Any, is_rounded: bool = False) -> bool:
    """Return whether a read of this kind gives Python the same thing: truth for "bool", else every element.

    Payload and sign of a NaN do not count: they differ between processors for the same program.

    is_rounded: another library computed the first value, so that floats may differ by rounding
    """
    if kind == "bool":
        return bool(before) == bool(now)
    before, now = np.asarray(before), np.asarray(now)
    if before.shape != now.shape:
        return False
    if _are_equal(before, now, kind not in _WITHOUT_SIGN_OF_ZERO):
        return True
    return is_rounded and before.dtype == now.dtype and before.dtype.kind in "fc" and _are_near(before, now)


def _are_near(before: Array, now: Array) -> bool:
    if before.dtype.kind == "c":
        return _are_near(before.real, now.real) and _are_near(before.imag, now.imag)
    scale = np.max(np.abs(before), where=np.isfinite(before), initial=0)
    # Two whole numbers are no rounding of each other: they count something. Nor are infinities, whose difference is NaN.
    with np.errstate(invalid="ignore"):
        are_whole = (before == np.rint(before)) & (now == np.rint(now))
        is_near = (np.abs(before - now) <= _ROUNDING.get(before.dtype.itemsize, 0) * scale) & ~are_whole
    same = (before == now) & (np.signbit(before) == np.signbit(now))
    return bool(np.all(is_near | same | (np.isnan(before) & np.isnan(now))))


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
