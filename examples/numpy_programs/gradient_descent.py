"""Fits by gradient descent: a polynomial by momentum, a classifier by mini batches."""

from typing import Any

import composit.numpy as np

DEGREE = 3
NUM_STEPS = 300


def design_matrix(x: Any, degree: int) -> Any:
    """Return the powers of x as columns."""
    return np.vander(x, degree + 1, increasing=True)


def fit_polynomial(x: Any, y: Any) -> tuple[Any, Any]:
    """Return coefficients of least squared error, and the error after each step."""
    matrix = design_matrix(x, DEGREE)
    weights = np.zeros(DEGREE + 1)
    velocity = np.zeros_like(weights)
    losses = np.empty(NUM_STEPS)
    for step in range(NUM_STEPS):
        residual = matrix @ weights - y
        losses[step] = np.mean(residual**2)
        gradient = 2 * matrix.T @ residual / len(x)
        velocity *= 0.9
        velocity -= 0.1 * gradient
        weights += velocity
    return weights, losses


def sigmoid(x: Any) -> Any:
    """Return the logistic function."""
    return 1.0 / (1.0 + np.exp(-x))


def cross_entropy(scores: Any, labels: Any) -> Any:
    """Return the mean of -log p of the true label, stably."""
    return np.mean(np.logaddexp(0.0, scores) - labels * scores)


def fit_classifier(features: Any, labels: Any, generator: Any) -> tuple[Any, Any, Any]:
    """Return weights, bias and the losses per epoch of logistic regression."""
    weights = np.zeros(features.shape[1])
    bias = 0.0
    losses = []
    for epoch in range(20):
        order = generator.permutation(len(features))
        rate = 0.5 / (1 + 0.1 * epoch)
        for batch in np.array_split(order, 8):
            x, y = features[batch], labels[batch]
            error = sigmoid(x @ weights + bias) - y
            weights -= rate * (x.T @ error / len(batch) + 0.001 * weights)
            bias -= rate * error.mean()
        losses.append(cross_entropy(features @ weights + bias, labels))
    return weights, bias, np.array(losses)


def make_classes(generator: Any) -> tuple[Any, Any]:
    """Return two clouds of points with labels 0 and 1."""
    zeros = generator.normal([-1.0, 0.5], 0.9, size=(80, 2))
    ones = generator.normal([1.2, -0.4], 0.9, size=(80, 2))
    return np.concatenate([zeros, ones]), np.concatenate([np.zeros(80), np.ones(80)])


def main() -> dict[str, Any]:
    """Fit both models and say how well they do."""
    generator = np.random.default_rng(3)
    x = np.linspace(-1, 1, 50)
    y = 0.5 - x + 2 * x**3 + generator.normal(scale=0.05, size=x.shape)
    coefficients, losses = fit_polynomial(x, y)
    exact, *_ = np.linalg.lstsq(design_matrix(x, DEGREE), y, rcond=None)
    print(f"polynomial: mean squared error from {losses[0]:.4f} to {losses[-1]:.4f}")
    for power, (found, best) in enumerate(zip(coefficients, exact, strict=True)):
        print(f"  x^{power}: {found:+.3f}, least squares {best:+.3f}")

    features, labels = make_classes(generator)
    weights, bias, history = fit_classifier(features, labels, generator)
    predicted = sigmoid(features @ weights + bias) > 0.5
    accuracy = np.mean(predicted == labels)
    print(f"classifier: cross entropy from {history[0]:.4f} to {history[-1]:.4f}, accuracy {accuracy:.1%}")
    return {
        "coefficients": coefficients,
        "losses": losses,
        "exact": exact,
        "weights": weights,
        "bias": bias,
        "history": history,
        "accuracy": accuracy,
    }


if __name__ == "__main__":
    main()
