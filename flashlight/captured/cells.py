"""`Cell`: a place of Python's state (attributes of an object, items of a container, variables) as it was, compared with what it is."""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import BuiltinMethodType, MethodType
from typing import Any

import numpy as np
import torch

_UNCHANGING = (int, str, bytes, bool, type(None), range, slice, torch.dtype, torch.device, torch.layout)
_BOUND = (MethodType, BuiltinMethodType)


class _Absent:
    """Stands for a variable that is not there."""

    def __repr__(self) -> str:
        return "absent"


ABSENT: Any = _Absent()  # Any: in the place of any value


@dataclass(frozen=True, slots=True)
class Cell:
    """A place with several values.

    where:  the place in Python's words, without the names: model.config
    names:  of the values, in words that follow `where`: .hidden_act, [0]
    read:   returns the values as they are now; their number may change
    values: what they were
    """

    where: str
    names: Sequence[str]
    read: Callable[[], Sequence[Any]]  # Any: what Python holds, here and below
    values: Sequence[Any]

    def holds(self) -> bool:
        """Return whether all values are what they were."""
        now = self.read()
        # Nearly always all are the same objects, which is found out in C.
        return (len(now) == len(self.values) and all(map(operator.is_, now, self.values))) or (
            len(now) == len(self.values) and all(map(alike, now, self.values))
        )

    def difference(self) -> str:
        """Return in words which value is another one; for a cell that does not hold."""
        now = self.read()
        for name, value, before in zip(self.names, now, self.values, strict=False):
            if not alike(value, before):
                return f"{self.where}{name} was {_short(before)} and is {_short(value)}"
        return f"{self.where} had {len(self.values)} parts and has {len(now)}"


def alike(value: Any, other: Any) -> bool:
    """Return whether Python's code could not tell two values apart. Objects that may change are alike only if they are one."""
    if value is other:
        return True
    if type(value) is not type(other):
        return False
    if isinstance(value, float | complex):
        # Text tells 0.0 from -0.0, and nan from numbers.
        return repr(value) == repr(other)
    if isinstance(value, tuple):
        return len(value) == len(other) and all(map(alike, value, other))
    if isinstance(value, slice):
        return alike((value.start, value.stop, value.step), (other.start, other.stop, other.step))
    if isinstance(value, np.dtype | np.generic):
        return repr(value) == repr(other)
    if isinstance(value, _BOUND):
        return value.__self__ is other.__self__ and value.__name__ == other.__name__ and _code(value) is _code(other)
    return isinstance(value, _UNCHANGING) and bool(value == other)


def _code(method: Any) -> object:
    return getattr(method, "__func__", None)


def _short(value: Any) -> str:
    """Return a value in words; objects by their classes alone, since their own texts may run code."""
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    text = repr(value) if isinstance(value, (*_UNCHANGING, float, _Absent)) else f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:60]}..."


def item(name: Any) -> str:
    """Return an item of a container in words: [0], ['a']."""
    return f"[{name!r:.40}]" if isinstance(name, int | str) else f"[a {type(name).__name__}]"


def cell_of_mapping(where: str, mapping: dict[Any, Any], is_attributes: bool = False) -> Cell:
    """Return the cell of values and names of a dict. is_attributes: its names are those of attributes"""
    names = [f".{name}" if is_attributes else item(name) for name in dict.keys(mapping)]

    def read() -> Sequence[Any]:
        # Those that are stored: a class may load what it is asked for.
        return (*dict.values(mapping), *dict.keys(mapping))

    return Cell(where, names, read, read())


def cell_of_variables(where: str, variables: Mapping[str, Any], names: Sequence[str], values: Sequence[Any]) -> Cell:
    """Return the cell of some variables of many, which had these values."""
    return Cell(where, [f".{name}" for name in names], lambda: [variables.get(name, ABSENT) for name in names], values)


def cell_of_attributes(where: str, owner: object, names: Sequence[str]) -> Cell:
    """Return the cell of attributes that are not in the dict of an object."""

    def read() -> Sequence[Any]:
        return [_stored(owner, name) for name in names]

    return Cell(where, [f".{name}" for name in names], read, read())


def _stored(owner: object, name: str) -> object:
    try:
        return object.__getattribute__(owner, name)
    except AttributeError:
        return ABSENT


def cell_of_sequence(where: str, sequence: list[Any] | deque[Any]) -> Cell:
    """Return the cell of the items of a list or deque."""
    iterate: Any = list.__iter__ if isinstance(sequence, list) else deque.__iter__

    def read() -> Sequence[Any]:
        return tuple(iterate(sequence))

    values = read()
    return Cell(where, [f"[{position}]" for position in range(len(values))], read, values)


def cell_of_answer(where: str, question: Callable[[], Any]) -> Cell:
    """Return the cell of what a function answers: something that Python can compare, and does not change."""
    return Cell(where, [""], lambda: (question(),), (question(),))
