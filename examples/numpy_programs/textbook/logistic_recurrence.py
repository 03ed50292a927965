"""The logistic map: each element of an array from the one before it, and the Lyapunov exponent of the whole orbit."""

from typing import Any

SIZE = 10_000
SMALL_SIZE = 50
GROWTH = 3.7


def run(np: Any, size: int) -> dict[str, Any]:
    """Return the orbit and its Lyapunov exponent."""
    orbit = np.empty(size)
    orbit[0] = 0.4
    for k in range(1, size):
        orbit[k] = GROWTH * orbit[k - 1] * (1.0 - orbit[k - 1])
    return {"orbit": orbit, "exponent": np.mean(np.log(np.abs(GROWTH * (1.0 - 2.0 * orbit))))}
