"""The words and the kind of a box, from the operation it stands for. May import operation.

An operation's family is the module that declares it (`composit/numpy/<family>.py`), which is all that decides a colour.
"""

import dataclasses
from typing import Any

import numpy as np

from composit.operation import Input, Scalar
from composit.pictures.sketch import Kind

FAMILY_TO_KIND = {
    "linalg": Kind.CONTRACTION,
    "einsum": Kind.CONTRACTION,
    "reductions": Kind.REDUCTION,
    "movement": Kind.MOVEMENT,
    "joining": Kind.MOVEMENT,
    "padding": Kind.MOVEMENT,
    "indexing": Kind.MOVEMENT,
    "creation": Kind.CREATION,
    "numpy_call": Kind.USER,
    "core": Kind.USER,
}

# numpy's functions whose operands may change places: their positions say nothing to a reader
COMMUTATIVE = frozenset(
    function.__name__
    for function in (
        *(np.add, np.multiply, np.maximum, np.minimum, np.fmax, np.fmin, np.equal, np.not_equal, np.hypot),
        *(np.logical_and, np.logical_or, np.logical_xor, np.bitwise_and, np.bitwise_or, np.bitwise_xor),
    )
)

LONGEST_NUMBER = 8  # characters
LONGEST_TEXT = 36  # characters; wider boxes make a graph of many branches unreadable


def kind_of(operation: Any) -> Kind:
    """What form and colour the operation is drawn in; anything that is no operation is drawn as one of no family."""
    if isinstance(operation, Input):
        return Kind.INPUT
    if isinstance(operation, Scalar):
        return Kind.SCALAR
    return FAMILY_TO_KIND.get(type(operation).__module__.rpartition(".")[2], Kind.OPERATION)


def title_of(operation: Any) -> str:
    """The operation's name, which for numpy's functions is numpy's; for a scalar its value, long ones rounded."""
    if isinstance(operation, Scalar):
        text = str(operation.value)
        return text if len(text) <= LONGEST_NUMBER else f"≈{operation.value:.4g}"
    return shortened(str(getattr(operation, "name", operation)))


def has_ordered_operands(operation: Any) -> bool:
    """Whether exchanging two operands changes the result."""
    return operation is not None and title_of(operation) not in COMMUTATIVE


def parameters_of(operation: Any) -> str:
    """The parameters that the result's type does not show, shortened: `axes=(1,), keepdims`."""
    if not dataclasses.is_dataclass(operation) or isinstance(operation, Scalar):
        return ""
    words = []
    for field in dataclasses.fields(operation):
        value = getattr(operation, field.name)
        if not field.repr or field.name in ("shape", "dtype") or not _is_plain(value):
            continue
        if value is True:
            words.append(field.name)
        elif value is not None and value is not False:
            words.append(f"{field.name}={_text(value)}")
    return shortened(", ".join(words))


def shortened(text: str, longest: int = LONGEST_TEXT) -> str:
    """The text on one line, its end cut off where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str | slice)


def _text(value: Any) -> str:
    if isinstance(value, slice):
        ends = ["" if end is None else str(end) for end in (value.start, value.stop)]
        return ":".join(ends if value.step in (None, 1) else [*ends, str(value.step)])
    if isinstance(value, tuple):
        return f"({', '.join(map(_text, value))}{',' if len(value) == 1 else ''})"
    return str(value)
