"""Dispatch from an operation's class to its lowering, and the context a lowering works in.

A lowering returns one value per result, or raises `NoLowering` with the reason: then numpy runs the node as an island.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import singledispatch

import numpy as np

from composit.operation import Operation, TensorType
from mosaic.ir.expressions import Expression, Literal, Load, Uniform, convert, views
from mosaic.ir.statements import Definition, Statement
from mosaic.ir.views import Buffer, BufferKind, Shape, View, dense_view

compiled_dtypes = frozenset(map(np.dtype, ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"]))
"""The element types that generated C computes with."""


class NoLowering(Exception):
    """This node has no lowering; the text says why."""


Value = View | Uniform
ViewChange = Callable[[View], View]


@dataclass(slots=True)
class Memory:
    """Hands out buffers, numbered in order.

    reordered:    those that hold results in another order of axes than numpy would, such as channels last
    behind_fence: the buffer that each name behind a fence stands for
    """

    num_temporaries: int = 0
    reordered: set[Buffer] = field(default_factory=set)
    behind_fence: dict[Buffer, Buffer] = field(default_factory=dict)

    def temporary(self, shape: Shape, dtype: np.dtype) -> View:
        """Return a new dense array."""
        num_elements = int(np.prod(shape, dtype=np.int64))
        buffer = Buffer(BufferKind.TEMPORARY, self.num_temporaries, num_elements, dtype)
        self.num_temporaries += 1
        return dense_view(buffer, shape)

    def reordered_temporary(self, shape: Shape, dtype: np.dtype) -> View:
        """Return a new dense array for a result whose axes numpy would have in another order."""
        result = self.temporary(shape, dtype)
        self.reordered.add(result.buffer)
        return result

    def fenced(self, buffer: Buffer) -> Buffer:
        """Return another name for a buffer, to be read behind a fence."""
        name = Buffer(BufferKind.FENCED, len(self.behind_fence), buffer.num_elements, buffer.dtype)
        self.behind_fence[name] = self.behind_fence.get(buffer, buffer)
        if buffer in self.reordered:
            self.reordered.add(name)
        return name


@dataclass(slots=True)
class Context:
    """A node as its lowering sees it: operands, types, and a list to append statements to.

    is_read: for each result, whether something reads it; empty if all are read
    """

    position: int
    operands: tuple[Value, ...]
    operand_types: tuple[TensorType, ...]
    types: tuple[TensorType, ...]
    memory: Memory
    statements: list[Statement]
    is_read: tuple[bool, ...] = ()

    def reads(self, index: int) -> bool:
        """Return whether something reads a result; what nothing reads need not be computed."""
        return self.is_read[index] if self.is_read else True

    def load(self, index: int, shape: Shape, dtype: np.dtype) -> Expression:
        """Return an element of an operand, broadcast to a domain and converted."""
        value = self.operands[index]
        if isinstance(value, Uniform):
            return convert(value.literal, dtype)
        return convert(Load(value.broadcast_to(shape)), dtype)

    def view(self, index: int) -> View:
        """Return an operand as a view, storing it first if it is uniform."""
        value = self.operands[index]
        if isinstance(value, View):
            return value
        result = self.memory.temporary(value.shape, value.literal.dtype)
        self.define(result, value.literal)
        return result

    def dense(self, index: int) -> View:
        """Return an operand as a dense array, copied if it is none."""
        value = self.view(index)
        return value if value.is_contiguous else self.copy(value, self.memory.temporary(value.shape, value.dtype))

    def result(self, index: int = 0) -> View:
        """Return a new dense array for a result."""
        return self.memory.temporary(self.types[index].shape, self.types[index].dtype)

    def result_in_order_of(self, seen: Iterable[View]) -> View:
        """Return a new array for the first result, with channels last if all of these views have them so.

        A convolution stores its results [n, channels, lengths...] with channels last; so they are not moved on the way to the
        next one. Views that are broadcast say nothing.
        """
        shape, dtype = self.types[0].shape, self.types[0].dtype
        whole = [view for view in seen if view.ndim == len(shape) > 2 and _shows_each_once(view)]
        if not whole or not all(map(_has_channels_last, whole)):
            return self.result()
        stored = self.memory.reordered_temporary((shape[0], *shape[2:], shape[1]), dtype)
        return stored.transpose((0, len(shape) - 1, *range(1, len(shape) - 1)))

    def define(self, result: View, expression: Expression, reducer: str | None = None, reduced: Shape = ()) -> View:
        """Append a definition; empty results need none."""
        if result.size:
            self.statements.append(Definition(result, expression, (self.position,), reduced, reducer))
        return result

    def computed(self, expression: Expression) -> Value:
        """Return the first result as an expression over its shape; one that only loads or is constant needs no statement."""
        if isinstance(expression, Literal):
            return Uniform(expression, self.types[0].shape)
        if isinstance(expression, Load) and not expression.gathers and self.types[0].size:
            return expression.view
        return self.define(self.result_in_order_of(views(expression)), expression)

    def copy(self, source: Value, result: View) -> View:
        """Append a definition that copies a value of the same shape, converting its dtype."""
        expression = source.literal if isinstance(source, Uniform) else Load(source)
        return self.define(result, convert(expression, result.dtype))

    def dense_reshape(self, view: View, shape: Shape) -> View:
        """Return a view with another shape, of a dense copy if strides do not express it."""
        direct = view.reshape(shape)
        if direct is None:
            direct = self.copy(view, self.memory.temporary(view.shape, view.dtype)).reshape(shape)
        assert direct is not None, "a dense array takes every shape of its size"
        return direct

    def moved(self, change: ViewChange) -> tuple[Value, ...]:
        """Return the only operand, seen through another view; a uniform value only changes its shape."""
        value = self.operands[0]
        if isinstance(value, Uniform):
            return (Uniform(value.literal, self.types[0].shape),)
        return (change(value),)


def _shows_each_once(view: View) -> bool:
    return all(stride > 0 for stride, extent in zip(view.strides, view.shape, strict=True) if extent != 1)


def _has_channels_last(view: View) -> bool:
    """Whether axis 1 is the fastest in memory, and the others are in order."""
    moved = view.transpose((0, *range(2, view.ndim), 1))
    steps = [stride for stride, extent in zip(moved.strides, moved.shape, strict=True) if extent != 1]
    return view.shape[1] > 1 and view.strides[1] == 1 and steps == sorted(steps, reverse=True)


@singledispatch
def lower(operation: Operation, context: Context) -> Sequence[Value]:
    """Return the values of a node's results; the statements that compute them are appended to the context."""
    raise NoLowering(f"{operation.name} has no lowering to C")


def has_lowering(operation: Operation) -> bool:
    """Whether some family registered the operation's class."""
    return lower.dispatch(type(operation)) is not lower.dispatch(object)


def check_dtypes(*types: TensorType) -> None:
    """Raise NoLowering unless generated C computes with every dtype."""
    for value_type in types:
        if value_type.dtype not in compiled_dtypes:
            raise NoLowering(f"generated C does not compute with {value_type.dtype}")
