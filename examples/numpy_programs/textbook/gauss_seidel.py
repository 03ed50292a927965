"""Gauss-Seidel iteration, row by row, until the largest change of a sweep is below a tolerance."""

from typing import Any

SIZE = 80
SMALL_SIZE = 6
TOLERANCE = 1e-10


def run(np: Any, size: int) -> dict[str, Any]:
    """Return the solution of a diagonally dominant system, the number of sweeps, and the change of each."""
    rng = np.random.default_rng(3)
    a = rng.uniform(-1.0, 1.0, size=(size, size))
    a[np.arange(size), np.arange(size)] = 0.55 * np.abs(a).sum(axis=1)
    b = rng.normal(size=size)
    x = np.zeros(size)
    changes: list[Any] = []
    while not changes or changes[-1] > TOLERANCE:
        before = x.copy()
        for i in range(size):
            x[i] = (b[i] - a[i, :i] @ x[:i] - a[i, i + 1 :] @ x[i + 1 :]) / a[i, i]
        changes.append(np.max(np.abs(x - before)))
    return {"x": x, "sweeps": len(changes), "changes": np.array(changes)}
