"""Calls with random arguments give numpy's values to the last bit, its dtypes and shapes, or an error of its class."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.types import LazyTensor
from tests.properties.random_calls import Calls

_CALLS_PER_SEED = 250


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call gave: its values, or its error."""

    values: tuple[Any, ...] = ()
    error: Exception | None = None


def _tensors(argument: Any) -> Any:
    if isinstance(argument, np.ndarray):
        return cnp.asarray(argument)
    if isinstance(argument, list | tuple):
        return type(argument)([_tensors(part) for part in argument])
    return argument


def _flat(result: Any) -> list[Any]:
    return [leaf for part in result for leaf in _flat(part)] if isinstance(result, list | tuple) else [result]


def _outcome(xp: Any, name: str, args: Any, kwargs: Any) -> Outcome:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            parts = _flat(vars(xp)[name](*args, **kwargs))
            values = [cnp.evaluate(part) if isinstance(part, LazyTensor) else part for part in parts]
        except (
            TypeError,
            ValueError,
            IndexError,
            ZeroDivisionError,
            OverflowError,
            AttributeError,
            RuntimeError,
        ) as error:
            return Outcome(error=error)
    return Outcome(tuple(values))


def _same_value(ours: Any, theirs: Any) -> bool:
    if type(ours) is not type(theirs):
        return False
    if not isinstance(theirs, np.ndarray | np.generic):
        return bool(ours == theirs) or (ours != ours and theirs != theirs)
    if (ours.dtype, ours.shape) != (theirs.dtype, theirs.shape):
        return False
    if theirs.dtype.kind in "fc":
        signs = np.array_equal(np.signbit(ours.real), np.signbit(theirs.real)) or bool(np.isnan(theirs).any())
        return np.array_equal(ours, theirs, equal_nan=True) and signs
    if theirs.dtype.kind == "O":
        return repr(ours) == repr(theirs)
    # NaT equals nothing.
    return ours.tobytes() == theirs.tobytes() if theirs.dtype.kind in "mM" else np.array_equal(ours, theirs)


def _numpys_class(error: Exception) -> type[BaseException]:
    return next(kind for kind in type(error).__mro__ if kind.__module__ in ("builtins", "numpy.exceptions"))


def _differs(ours: Outcome, theirs: Outcome) -> bool:
    if theirs.error is not None:
        return not isinstance(ours.error, _numpys_class(theirs.error))
    if ours.error is not None or len(ours.values) != len(theirs.values):
        return True
    return not all(map(_same_value, ours.values, theirs.values))


@pytest.mark.parametrize("seed", range(8))
def test_calls_with_random_arguments_are_numpys(seed: int) -> None:
    calls = Calls(seed)
    different = []
    for _ in range(_CALLS_PER_SEED):
        name, (args, kwargs) = calls.draw()
        theirs = _outcome(np, name, args, kwargs)
        ours = _outcome(cnp, name, _tensors(args), {key: _tensors(value) for key, value in kwargs.items()})
        if _differs(ours, theirs):
            different.append(f"{name}{args!r:.300} {kwargs}:\n  numpy {theirs!r:.300}\n  ours  {ours!r:.300}")
    assert not different, "\n".join(different)
