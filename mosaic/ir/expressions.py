"""Scalar expressions over the axes of a definition: what is computed for one element.

An expression is a tree of frozen records. It contains no indices: `Load` reads a view of the domain's shape, whose strides
express transposing, slicing and broadcasting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from operator import is_
from typing import Any

import numpy as np

from mosaic.ir.views import Shape, View


@dataclass(frozen=True, slots=True)
class Gather:
    """A computed index of a `Load`: it moves the address by ``index * stride``.

    A negative index counts from the end. `origin` is the instruction to blame when it is out of bounds.
    """

    index: Load
    extent: int
    stride: int
    origin: int
    mode: str = "raise"


@dataclass(frozen=True, slots=True)
class Load:
    """An element of a buffer."""

    view: View
    gathers: tuple[Gather, ...] = ()

    @property
    def dtype(self) -> np.dtype:
        """The element type."""
        return self.view.dtype


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant of a dtype, compared by its bits, so that -0.0 differs from 0.0 and NaN equals NaN."""

    value: Any = field(compare=False)  # Any: the Python scalar of any dtype
    dtype: np.dtype
    bits: bytes


def literal(value: complex | np.generic, dtype: np.dtype) -> Literal:
    """Return a constant; `value` is converted to `dtype` first."""
    scalar = np.asarray(value).astype(dtype)
    return Literal(scalar.item(), dtype, scalar.tobytes())


@dataclass(frozen=True, slots=True)
class Apply:
    """An elementwise function by numpy's name; the arguments have the dtypes of numpy's loop."""

    function: str
    arguments: tuple[Expression, ...]
    dtype: np.dtype
    result: int = 0


@dataclass(frozen=True, slots=True)
class Convert:
    """A conversion as numpy's astype does it."""

    argument: Expression
    dtype: np.dtype


@dataclass(frozen=True, slots=True)
class Accumulated:
    """In the epilogue of a matmul: the element just computed."""

    dtype: np.dtype


Expression = Load | Literal | Apply | Convert | Accumulated


@dataclass(frozen=True, slots=True)
class Uniform:
    """A value whose elements are all one constant: it takes no memory."""

    literal: Literal
    shape: Shape

    def __str__(self) -> str:
        return f"{text(self.literal)}{list(self.shape)}"


def convert(expression: Expression, dtype: np.dtype) -> Expression:
    """Return the expression as `dtype`, folded where that is free."""
    if expression.dtype == dtype:
        return expression
    if isinstance(expression, Literal) and not (dtype.kind in "iu" and expression.dtype.kind == "f"):
        return literal(expression.value, dtype)
    return Convert(expression, dtype)


def operands(expression: Expression) -> tuple[Expression, ...]:
    """Return the direct subexpressions."""
    if isinstance(expression, Apply):
        return expression.arguments
    if isinstance(expression, Convert):
        return (expression.argument,)
    return ()


def walk(expression: Expression) -> Iterator[Expression]:
    """Yield every subexpression, the expression itself first."""
    stack = [expression]
    while stack:
        part = stack.pop()
        yield part
        if isinstance(part, Apply):
            stack.extend(part.arguments[::-1])
        elif isinstance(part, Convert):
            stack.append(part.argument)


def loads(expression: Expression) -> Iterator[Load]:
    """Yield every load, those of gather indices included."""
    stack = [
        expression
    ]  # as `walk` has, whose own turns would cost as much again: the passes ask for loads most of all
    while stack:
        part = stack.pop()
        if isinstance(part, Load):
            for gather in part.gathers:
                yield gather.index
            yield part
        elif isinstance(part, Apply):
            stack.extend(part.arguments[::-1])
        elif isinstance(part, Convert):
            stack.append(part.argument)


def rewrite(expression: Expression, change: Callable[[Expression], Expression | None]) -> Expression:
    """Return the expression with each part replaced by `change(part)` unless that is None, top down.

    Unchanged parts are the same objects.
    """
    changed = change(expression)
    if changed is not None:
        return changed
    if isinstance(expression, Apply):
        before = expression.arguments
        after = tuple([rewrite(argument, change) for argument in before])
        is_same = all(map(is_, before, after))
        return expression if is_same else Apply(expression.function, after, expression.dtype, expression.result)
    if isinstance(expression, Convert):
        argument = rewrite(expression.argument, change)
        return expression if argument is expression.argument else Convert(argument, expression.dtype)
    return expression


def map_views(expression: Expression, change: Callable[[View], View]) -> Expression:
    """Return the expression with every view replaced, those of gather indices included."""

    def changed(part: Expression) -> Expression | None:
        return map_load(part, change) if isinstance(part, Load) else None

    return rewrite(expression, changed)


def map_load(load: Load, change: Callable[[View], View]) -> Load:
    """Return the load with its views replaced."""
    view = change(load.view)
    if not load.gathers:
        return load if view is load.view else Load(view)
    gathers = tuple(replace(gather, index=map_load(gather.index, change)) for gather in load.gathers)
    return Load(view, gathers)


def views(expression: Expression) -> Iterator[View]:
    """Yield every view, those of gather indices included."""
    for part in walk(expression):
        if isinstance(part, Load):
            for gather in part.gathers:
                yield gather.index.view
            yield part.view


def gathered_views(expression: Expression) -> Iterator[View]:
    """Yield the views of gathers, data and indices: they are read from memory, never from a register."""
    for part in walk(expression):
        if isinstance(part, Load) and part.gathers:
            yield part.view
            yield from (gather.index.view for gather in part.gathers)


def size(expression: Expression) -> int:
    """Return how many records the expression has."""
    count, stack = 0, [expression]
    while stack:
        count += 1
        part = stack.pop()
        if isinstance(part, Apply):
            stack.extend(part.arguments)
        elif isinstance(part, Convert):
            stack.append(part.argument)
    return count


def text(expression: Expression) -> str:
    """Return the expression as one readable line."""
    match expression:
        case Load(view, gathers):
            return "".join([str(view), *(f"{{+{gather.stride}*{text(gather.index)}}}" for gather in gathers)])
        case Apply(function, arguments):
            return f"{function}({', '.join(map(text, arguments))})"
        case Convert(argument, dtype):
            return f"{dtype.name}({text(argument)})"
        case Literal():
            return f"{expression.value!r}"
        case Accumulated():
            return "accumulated"
