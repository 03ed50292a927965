"""Derivatives of eigenvalues and singular values where two are equal: right where they exist, else NaN, never wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import composit as cnp

Function = Callable[[Any, Any], Any]  # (xp, matrix) -> a number
GENERATOR = np.random.default_rng(4)
STEP = 1e-3


def _rotation(size: int, dtype: str = "float64") -> np.ndarray:
    drawn = GENERATOR.normal(size=(size, size))
    return np.linalg.qr(drawn + 1j * GENERATOR.normal(size=(size, size)) if dtype == "complex128" else drawn)[0]


def _hermitian(values: list[float], dtype: str = "float64") -> np.ndarray:
    turned = _rotation(len(values), dtype)
    return turned @ np.diag(values) @ turned.conj().T


def _with_singular_values(shape: tuple[int, int], values: list[float], dtype: str = "float64") -> np.ndarray:
    middle = np.zeros(shape)
    np.fill_diagonal(middle, values)
    return _rotation(shape[0], dtype) @ middle @ _rotation(shape[1], dtype)


HERMITIAN = {
    "all equal": 2 * np.eye(4),
    "two pairs": np.diag([1.0, 1, 2, 2]),
    "all zero": np.zeros((3, 3)),
    "turned": _hermitian([1.0, 1, 2, 3]),
    "complex": _hermitian([1.0, 1, 1, 3], "complex128"),
    "a stack": np.stack([_hermitian([1.0, 1, 2]), np.eye(3), _hermitian([1.0, 2, 3])]),
    "different": _hermitian([1.0, 1.5, 2, 3]),
}
OF_EIGENVALUES: dict[str, Function] = {
    "sum of cubes": lambda xp, x: xp.sum(xp.linalg.eigvalsh(x) ** 3),
    "upper triangle": lambda xp, x: xp.sum(xp.exp(xp.linalg.eigvalsh(x, "U"))),
    "logarithm of a sum": lambda xp, x: xp.log(xp.sum(xp.exp(xp.linalg.eigvalsh(x)))),
    "product": lambda xp, x: xp.prod(xp.linalg.eigvalsh(x) + 1),
    "values of eigh": lambda xp, x: xp.sum(xp.exp(xp.linalg.eigh(x).eigenvalues)),
    "two decompositions": lambda xp, x: xp.sum(xp.linalg.eigvalsh(x) * xp.linalg.eigh(x).eigenvalues),
    "beside the matrix": lambda xp, x: xp.sum(xp.linalg.eigvalsh(x) ** 2) * xp.real(xp.sum(x * x[..., ::-1, :])),
}
MATRICES = {
    "all equal": np.eye(3),
    "square": _with_singular_values((4, 4), [2.0, 1, 1, 0.5]),
    "wide": _with_singular_values((3, 5), [2.0, 1, 1]),
    "tall": _with_singular_values((5, 3), [2.0, 1, 1]),
    "singular": _with_singular_values((4, 5), [2.0, 1, 0, 0]),
    "all zero": np.zeros((3, 4)),
    "complex": _with_singular_values((4, 3), [2.0, 1, 1], "complex128"),
}
OF_SINGULAR_VALUES: dict[str, Function] = {
    "sum of fourth powers": lambda xp, x: xp.sum(xp.linalg.svdvals(x) ** 4),
    "sum of squares": lambda xp, x: xp.sum(xp.linalg.svd(x, full_matrices=False).S ** 2),
    "hyperbolic": lambda xp, x: xp.sum(xp.cosh(xp.linalg.svd(x).S)),
}


def _directions(matrix: np.ndarray, is_hermitian: bool) -> list[np.ndarray]:
    found = []
    for _ in range(2):
        drawn = GENERATOR.normal(size=matrix.shape)
        drawn = drawn + 1j * GENERATOR.normal(size=matrix.shape) if matrix.dtype.kind == "c" else drawn
        found.append(drawn + np.swapaxes(drawn, -1, -2).conj() if is_hermitian else drawn)
    return found


def _second(function: Function, matrix: np.ndarray, along: list[np.ndarray]) -> float:
    x = cnp.asarray(matrix)
    value = function(cnp, x)
    (gradient,) = cnp.chain_rule({value: value}, [x])
    slope = cnp.sum(cnp.real(gradient * along[0]))
    (second,) = cnp.chain_rule({slope: slope}, [x], unreached="zeros")
    return float(np.sum(cnp.evaluate(second) * along[1]).real)


def _by_differences(function: Function, matrix: np.ndarray, along: list[np.ndarray]) -> float:
    ends = [
        sign * other * float(function(np, matrix + STEP * (sign * along[0] + other * along[1])))
        for sign in (1, -1)
        for other in (1, -1)
    ]
    return sum(ends) / (4 * STEP * STEP)


def _assert_second(function: Function, matrix: np.ndarray, is_hermitian: bool) -> None:
    along = _directions(matrix, is_hermitian)
    expected = _by_differences(function, matrix, along)
    # Differences have errors of the fourth derivative times the step squared.
    np.testing.assert_allclose(_second(function, matrix, along), expected, rtol=2e-4, atol=2e-3)


@pytest.mark.parametrize("name", HERMITIAN)
@pytest.mark.parametrize("function", OF_EIGENVALUES.values(), ids=OF_EIGENVALUES)
def test_second_derivatives_of_symmetric_functions_of_eigenvalues_are_right(name: str, function: Function) -> None:
    _assert_second(function, HERMITIAN[name], True)


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("function", OF_SINGULAR_VALUES.values(), ids=OF_SINGULAR_VALUES)
def test_second_derivatives_of_even_functions_of_singular_values_are_right(name: str, function: Function) -> None:
    _assert_second(function, MATRICES[name], False)


@pytest.mark.parametrize("name", ["all equal", "square", "wide", "tall", "complex"])
def test_the_nuclear_norm_has_second_derivatives_at_equal_singular_values(name: str) -> None:
    _assert_second(lambda xp, x: xp.linalg.norm(x, "nuc"), MATRICES[name], False)


def test_singular_values_of_a_hermitian_matrix_have_second_derivatives() -> None:
    matrix = _hermitian([2.0, 1, -1, 0.5])
    _assert_second(lambda xp, x: xp.sum(xp.linalg.svd(x, hermitian=True).S ** 4), matrix, True)


def test_third_derivatives_at_different_eigenvalues_stay_right() -> None:
    matrix, (along, _) = HERMITIAN["different"], _directions(HERMITIAN["different"], True)
    x = cnp.asarray(matrix)
    value = cnp.sum(cnp.linalg.eigvalsh(x) ** 4)
    for _ in range(3):
        (gradient,) = cnp.chain_rule({value: value}, [x])
        value = cnp.sum(gradient * along)
    # The sum of fourth powers is trace(x x x x).
    expected = 24 * np.trace(matrix @ along @ along @ along)
    np.testing.assert_allclose(cnp.evaluate(value), expected, rtol=1e-9)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_second_derivative_that_does_not_exist_is_nan() -> None:
    largest = _second(lambda xp, x: xp.linalg.eigvalsh(x)[-1] ** 2, np.eye(3), _directions(np.eye(3), True))
    assert np.isnan(largest)
    singular = MATRICES["singular"]
    assert np.isnan(_second(lambda xp, x: xp.linalg.norm(x, "nuc"), singular, _directions(singular, False)))


@pytest.mark.filterwarnings("ignore:invalid value")
def test_third_derivatives_at_equal_eigenvalues_are_nan_and_not_wrong() -> None:
    x, (along, _) = cnp.asarray(np.eye(3)), _directions(np.eye(3), True)
    value = cnp.sum(cnp.linalg.eigvalsh(x) ** 4)
    for _ in range(3):
        (gradient,) = cnp.chain_rule({value: value}, [x])
        value = cnp.sum(gradient * along)
    assert np.isnan(cnp.evaluate(value))


def _exponential(xp: Any, x: Any) -> Any:
    values, vectors = xp.linalg.eigh(x)
    return (vectors * xp.exp(values)) @ xp.swapaxes(vectors, -1, -2)


def _root(xp: Any, x: Any) -> Any:
    left, values, right = xp.linalg.svd(x, full_matrices=False)
    return (left * xp.sqrt(values)) @ right


def _eigenvectors(xp: Any, x: Any) -> Any:
    return xp.real(xp.linalg.eig(x + 0j).eigenvectors)


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("function", [_exponential, _root, _eigenvectors])
def test_vectors_of_equal_values_have_no_derivative(function: Callable[[Any, Any], Any]) -> None:
    x = cnp.asarray(2 * np.eye(3))
    (gradient,) = cnp.chain_rule({cnp.sum(function(cnp, x) * GENERATOR.normal(size=(3, 3))): 1.0}, [x])
    assert np.isnan(cnp.evaluate(gradient)).any()


def test_a_vector_of_another_value_has_its_derivative() -> None:
    matrix, (along, _) = HERMITIAN["turned"], _directions(HERMITIAN["turned"], True)
    weights = GENERATOR.normal(size=(4, 4))

    def function(xp: Any, x: Any) -> Any:
        vector = xp.linalg.eigh(x).eigenvectors[:, -1]
        return vector @ weights @ vector

    x = cnp.asarray(matrix)
    value = function(cnp, x)
    (gradient,) = cnp.chain_rule({value: value}, [x])
    numeric = (function(np, matrix + 1e-6 * along) - function(np, matrix - 1e-6 * along)) / 2e-6
    np.testing.assert_allclose(np.sum(cnp.evaluate(gradient) * along), numeric, rtol=1e-6)
