"""Vector types as GCC/clang vector extensions spell them: no intrinsics, no headers but the integer types'.

A vector type is an element type and a number of lanes. A kernel with elements of several sizes takes as many lanes as
a register holds of the largest: narrower vectors are cheap, wider ones make gcc 12 fail on comparisons.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mosaic import c
from mosaic.c.helpers import Helper


@dataclass(frozen=True, slots=True)
class Element:
    """An element type: its short name in ours, its C name, its size, and the integer that a comparison yields."""

    short: str
    ctype: c.NamedType
    num_bytes: int
    mask_short: str
    is_float: bool = False

    @property
    def is_signed(self) -> bool:
        """Return whether it has negative numbers."""
        return not self.short.startswith("u")


_elements = {
    each.short: each
    for each in (
        Element("f32", c.float32, 4, "i32", is_float=True),
        Element("f64", c.float64, 8, "i64", is_float=True),
        Element("i8", c.NamedType("int8_t"), 1, "i8"),
        Element("i16", c.NamedType("int16_t"), 2, "i16"),
        Element("i32", c.int32, 4, "i32"),
        Element("i64", c.int64, 8, "i64"),
        Element("u8", c.uint8, 1, "i8"),
        Element("u16", c.NamedType("uint16_t"), 2, "i16"),
        Element("u32", c.uint32, 4, "i32"),
        Element("u64", c.uint64, 8, "i64"),
    )
}
_dtype_to_short = {
    np.dtype(np.float32): "f32",
    np.dtype(np.float64): "f64",
    np.dtype(np.int8): "i8",
    np.dtype(np.int16): "i16",
    np.dtype(np.int32): "i32",
    np.dtype(np.int64): "i64",
    np.dtype(np.uint8): "u8",
    np.dtype(np.uint16): "u16",
    np.dtype(np.uint32): "u32",
    np.dtype(np.uint64): "u64",
    np.dtype(np.bool_): "u8",
}

_preamble = Helper(
    "vector_preamble",
    (
        c.Include("stdint.h"),
        c.CompiledIf(
            "!defined(__has_builtin)",
            (c.Define("__has_builtin", "0", ("name",), comment="Compilers before gcc 10."),),
        ),
        c.CompiledIf(
            "defined(__GNUC__)",
            (c.FilePragma('GCC diagnostic ignored "-Wpsabi"'),),
        ),
    ),
)
"""Vectors are passed only between functions of one file, compiled with the same flags: the ABI the warning is about is one."""


@dataclass(frozen=True, slots=True)
class VectorType:
    """`lanes` elements of one type."""

    element: Element
    lanes: int

    @property
    def name(self) -> str:
        """Return the name of the C type: ``f32x16``."""
        return f"{self.element.short}x{self.lanes}"

    @property
    def ctype(self) -> c.NamedType:
        """Return the C type."""
        return c.NamedType(self.name)

    @property
    def num_bytes(self) -> int:
        """Return the size of a vector."""
        return self.lanes * self.element.num_bytes

    @property
    def mask(self) -> VectorType:
        """Return the type of a comparison's result: signed integers, -1 where it holds."""
        return VectorType(_elements[self.element.mask_short], self.lanes)

    @property
    def helper(self) -> Helper:
        """Return the declaration of the type."""
        return _typedef(self)

    def of(self, short: str) -> VectorType:
        """Return the type with as many lanes of another element."""
        return VectorType(_elements[short], self.lanes)

    @property
    def narrowed_pair(self) -> VectorType:
        """Return the type of the lanes of two vectors of integers, each of half as many bytes."""
        short = f"{self.element.short[0]}{4 * self.element.num_bytes}"
        return VectorType(_elements[short], 2 * self.lanes)

    def literal(self, value: float) -> c.Expression:
        """Return a constant of the element type; with a vector as the other operand it stands in every lane."""
        if not self.element.is_float:
            return c.literal(int(value), self.element.ctype.name if self.element.num_bytes >= 4 else "int")
        return c.literal(float(value), self.element.ctype.name)

    def filled(self, value: c.Expression) -> c.Expression:
        """Return a vector with `value` in every lane."""
        return c.CompoundLiteral(self.ctype, (value,) * self.lanes)

    def bits(self, operand: c.Expression) -> c.Expression:
        """Return the bits of a vector of the same size, read as this type."""
        return c.Cast(self.ctype, operand)

    @property
    def zero(self) -> c.Expression:
        """Return a vector of zeros."""
        return c.CompoundLiteral(self.ctype, (c.literal(0),))


def vector_type(dtype: np.dtype, lanes: int) -> VectorType:
    """Return the type of `lanes` elements of `dtype`; bools are held as uint8, as in memory.

    Raises:      ValueError: no lane holds that dtype
    """
    short = _dtype_to_short.get(np.dtype(dtype))
    if short is None:
        raise ValueError(
            f"vector_type: lanes of {np.dtype(dtype)} were asked for; expected one of "
            f"{', '.join(str(each) for each in _dtype_to_short)}; convert the array before"
        )
    return VectorType(_elements[short], lanes)


@lru_cache(maxsize=256)
def _typedef(vector: VectorType) -> Helper:
    size = f"vector_size({vector.num_bytes})"
    alignment = f"aligned({vector.element.num_bytes})"
    return Helper(
        vector.name,
        (
            c.Typedef(vector.name, vector.element.ctype, (size,)),
            c.Typedef(f"{vector.name}_unaligned", vector.element.ctype, (size, alignment, "may_alias")),
        ),
        (_preamble,),
    )
