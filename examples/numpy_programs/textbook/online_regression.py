"""Logistic regression by stochastic gradient descent: one sample, one step, with a loss that is watched."""

from typing import Any

SIZE = 1500
SMALL_SIZE = 25
FEATURES = 5


def run(np: Any, size: int) -> dict[str, Any]:
    """Return the weights, the loss of each step, and how many samples were on the wrong side."""
    rng = np.random.default_rng(12)
    x = rng.normal(size=(size, FEATURES))
    labels = (x @ np.arange(1.0, FEATURES + 1.0) + rng.normal(size=size) > 0).astype(np.float64)
    weights, bias = np.zeros(FEATURES), 0.0
    losses = np.empty(size)
    wrong = 0
    for k in range(size):
        z = x[k] @ weights + bias
        p = 1.0 / (1.0 + np.exp(-z))
        losses[k] = -labels[k] * np.log(p) - (1.0 - labels[k]) * np.log(1.0 - p)
        if (p > 0.5) != (labels[k] > 0.5):
            wrong += 1
        weights -= 0.1 * (p - labels[k]) * x[k]
        bias = bias - 0.1 * (p - labels[k])
    return {"weights": weights, "bias": bias, "losses": losses, "wrong": wrong}
