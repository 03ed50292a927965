"""Planets around a sun by the leapfrog method; energy and momentum are watched."""

from typing import Any

import composit.numpy as np

GRAVITY = 4 * np.pi**2  # astronomical units, years and solar masses
NAMES = ["sun", "earth", "mars", "jupiter"]
MASSES = [1.0, 3.0e-6, 3.2e-7, 9.5e-4]
DISTANCES = [0.0, 1.0, 1.524, 5.203]
TIME_STEP = 0.02
NUM_STEPS = 60


def start() -> tuple[Any, Any, Any]:
    """Return masses, positions and velocities: circles, with the center of mass at rest."""
    masses = np.array(MASSES)
    distances = np.array(DISTANCES)
    angles = np.deg2rad([0.0, 0.0, 80.0, 200.0])
    positions = distances[:, None] * np.stack([np.cos(angles), np.sin(angles), np.zeros(4)], axis=1)
    velocities = np.zeros_like(positions)
    speeds = np.sqrt(GRAVITY / distances[1:])
    velocities[1:, 0] = -speeds * np.sin(angles[1:])
    velocities[1:, 1] = speeds * np.cos(angles[1:])
    positions -= np.average(positions, axis=0, weights=masses)
    velocities -= np.average(velocities, axis=0, weights=masses)
    return masses, positions, velocities


def accelerations(masses: Any, positions: Any) -> Any:
    """Return the acceleration of each body by all others."""
    separation = positions[None, :, :] - positions[:, None, :]
    squared = (separation**2).sum(axis=-1)
    np.fill_diagonal(squared, 1.0)
    strength = GRAVITY * masses / squared**1.5
    np.fill_diagonal(strength, 0.0)
    return (strength[..., None] * separation).sum(axis=1)


def energy(masses: Any, positions: Any, velocities: Any) -> Any:
    """Return kinetic and potential energy together."""
    kinetic = 0.5 * np.sum(masses * np.sum(velocities**2, axis=1))
    i, j = np.triu_indices(len(masses), k=1)
    distances = np.linalg.norm(positions[i] - positions[j], axis=1)
    return kinetic - GRAVITY * np.sum(masses[i] * masses[j] / distances)


def simulate() -> dict[str, Any]:
    """Return the orbits and what should not change along them."""
    masses, positions, velocities = start()
    orbits = np.empty((NUM_STEPS + 1, *positions.shape))
    energies = np.empty(NUM_STEPS + 1)
    orbits[0], energies[0] = positions, energy(masses, positions, velocities)
    velocities += 0.5 * TIME_STEP * accelerations(masses, positions)
    for step in range(1, NUM_STEPS + 1):
        positions += TIME_STEP * velocities
        kick = TIME_STEP * accelerations(masses, positions)
        orbits[step] = positions
        energies[step] = energy(masses, positions, velocities + 0.5 * kick)
        velocities += kick
    return {"orbits": orbits, "energies": energies, "momentum": masses @ velocities}


def main() -> dict[str, Any]:
    """Simulate, and print where the planets are."""
    results = simulate()
    orbits, energies = results["orbits"], results["energies"]
    relative = orbits[:, 1:] - orbits[:, :1]
    radii = np.linalg.norm(relative, axis=-1)
    angles = np.unwrap(np.arctan2(relative[..., 1], relative[..., 0]), axis=0)
    turns = (angles[-1] - angles[0]) / (2 * np.pi)
    drift = np.ptp(energies) / abs(energies[0])

    print(f"after {NUM_STEPS * TIME_STEP:.1f} years:")
    for name, turn, radius in zip(NAMES[1:], turns, radii.T, strict=True):
        print(f"  {name:8s} {turn:5.2f} turns, distance {radius.min():.3f} to {radius.max():.3f}")
    print("the energy is kept:", drift < 1e-4)
    print("the momentum is zero:", np.allclose(results["momentum"], 0, atol=1e-9))
    return {**results, "turns": turns, "radii": radii}


if __name__ == "__main__":
    main()
