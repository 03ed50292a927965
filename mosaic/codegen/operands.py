"""The arguments of a kernel: one pointer per buffer and offset, in the order of first use.

The pointer includes the offset, so kernels that differ only in addresses share one C function.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mosaic import c
from mosaic.ir.affine import Number
from mosaic.ir.views import Buffer, View
from mosaic.vector.vector_types import vector_type


@dataclass(frozen=True, slots=True)
class Operand:
    """A buffer and an offset, and whether the kernel writes there."""

    buffer: Buffer
    offset: Number
    is_written: bool


@dataclass(slots=True)
class Operands:
    """The pointers of one kernel."""

    places: dict[tuple[Buffer, Number], int] = field(default_factory=dict)
    written: set[tuple[Buffer, Number]] = field(default_factory=set)

    def pointer(self, view: View, is_written: bool = False) -> c.Name:
        """Return the pointer to the first element of a view, which moves with the loops around the kernel."""
        place = (view.buffer, view.offset)
        index = self.places.setdefault(place, len(self.places))
        if is_written:
            self.written.add(place)
        return c.Name(f"p{index}")

    def listed(self) -> tuple[Operand, ...]:
        """Return them in the order in which they are passed."""
        return tuple(Operand(*place, place in self.written) for place in self.places)

    def declarations(self) -> tuple[c.Statement, ...]:
        """Return the statements that unpack them from the kernel's table."""
        return tuple(
            c.Declare(_pointer_type(operand.buffer.dtype, operand.is_written), f"p{index}", c.Name("operands")[index])
            for index, operand in enumerate(self.listed())
        )


def element_type(dtype: np.dtype) -> c.NamedType:
    """Return the C type of an element in memory."""
    return vector_type(dtype, 1).element.ctype


def _pointer_type(dtype: np.dtype, is_written: bool) -> c.CType:
    element = element_type(dtype)
    return c.pointer(element) if is_written else c.const_pointer(element)


def address(pointer: c.Expression, strides: tuple[int, ...], axes: tuple[c.Expression, ...]) -> c.Expression:
    """Return ``pointer + sum(axis * stride)``."""
    result = pointer
    for axis, stride in zip(axes, strides, strict=True):
        result = result + axis * stride if stride else result
    return result
