"""Bodies that attract each other, by the leapfrog method: forces pair by pair, positions kept as rows of an orbit."""

from typing import Any

SIZE = 90  # time steps
SMALL_SIZE = 4
BODIES = 5
TIME_STEP = 0.01


def forces(np: Any, masses: Any, positions: Any) -> Any:
    """Return the acceleration of each body, softened at short distances."""
    accelerations = np.zeros_like(positions)
    for i in range(BODIES):
        for j in range(i):
            separation = positions[j] - positions[i]
            strength = separation / (separation @ separation + 1e-2) ** 1.5
            accelerations[i] += masses[j] * strength
            accelerations[j] -= masses[i] * strength
    return accelerations


def run(np: Any, size: int) -> dict[str, Any]:
    """Return the orbits and the kinetic energies along them."""
    rng = np.random.default_rng(4)
    masses = rng.uniform(0.1, 1.0, size=BODIES)
    positions, velocities = rng.normal(size=(BODIES, 3)), 0.1 * rng.normal(size=(BODIES, 3))
    orbit, energies = np.empty((size, BODIES, 3)), np.empty(size)
    accelerations = forces(np, masses, positions)
    for step in range(size):
        velocities += 0.5 * TIME_STEP * accelerations
        positions += TIME_STEP * velocities
        accelerations = forces(np, masses, positions)
        velocities += 0.5 * TIME_STEP * accelerations
        orbit[step] = positions
        energies[step] = 0.5 * np.sum(masses * np.sum(velocities**2, axis=1))
    return {"orbit": orbit, "energies": energies}
