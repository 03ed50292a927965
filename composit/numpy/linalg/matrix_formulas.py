"""Shared parts of the derivatives of linear algebra, as functions of `xp` (numpy or composit.numpy).

Our cotangents are the conjugates of those in the literature (see elementwise/derivatives.py), so a rule conjugates
the cotangents it is given, applies the formula as published, and conjugates the result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from composit.derivative_types import ArrayOrTensor, Namespace

# Eigenvalues that differ by this many rounding errors per row are equal but for the algorithm's errors.
_ROUNDINGS = 10


def transposed(xp: Namespace, x: ArrayOrTensor) -> ArrayOrTensor:
    """Return each matrix transposed."""
    return xp.swapaxes(x, -1, -2)


def conjugated(xp: Namespace, x: ArrayOrTensor) -> ArrayOrTensor:
    """Return the conjugate; real values as they are."""
    return xp.conjugate(x) if x.dtype.kind == "c" else x


def adjoint(xp: Namespace, x: ArrayOrTensor) -> ArrayOrTensor:
    """Return each matrix transposed and conjugated."""
    return conjugated(xp, transposed(xp, x))


def real_part(xp: Namespace, x: ArrayOrTensor) -> ArrayOrTensor:
    """Return the real part; real values as they are."""
    return xp.real(x) if x.dtype.kind == "c" else x


def diagonal_part(xp: Namespace, x: ArrayOrTensor) -> ArrayOrTensor:
    """Return each matrix with zeros off the diagonal."""
    return xp.triu(xp.tril(x))


def scaled_columns(xp: Namespace, x: ArrayOrTensor, factors: ArrayOrTensor) -> ArrayOrTensor:
    """Return each matrix with its columns multiplied, x diag(factors)."""
    return x * xp.expand_dims(factors, -2)


def divided_by_differences(
    xp: Namespace, matrix: ArrayOrTensor, values: ArrayOrTensor, source: ArrayOrTensor | None = None
) -> ArrayOrTensor:
    """Return matrix[i, j] / (values[j] - values[i]), and 0 on the diagonal.

    Equal eigenvalues do not determine their eigenvectors, so where two are equal, and the function depends on their
    vectors, its derivative cannot be known from these: the element is NaN. It is 0 where the function does not depend on
    them: the cotangents are 0.

    source: what is 0 where the function does not depend on the vectors; the matrix itself without
    """
    differences = xp.expand_dims(values, -2) - xp.expand_dims(values, -1)
    count = xp.shape(values)[-1]
    rounding = _ROUNDINGS * max(count, 1) * float(np.finfo(values.dtype).eps)
    largest = xp.max(xp.abs(values), axis=-1, keepdims=True, initial=0)
    is_equal = xp.abs(differences) <= rounding * xp.expand_dims(largest, -1)
    depends = xp.logical_not((matrix if source is None else source) == 0) & xp.logical_not(xp.eye(count, dtype=bool))
    return xp.where(is_equal, xp.where(depends, math.nan, 0), matrix / xp.where(is_equal, 1, differences))


def on_read_triangle(xp: Namespace, hermitian: ArrayOrTensor, triangle: Literal["L", "U"]) -> ArrayOrTensor:
    """Return the cotangent of a matrix if numpy reads one triangle of it, from that of the full Hermitian matrix.

    An element off the diagonal is used twice, also as its mirror image, and so counts twice.
    """
    if triangle == "L":
        return xp.tril(hermitian) + xp.tril(hermitian, -1)
    return xp.triu(hermitian) + xp.triu(hermitian, 1)


def hermitian_part(xp: Namespace, x: ArrayOrTensor) -> ArrayOrTensor:
    """Return (x + x*) / 2."""
    return (x + adjoint(xp, x)) / 2


def meant_by_lower_triangle(xp: Namespace, x: ArrayOrTensor) -> ArrayOrTensor:
    """Return the Hermitian matrix with this lower triangle."""
    below = xp.tril(x, -1)
    return below + adjoint(xp, below) + real_part(xp, diagonal_part(xp, x))


def total(parts: Sequence[ArrayOrTensor]) -> ArrayOrTensor:
    """Return the sum of one part or several."""
    result = parts[0]
    for part in parts[1:]:
        result = result + part
    return result
