"""Numbers that change with the turns of loops: `constant + sum(coefficient * symbol)`.

They are the offsets and extents of views, and the extents of loops; strides stay plain numbers. Imports nothing of mosaic.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Symbol:
    """The turn of a loop: 0, 1, ... and never `most` or more. Two symbols are never equal."""

    name: str
    most: int


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """A number with at least one symbol; what has none is an int. Equal sums are equal, whatever the order of their terms."""

    constant: int
    terms: tuple[tuple[Symbol, int], ...]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Affine):
            return NotImplemented
        return self.constant == other.constant and dict(self.terms) == dict(other.terms)

    def __hash__(self) -> int:
        return hash((self.constant, frozenset(self.terms)))

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
        """Spell what is added before what is subtracted: ``2*i + 1``, ``100 - j``, ``-j``."""
        words = [(symbol.name if abs(each) == 1 else f"{abs(each)}*{symbol.name}", each) for symbol, each in self.terms]
        words += [(str(abs(self.constant)), self.constant)] if self.constant else []
        added = " + ".join(word for word, each in words if each > 0)
        taken = " - ".join(word for word, each in words if each < 0)
        return f"{added} - {taken}" if added and taken else added or f"-{taken}"


Number = int | Affine
Extents = tuple[Number, ...]


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


def most(number: Number) -> int:
    """Return the greatest value that the number can have."""
    return bounds(number)[1] if isinstance(number, Affine) else number


def most_of(numbers: Extents) -> tuple[int, ...]:
    """Return the greatest value of each number."""
    # Mostly none moves, and shapes are asked for often.
    return tuple(map(most, numbers)) if moves(numbers) else numbers  # type: ignore[return-value]  # none is an Affine


def moves(numbers: Iterable[Number]) -> bool:
    """Whether some number changes with the turns of a loop."""
    return Affine in map(type, numbers)


def bounds(number: Number) -> tuple[int, int]:
    """Return the least and the greatest value that the number can have."""
    low = high = constant_part(number)
    for symbol, coefficient in terms_of(number):
        reach = coefficient * (symbol.most - 1)
        low, high = low + min(reach, 0), high + max(reach, 0)
    return low, high


def extremes(number: Number, around: Sequence[tuple[Symbol, Number]]) -> tuple[Number, Number]:
    """Return the least and the greatest value in loops: their symbols and extents, the outermost first.

    The extents of inner loops may move with outer ones: in `for i below 4: for j below i`, i - j is 1 to 3, where `bounds`
    says -2 to 3. Symbols of other loops stay in the results.
    """
    low = high = number
    for symbol, extent in reversed(around):
        low = _at_end(low, symbol, extent, is_least=True)
        high = _at_end(high, symbol, extent, is_least=False)
    return low, high


def _at_end(number: Number, symbol: Symbol, extent: Number, is_least: bool) -> Number:
    """Return the number with a symbol at its first or last turn, whichever makes it least or greatest."""
    coefficient = dict(terms_of(number)).get(symbol, 0)
    turn = extent - 1 if (coefficient < 0) == is_least else 0
    return number - coefficient * symbol_number(symbol) + turn * coefficient


def _parts(number: Number) -> tuple[int, dict[Symbol, int]]:
    return constant_part(number), dict(terms_of(number))


def _number(constant: int, coefficients: Mapping[Symbol, int]) -> Number:
    terms = tuple((symbol, each) for symbol, each in coefficients.items() if each)
    return Affine(constant, terms) if terms else constant
