"""The factors of symmetric and Hermitian matrices that are not definite, x = P L D L* P*, packed as LAPACK packs them.

D has blocks of 1 x 1 and 2 x 2 on its diagonal. Only the lower triangle of x is read.

Source: Bunch and Kaufman, Some Stable Methods for Calculating Inertia and Solving Symmetric Linear Systems, 1977, with the pivots and
signs of LAPACK's xSYTF2, xHETF2, xSYTRS and xHETRS for the lower triangle. Weakness: loops of Python over the columns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from composit.numpy.linalg.matrix_arguments import MatrixAlgorithm, check_matrices, check_square, inexact_dtype
from composit.operation import Array, Results, TensorType, tensor_type

# A pivot of 1 x 1 is taken if it is this part of the largest element, which bounds the growth of elements.
_LEAST_PART = (1 + math.sqrt(17)) / 8


@dataclass(frozen=True, slots=True)
class LDL(MatrixAlgorithm):
    """The packed factors, the pivots counted from 1 (both negative at a block of 2 x 2), and the place of the first zero block.

    hermitian: L* is the conjugate of the transpose, else the transpose

    Shapes:      (..., n, n) -> (..., n, n), (..., n), (...)
    Reference:   torch.linalg.ldl_factor_ex
    """

    hermitian: bool
    num_results_of_class = 3
    no_derivative = "no rule is written, nor has torch one"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (x,) = operand_types
        check_square("ldl_factor", x)
        outer = x.shape[:-2]
        factors = tensor_type(x.shape, inexact_dtype("ldl_factor", x))
        return factors, tensor_type((*outer, x.shape[-1]), np.int32), tensor_type(outer, np.int32)

    def evaluate(self, *operands: Array) -> Results:
        (x,) = operands
        kinds = self.result_types(tensor_type(x.shape, x.dtype))
        count = math.prod(x.shape[:-2])
        factors = np.tril(x).astype(kinds[0].dtype).reshape(count, *x.shape[-2:])
        pivots = np.zeros((count, x.shape[-1]), np.int32)
        errors = np.zeros(count, np.int32)
        with np.errstate(all="ignore"):
            for number in range(count):
                errors[number] = _Factorization(factors[number], pivots[number], self.hermitian).run()
        return tuple(part.reshape(kind.shape) for part, kind in zip((factors, pivots, errors), kinds, strict=True))


def _sizes(values: Array) -> Array:
    """Return the magnitudes by which LAPACK chooses pivots: |re| + |im|."""
    return np.abs(values.real) + np.abs(values.imag) if values.dtype.kind == "c" else np.abs(values)


class _Factorization:
    """Factors one matrix in place."""

    def __init__(self, matrix: Array, pivots: Array, hermitian: bool) -> None:
        self._a = matrix
        self._pivots = pivots
        self._is_conjugate = hermitian and matrix.dtype.kind == "c"

    def run(self) -> int:
        """Factor the matrix, and return the place of the first block of zeros, counted from 1; 0 if there is none."""
        error, k = 0, 0
        while k < len(self._a):
            chosen, width = self._pivot(k)
            if chosen is None:
                error, chosen = error or k + 1, k
            elif chosen != k + width - 1:
                self._swap(k, k + width - 1, chosen)
            if self._is_conjugate:
                for place in range(k, k + width):
                    self._a[place, place] = self._a[place, place].real
            if width == 1:
                self._pivots[k] = chosen + 1
                if self._a[k, k] != 0:
                    self._eliminate_one(k)
            else:
                self._pivots[k : k + 2] = -(chosen + 1)
                self._eliminate_two(k)
            k += width
        return error

    def _diagonal(self, k: int) -> float:
        own = self._a[k, k]
        return float(abs(own.real) if self._is_conjugate else _sizes(self._a[k : k + 1, k])[0])

    def _pivot(self, k: int) -> tuple[int | None, int]:
        """Return the row to be brought to the end of the next block, and the block's width; None if its column is zero."""
        a, n, own = self._a, len(self._a), self._diagonal(k)
        below = _sizes(a[k + 1 :, k])
        largest = float(below.max(initial=0))
        if max(own, largest) == 0 or math.isnan(own):
            return None, 1
        if own >= _LEAST_PART * largest:
            return k, 1
        row = k + 1 + int(np.argmax(below))
        of_row = float(_sizes(a[row, k:row]).max(initial=0))
        if row < n - 1:
            of_row = max(of_row, float(_sizes(a[row + 1 :, row]).max(initial=0)))
        if own >= _LEAST_PART * largest * (largest / of_row):
            return k, 1
        return row, 1 if self._diagonal(row) >= _LEAST_PART * of_row else 2

    def _swap(self, k: int, place: int, chosen: int) -> None:
        """Interchange two rows and columns of what is left, whose lower triangle alone is stored."""
        a = self._a
        a[chosen + 1 :, [place, chosen]] = a[chosen + 1 :, [chosen, place]]
        between = a[place + 1 : chosen, place].copy()
        across = a[chosen, place + 1 : chosen].copy()
        a[place + 1 : chosen, place] = across.conj() if self._is_conjugate else across
        a[chosen, place + 1 : chosen] = between.conj() if self._is_conjugate else between
        if self._is_conjugate:
            a[chosen, place] = a[chosen, place].conj()
        a[[place, chosen], [place, chosen]] = a[[chosen, place], [chosen, place]]
        if place == k + 1:
            a[[k + 1, chosen], k] = a[[chosen, k + 1], k]

    def _adjoint(self, values: Array) -> Array:
        return values.conj() if self._is_conjugate else values

    def _subtract(self, start: int, product: Array) -> None:
        """Subtract from the lower triangle of what is left."""
        rest = self._a[start:, start:]
        rest -= np.tril(product)
        if self._is_conjugate:
            diagonal = np.arange(len(rest))
            rest[diagonal, diagonal] = rest[diagonal, diagonal].real

    def _eliminate_one(self, k: int) -> None:
        column = self._a[k + 1 :, k]
        inverse = 1 / self._a[k, k]
        self._subtract(k + 1, inverse * np.outer(column, self._adjoint(column)))
        column *= inverse

    def _eliminate_two(self, k: int) -> None:
        columns = self._a[k + 2 :, k : k + 2].copy()
        if not len(columns):
            return
        weights = columns @ np.linalg.inv(_block(self._a, k, self._is_conjugate))
        self._subtract(k + 2, weights @ self._adjoint(columns).T)
        self._a[k + 2 :, k : k + 2] = weights


def _block(factors: Array, k: int, is_conjugate: bool) -> Array:
    """Return the block of 2 x 2 of D whose lower triangle is stored at a place."""
    block = np.tril(factors[k : k + 2, k : k + 2])
    block[0, 1] = block[1, 0].conj() if is_conjugate else block[1, 0]
    return block


@dataclass(frozen=True, slots=True)
class LDLSolve(MatrixAlgorithm):
    """The solution y of x y = b, from the factors and pivots of x that `LDL` gives.

    Shapes:      (..., n, n), (..., n), (..., n, m) -> (..., n, m); leading axes broadcast
    Reference:   torch.linalg.ldl_solve
    """

    hermitian: bool
    no_derivative = "no rule is written, nor has torch one"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        factors, _, b = operand_types
        check_square("ldl_solve", factors)
        check_matrices("ldl_solve", b)
        outer = np.broadcast_shapes(factors.shape[:-2], b.shape[:-2])
        return (tensor_type((*outer, *b.shape[-2:]), inexact_dtype("ldl_solve", factors, b)),)

    def evaluate(self, *operands: Array) -> Results:
        factors, pivots, b = operands
        (kind,) = self.result_types(*(tensor_type(each.shape, each.dtype) for each in operands))
        outer, count = kind.shape[:-2], math.prod(kind.shape[:-2])
        result = np.array(np.broadcast_to(b, kind.shape), kind.dtype).reshape(count, *kind.shape[-2:])
        matrices = np.broadcast_to(factors, (*outer, *factors.shape[-2:])).reshape(count, *factors.shape[-2:])
        swaps = np.broadcast_to(pivots, (*outer, pivots.shape[-1])).reshape(count, pivots.shape[-1])
        is_conjugate = self.hermitian and kind.dtype.kind == "c"
        with np.errstate(all="ignore"):
            for matrix, places, solution in zip(matrices, swaps, result, strict=True):
                _solve(matrix, places, solution, is_conjugate)
        return result.reshape(kind.shape)


def _solve(factors: Array, pivots: Array, solution: Array, is_conjugate: bool) -> None:
    """Solve in place: rows are swapped and eliminated block by block, divided by D, and put back in reverse."""
    starts, k = [], 0
    while k < len(factors):
        width = 1 if pivots[k] > 0 else 2
        starts.append((k, width))
        end = k + width
        _swap_rows(solution, end - 1, abs(int(pivots[end - 1])) - 1)
        solution[end:] -= factors[end:, k:end] @ solution[k:end]
        if width == 1:
            solution[k] /= factors[k, k].real if is_conjugate else factors[k, k]
        else:
            solution[k:end] = np.linalg.solve(_block(factors, k, is_conjugate), solution[k:end])
        k = end
    for k, width in reversed(starts):
        end = k + width
        below = factors[end:, k:end].T
        solution[k:end] -= (below.conj() if is_conjugate else below) @ solution[end:]
        _swap_rows(solution, end - 1, abs(int(pivots[end - 1])) - 1)


def _swap_rows(rows: Array, one: int, other: int) -> None:
    if one != other:
        rows[[one, other]] = rows[[other, one]]
