"""The Mandelbrot set by boolean masks: points that have escaped are no longer iterated."""

from typing import Any

import composit.numpy as np

WIDTH, HEIGHT = 60, 40
MAX_ITERATIONS = 50
ESCAPE_RADIUS = 2.0
PALETTE = " .:-=+*#%@"


def plane(center: complex, width: float) -> Any:
    """Return the complex numbers at the pixels of a picture."""
    real = np.linspace(center.real - width / 2, center.real + width / 2, WIDTH)
    imaginary = np.linspace(center.imag - width / 3, center.imag + width / 3, HEIGHT)
    return real[np.newaxis, :] + 1j * imaginary[:, np.newaxis]


def escape_times(c: Any) -> Any:
    """Return after how many steps each point leaves the circle, MAX_ITERATIONS for those that stay."""
    z = np.zeros_like(c)
    times = np.full(c.shape, MAX_ITERATIONS, dtype=np.int32)
    inside = np.ones(c.shape, dtype=bool)
    for iteration in range(MAX_ITERATIONS):
        z[inside] = z[inside] ** 2 + c[inside]
        escaped = inside & (np.abs(z) > ESCAPE_RADIUS)
        times[escaped] = iteration
        inside[escaped] = False
        if not inside.any():
            break
    return times


def smooth(c: Any, times: Any) -> Any:
    """Return shades between 0 and 1: logarithms of the times, stretched."""
    shades = np.log1p(times.astype(np.float64))
    shades -= shades.min()
    shades /= shades.max()
    shades[np.abs(c) > ESCAPE_RADIUS] = 0.0
    return shades


def draw(shades: Any) -> str:
    """Return a picture in characters."""
    levels = np.minimum((shades * len(PALETTE)).astype(int), len(PALETTE) - 1)
    return "\n".join("".join(PALETTE[level] for level in row) for row in levels[::2].tolist())


def main() -> dict[str, Any]:
    """Draw the set and count how many points escape when."""
    c = plane(complex(-0.6, 0.0), 3.2)
    times = escape_times(c)
    shades = smooth(c, times)
    print(draw(shades))

    in_set = times == MAX_ITERATIONS
    area = in_set.mean() * 3.2 * (2 * 3.2 / 3)
    histogram = np.bincount(times[~in_set], minlength=MAX_ITERATIONS)
    slowest = np.unravel_index(np.argmax(np.where(in_set, -1, times)), times.shape)
    print(f"area about {area:.3f}; half of the others escape within {np.median(times[~in_set]):.0f} steps")
    print(f"the slowest point that escapes is {c[slowest]:.3f}")
    return {"times": times, "area": area, "histogram": histogram, "shades": shades, "slowest": c[slowest]}


if __name__ == "__main__":
    main()
