"""`ComplexValue`: a complex array while a program is lowered, as two real arrays.

Most operations on complex numbers are a few on their parts, which then fuse like any others. Where numpy or the caller wants
complex memory, `joined` puts the parts side by side, and `split` sees complex memory as parts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from composit.operation import TensorType, tensor_type
from mosaic.ir.complex_parts import PART_DTYPES
from mosaic.ir.expressions import Literal, Uniform, literal
from mosaic.ir.views import View
from mosaic.lowering.registry import Context, Value


@dataclass(frozen=True, slots=True)
class ComplexValue:
    """A complex array as two real arrays of its shape."""

    real: Value
    imaginary: Value


AnyValue: TypeAlias = Value | ComplexValue
Part: TypeAlias = Callable[[ComplexValue], Value]


def real_of(value: ComplexValue) -> Value:
    """Return the real part."""
    return value.real


def imaginary_of(value: ComplexValue) -> Value:
    """Return the imaginary part."""
    return value.imaginary


def has_complex(*types: TensorType) -> bool:
    """Whether some of the types is of complex numbers that C computes with."""
    return any(each.dtype in PART_DTYPES for each in types)


def part_type(value_type: TensorType) -> TensorType:
    """Return the type of one part; that of real numbers is as it was."""
    dtype = PART_DTYPES.get(value_type.dtype)
    return value_type if dtype is None else tensor_type(value_type.shape, dtype, is_scalar=value_type.is_scalar)


def uniform(value: Literal, shape: tuple[int, ...]) -> AnyValue:
    """Return one value for all elements; a complex one as its parts."""
    dtype = PART_DTYPES.get(value.dtype)
    if dtype is None:
        return Uniform(value, shape)
    real, imaginary = np.frombuffer(value.bits, dtype)
    return ComplexValue(Uniform(literal(real, dtype), shape), Uniform(literal(imaginary, dtype), shape))


def split(pairs: View) -> ComplexValue:
    """Return the parts of complex memory, which is a real view whose last axis is that of the parts."""
    axis = pairs.ndim - 1
    return ComplexValue(*(pairs.slice_axis(axis, part, 1).drop_axes((axis,)) for part in (0, 1)))


def joined(value: ComplexValue, context: Context) -> Value:
    """Return a value as numpy reads it: a real view with pairs along the last axis, or one complex constant."""
    real, imaginary = value.real, value.imaginary
    if isinstance(real, Uniform) and isinstance(imaginary, Uniform):
        dtype = next(each for each, part in PART_DTYPES.items() if part == real.literal.dtype)
        bits = real.literal.bits + imaginary.literal.bits
        return Uniform(Literal(np.frombuffer(bits, dtype)[0].item(), dtype, bits), real.shape)
    return _as_neighbours(real, imaginary) or _copied(value, context)


def _as_neighbours(real: Value, imaginary: Value) -> View | None:
    """Return the pairs without a copy, if each imaginary part lies behind its real part."""
    if isinstance(real, Uniform) or isinstance(imaginary, Uniform) or real.offset + 1 != imaginary.offset:
        return None
    if real != replace(imaginary, offset=real.offset):
        return None
    return View(real.buffer, real.offset, (*real.extents, 2), (*real.strides, 1))


def _copied(value: ComplexValue, context: Context) -> View:
    pairs = context.memory.temporary((*value.real.shape, 2), _dtype_of(value.real))
    for source, target in zip((value.real, value.imaginary), _parts_of(split(pairs)), strict=True):
        context.copy(source, target)
    return pairs


def _parts_of(value: ComplexValue) -> tuple[View, View]:
    assert isinstance(value.real, View), "parts of a view are views"
    assert isinstance(value.imaginary, View), "parts of a view are views"
    return value.real, value.imaginary


def _dtype_of(value: Value) -> np.dtype:
    return value.literal.dtype if isinstance(value, Uniform) else value.dtype
