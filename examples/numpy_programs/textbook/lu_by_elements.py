"""LU decomposition by Doolittle's method, element by element, in the place of the matrix; then two triangular solves."""

from typing import Any

SIZE = 56
SMALL_SIZE = 7


def run(np: Any, size: int) -> dict[str, Any]:
    """Return both factors in one array, the solution of one system, and its residual."""
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(size, size)) + size * np.eye(size)
    right = rng.normal(size=size)
    lu = matrix.copy()
    for i in range(size):
        for j in range(size):
            k = min(i, j)
            if k > 0:
                lu[i, j] -= lu[i, :k] @ lu[:k, j]
            if j < i:
                lu[i, j] /= lu[j, j]
    x = right.copy()
    for i in range(size):
        x[i] -= lu[i, :i] @ x[:i]
    for i in range(size - 1, -1, -1):
        x[i] = (x[i] - lu[i, i + 1 :] @ x[i + 1 :]) / lu[i, i]
    return {"lu": lu, "x": x, "residual": np.abs(matrix @ x - right).max()}
