"""Rows for products of matrices and vectors, and for numpy.linalg. The sums are numpy's own, so they are equal to the
last bit."""

from __future__ import annotations

import numpy as np

from tests.operations.sample import Sample, integers, normal


def _float32(*shape: int):
    return normal(*shape, dtype=np.float32)


def _complex(*shape: int):
    return lambda generator: generator.normal(size=shape) + 1j * generator.normal(size=shape)


def _positive(*shape: int):
    """Symmetric positive definite matrices; only one triangle is read, so that differences may leave the symmetry."""

    def make(generator: np.random.Generator):
        x = generator.normal(size=shape)
        return x @ x.swapaxes(-1, -2) + 2 * np.eye(shape[-1])

    return make


def _on_matrices(name: str, compute, **options):
    """The function of one matrix, of a batch, of single precision and of integers."""
    return (
        Sample(f"linalg.{name}", compute, (normal(3, 3),), **options),
        Sample(f"linalg.{name} of a batch", compute, (normal(2, 1, 3, 3),), **options),
        Sample(f"linalg.{name} of float32", compute, (_float32(3, 3),)),
        Sample(f"linalg.{name} of integers", compute, (integers(-9, 9, 3, 3),)),
    )


_EQUATIONS = (
    *_on_matrices("inv", lambda xp, x: xp.linalg.inv(x), differentiable=True),
    *_on_matrices("det", lambda xp, x: xp.linalg.det(x), differentiable=True),
    *_on_matrices("slogdet", lambda xp, x: xp.linalg.slogdet(x), differentiable=True),
    *_on_matrices("matrix_power", lambda xp, x: xp.linalg.matrix_power(x, 3), differentiable=True),
    *_on_matrices("matrix_power below zero", lambda xp, x: xp.linalg.matrix_power(x, -2), differentiable=True),
    Sample("linalg.inv of nothing", lambda xp, x: xp.linalg.inv(x), (normal(2, 0, 0),)),
    Sample("linalg.inv of complex numbers", lambda xp, x: xp.linalg.inv(x), (_complex(3, 3),)),
    Sample("linalg.solve", lambda xp, x, y: xp.linalg.solve(x, y), (normal(3, 3), normal(3, 2)), True),
    Sample("linalg.solve for a vector", lambda xp, x, y: xp.linalg.solve(x, y), (normal(3, 3), normal(3)), True),
    Sample(
        "linalg.solve of broadcast batches",
        lambda xp, x, y: xp.linalg.solve(x, y),
        (normal(2, 1, 3, 3), normal(4, 3, 2)),
        True,
    ),
    Sample(
        "linalg.solve of a batch for a vector",
        lambda xp, x, y: xp.linalg.solve(x, y),
        (normal(2, 3, 3), normal(3)),
        True,
    ),
    Sample(
        "linalg.solve of mixed dtypes", lambda xp, x, y: xp.linalg.solve(x, y), (_float32(3, 3), integers(0, 9, 3, 1))
    ),
    Sample(
        "linalg.tensorsolve",
        lambda xp, x, y: xp.linalg.tensorsolve(x, y, axes=(1,)),
        (normal(2, 6, 3), normal(2, 3)),
        True,
    ),
    Sample("linalg.tensorinv", lambda xp, x: xp.linalg.tensorinv(x), (normal(2, 3, 6),), True),
    Sample("linalg.pinv", lambda xp, x: xp.linalg.pinv(x), (normal(4, 3),), True),
    Sample("linalg.pinv of a batch", lambda xp, x: xp.linalg.pinv(x, rtol=None), (normal(2, 3, 4),), True),
    Sample("linalg.pinv of symmetric", lambda xp, x: xp.linalg.pinv(x, 1e-9, True), (normal(3, 3),), True),
    Sample("linalg.matrix_rank", lambda xp, x: xp.linalg.matrix_rank(x), (normal(2, 3, 4),)),
    Sample("linalg.matrix_rank of one", lambda xp, x: xp.linalg.matrix_rank(x, 0.5), (normal(3, 4),)),
)

_DECOMPOSITIONS = (
    *_on_matrices("eigh", lambda xp, x: xp.linalg.eigh(x), differentiable=True),
    *_on_matrices("eigvalsh", lambda xp, x: xp.linalg.eigvalsh(x, "U"), differentiable=True),
    *_on_matrices("svd", lambda xp, x: xp.linalg.svd(x), differentiable=True),
    *_on_matrices("svdvals", lambda xp, x: xp.linalg.svdvals(x), differentiable=True),
    *_on_matrices("qr", lambda xp, x: xp.linalg.qr(x), differentiable=True),
    Sample("linalg.cholesky", lambda xp, x: xp.linalg.cholesky(x), (_positive(3, 3),), True),
    Sample("linalg.cholesky, upper", lambda xp, x: xp.linalg.cholesky(x, upper=True), (_positive(2, 3, 3),), True),
    Sample("linalg.svd of a wide matrix", lambda xp, x: xp.linalg.svd(x, False), (normal(2, 3, 4),), True),
    Sample("linalg.svd of a tall matrix", lambda xp, x: xp.linalg.svd(x, False), (normal(4, 3),), True),
    Sample("linalg.svd with all vectors", lambda xp, x: xp.linalg.svd(x), (normal(4, 3),)),
    Sample("linalg.svd of symmetric", lambda xp, x: xp.linalg.svd(x, hermitian=True), (_positive(3, 3),), True),
    Sample("linalg.qr of a wide matrix", lambda xp, x: xp.linalg.qr(x), (normal(2, 3, 4),), True),
    Sample("linalg.qr of a tall matrix", lambda xp, x: xp.linalg.qr(x), (normal(4, 3),), True),
    Sample("linalg.qr with all columns", lambda xp, x: xp.linalg.qr(x, "complete"), (normal(4, 3),)),
    Sample("linalg.qr without columns", lambda xp, x: xp.linalg.qr(x, "r"), (normal(4, 3),), True),
    Sample("linalg.eig of complex numbers", lambda xp, x: xp.linalg.eig(x), (_complex(3, 3),)),
    Sample("linalg.eigvals of complex numbers", lambda xp, x: xp.linalg.eigvals(x), (_complex(2, 3, 3),)),
)

_NORMS = (
    Sample("linalg.norm", lambda xp, x: xp.linalg.norm(x), (normal(2, 3),), True),
    Sample("linalg.norm with its axes", lambda xp, x: xp.linalg.norm(x, keepdims=True), (normal(2, 3),), True),
    Sample("linalg.norm of float32", lambda xp, x: xp.linalg.norm(x, axis=0), (_float32(2, 3),)),
    Sample("linalg.norm of integers", lambda xp, x: xp.linalg.norm(x, 1, 0), (integers(-9, 9, 2, 3),)),
    Sample("linalg.norm of complex numbers", lambda xp, x: xp.linalg.norm(x, 3, 0), (_complex(2, 3),)),
    *(
        Sample(
            f"linalg.norm of vectors, {order}",
            lambda xp, x, order=order: xp.linalg.norm(x, order, -2, True),
            (normal(2, 3, 4),),
            True,
        )
        for order in (1, 2, 3, 0.5, -1, np.inf, -np.inf)
    ),
    *(
        Sample(
            f"linalg.norm of matrices, {order}",
            lambda xp, x, order=order: xp.linalg.norm(x, order, (0, -1)),
            (normal(3, 2, 4),),
            True,
        )
        for order in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)
    ),
    Sample("linalg.norm counting", lambda xp, x: xp.linalg.norm(x, 0, 0), (integers(0, 2, 5, 3),)),
    Sample("linalg.matrix_norm", lambda xp, x: xp.linalg.matrix_norm(x), (normal(2, 3, 4),), True),
    Sample("linalg.vector_norm", lambda xp, x: xp.linalg.vector_norm(x, keepdims=True), (normal(2, 3),), True),
    Sample(
        "linalg.vector_norm over two axes",
        lambda xp, x: xp.linalg.vector_norm(x, axis=(2, 0), ord=1),
        (normal(2, 3, 4),),
        True,
    ),
    *(
        Sample(f"linalg.cond, {order}", lambda xp, x, order=order: xp.linalg.cond(x, order), (normal(2, 3, 3),), True)
        for order in (None, -2, "fro", 1)
    ),
)

_NUMPY_LINALG_PRODUCTS = (
    Sample("linalg.cross", lambda xp, x, y: xp.cross(x, y), (normal(4, 3), normal(2, 1, 3)), True),
    Sample("linalg.cross along axes", lambda xp, x, y: xp.cross(x, y, 0, 1, 0), (normal(3, 4), normal(4, 3)), True),
    Sample("linalg.linalg.cross", lambda xp, x, y: xp.linalg.cross(x, y, axis=0), (normal(3, 4), normal(3, 4)), True),
    Sample("linalg.kron", lambda xp, x, y: xp.kron(x, y), (normal(2, 3), normal(4)), True),
    Sample(
        "linalg.multi_dot",
        lambda xp, x, y, z: xp.linalg.multi_dot([x, y, z, y]),
        (normal(3), normal(3, 4), normal(4, 3)),
        True,
    ),
    Sample("linalg.linalg.outer", lambda xp, x, y: xp.linalg.outer(x, y), (normal(3), normal(2)), True),
    Sample("linalg.linalg.trace", lambda xp, x: xp.linalg.trace(x, offset=1), (normal(2, 3, 4),), True, rtol=1e-14),
    Sample("linalg.linalg.diagonal", lambda xp, x: xp.linalg.diagonal(x), (normal(2, 3, 4),), True),
    Sample("linalg.linalg.matrix_transpose", lambda xp, x: xp.linalg.matrix_transpose(x), (normal(2, 3, 4),), True),
    Sample("linalg.linalg.matmul", lambda xp, x, y: xp.linalg.matmul(x, y), (normal(3, 4), normal(4, 2)), True),
    Sample(
        "linalg.linalg.tensordot",
        lambda xp, x, y: xp.linalg.tensordot(x, y, axes=1),
        (normal(2, 3), normal(3, 4)),
        True,
        rtol=1e-14,
    ),
    Sample(
        "linalg.linalg.vecdot",
        lambda xp, x, y: xp.linalg.vecdot(x, y, axis=0),
        (normal(3, 4), normal(3, 4)),
        True,
        rtol=1e-14,
    ),
)

_PRODUCTS = (
    Sample("linalg.matmul", lambda xp, x, y: x @ y, (normal(3, 4), normal(4, 5)), True),
    Sample("linalg.matmul of float32", lambda xp, x, y: x @ y, (_float32(33, 17), _float32(17, 50))),
    Sample("linalg.matmul of vectors", lambda xp, x, y: x @ y, (normal(4), normal(4)), True),
    Sample("linalg.matmul with a row", lambda xp, x, y: x @ y, (normal(4), normal(4, 5)), True),
    Sample("linalg.matmul with a column", lambda xp, x, y: x @ y, (normal(3, 4), normal(4)), True),
    Sample("linalg.matmul of batches", lambda xp, x, y: x @ y, (normal(2, 3, 4), normal(2, 4, 5)), True),
    Sample("linalg.matmul of broadcast batches", lambda xp, x, y: x @ y, (normal(3, 1, 2, 4), normal(5, 4, 2)), True),
    Sample("linalg.matmul with a shared matrix", lambda xp, x, y: x @ y, (normal(2, 3, 4), normal(4, 5)), True),
    Sample("linalg.matmul of batch and column", lambda xp, x, y: x @ y, (normal(2, 3, 4), normal(4)), True),
    Sample("linalg.matmul over nothing", lambda xp, x, y: x @ y, (normal(3, 0), normal(0, 5)), True),
    Sample("linalg.matmul of integers", lambda xp, x, y: x @ y, (integers(0, 5, 3, 4), integers(0, 5, 4, 2))),
    Sample("linalg.matmul of mixed dtypes", lambda xp, x, y: x @ y, (_float32(3, 4), normal(4, 2))),
    Sample("linalg.matmul by a transpose", lambda xp, x, y: x @ y.T, (normal(3, 4), normal(5, 4)), True),
    Sample("linalg.dot", lambda xp, x, y: xp.dot(x, y), (normal(2, 3, 4), normal(5, 4, 2)), True),
    Sample("linalg.dot with a scalar", lambda xp, x: xp.dot(x, 2.0), (normal(2, 3),), True),
    Sample("linalg.inner", lambda xp, x, y: xp.inner(x, y), (normal(2, 4), normal(3, 4)), True, rtol=1e-14),
    Sample("linalg.outer", lambda xp, x, y: xp.outer(x, y), (normal(3), normal(4)), True),
    Sample(
        "linalg.tensordot",
        lambda xp, x, y: xp.tensordot(x, y, axes=2),
        (normal(2, 3, 4), normal(3, 4, 5)),
        True,
        rtol=1e-14,
    ),
    Sample("linalg.vecdot", lambda xp, x, y: xp.vecdot(x, y), (normal(2, 4), normal(4)), True),
    Sample("linalg.vecdot of vectors", lambda xp, x, y: xp.vecdot(x, y), (normal(4), normal(4)), True),
    Sample("linalg.vecdot along an axis", lambda xp, x, y: xp.vecdot(x, y, axis=0), (normal(4, 2), normal(4, 2)), True),
    Sample("linalg.matvec", lambda xp, x, y: xp.matvec(x, y), (normal(2, 1, 3, 4), normal(5, 4)), True),
    Sample("linalg.vecmat", lambda xp, x, y: xp.vecmat(x, y), (normal(5, 3), normal(2, 1, 3, 4)), True),
    Sample("linalg.dot of mixed dtypes", lambda xp, x, y: xp.dot(x, y), (_float32(3, 4), integers(0, 9, 4, 5))),
    Sample("linalg.inner of batches", lambda xp, x, y: xp.inner(x, y), (normal(2, 3, 4), normal(5, 2, 4)), True),
    Sample(
        "linalg.einsum of a product", lambda xp, x, y: xp.einsum("ij,jk->ik", x, y), (normal(3, 4), normal(4, 5)), True
    ),
    Sample(
        "linalg.einsum of attention",
        lambda xp, x, y: xp.einsum("bqhd,bkhd->bhqk", x, y),
        (normal(2, 3, 2, 4), normal(2, 5, 2, 4)),
        True,
    ),
    Sample("linalg.einsum of a sum", lambda xp, x: xp.einsum("ijk->j", x), (normal(2, 3, 4),), True, rtol=1e-14),
    Sample(
        "linalg.einsum with an ellipsis",
        lambda xp, x, y: xp.einsum("...i,i->...", x, y),
        (normal(2, 3, 4), normal(4)),
        True,
        rtol=1e-14,
    ),
)

LINALG = (*_PRODUCTS, *_NUMPY_LINALG_PRODUCTS, *_EQUATIONS, *_DECOMPOSITIONS, *_NORMS)
