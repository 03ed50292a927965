"""Signatures of groups: groups with equal signatures share one C function and differ only in addresses.

A signature is the group with its buffers numbered by first use.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, fields
from functools import singledispatch
from typing import Any

from mosaic.codegen.expressions import status_buffer
from mosaic.ir.affine import Affine, Number, Symbol, split, terms_of
from mosaic.ir.expressions import Apply, Convert, Gather, Load
from mosaic.ir.kinds import Kind
from mosaic.ir.loops import Carried
from mosaic.ir.statements import Group
from mosaic.ir.views import Buffer, View


@dataclass(slots=True)
class Signature:
    """Numbers buffers, addresses, loops inside the group and those around it, in the order in which a group uses them."""

    buffers: dict[Buffer, int] = field(default_factory=dict)
    places: dict[tuple[Buffer, Number], int] = field(default_factory=dict)
    around: dict[Symbol, int] = field(default_factory=dict)
    symbols: dict[Symbol, int] = field(default_factory=dict)

    def of(self, group: Group) -> Hashable:
        """Return the signature of a group."""
        stages = signed(group.stages, self)
        local = tuple(sorted(self.buffers[buffer] for buffer in group.local if buffer in self.buffers))
        return (signed((*group.rows, group.length), self), stages, local)

    def place(self, buffer: Buffer, offset: Number) -> int:
        """Return the number of an address."""
        return self.places.setdefault((buffer, offset), len(self.places))


@singledispatch
def signed(part: Any, signature: Signature) -> Hashable:  # Any: a part of a statement
    """Return the signature of a part of a statement; numbers, words and dtypes are their own."""
    known: Hashable = part
    return known


@signed.register
def _(part: tuple, signature: Signature) -> Hashable:  # type: ignore[type-arg]  # dispatch wants a plain class
    # Most parts are extents, which are not worth a call each.
    return tuple([each if isinstance(each, int) else signed(each, signature) for each in part])


@signed.register
def _(part: Kind, signature: Signature) -> Hashable:
    # Every kind is a dataclass, which mypy cannot see. The C text does not depend on `origins`.
    names = [each.name for each in fields(part) if each.name != "origins"]  # type: ignore[arg-type]
    return (type(part), *(signed(getattr(part, name), signature) for name in names))


@signed.register
def _(part: Carried, signature: Signature) -> Hashable:
    return tuple(signed(each, signature) for each in (part.state, part.following, part.start))


@signed.register
def _(part: View, signature: Signature) -> Hashable:
    number = signature.buffers.setdefault(part.buffer, len(signature.buffers))
    # Loops around the kernel change the address passed; loops inside it are part of the text.
    moves, offset = split(part.offset, signature.symbols)
    place = signature.place(part.buffer, offset)
    return (number, place, part.dtype, signed(part.extents, signature), part.strides, signed(moves, signature))


@signed.register
def _(part: Affine, signature: Signature) -> Hashable:
    # Loops inside the kernel are part of its text; of those around it, which alone may be unknown here, it is passed the turns.
    inside, outside = split(part, signature.symbols)
    terms = [(signature.symbols[symbol], coefficient) for symbol, coefficient in terms_of(inside)]
    passed = [(signature.around.setdefault(each, len(signature.around)), factor) for each, factor in terms_of(outside)]
    return (part.constant, tuple(terms), tuple(passed))


@signed.register
def _(part: Symbol, signature: Signature) -> Hashable:
    return signature.symbols.setdefault(part, len(signature.symbols))


@signed.register
def _(part: Load, signature: Signature) -> Hashable:
    return ("load", signed(part.view, signature), signed(part.gathers, signature))


@signed.register
def _(part: Apply, signature: Signature) -> Hashable:
    return (part.function, part.dtype, part.result, signed(part.arguments, signature))


@signed.register
def _(part: Convert, signature: Signature) -> Hashable:
    return ("convert", part.dtype, signed(part.argument, signature))


@signed.register
def _(part: Gather, signature: Signature) -> Hashable:
    # The origin decides the address at which an index error is reported.
    status = signature.place(status_buffer, part.origin)
    return (signed(part.index, signature), part.extent, part.stride, part.mode, status)
