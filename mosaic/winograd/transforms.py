"""The matrices of Winograd's minimal filtering F(m, r), and how to multiply by them with few operations.

m outputs of a filter with r taps take m + r - 1 multiplications, not m * r:

    y = inverse @ ((filters @ g) * (data @ d))        d: m + r - 1 inputs, g: r taps, y: m outputs

The matrices come from evaluating polynomials at m + r - 2 points and at infinity (Toom and Cook). F(4, 3) uses 0, +-3/4, +-3/2: with
the usual 0, +-1, +-2 its error is 3 times as large. Over two axes each matrix is applied along one axis, then along the other.

Source:   Winograd, Arithmetic Complexity of Computations (1980); Lavin and Gray, Fast Algorithms for Convolutional Neural Networks
          (2016); Barabasz and others, Error Analysis and Improving the Accuracy of Winograd Convolution (2018)
Weakness: the error grows with m, since outputs are differences of larger numbers: see `mosaic.algorithms.convolution.winograd`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np

Matrix = tuple[tuple[Fraction, ...], ...]
Term = tuple[Fraction, int]

_points = {
    2: (0, 1, -1),
    4: (0, Fraction(3, 4), -Fraction(3, 4), Fraction(3, 2), -Fraction(3, 2)),
    6: (0, 1, -1, 2, -2, Fraction(1, 2), -Fraction(1, 2)),
}
"""The finite points for 3 taps, by the number of outputs; opposite ones are neighbours, as `factored` wants them."""

known_outputs = tuple(_points)


@dataclass(frozen=True, slots=True)
class Transform:
    """F(outputs, taps) along one axis: 3 taps and 2, 4 or 6 outputs, or 1 tap and 1 output, which changes nothing."""

    outputs: int
    taps: int

    @property
    def length(self) -> int:
        """The inputs of a tile, and the multiplications that it takes."""
        return self.outputs + self.taps - 1

    @property
    def data(self) -> Matrix:
        """The matrix for inputs: (length, length)."""
        return _matrices(self.outputs, self.taps)[0]

    @property
    def filters(self) -> Matrix:
        """The matrix for taps: (length, taps)."""
        return _matrices(self.outputs, self.taps)[1]

    @property
    def inverse(self) -> Matrix:
        """The matrix for outputs: (outputs, length)."""
        return _matrices(self.outputs, self.taps)[2]


@lru_cache(maxsize=16)
def _matrices(outputs: int, taps: int) -> tuple[Matrix, Matrix, Matrix]:
    if (outputs, taps) == (1, 1):
        one: Matrix = ((Fraction(1),),)
        return one, one, one
    points = tuple(map(Fraction, _points[outputs]))
    data, filters = [], []
    for place, point in enumerate(points):
        others = points[:place] + points[place + 1 :]
        scale = Fraction(1)
        for other in others:
            scale *= point - other
        data.append((*_polynomial(others), Fraction(0)))
        filters.append(tuple(point**power / scale for power in range(taps)))
    data.append(_polynomial(points))
    filters.append((*(Fraction(0),) * (taps - 1), Fraction(1)))
    last = outputs - 1
    inverse = tuple((*(point**row for point in points), Fraction(int(row == last))) for row in range(outputs))
    return tuple(data), tuple(filters), inverse


def _polynomial(roots: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """Return the coefficients of the product of x - root, the constant one first."""
    result = [Fraction(1)]
    for root in roots:
        shifted = [Fraction(0), *result]
        result = [one - root * other for one, other in zip(shifted, [*result, Fraction(0)], strict=True)]
    return tuple(result)


def transformed_filters(filters: np.ndarray, transforms: Sequence[Transform]) -> np.ndarray:
    """Return filters[..., k0, k1] as [..., length0, length1], computed in float64 and rounded once."""
    result = filters.astype(np.float64)
    for axis, transform in zip((-2, -1), transforms, strict=True):
        matrix = np.array([[float(each) for each in row] for row in transform.filters])
        result = np.moveaxis(np.tensordot(matrix, result, (1, axis)), 0, axis)
    return result.astype(filters.dtype)


@dataclass(frozen=True, slots=True)
class Factored:
    """A product with a matrix as sums of few terms: first those in `shared`, then one for each row.

    A term is a factor and the number of an input; numbers from the count of inputs on are those of the shared sums.
    """

    shared: tuple[tuple[Term, ...], ...]
    rows: tuple[tuple[Term, ...], ...]


@lru_cache(maxsize=64)
def factored(matrix: Matrix) -> Factored:
    """Return a product with a matrix where opposite points share what they have in common.

    Rows i and i' of opposite points differ in the signs of odd columns: they are e + o and e - o, with e the sum over even
    columns and o that over odd ones. Columns of opposite points, in the inverse, are added and subtracted first.
    """
    pairs = list(_opposite(tuple(zip(*matrix, strict=True))))
    if pairs:
        return _by_columns(matrix, pairs)
    return _by_rows(matrix, list(_opposite(matrix)))


def _opposite(rows: Sequence[Sequence[Fraction]]) -> Iterator[tuple[int, int]]:
    """Yield neighbouring rows that are equal but for the signs of odd places, of which both have some."""
    place = 0
    while place + 1 < len(rows):
        one, other = rows[place : place + 2]
        signs = [each if index % 2 == 0 else -each for index, each in enumerate(one)]
        if tuple(signs) == tuple(other) and any(one[::2]) and any(one[1::2]):
            yield place, place + 1
            place += 1
        place += 1


def _terms(row: Sequence[Fraction], columns: Sequence[int]) -> tuple[Term, ...]:
    return tuple((row[column], column) for column in columns if row[column])


def _by_rows(matrix: Matrix, pairs: Sequence[tuple[int, int]]) -> Factored:
    count = len(matrix[0])
    shared: list[tuple[Term, ...]] = []
    rows = {place: _terms(row, range(count)) for place, row in enumerate(matrix)}
    for first, second in pairs:
        even, odd = count + len(shared), count + len(shared) + 1
        shared += [_terms(matrix[first], range(start, count, 2)) for start in (0, 1)]
        rows[first] = ((Fraction(1), even), (Fraction(1), odd))
        rows[second] = ((Fraction(1), even), (Fraction(-1), odd))
    return Factored(tuple(shared), tuple(rows[place] for place in range(len(matrix))))


def _by_columns(matrix: Matrix, pairs: Sequence[tuple[int, int]]) -> Factored:
    count = len(matrix[0])
    paired = {column for pair in pairs for column in pair}
    single = [column for column in range(count) if column not in paired]
    shared: list[tuple[Term, ...]] = []
    for first, second in pairs:
        shared += [((Fraction(1), first), (Fraction(sign), second)) for sign in (1, -1)]
    rows = []
    for place, row in enumerate(matrix):
        sums = [(row[first], count + 2 * index + place % 2) for index, (first, _) in enumerate(pairs) if row[first]]
        rows.append((*_terms(row, single), *sums))
    return Factored(tuple(shared), tuple(rows))
