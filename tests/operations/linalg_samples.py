"""Rows for products of matrices and vectors. The sums are numpy's own, so they are equal to the last bit."""

from __future__ import annotations

import numpy as np

from tests.operations.sample import Sample, integers, normal


def _float32(*shape: int):
    return normal(*shape, dtype=np.float32)


LINALG = (
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
    Sample("linalg.dot", lambda xp, x, y: xp.dot(x, y), (normal(2, 3, 4), normal(5, 4, 2)), True, rtol=1e-14),
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
    Sample("linalg.vecdot", lambda xp, x, y: xp.vecdot(x, y), (normal(2, 4), normal(4)), True, rtol=1e-14),
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
