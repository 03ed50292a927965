"""What a row of the samples is: one call of one function, with makers of its operands."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Maker = Callable[[np.random.Generator], Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """One row. `compute(xp, *operands)` is spoken to numpy and to composit.numpy alike.

    differentiable: the gradients of all float64 operands are compared with differences
    reference:      numpy's side of the comparison, where numpy has no function of that name
    is_fresh:       each call makes an array of its own, so that two equal calls are two expressions
    rtol:           how far the values may be from numpy's; 0 means equal to the last bit
    """

    name: str
    compute: Callable[..., Any]
    makers: tuple[Maker, ...]
    differentiable: bool = False
    reference: Callable[..., Any] | None = None
    rtol: float = 0.0
    is_fresh: bool = False

    @property
    def family(self) -> str:
        """The first word of the name: samples of a family are compiled together."""
        return self.name.split(" ")[0].split(".")[0]

    def operands(self) -> list[Any]:
        """Return the operands, the same in every process."""
        generator = np.random.default_rng(zlib.crc32(self.name.encode()))
        return [maker(generator) for maker in self.makers]

    def by_numpy(self, *operands: Any) -> Any:
        """Return numpy's answer."""
        return self.reference(*operands) if self.reference is not None else self.compute(np, *operands)


def normal(*shape: int, dtype: Any = np.float64) -> Maker:
    """Normally distributed numbers."""
    return lambda generator: _of(generator.normal(size=shape), dtype)


def between(low: float, high: float, *shape: int, dtype: Any = np.float64) -> Maker:
    """Numbers evenly distributed in an interval."""
    return lambda generator: _of(generator.uniform(low, high, size=shape), dtype)


def off_integers(*shape: int, dtype: Any = np.float64) -> Maker:
    """Numbers that are no integers, nor nearly: piecewise constant functions have a derivative there."""
    return lambda generator: _of(generator.integers(-3, 4, size=shape) + generator.uniform(0.2, 0.4, size=shape), dtype)


def integers(low: int, high: int, *shape: int, dtype: Any = np.int64) -> Maker:
    """Integers of an interval, `high` not included."""
    return lambda generator: _of(generator.integers(low, high, size=shape), dtype)


def booleans(*shape: int) -> Maker:
    """Truth values."""
    return lambda generator: _of(generator.integers(0, 2, size=shape), np.bool)


def given(value: Any) -> Maker:
    """A fixed operand: an array, a scalar, a parameter."""
    return lambda generator: value


def _of(values: Any, dtype: Any) -> Any:
    return np.asarray(values).astype(dtype)
