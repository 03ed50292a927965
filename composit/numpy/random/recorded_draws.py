"""Draws that are recorded while a graph is built, so that a later run of the graph can draw anew.

A draw from a generator that was made during the recording is no draw of this kind: its seed makes it the same each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from composit.operation import Array


@dataclass(frozen=True, slots=True)
class Draw:
    """One call of a method of numpy's that drew an array.

    array: what it drew; the input of the graph shares its memory
    """

    method: Callable[..., Any]
    generator: Any  # Any: numpy's generator
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    array: Array

    def again(self) -> Array:
        """Return what the same call draws now, in new memory."""
        kwargs = dict(self.kwargs)
        if kwargs.get("out") is not None:
            kwargs["out"] = np.empty_like(kwargs["out"])
        drawn: Array = self.method(self.generator, *self.args, **kwargs)
        return drawn

    def gave(self, value: Array | float) -> bool:
        """Return whether an input's value, an array or a number, is what this call drew."""
        return value is self.array or (isinstance(value, np.ndarray) and value.base is self.array)


@dataclass(slots=True)
class DrawRecord:
    """The draws of a recording, in order, and the bit generators made during it."""

    draws: list[Draw] = field(default_factory=list)
    made: dict[int, Any] = field(default_factory=dict)  # by id, and kept alive so that no other object gets the id


_record: ContextVar[DrawRecord | None] = ContextVar("composit_draws", default=None)


@contextmanager
def recorded_draws() -> Iterator[DrawRecord]:
    """Record the draws made inside, of this thread."""
    record = DrawRecord()
    token = _record.set(record)
    try:
        yield record
    finally:
        _record.reset(token)


def note_draw(
    method: Callable[..., Any], generator: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], drawn: object
) -> None:
    """Keep a call that drew an array, if draws are recorded."""
    record = _record.get()
    if record is not None and isinstance(drawn, np.ndarray) and id(generator._bit_generator) not in record.made:
        record.draws.append(Draw(method, generator, args, dict(kwargs), drawn))


def note_bit_generator(bit_generator: Any) -> None:
    """Keep in mind that a bit generator was made from a seed while draws are recorded."""
    record = _record.get()
    if record is not None:
        record.made[id(bit_generator)] = bit_generator
