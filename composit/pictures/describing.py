"""The words and the kind of a box, from the operation it stands for."""

import dataclasses
from typing import Any

from composit.operation import Operation, Scalar
from composit.pictures.sketch import BoxKind, Kind

LONGEST_NUMBER = 8  # characters
LONGEST_TEXT = 36  # characters; wider boxes make a graph of many branches unreadable


def kind_of(operation: Any) -> BoxKind:
    """The kind of the node's operation, which decides its form and colour; Kind.NODE if it has none."""
    return operation.kind if isinstance(operation, Operation) else Kind.NODE


def title_of(operation: Any) -> str:
    """The operation's name, numpy's where it is numpy's function; for a scalar its value, rounded if it is long."""
    if isinstance(operation, Scalar):
        text = str(operation.value)
        return text if len(text) <= LONGEST_NUMBER else f"≈{operation.value:.4g}"
    return shortened(str(getattr(operation, "name", operation)))


def has_ordered_operands(operation: Any) -> bool:
    """Whether the order of the operands matters."""
    is_commutative = isinstance(operation, Operation) and operation.is_commutative
    return operation is not None and not is_commutative


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
    """The text on one line, cut off at `longest` characters."""
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
