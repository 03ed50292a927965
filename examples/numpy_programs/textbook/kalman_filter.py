"""A Kalman filter that follows position and velocity by noisy positions, and the smoother that runs back over it."""

from typing import Any

SIZE = 450  # observations
SMALL_SIZE = 10


def run(np: Any, size: int) -> dict[str, Any]:
    """Return filtered and smoothed means and the trace of each covariance."""
    rng = np.random.default_rng(6)
    step = np.array([[1.0, 0.1], [0.0, 1.0]])
    process, noise = 1e-3 * np.eye(2), np.array([[0.25]])
    seen = np.array([[1.0, 0.0]])
    observed = np.sin(0.05 * np.arange(size)) + 0.5 * rng.normal(size=size)
    mean, covariance = np.zeros(2), np.eye(2)
    means, covariances = np.zeros((size, 2)), np.zeros((size, 2, 2))
    for t in range(size):
        mean, covariance = step @ mean, step @ covariance @ step.T + process
        spread = seen @ covariance @ seen.T + noise
        gain = covariance @ seen.T @ np.linalg.inv(spread)
        mean = mean + gain @ (observed[t] - seen @ mean)
        covariance = (np.eye(2) - gain @ seen) @ covariance
        means[t], covariances[t] = mean, covariance
    smoothed = means.copy()
    for t in range(size - 2, -1, -1):
        predicted = step @ covariances[t] @ step.T + process
        gain = covariances[t] @ step.T @ np.linalg.inv(predicted)
        smoothed[t] += gain @ (smoothed[t + 1] - step @ means[t])
    return {"means": means, "smoothed": smoothed, "traces": np.trace(covariances, axis1=1, axis2=2)}
