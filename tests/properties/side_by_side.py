"""Programs of numpy's statements run on numpy and on composit at once: after each statement all values are compared.

A program is a list of statements as text, in which `xp` is the namespace. A failure is a sentence; `shortened` takes
statements away for as long as a program still fails.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

import composit.numpy as cnp
from composit.eager_results import strict
from composit.evaluation import evaluate
from composit.handle import TensorHandle

Values = dict[str, Any]

# How the values of composit are looked at between statements: not before the end, by `evaluate`, by a read that leaves
# them known, or with every operation computed where it is written.
LOOKS = ("at the end", "by evaluate", "by reading", "strictly")


# Python itself says this, of the type that it sees.
_TYPE_OF_A_SCALAR = re.compile(r"'numpy\.\w+' object is not iterable")

# What numpy says of these depends on memory: `ufunc.at` reads a shape that is not set, and of several indices that are
# out of bounds the one is named that comes first in memory.
_SAYS_TOO_MUCH = ("cannot reshape array of size", "is out of bounds for axis")


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, and after which statement."""

    statement: str
    what: str

    def __str__(self) -> str:
        return f"{self.statement}\n    -> {self.what}"


def difference(statements: Sequence[str], look: str = "by evaluate") -> Failure | None:
    """Return where composit parts from numpy, None where it does not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if look != "strictly":
            return _difference(statements, look)
        with strict():
            return _difference(statements, look)


def _difference(statements: Sequence[str], look: str) -> Failure | None:
    theirs: Values = {}
    ours: Values = {}
    for position, statement in enumerate(statements):
        expected, given = _attempt(np, statement, theirs), _attempt(cnp, statement, ours)
        if expected is not None and given is None:
            return _deferred(statement, expected, ours, look)
        what = _error_difference(expected, given)
        if what is None and (look != "at the end" or position == len(statements) - 1):
            what = _value_difference(theirs, ours, look)
        if what is not None:
            return Failure(statement, what)
    return None


def _attempt(xp: ModuleType, statement: str, values: Values) -> Exception | None:
    try:
        exec(statement, {"xp": xp, "np": np}, values)
    except Exception as error:  # noqa: BLE001  # any class may be numpy's; the caller compares
        return error
    return None


def _deferred(statement: str, expected: Exception, ours: Values, look: str) -> Failure | None:
    """An error that depends on values may wait for the evaluation; there the program ends."""
    if look != "strictly":
        given = _attempt(cnp, "seen.extend(look(list(ours)))", {"seen": [], "look": evaluate, "ours": ours.values()})
        if given is not None and _error_difference(expected, given) is None:
            return None
    return Failure(statement, f"numpy raises {expected!r}, composit nothing")


def _error_difference(expected: Exception | None, given: Exception | None) -> str | None:
    if expected is None or given is None:
        return None if expected is given else f"composit raises {given!r}, numpy nothing"
    # Numpy's private classes are shown as the public one they derive from.
    public = next(kind for kind in type(expected).__mro__ if not kind.__name__.startswith("_"))
    ours = cnp.LazyScalar.__name__
    text = _TYPE_OF_A_SCALAR.sub(f"'{ours}' object is not iterable", str(expected).strip())
    if isinstance(given, public) and (text in str(given) or any(part in text for part in _SAYS_TOO_MUCH)):
        return None
    return f"numpy raises {expected!r}, composit {given!r}"


def _value_difference(theirs: Values, ours: Values, look: str) -> str | None:
    if theirs.keys() != ours.keys():
        return f"the names are {sorted(theirs)} and {sorted(ours)}"
    for name, expected in theirs.items():
        try:
            what = _one_difference(expected, ours[name], look)
        except Exception as error:  # noqa: BLE001  # numpy raised nothing: no class is right
            what = f"its evaluation raises {error!r}"
        if what is not None:
            return f"{name}: {what}"
    return None


def _one_difference(expected: Any, given: Any, look: str) -> str | None:
    if not isinstance(expected, np.ndarray | np.generic):
        return None if type(expected) is type(given) else f"{type(given)} is no {type(expected)}"
    if not isinstance(given, TensorHandle):
        return f"is a {type(given)}"
    types = (given.shape, given.dtype, given.type.is_scalar)
    if types != (expected.shape, expected.dtype, isinstance(expected, np.generic)):
        return f"shape, dtype, is_scalar are {types}, those of numpy's are {expected.shape}, {expected.dtype}"
    array = evaluate(given) if look == "by evaluate" else np.asarray(given)
    if array.dtype != expected.dtype or array.shape != expected.shape:
        return f"evaluates to shape {array.shape} and dtype {array.dtype}"
    if not np.array_equal(array, expected, equal_nan=expected.dtype.kind in "fc"):
        return f"is {array.tolist()}, numpy's is {expected.tolist()}"
    return None


def shortened(statements: Sequence[str], fails: Callable[[Sequence[str]], bool]) -> list[str]:
    """Return a program that still fails and that fails no longer when any statement is taken away."""
    kept = list(statements)
    position = len(kept) - 1
    while position >= 0:
        fewer = kept[:position] + kept[position + 1 :]
        if fewer and fails(fewer):
            kept = fewer
            position = min(position, len(kept))
        position -= 1
    return kept


def report(statements: Sequence[str], look: str) -> str:
    """Return a failing program at its shortest, with what is wrong."""
    first = difference(statements, look)
    assert first is not None, "the program does not fail"

    def fails(fewer: Sequence[str]) -> bool:
        found = difference(fewer, look)
        return found is not None and "NameError" not in found.what and found.what[:12] == first.what[:12]

    short = shortened(statements, fails)
    return "\n".join([f"looking {look}:", *short, f"    -> {difference(short, look)}"])
