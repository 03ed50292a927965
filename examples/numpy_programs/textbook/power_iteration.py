"""The largest eigenvalues by power iteration with deflation: each vector until its residual is below a tolerance."""

from typing import Any

SIZE = 40
SMALL_SIZE = 5
TOLERANCE = 1e-9


def run(np: Any, size: int) -> dict[str, Any]:
    """Return three eigenvalues with their vectors, and the number of iterations."""
    rng = np.random.default_rng(11)
    q, _ = np.linalg.qr(rng.normal(size=(size, size)))
    matrix = (q * 0.985 ** np.arange(size)) @ q.T
    values, vectors, iterations = np.empty(3), np.empty((3, size)), 0
    for number in range(3):
        x = rng.normal(size=size)
        x = x / np.sqrt(x @ x)
        error = np.inf
        while error > TOLERANCE:
            y = matrix @ x
            value = x @ y
            error = np.sqrt(np.sum((y - value * x) ** 2))
            x = y / np.sqrt(y @ y)
            iterations += 1
        values[number], vectors[number] = value, x
        matrix = matrix - value * np.outer(x, x)
    return {"values": values, "vectors": vectors, "iterations": iterations}
