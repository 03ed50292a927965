"""The arguments of a kernel: one pointer per buffer and offset, in the order of first use, and extents that move.

The pointer includes the offset, so kernels that differ only in addresses share one C function. Extents that move with the
loops around the kernel are computed from their turns, to which the table has pointers too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mosaic import c
from mosaic.ir.affine import Affine, Number, Symbol, constant_part, terms_of
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
    extents: dict[Affine, int] = field(default_factory=dict)
    turns: dict[Symbol, int] = field(default_factory=dict)
    written: set[tuple[Buffer, Number]] = field(default_factory=set)

    def pointer(self, view: View, is_written: bool = False) -> c.Name:
        """Return the pointer to the first element of a view, which moves with the loops around the kernel."""
        place = (view.buffer, view.offset)
        index = self.places.setdefault(place, len(self.places))
        if is_written:
            self.written.add(place)
        return c.Name(f"p{index}")

    def extent(self, number: Number) -> c.Expression:
        """Return an extent: a number, or a variable if it moves with the loops around the kernel."""
        if not isinstance(number, Affine):
            return c.literal(number)
        for symbol, _ in number.terms:
            self.turns.setdefault(symbol, len(self.turns))
        return c.Name(f"extent{self.extents.setdefault(number, len(self.extents))}")

    def extent_declarations(self, position: int) -> tuple[c.Statement, ...]:
        """Return the statements that compute the extents; pointers to turns stand from a position of the table on."""
        names = {symbol: c.Name(f"turn{index}") for symbol, index in self.turns.items()}
        places = (c.Cast(c.const_pointer(c.int64), c.Name("operands")[position + index]) for index in range(len(names)))
        found = [(name.text, c.dereference(place)) for name, place in zip(names.values(), places, strict=True)]
        found += [(f"extent{index}", number_expression(extent, names)) for extent, index in self.extents.items()]
        return tuple(c.Declare(c.const(c.int64), name, value) for name, value in found)

    def listed(self) -> tuple[Operand, ...]:
        """Return them in the order in which they are passed."""
        return tuple(Operand(*place, place in self.written) for place in self.places)

    def declarations(self) -> tuple[c.Statement, ...]:
        """Return the statements that unpack them from the kernel's table."""
        return tuple(
            c.Declare(_pointer_type(operand.buffer.dtype, operand.is_written), f"p{index}", c.Name("operands")[index])
            for index, operand in enumerate(self.listed())
        )


def number_expression(number: Number, symbols: Mapping[Symbol, c.Expression]) -> c.Expression:
    """Return a number that may contain loop symbols as a C expression."""
    result: c.Expression | None = None
    for symbol, coefficient in terms_of(number):
        term = symbols[symbol] * coefficient if coefficient != 1 else symbols[symbol]
        result = term if result is None else result + term
    if result is None:
        return c.literal(constant_part(number))
    return result + constant_part(number) if constant_part(number) else result


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
