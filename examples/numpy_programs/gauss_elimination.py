"""LU decomposition in place with row swaps; linear systems, inverses and determinants from it."""

from typing import Any

import composit.numpy as np


def decompose(matrix: Any) -> tuple[Any, Any, int]:
    """Return L and U in one array, the order of the rows, and the sign of that permutation."""
    lu = matrix.astype(float)
    size = len(lu)
    order = np.arange(size)
    sign = 1
    for k in range(size - 1):
        pivot = k + np.argmax(np.abs(lu[k:, k]))
        if lu[pivot, k] == 0:
            continue
        if pivot != k:
            lu[[k, pivot]] = lu[[pivot, k]]
            order[k], order[pivot] = order[pivot], order[k]
            sign = -sign
        lu[k + 1 :, k] /= lu[k, k]
        lu[k + 1 :, k + 1 :] -= np.outer(lu[k + 1 :, k], lu[k, k + 1 :])
    return lu, order, sign


def solve(matrix: Any, right: Any) -> Any:
    """Return x with matrix @ x = right, by substitution forwards and backwards."""
    lu, order, _ = decompose(matrix)
    x = right[order].astype(float)
    for i in range(len(x)):
        x[i] -= lu[i, :i] @ x[:i]
    for i in reversed(range(len(x))):
        x[i] -= lu[i, i + 1 :] @ x[i + 1 :]
        x[i] /= lu[i, i]
    return x


def determinant(matrix: Any) -> Any:
    """Return the product of the pivots with the sign of the permutation."""
    lu, _, sign = decompose(matrix)
    return sign * np.prod(np.diagonal(lu))


def reduced_row_echelon(matrix: Any) -> tuple[Any, int]:
    """Return the reduced row echelon form by Gauss and Jordan, and the rank."""
    reduced = np.array(matrix, dtype=float)
    row = 0
    for column in range(reduced.shape[1]):
        if row == len(reduced):
            break
        pivot = row + np.argmax(np.abs(reduced[row:, column]))
        if np.isclose(reduced[pivot, column], 0):
            continue
        reduced[[row, pivot]] = reduced[[pivot, row]]
        reduced[row] /= reduced[row, column]
        others = np.arange(len(reduced)) != row
        reduced[others] -= np.outer(reduced[others, column], reduced[row])
        row += 1
    return reduced, row


def hilbert(size: int) -> Any:
    """Return the matrix of 1 / (i + j + 1): well known for being nearly singular."""
    i, j = np.ogrid[:size, :size]
    return 1.0 / (i + j + 1)


def main() -> dict[str, Any]:
    """Solve systems and compare with numpy's own solver."""
    generator = np.random.default_rng(5)
    matrix = generator.integers(-9, 10, size=(7, 7))
    right = generator.integers(-9, 10, size=(7, 2))
    x = solve(matrix, right)
    print("largest residual below 1e-10:", np.abs(matrix @ x - right).max() < 1e-10)
    print("as numpy's solver:", np.allclose(x, np.linalg.solve(matrix, right)))

    lu, order, sign = decompose(matrix)
    lower, upper = np.tril(lu, -1) + np.eye(len(lu)), np.triu(lu)
    print("rows in the order", order, "with sign", sign)
    print("L @ U is the matrix:", np.allclose(lower @ upper, matrix[order]))
    det = determinant(matrix)
    print(f"determinant {det:.1f}, numpy's {np.linalg.det(matrix):.1f}")
    echelon, rank = reduced_row_echelon(np.arange(12).reshape(3, 4))
    print(f"rank {rank}:")
    print(np.round(echelon, 3) + 0.0)
    conditions = np.array([np.linalg.cond(hilbert(size)) for size in range(2, 7)])
    inverse = solve(hilbert(4), np.eye(4))
    return {
        "x": x,
        "order": order,
        "determinant": det,
        "echelon": echelon,
        "rank": rank,
        "conditions": np.log10(conditions),
        "inverse": np.rint(inverse).astype(int),
    }


if __name__ == "__main__":
    main()
