"""Numbers that change with the turns of loops: `constant + sum(coefficient * symbol)`.

They are the offsets of views and the extents of loops; strides and shapes stay plain numbers. Imports nothing of mosaic.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Symbol:
    """The turn of a loop: 0, 1, ... and never `most` or more. Two symbols are never equal."""

    name: str
    most: int


@dataclass(frozen=True, slots=True)
class Affine:
    """A number with at least one symbol; what has none is an int."""

    constant: int
    terms: tuple[tuple[Symbol, int], ...]

    def __add__(self, other: Number) -> Number:
        constant, coefficients = _parts(other)
        for symbol, coefficient in self.terms:
            coefficients[symbol] = coefficients.get(symbol, 0) + coefficient
        return _number(self.constant + constant, coefficients)

    __radd__ = __add__

    def __mul__(self, factor: int) -> Number:
        return _number(self.constant * factor, {symbol: each * factor for symbol, each in self.terms})

    __rmul__ = __mul__

    def __neg__(self) -> Number:
        return self * -1

    def __sub__(self, other: Number) -> Number:
        return self + -other

    def __rsub__(self, other: int) -> Number:
        return -self + other

    def __str__(self) -> str:
        words = [symbol.name if each == 1 else f"{each}*{symbol.name}" for symbol, each in self.terms]
        return " + ".join([*words, *([str(self.constant)] if self.constant else [])])


Number = int | Affine


def symbol_number(symbol: Symbol) -> Affine:
    """Return a symbol as a number."""
    return Affine(0, ((symbol, 1),))


def constant_part(number: Number) -> int:
    """Return the number in the first turn of all loops."""
    return number.constant if isinstance(number, Affine) else number


def terms_of(number: Number) -> tuple[tuple[Symbol, int], ...]:
    """Return the symbols with their coefficients."""
    return number.terms if isinstance(number, Affine) else ()


def split(number: Number, symbols: Container[Symbol]) -> tuple[Number, Number]:
    """Return the terms of some symbols, and the rest with the constant."""
    inside = {symbol: each for symbol, each in terms_of(number) if symbol in symbols}
    outside = {symbol: each for symbol, each in terms_of(number) if symbol not in symbols}
    return _number(0, inside), _number(constant_part(number), outside)


def bounds(number: Number) -> tuple[int, int]:
    """Return the least and the greatest value that the number can have."""
    low = high = constant_part(number)
    for symbol, coefficient in terms_of(number):
        reach = coefficient * (symbol.most - 1)
        low, high = low + min(reach, 0), high + max(reach, 0)
    return low, high


def _parts(number: Number) -> tuple[int, dict[Symbol, int]]:
    return constant_part(number), dict(terms_of(number))


def _number(constant: int, coefficients: Mapping[Symbol, int]) -> Number:
    terms = tuple((symbol, each) for symbol, each in coefficients.items() if each)
    return Affine(constant, terms) if terms else constant
