"""The words and the kind of a box, from the operation it stands for. May import operation and numpy's families."""

import dataclasses
from typing import Any

import numpy as np

from composit.numpy.broadcasting import BroadcastTo
from composit.numpy.casting import Astype, Where
from composit.numpy.contractions import Einsum
from composit.numpy.creation import Arange, Eye, Full, Linspace, Tri
from composit.numpy.elementwise import Elementwise
from composit.numpy.indexing import AdvancedIndex, AdvancedIndexAdjoint, BasicIndex, BasicIndexAdjoint
from composit.numpy.joining import Concatenate, Split, Stack
from composit.numpy.movement import ExpandDims, Reshape, Squeeze, Transpose
from composit.numpy.padding import Pad
from composit.numpy.products import Matmul
from composit.numpy.reductions import Accumulate, ArgReduce, Reduce
from composit.numpy.taking import Take, TakeAdjoint, TakeAlongAxis, TakeAlongAxisAdjoint
from composit.operation import Input, Operation, Scalar
from composit.pictures.sketch import Kind

CLASS_TO_KIND: dict[type[Operation], Kind] = {
    Input: Kind.INPUT,
    Scalar: Kind.SCALAR,
    **dict.fromkeys((Matmul, Einsum), Kind.CONTRACTION),
    **dict.fromkeys((Reduce, ArgReduce, Accumulate), Kind.REDUCTION),
    **dict.fromkeys((Transpose, Reshape, BroadcastTo, ExpandDims, Squeeze), Kind.MOVEMENT),
    **dict.fromkeys((Concatenate, Stack, Split, Pad), Kind.MOVEMENT),
    **dict.fromkeys((BasicIndex, AdvancedIndex, Take, TakeAlongAxis), Kind.MOVEMENT),
    **dict.fromkeys((BasicIndexAdjoint, AdvancedIndexAdjoint, TakeAdjoint, TakeAlongAxisAdjoint), Kind.MOVEMENT),
    **dict.fromkeys((Full, Arange, Linspace, Eye, Tri), Kind.CREATION),
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
    """What form and colour the operation is drawn in; an operation that is not of numpy's families is the user's."""
    if not isinstance(operation, Operation) or isinstance(operation, Elementwise | Astype | Where):
        return Kind.OPERATION
    return CLASS_TO_KIND.get(type(operation), Kind.USER)


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
