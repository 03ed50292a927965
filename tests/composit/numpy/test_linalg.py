"""Products of matrices and sums by subscripts, against numpy."""

import numpy as np
import pytest

import composit as cnp
from tests.composit.numpy.comparison import Words, assert_close, assert_derivative, assert_same_error

generator = np.random.default_rng(0)
V3, V4 = generator.normal(size=3), generator.normal(size=4)
A = generator.normal(size=(2, 3))
B = generator.normal(size=(3, 4))
BATCH = generator.normal(size=(5, 2, 3))
SQUARE = generator.normal(size=(3, 3))
CUBE = generator.normal(size=(2, 3, 4))
Z = A + 1j * A[::-1]


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: xp.matmul(A, B),
        lambda xp: xp.matmul(V3, V3),
        lambda xp: xp.matmul(A, V3),
        lambda xp: xp.matmul(V3, B),
        lambda xp: xp.matmul(BATCH, B),
        lambda xp: xp.matmul(A, BATCH.swapaxes(1, 2)),
        lambda xp: xp.matmul(BATCH[:, None], BATCH.swapaxes(1, 2)),
        lambda xp: xp.matmul(V3, BATCH.swapaxes(1, 2)),
        lambda xp: xp.matmul(np.arange(6).reshape(2, 3), B.astype(np.float32)),
        lambda xp: xp.matmul(np.ones((2, 3), bool), np.ones((3, 2), bool)),
        lambda xp: xp.matmul(np.ones((2, 0)), np.ones((0, 3))),
        lambda xp: xp.dot(A, B),
        lambda xp: xp.dot(2.0, A.astype(np.float32)),
        lambda xp: xp.dot(2.0, 3),
        lambda xp: xp.dot(A, BATCH.swapaxes(1, 2)),
        lambda xp: xp.dot(BATCH, V3),
        lambda xp: xp.inner(A, SQUARE),
        lambda xp: xp.inner(V3, V3),
        lambda xp: xp.inner(BATCH, A),
        lambda xp: xp.inner(2, A),
        lambda xp: xp.outer(V3, V4),
        lambda xp: xp.outer(A, 2.0),
        lambda xp: xp.vdot(Z, Z),
        lambda xp: xp.vdot(A, A),
        lambda xp: xp.tensordot(A, B, 1),
        lambda xp: xp.tensordot(CUBE, CUBE.transpose(1, 2, 0)),
        lambda xp: xp.tensordot(CUBE, CUBE, axes=([0, 2], [0, 2])),
        lambda xp: xp.tensordot(CUBE, V3, axes=(1, 0)),
        lambda xp: xp.tensordot(A, A, 2),
        lambda xp: xp.tensordot(V3, V4, 0),
        lambda xp: xp.vecdot(Z, Z),
        lambda xp: xp.vecdot(A, V3),
        lambda xp: xp.vecdot(CUBE, CUBE[:1] + 1, axis=1),
        lambda xp: xp.trace(SQUARE),
        lambda xp: xp.trace(CUBE, 1, 1, 2),
        lambda xp: xp.diagonal(CUBE),
        lambda xp: xp.diagonal(CUBE, -1, 2, 1),
        lambda xp: xp.diagonal(A, 7),
    ],
)
def test_products_are_numpys(words: Words) -> None:
    assert_close(words)


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: xp.einsum("ij,jk->ik", A, B),
        lambda xp: xp.einsum("ij,jk", A, B),
        lambda xp: xp.einsum("ba", A),
        lambda xp: xp.einsum("ij->", A),
        lambda xp: xp.einsum("ii", SQUARE),
        lambda xp: xp.einsum("ii->i", SQUARE),
        lambda xp: xp.einsum("iji->j", np.ones((3, 2, 3)) * V3),
        lambda xp: xp.einsum("...ij,...jk", BATCH, B),
        lambda xp: xp.einsum("...i,...j", A, V4),
        lambda xp: xp.einsum("i...->...", CUBE),
        lambda xp: xp.einsum("...->...", 3.0),
        lambda xp: xp.einsum("ij,kj->ik", A[:, :1], SQUARE),
        lambda xp: xp.einsum("i,i,i->i", V3, V3, V3),
        lambda xp: xp.einsum("ij,jk,kl->il", A, B, B.T),
        lambda xp: xp.einsum(A, [0, 1], B, [1, 2], [0, 2]),
        lambda xp: xp.einsum(BATCH, [..., 0, 1], V3, [1]),
        lambda xp: xp.einsum("i,i", np.ones(2, bool), np.ones(2, np.int32)),
        lambda xp: xp.einsum("ij,jk->ik", A.astype(np.float32), B, dtype=np.float64),
        lambda xp: xp.einsum(" i j , j k -> i k ", A, B),
        lambda xp: xp.einsum(",->", 1.0, 2.0),
        lambda xp: xp.einsum("bij,bjk->bik", np.ones((8, 32, 16)), np.ones((8, 16, 32))),
    ],
)
def test_einsum_is_numpys(words: Words) -> None:
    assert_close(words)


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: xp.matmul(A, A),
        lambda xp: xp.matmul(1, A),
        lambda xp: xp.matmul(A, V4),
        lambda xp: xp.matmul(CUBE.swapaxes(1, 2), BATCH.swapaxes(1, 2)),
        lambda xp: xp.matmul(np.array(["a", "b", "c"]), SQUARE),
        lambda xp: xp.dot(A, A),
        lambda xp: xp.inner(A, V4),
        lambda xp: xp.tensordot(A, B),
        lambda xp: xp.tensordot(A, A, axes=(0, (0, 1))),
        lambda xp: xp.diagonal(V3),
        lambda xp: xp.einsum("ijk", A),
        lambda xp: xp.einsum("i", A),
        lambda xp: xp.einsum("i->jk", V3),
        lambda xp: xp.einsum("i->ii", V3),
        lambda xp: xp.einsum("i,j", V3),
        lambda xp: xp.einsum("i", V3, V3),
        lambda xp: xp.einsum("i1", A),
        lambda xp: xp.einsum("...i->i", A),
        lambda xp: xp.einsum("...i...", A),
    ],
)
def test_errors_are_numpys_and_come_at_the_call(words: Words) -> None:
    assert_same_error(words)


def test_lengths_that_do_not_agree_are_named() -> None:
    with pytest.raises(ValueError, match="gives 'j' the lengths 3 and 2"):
        cnp.einsum("ij,jk", A, A)


@pytest.mark.parametrize(
    ("function", "arrays"),
    [
        (cnp.matmul, (A, B)),
        (cnp.matmul, (V3, V3)),
        (cnp.matmul, (A, V3)),
        (cnp.matmul, (V3, B)),
        (cnp.matmul, (BATCH, B)),
        (cnp.matmul, (A, BATCH.swapaxes(1, 2))),
        (cnp.matmul, (BATCH[:, None], BATCH.swapaxes(1, 2))),
        (cnp.matmul, (V3, BATCH.swapaxes(1, 2))),
        (cnp.matmul, (BATCH, V3)),
        (cnp.dot, (A, BATCH.swapaxes(1, 2))),
        (lambda x, y: cnp.tensordot(x, y, axes=([0, 2], [0, 2])), (CUBE, CUBE + 1)),
        (lambda x, y: cnp.einsum("ij,jk->ik", x, y), (A, B)),
        (lambda x, y: cnp.einsum("...ij,...jk", x, y), (BATCH, B)),
        (lambda x, y: cnp.einsum("ij,kj->k", x, y), (A[:, :1], SQUARE)),
        (lambda x, y: cnp.einsum("ij,kj->k", x, y), (A, SQUARE[:, :1])),
        (lambda x, y: cnp.einsum("ijk,l->ik", x, y), (CUBE, V3)),
        (lambda x: cnp.einsum("ii->i", x), (SQUARE,)),
        (lambda x: cnp.einsum("ij->", x), (SQUARE,)),
        (lambda x: cnp.trace(x, 1, 1, 2), (CUBE,)),
    ],
)
def test_derivatives_are_those_of_finite_differences(function: Words, arrays: tuple[np.ndarray, ...]) -> None:
    assert_derivative(function, *arrays)


def test_the_gradient_of_a_shared_weight_is_one_product() -> None:
    x, w = cnp.asarray(BATCH), cnp.asarray(B)
    y = x @ w
    (gradient,) = cnp.chain_rule({cnp.sum(y): 1.0}, [w])
    products = [node for node in gradient.graph if node.name == "matmul"]
    assert [node.types[0].shape for node in products] == [(3, 4)]
