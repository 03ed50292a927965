"""Rows for writes: elements replaced and added to at indices and under masks, functions that write where a mask is true."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.operations.sample import Sample, between, booleans, integers, normal

_X = normal(4, 3)
_I = integers(-4, 4, 5)
_MASK = booleans(4, 3)


def _written(write: Callable[..., object]) -> Callable[..., Any]:
    """Return a computation that writes to a copy of the first operand."""

    def compute(xp: Any, x: Any, *operands: Any) -> Any:
        target = xp.positive(x)
        write(xp, target, *operands)
        return target

    return compute


def _assign(xp: Any, target: Any, index: Any, value: Any) -> None:
    target[index] = value


def _log(xp: Any, target: Any, mask: Any, x: Any) -> None:
    xp.log(x, out=target[:, ::-1], where=mask)


WRITING = (
    Sample("writing.at integers", _written(_assign), (_X, _I, normal(5, 3)), True),
    Sample("writing.at a mask", _written(_assign), (_X, _MASK, normal()), True),
    Sample("writing.add.at", _written(lambda xp, *given: xp.add.at(*given)), (_X, _I, normal(5, 1)), True),
    Sample(
        "writing.subtract.at of integers",
        _written(lambda xp, *given: xp.subtract.at(*given)),
        (integers(0, 99, 4, 3, dtype="u1"), _I, integers(0, 99, 3, dtype="u1")),
    ),
    Sample("writing.put and wrap", _written(lambda xp, x, i, v: xp.put(x, i, v, "wrap")), (_X, _I, normal(2)), True),
    Sample("writing.place", _written(lambda xp, *given: xp.place(*given)), (_X, _MASK, normal(4)), True),
    Sample("writing.putmask", _written(lambda xp, *given: xp.putmask(*given)), (_X, _MASK, normal(2, 2)), True),
    Sample(
        "writing.fill_diagonal", _written(lambda xp, x, v: xp.fill_diagonal(x, v, wrap=True)), (_X, normal(2)), True
    ),
    Sample("writing.copyto", _written(lambda xp, x, m, y: xp.copyto(x, y, where=m)), (_X, _MASK, normal(3)), True),
    Sample("writing.log where", _written(_log), (_X, _MASK, between(0.5, 3.0, 4, 1)), True),
    Sample(
        "writing.add where of float32",
        _written(lambda xp, x, m, y: xp.add(x, y, out=x, where=m)),
        (normal(4, 3, dtype=np.float32), _MASK, normal(3, dtype=np.float32)),
    ),
)
