"""numpy.linalg on tensors, beyond the rows of tests/operations: errors, what is decided at the call, derivatives of
complex matrices."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.errors import LinearAlgebraError
from composit.program import count_evaluations
from composit.types import LazyTensor
from tests.composit.numpy.comparison import Words, assert_close, assert_derivative, assert_same_error

generator = np.random.default_rng(0)
SQUARE = generator.normal(size=(3, 3))
TALL = generator.normal(size=(4, 3))
COMPLEX = SQUARE + 1j * generator.normal(size=(3, 3))
COMPLEX_TALL = TALL + 1j * generator.normal(size=(4, 3))
POSITIVE = COMPLEX @ COMPLEX.conj().T + np.eye(3)


def test_every_name_of_numpys_is_there() -> None:
    assert sorted(cnp.linalg.__all__) == sorted(np.linalg.__all__)


@pytest.mark.parametrize("name", [name for name in np.linalg.__all__ if name != "LinAlgError"])
def test_signatures_are_numpys(name: str) -> None:
    assert inspect.signature(getattr(cnp.linalg, name)) == inspect.signature(getattr(np.linalg, name))


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: xp.linalg.inv(TALL),
        lambda xp: xp.linalg.inv(TALL[0]),
        lambda xp: xp.linalg.inv(SQUARE.astype(np.float16)),
        lambda xp: xp.linalg.svd(SQUARE.astype(np.longdouble)),
        lambda xp: xp.linalg.svd(TALL, hermitian=True),
        lambda xp: xp.linalg.solve(TALL, TALL),
        lambda xp: xp.linalg.solve(SQUARE, TALL),
        lambda xp: xp.linalg.solve(SQUARE, TALL[:, 0]),
        lambda xp: xp.linalg.solve(SQUARE, 1.0),
        lambda xp: xp.linalg.det(TALL),
        lambda xp: xp.linalg.slogdet(TALL[0]),
        lambda xp: xp.linalg.cholesky(TALL),
        lambda xp: xp.linalg.eigh(SQUARE, "X"),
        lambda xp: xp.linalg.eigvalsh(TALL),
        lambda xp: xp.linalg.eig(TALL),
        lambda xp: xp.linalg.qr(SQUARE, "sideways"),
        lambda xp: xp.linalg.qr(TALL[0]),
        lambda xp: xp.linalg.pinv(TALL, 1e-3, rtol=1e-3),
        lambda xp: xp.linalg.matrix_rank(TALL, 1e-3, rtol=1e-3),
        lambda xp: xp.linalg.matrix_power(TALL, 2),
        lambda xp: xp.linalg.matrix_power(SQUARE, 0.5),
        lambda xp: xp.linalg.tensorinv(SQUARE, 0),
        lambda xp: xp.linalg.cond(np.ones((0, 3))),
        lambda xp: xp.linalg.cond(TALL, 1),
        lambda xp: xp.linalg.norm(SQUARE, 3),
        lambda xp: xp.linalg.norm(SQUARE, "fro", 0),
        lambda xp: xp.linalg.norm(SQUARE, None, 2),
        lambda xp: xp.linalg.norm(SQUARE, 1, (0, 0)),
        lambda xp: xp.linalg.norm(SQUARE[None], 2),
        lambda xp: xp.linalg.norm(np.ones((0, 3)), -np.inf, 0),
        lambda xp: xp.linalg.multi_dot([SQUARE]),
        lambda xp: xp.linalg.multi_dot([SQUARE, SQUARE[None], SQUARE]),
        lambda xp: xp.linalg.multi_dot([SQUARE, TALL, SQUARE]),
        lambda xp: xp.linalg.outer(SQUARE, SQUARE[0]),
        lambda xp: xp.linalg.cross(SQUARE, TALL.T),
        lambda xp: xp.cross(SQUARE, np.ones(4)),
        lambda xp: xp.cross(SQUARE, SQUARE, axisc=5),
        lambda xp: xp.linalg.matrix_transpose(SQUARE[0]),
        lambda xp: xp.matvec(SQUARE[0], SQUARE),
        lambda xp: xp.vecmat(SQUARE, SQUARE[0]),
        lambda xp: xp.vecdot(SQUARE, 1.0),
        lambda xp: xp.vecdot(SQUARE, np.ones((2, 3))),
        lambda xp: xp.inner(SQUARE[None], TALL.T),
        lambda xp: xp.linalg.trace(SQUARE[0]),
        lambda xp: xp.linalg.lstsq(TALL, SQUARE),
    ],
)
def test_errors_are_numpys_and_come_at_the_call(words: Words) -> None:
    assert_same_error(words)


def test_an_error_about_shapes_says_what_was_given() -> None:
    with pytest.raises(LinearAlgebraError, match=r"must be square: inv was given shape \(4, 3\)"):
        cnp.linalg.inv(cnp.ones((4, 3)))
    with pytest.raises(np.linalg.LinAlgError, match=r"at least two-dimensional: qr was given shape \(3,\)"):
        cnp.linalg.qr(cnp.ones(3))


def test_a_singular_matrix_is_an_error_at_evaluation_with_the_users_line() -> None:
    inverse = cnp.linalg.inv(cnp.zeros((2, 2)))
    with pytest.raises(cnp.linalg.LinAlgError, match="Singular matrix") as caught:
        cnp.evaluate(inverse)
    assert "test_linear_algebra.py" in "".join(caught.value.__notes__)


@pytest.mark.parametrize(
    "compute",
    [
        lambda x: cnp.linalg.svd(x)[1],
        lambda x: cnp.linalg.eigh(x).eigenvalues,
        lambda x: cnp.linalg.slogdet(x).logabsdet,
        lambda x: cnp.linalg.qr(x).R,
        lambda x: cnp.linalg.norm(x) + cnp.linalg.cond(x),
        lambda x: cnp.linalg.matrix_rank(x),
        lambda x: cnp.linalg.eigvals(x + 1j),
    ],
)
def test_what_follows_from_types_evaluates_nothing(compute: Callable[[Any], Any]) -> None:
    with count_evaluations() as counted:
        result = compute(cnp.asarray(SQUARE) * 2)
    assert counted.runs == 0
    assert isinstance(result, LazyTensor)


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: xp.linalg.eigvals(np.diag([3.0, 1.0])),
        lambda xp: xp.linalg.eigvals(np.array([[0.0, 1.0], [-1.0, 0.0]])),
        lambda xp: xp.linalg.pinv(TALL, np.array(0.1)),
        lambda xp: xp.linalg.pinv(np.ones((0, 3), np.float32)),
        lambda xp: xp.linalg.pinv(TALL, np.float32(0.1)),
        lambda xp: xp.linalg.matrix_rank(TALL, np.array(0.1)),
        lambda xp: xp.linalg.matrix_power(SQUARE, 0),
        lambda xp: xp.linalg.matrix_power(xp.ones((2, 2), dtype=object), 2).astype(float),
        lambda xp: xp.linalg.norm(SQUARE, np.float64(3), 0),
        lambda xp: xp.linalg.norm(np.zeros((0, 3)), 1, 0),
        lambda xp: xp.linalg.norm(np.ones(3, object)),
        lambda xp: xp.linalg.lstsq(TALL, TALL[:, 0])[0],
        lambda xp: xp.linalg.qr(TALL, "raw")[0],
        lambda xp: xp.kron(2.0, SQUARE),
        lambda xp: xp.cross(np.ones((2, 3), int), np.arange(3)),
    ],
)
def test_what_no_rule_covers_is_numpys(words: Words) -> None:
    assert_close(words)


def test_the_named_tuples_are_numpys() -> None:
    for name in ("eig", "eigh", "qr", "slogdet", "svd"):
        found, expected = getattr(cnp.linalg, name)(SQUARE), getattr(np.linalg, name)(SQUARE)
        assert type(found) is type(expected)


def test_numpys_own_functions_stay_lazy_on_tensors() -> None:
    values, vectors = np.linalg.eigh(cnp.asarray(SQUARE))
    assert isinstance(values, LazyTensor)
    assert values.name == "eigh"
    np.testing.assert_array_equal(cnp.evaluate(vectors), np.linalg.eigh(SQUARE)[1])


def test_derivatives_through_the_choice_of_further_vectors_are_nan() -> None:
    x = cnp.asarray(np.random.default_rng(0).normal(size=(5, 2)))
    for rest in (cnp.linalg.svd(x).U[:, 2:], cnp.linalg.qr(x, "complete").Q[:, 2:], cnp.linalg.svd(x.T).Vh[2:]):
        weights = cnp.asarray(np.arange(rest.size).reshape(rest.shape) ** 2.0)
        (gradient,) = cnp.nn.chain_rule({cnp.sum(rest * weights): 1.0}, [x])
        assert np.isnan(cnp.evaluate(gradient)).all()


def test_a_least_squares_solution_of_lower_rank_has_a_derivative_by_the_right_side_only() -> None:
    a, b = cnp.asarray(np.outer([1.0, 2.0, 3.0], [1.0, 1.0])), cnp.asarray([1.0, 0.0, 2.0])
    loss = cnp.sum(cnp.linalg.lstsq(a, b)[0] ** 2)
    to_a, to_b = cnp.nn.chain_rule({loss: loss}, [a, b])
    assert np.isnan(cnp.evaluate(to_a)).all()
    solution = np.linalg.pinv(np.outer([1.0, 2.0, 3.0], [1.0, 1.0]))
    np.testing.assert_allclose(cnp.evaluate(to_b), 2 * solution.T @ (solution @ [1.0, 0.0, 2.0]), rtol=1e-12)


def test_equal_eigenvalues_of_any_matrix_have_symmetric_functions_only() -> None:
    x = cnp.asarray(np.eye(3))
    values = cnp.linalg.eigvals(x)
    (gradient,) = cnp.nn.chain_rule({cnp.sum(cnp.real(values)): 1.0}, [x])
    np.testing.assert_allclose(cnp.evaluate(gradient), np.eye(3), atol=1e-14)
    (gradient,) = cnp.nn.chain_rule({cnp.real(values[0]): 1.0}, [x])
    assert np.isnan(cnp.evaluate(gradient)).any()
    (gradient,) = cnp.nn.chain_rule(
        {cnp.sum(cnp.linalg.eig(x)[1] * cnp.asarray(np.arange(9.0).reshape(3, 3))): 1.0}, [x]
    )
    assert np.isnan(cnp.evaluate(gradient)).any()


def test_eigenvalues_of_a_defective_matrix_have_no_finite_derivative() -> None:
    x = cnp.asarray([[1.0, 1.0], [0.0, 1.0]])
    (gradient,) = cnp.nn.chain_rule({cnp.linalg.eigvals(x)[0]: 1.0}, [x])
    assert not np.isfinite(cnp.evaluate(gradient)).all()


@pytest.mark.parametrize(
    ("function", "arrays"),
    [
        (cnp.linalg.inv, (SQUARE,)),
        (cnp.linalg.solve, (SQUARE, TALL[:3])),
        (cnp.linalg.solve, (SQUARE, TALL[0])),
        (cnp.linalg.det, (SQUARE,)),
        (lambda x: cnp.linalg.slogdet(x).logabsdet, (SQUARE,)),
        (lambda x: cnp.linalg.cholesky(x @ x.T), (SQUARE,)),
        (lambda x: cnp.linalg.eigh(x).eigenvectors, (SQUARE,)),
        (lambda x: cnp.linalg.svd(x, full_matrices=False).U, (TALL,)),
        (lambda x: cnp.linalg.svd(x, full_matrices=False).Vh, (TALL.T,)),
        (lambda x: cnp.linalg.qr(x).Q, (TALL,)),
        (cnp.linalg.pinv, (TALL,)),
        (cnp.linalg.norm, (TALL,)),
        (lambda x: cnp.linalg.norm(x, "nuc"), (TALL,)),
        (cnp.cross, (SQUARE, SQUARE[0])),
        (cnp.kron, (SQUARE, TALL)),
    ],
)
def test_derivatives_of_derivatives(function: Callable[..., Any], arrays: tuple[np.ndarray, ...]) -> None:
    assert_derivative(function, *arrays)


def _without_phases(xp: Any, x: Any) -> Any:
    left, values, right = xp.linalg.svd(x, full_matrices=False)
    return (left * xp.sqrt(values)) @ right + xp.sum(xp.abs(left)) * xp.abs(right[0, 0])


def _of_eigenvectors(xp: Any, x: Any) -> Any:
    values, vectors = xp.linalg.eigh(x)
    return (vectors * values**3) @ xp.conjugate(vectors).T + xp.sum(xp.abs(vectors[0]) * values)


@pytest.mark.parametrize(
    ("function", "matrix"),
    [
        (lambda xp, x: xp.linalg.inv(x), COMPLEX),
        (lambda xp, x: xp.linalg.solve(x, COMPLEX_TALL[:3]), COMPLEX),
        (lambda xp, x: xp.linalg.det(x), COMPLEX),
        (lambda xp, x: xp.linalg.slogdet(x)[0], COMPLEX),
        (lambda xp, x: xp.linalg.slogdet(x)[1], COMPLEX),
        (lambda xp, x: xp.linalg.cholesky(x), POSITIVE),
        (lambda xp, x: xp.linalg.cholesky(x, upper=True), POSITIVE),
        (lambda xp, x: xp.linalg.eigvalsh(x, "U"), COMPLEX),
        (_of_eigenvectors, COMPLEX),
        (lambda xp, x: xp.linalg.eigvals(x), COMPLEX),
        (lambda xp, x: xp.abs(xp.linalg.eig(x)[1]), COMPLEX),
        (lambda xp, x: xp.sum(xp.abs(xp.linalg.eig(x)[1]) * xp.linalg.eig(x)[0], axis=0), COMPLEX),
        (_without_phases, COMPLEX_TALL),
        (_without_phases, COMPLEX_TALL.T),
        (lambda xp, x: xp.linalg.svdvals(x), COMPLEX_TALL),
        (lambda xp, x: xp.linalg.qr(x)[0], COMPLEX_TALL),
        (lambda xp, x: xp.linalg.qr(x)[1], COMPLEX_TALL.T),
        (lambda xp, x: xp.linalg.pinv(x), COMPLEX_TALL),
        (lambda xp, x: xp.linalg.pinv(x, hermitian=True), COMPLEX),
        (lambda xp, x: xp.vecdot(x, COMPLEX[0]), COMPLEX),
        (lambda xp, x: xp.vecdot(COMPLEX[0], x), COMPLEX),
        (lambda xp, x: xp.matvec(x, x[0]), COMPLEX),
        (lambda xp, x: xp.vecmat(x[0], x), COMPLEX),
        (lambda xp, x: xp.dot(x[None], x), COMPLEX),
        (lambda xp, x: xp.linalg.norm(x), COMPLEX),
        (lambda xp, x: xp.linalg.norm(x, 2), COMPLEX),
        (lambda xp, x: xp.linalg.norm(x, 3, 0), COMPLEX),
        (lambda xp, x: xp.linalg.cond(x), COMPLEX),
    ],
)
def test_derivatives_of_complex_matrices(function: Callable[[Any, Any], Any], matrix: np.ndarray) -> None:
    weights = generator.normal(size=np.shape(function(np, matrix))) + 0.5j
    direction = generator.normal(size=matrix.shape) + 1j * generator.normal(size=matrix.shape)
    x = cnp.asarray(matrix)
    result = function(cnp, x)
    weights = weights if result.dtype.kind == "c" else weights.real
    (gradient,) = cnp.nn.chain_rule({result: cnp.asarray(weights)}, [x])
    along = np.sum(cnp.evaluate(gradient) * direction).real
    # Central differences of step 1e-6 in float64: rounding leaves about 1e-9 of values below 100, curvature 1e-12.
    ends = [np.sum(function(np, matrix + step * direction) * weights).real for step in (1e-6, -1e-6)]
    np.testing.assert_allclose(along, (ends[0] - ends[1]) / 2e-6, rtol=1e-6, atol=1e-6)


def test_the_triangle_that_is_not_read_gets_no_gradient() -> None:
    x = cnp.asarray(POSITIVE.real)
    (gradient,) = cnp.nn.chain_rule({cnp.sum(cnp.linalg.cholesky(x)): 1.0}, [x])
    assert np.all(np.triu(cnp.evaluate(gradient), 1) == 0)
    (gradient,) = cnp.nn.chain_rule({cnp.sum(cnp.linalg.eigvalsh(x, "U") ** 2): 1.0}, [x])
    assert np.all(np.tril(cnp.evaluate(gradient), -1) == 0)


def test_the_derivative_of_a_norm_is_zero_at_zero() -> None:
    x = cnp.zeros((2, 3))
    (gradient,) = cnp.nn.chain_rule({cnp.linalg.norm(x): 1.0}, [x])
    np.testing.assert_array_equal(cnp.evaluate(gradient), np.zeros((2, 3)))


def test_a_power_takes_few_products() -> None:
    x = cnp.asarray(SQUARE)
    assert len(cnp.linalg.matrix_power(x, 8).graph) == 4
    assert len(cnp.linalg.svd(x).S.graph) == 2


def test_einsum_path_evaluates_nothing() -> None:
    x, y = cnp.asarray(SQUARE) * 1, cnp.asarray(TALL)
    with count_evaluations() as counted:
        path = cnp.einsum_path("ij,kj,kl->il", x, y, y)
    assert counted.runs == 0
    assert path == np.einsum_path("ij,kj,kl->il", SQUARE, TALL, TALL)


def test_a_matrix_to_a_power_beyond_64_bits_is_lazy() -> None:
    turn = np.array([[0, 1], [1, 0]])
    power = 2**100 + 1
    given = cnp.linalg.matrix_power(cnp.asarray(turn), power)
    np.testing.assert_array_equal(cnp.evaluate(given), np.linalg.matrix_power(turn, power))
    assert "numpycall" not in given.name
    assert len(given.graph) > 50
