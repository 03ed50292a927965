"""Factors of indefinite matrices: their product is the matrix, and packed they are LAPACK's, as torch gives them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from composit.nn.operations.indefinite_factors import LDL, LDLSolve

# Of each kind of matrix: what is done to a symmetric one of random numbers.
KINDS = ["random", "zeros on the diagonal", "zeros in a row", "only the lower triangle is read"]


def _matrices(n: int, kind: str, dtype: torch.dtype, hermitian: bool) -> torch.Tensor:
    generator = torch.Generator().manual_seed(n)
    x = torch.randn(3, n, n, dtype=dtype, generator=generator)
    if kind == KINDS[3]:
        return x
    x = x + (x.mH if hermitian else x.mT)
    if kind == KINDS[1]:
        x.diagonal(dim1=-2, dim2=-1).zero_()
    if kind == KINDS[2] and n:
        x[:, 0], x[:, :, 0] = 0, 0
    return x


@pytest.mark.parametrize("hermitian", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 8, 70])
def test_factors_pivots_errors_and_solutions_are_torchs(n: int, kind: str, dtype: torch.dtype, hermitian: bool) -> None:
    x = _matrices(n, kind, dtype, hermitian)
    expected = torch.linalg.ldl_factor_ex(x, hermitian=hermitian)
    factors, pivots, errors = LDL(hermitian).evaluate(x.numpy())
    np.testing.assert_array_equal(pivots, expected.pivots.numpy())
    np.testing.assert_array_equal(errors, expected.info.numpy())
    np.testing.assert_allclose(factors, expected.LD.numpy(), rtol=1e-8, atol=1e-8)
    if expected.info.any():
        return
    b = torch.randn(3, n, 2, dtype=dtype, generator=torch.Generator().manual_seed(1))
    solution = torch.linalg.ldl_solve(expected.LD, expected.pivots, b, hermitian=hermitian)
    found = LDLSolve(hermitian).evaluate(factors, pivots, b.numpy())
    np.testing.assert_allclose(found, solution.numpy(), rtol=1e-6, atol=1e-6)


def test_a_factor_serves_right_hand_sides_of_several_stacks() -> None:
    x = _matrices(4, KINDS[0], torch.float64, False).numpy()
    b = np.random.default_rng(0).normal(size=(2, 3, 4, 1))
    factors, pivots, _ = LDL(False).evaluate(x)
    solution = LDLSolve(False).evaluate(factors, pivots, b)
    np.testing.assert_allclose(x @ solution, b, rtol=1e-8, atol=1e-8)
