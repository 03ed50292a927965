"""Metropolis sampling of two correlated numbers: a draw, a decision and a written row for each step of the walk."""

from typing import Any

SIZE = 1200
SMALL_SIZE = 20


def run(np: Any, size: int) -> dict[str, Any]:
    """Return the walk, how often it moved, and mean and covariance of the samples."""
    rng = np.random.default_rng(7)
    precision = np.array([[2.0, -1.2], [-1.2, 1.5]])
    samples = np.empty((size, 2))
    x = np.zeros(2)
    energy = 0.5 * x @ precision @ x
    accepted = 0
    for step in range(size):
        proposal = x + 0.8 * rng.normal(size=2)
        proposed = 0.5 * proposal @ precision @ proposal
        if rng.random() < np.exp(energy - proposed):
            x, energy = proposal, proposed
            accepted += 1
        samples[step] = x
    return {"samples": samples, "accepted": accepted, "mean": samples.mean(axis=0), "covariance": np.cov(samples.T)}
