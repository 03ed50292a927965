"""C types as data: names, pointers, arrays, functions. Imports nothing but what it needs to be records."""

from __future__ import annotations

from dataclasses import dataclass


class CType:
    """Base of all types."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class NamedType(CType):
    """A type with a name: ``float``, ``const float``, a typedef, ``struct task``."""

    name: str
    is_const: bool = False


@dataclass(frozen=True, slots=True)
class Pointer(CType):
    """A pointer to `target`."""

    target: CType
    is_restrict: bool = False
    is_const: bool = False


@dataclass(frozen=True, slots=True)
class ArrayType(CType):
    """`length` elements of `element`; a length of None is left open."""

    element: CType
    length: int | None


@dataclass(frozen=True, slots=True)
class FunctionType(CType):
    """A function, to point to."""

    result: CType
    parameters: tuple[CType, ...]


void = NamedType("void")
int_ = NamedType("int")
int32 = NamedType("int32_t")
int64 = NamedType("int64_t")
uint8 = NamedType("uint8_t")
uint32 = NamedType("uint32_t")
uint64 = NamedType("uint64_t")
float32 = NamedType("float")
float64 = NamedType("double")
size = NamedType("size_t")


def pointer(target: CType, is_restrict: bool = False) -> Pointer:
    """Return a pointer to `target`."""
    return Pointer(target, is_restrict)


def const(ctype: NamedType) -> NamedType:
    """Return `ctype`, read-only."""
    return NamedType(ctype.name, is_const=True)


def const_pointer(target: NamedType, is_restrict: bool = False) -> Pointer:
    """Return ``const target *``."""
    return Pointer(const(target), is_restrict)
