"""The heat equation on a plate by finite differences, written with in-place slices."""

from typing import Any

import composit.numpy as np

SIZE = 24
DIFFUSIVITY = 0.2
NUM_STEPS = 60
TOLERANCE = 1e-3


def make_plate() -> Any:
    """Return a cold plate with a hot upper edge and a warm right one."""
    plate = np.zeros((SIZE, SIZE))
    plate[0, :] = 100.0
    plate[1:-1, -1] = np.linspace(100.0, 0.0, SIZE - 2)
    return plate


def explicit_step(plate: Any) -> None:
    """Advance the inside of the plate by one time step."""
    center = plate[1:-1, 1:-1]
    north, south = plate[:-2, 1:-1], plate[2:, 1:-1]
    west, east = plate[1:-1, :-2], plate[1:-1, 2:]
    center += DIFFUSIVITY * (north + south + west + east - 4 * center)


def relax(plate: Any) -> int:
    """Iterate the steady state by red-black Gauss-Seidel until it changes little; return the number of sweeps."""
    rows, columns = np.indices(plate[1:-1, 1:-1].shape)
    colors = (rows + columns) % 2
    sweeps = 0
    change = np.inf
    while change > TOLERANCE and sweeps < 2000:
        change = 0.0
        for color in (0, 1):
            mean = (plate[:-2, 1:-1] + plate[2:, 1:-1] + plate[1:-1, :-2] + plate[1:-1, 2:]) / 4
            inside = plate[1:-1, 1:-1]
            chosen = colors == color
            change = max(change, np.abs(mean - inside)[chosen].max())
            np.copyto(inside, mean, where=chosen)
        sweeps += 1
    return sweeps


def rod(length: int) -> Any:
    """Return the temperatures of a rod along time by the implicit method: one linear system per step."""
    matrix = np.eye(length) * (1 + 2 * DIFFUSIVITY)
    matrix[np.arange(1, length), np.arange(length - 1)] = -DIFFUSIVITY
    matrix[np.arange(length - 1), np.arange(1, length)] = -DIFFUSIVITY
    history = np.zeros((10, length))
    history[0, length // 2] = 1.0
    for step in range(1, len(history)):
        history[step] = np.linalg.solve(matrix, history[step - 1])
    return history


def main() -> dict[str, Any]:
    """Heat a plate for a while, then find where it ends."""
    plate = make_plate()
    means = np.empty(NUM_STEPS)
    for step in range(NUM_STEPS):
        explicit_step(plate)
        means[step] = plate.mean()
    print(f"mean temperature: {means[0]:.2f} at first, {means[-1]:.2f} after {NUM_STEPS} steps")

    steady = plate.copy()
    sweeps = relax(steady)
    remaining = np.abs(steady - plate).max()
    print(f"steady after {sweeps} sweeps; the plate is still {remaining:.2f} degrees away")
    row, column = np.unravel_index(np.abs(steady - plate).argmax(), plate.shape)
    print(f"most at row {row}, column {column}")
    history = rod(15)
    gradient_rows, gradient_columns = np.gradient(steady)
    flux = np.hypot(gradient_rows, gradient_columns)
    print("the rod keeps its heat:", np.all(history.sum(axis=1) <= 1.0 + 1e-12))
    return {"plate": plate, "means": means, "steady": steady, "sweeps": sweeps, "history": history, "flux": flux}


if __name__ == "__main__":
    main()
