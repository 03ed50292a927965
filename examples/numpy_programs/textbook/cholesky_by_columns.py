"""Cholesky factor of a covariance matrix, column by column; correlated samples and a log-determinant from it."""

from typing import Any

SIZE = 64
SMALL_SIZE = 8


def run(np: Any, size: int) -> dict[str, Any]:
    """Return the factor, the logarithm of the determinant, and samples with that covariance."""
    points = np.linspace(0.0, 1.0, size)
    covariance = np.exp(-((points[:, None] - points[None, :]) ** 2) / 0.02) + 1e-3 * np.eye(size)
    factor = np.zeros((size, size))
    log_determinant = 0.0
    for j in range(size):
        pivot = covariance[j, j] - np.sum(factor[j, :j] ** 2)
        factor[j, j] = np.sqrt(pivot)
        log_determinant = log_determinant + np.log(pivot)
        for i in range(j + 1, size):
            factor[i, j] = (covariance[i, j] - factor[i, :j] @ factor[j, :j]) / factor[j, j]
    noise = np.random.default_rng(2).normal(size=(size, 5))
    return {"factor": factor, "log_determinant": log_determinant, "samples": factor @ noise}
