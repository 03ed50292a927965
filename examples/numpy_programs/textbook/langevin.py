"""Langevin dynamics of many particles in a double well: noise is drawn in each step, and the walk is watched."""

from typing import Any

SIZE = 2000
SMALL_SIZE = 30
PARTICLES = 64
TIME_STEP = 0.01


def run(np: Any, size: int) -> dict[str, Any]:
    """Return the last positions, the mean of each step, and the first step with a particle beyond the barrier."""
    rng = np.random.default_rng(8)
    x = -np.ones(PARTICLES)
    means = np.empty(size)
    crossed = -1
    for step in range(size):
        x = x + TIME_STEP * (x - x**3) + np.sqrt(2 * 0.2 * TIME_STEP) * rng.normal(size=PARTICLES)
        means[step] = x.mean()
        if crossed < 0 and x.max() > 0.5:
            crossed = step
        if not np.isfinite(means[step]):
            raise ArithmeticError("the time step is too long")
    return {"x": x, "means": means, "crossed": crossed}
