"""Error codes of decompositions, on matrices that have none: torch's programs ask for them in place of an exception."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import composit as cnp
import flashlight
import mosaic
from composit.nn import chain_rule

IDENTITY, SINGULAR = torch.eye(3), torch.tensor([[1.0, 2, 3], [2, 4, 6], [0, 0, 1]])
INDEFINITE = torch.tensor([[2.0, 0, 0], [0, 1, 2], [0, 2, 1]])
CODES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "cholesky": lambda x: torch.linalg.cholesky_ex(x).info,
    "upper": lambda x: torch.linalg.cholesky_ex(x, upper=True).info,
    "is definite": lambda x: torch.linalg.cholesky_ex(x).info.eq(0),
    "inverse": lambda x: torch.linalg.inv_ex(x).info,
    "lu": lambda x: torch.linalg.lu_factor_ex(x).info,
    "solve": lambda x: torch.linalg.solve_ex(x, torch.ones(3)).info,
}


@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize("matrix", [IDENTITY, SINGULAR, INDEFINITE, -IDENTITY])
def test_error_codes_are_torchs(name: str, matrix: torch.Tensor) -> None:
    x, stack = IDENTITY.clone(), torch.stack([matrix, IDENTITY])
    with flashlight.tracer.trace():
        code, codes = CODES[name](x), CODES[name](stack)
    expected = CODES[name](matrix).numpy()
    np.testing.assert_array_equal(cnp.evaluate(code, inputs={x: matrix}), expected, strict=True)
    np.testing.assert_array_equal(mosaic.compile(code, inputs=[x])(matrix.numpy()), expected, strict=True)
    np.testing.assert_array_equal(cnp.evaluate(codes), CODES[name](stack).numpy(), strict=True)


@pytest.mark.parametrize("function", [torch.linalg.inv, torch.linalg.cholesky])
def test_a_matrix_without_result_raises_when_it_is_evaluated(function: Callable[[torch.Tensor], torch.Tensor]) -> None:
    x = IDENTITY.clone()
    with flashlight.tracer.trace():
        y = function(x)
    assert not flashlight.report(y).guards
    for run in (
        lambda: cnp.evaluate(y, inputs={x: -SINGULAR}),
        lambda: mosaic.compile(y, inputs=[x])(-SINGULAR.numpy()),
    ):
        with pytest.raises(np.linalg.LinAlgError):
            run()


def test_rank_0_is_flipped_along_its_only_axis() -> None:
    x = torch.tensor(2.0)
    with flashlight.tracer.trace():
        y = x.flip(0) * torch.flip(x, (-1,))
    np.testing.assert_array_equal(cnp.evaluate(y), 4)


@pytest.mark.parametrize("function", [torch.linalg.eigvalsh, torch.linalg.svdvals])
def test_second_derivatives_of_no_values_are_empty(function: Callable[[torch.Tensor], torch.Tensor]) -> None:
    x = torch.zeros(0, 0, dtype=torch.float64, requires_grad=True)
    with flashlight.tracer.trace():
        y = function(x)
    (first,) = chain_rule({y: cnp.asarray(np.zeros(0))}, [x], unreached="zeros")
    total = cnp.sum(first)
    (second,) = chain_rule({total: total}, [x], unreached="zeros")
    assert cnp.evaluate(second).shape == (0, 0)


def test_a_part_written_into_no_elements_leaves_them() -> None:
    x = torch.zeros(0, 0)
    with flashlight.tracer.trace():
        y = torch.slice_scatter(x, x.clone(), -1, 0, 0)
    assert cnp.evaluate(y).shape == (0, 0)


@pytest.mark.parametrize("shape", [(0, 0), (2, 0, 0)])
def test_eigenvectors_of_empty_matrices_have_a_gradient(shape: tuple[int, ...]) -> None:
    x = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    with flashlight.tracer.trace():
        total = torch.linalg.eig(x)[1].abs().sum()
    (gradient,) = cnp.evaluate(chain_rule({total: total}, [x]))
    assert gradient.shape == shape


TRIANGULAR: dict[str, Any] = {
    "upper": lambda a, b: torch.linalg.solve_triangular(a, b, upper=True),
    "lower, from the right": lambda a, b: torch.linalg.solve_triangular(a, b.mT, upper=False, left=False),
    "old, transposed": lambda a, b: torch.triangular_solve(b, a, transpose=True)[0],
    "cholesky_solve": lambda a, b: torch.cholesky_solve(b, a),
}


@pytest.mark.filterwarnings("ignore:torch.triangular_solve is deprecated")
@pytest.mark.parametrize("name", TRIANGULAR)
def test_a_triangle_with_a_0_on_its_diagonal_gives_torchs_infinities(name: str) -> None:
    a = torch.tensor([[[0.0, 1.0], [2.0, 3.0]], [[1.0, 2.0], [4.0, 0.0]], [[1.0, 2.0], [3.0, 4.0]]])
    b = torch.tensor([[1.0, -1.0], [2.0, 5.0]])
    with flashlight.tracer.trace():
        solution = TRIANGULAR[name](a, b.expand(3, 2, 2))
    assert not torch.isfinite(solution).all()
    np.testing.assert_allclose(cnp.evaluate(solution), solution.numpy(), rtol=1e-6)


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("adjoint", [True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_systems_are_solved_by_their_factors(left: bool, adjoint: bool, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(2, 3, 3, dtype=dtype, generator=generator) for _ in range(2))
    with flashlight.tracer.trace():
        factors, pivots = torch.linalg.lu_factor(a)
        solution = torch.linalg.lu_solve(factors, pivots, b, left=left, adjoint=adjoint)
    np.testing.assert_allclose(cnp.evaluate(solution), solution.resolve_conj().numpy(), rtol=1e-9)
