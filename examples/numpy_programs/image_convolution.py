"""Filters on a picture by stride tricks: every window is a view, and one product does all of them."""

from typing import Any

import composit.numpy as np

GAUSS = [[1, 2, 1], [2, 4, 2], [1, 2, 1]]
SOBEL = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
SHADES = " .:*#@"


def make_picture(size: int) -> Any:
    """Return a bright disc and a bar on a gradient, with a few dead pixels."""
    rows, columns = np.mgrid[0:size, 0:size]
    picture = 0.2 * columns / size
    picture[(rows - size / 3) ** 2 + (columns - size / 3) ** 2 < (size / 5) ** 2] = 1.0
    picture[3 * size // 4 :, size // 4 : 3 * size // 4] += 0.6
    picture[5::11, 7::13] = 0.0
    return picture


def convolve(picture: Any, kernel: Any) -> Any:
    """Return the picture filtered, its borders repeated outwards so that the size stays."""
    height, width = kernel.shape
    padded = np.pad(picture, ((height // 2, height // 2), (width // 2, width // 2)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape)
    return (windows * kernel).sum(axis=(-2, -1))


def median_filter(picture: Any, size: int) -> Any:
    """Return the median of each window."""
    padded = np.pad(picture, size // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size))
    return np.median(windows, axis=(-2, -1))


def blocks(picture: Any, size: int) -> Any:
    """Return a view of the picture as a grid of blocks that do not overlap."""
    height, width = picture.shape
    row_stride, column_stride = picture.strides
    return np.lib.stride_tricks.as_strided(
        picture,
        shape=(height // size, width // size, size, size),
        strides=(size * row_stride, size * column_stride, row_stride, column_stride),
    )


def edges(picture: Any) -> tuple[Any, Any]:
    """Return strength and direction of the gradient."""
    kernel = np.array(SOBEL, dtype=float)
    horizontal, vertical = convolve(picture, kernel), convolve(picture, kernel.T)
    return np.hypot(horizontal, vertical), np.arctan2(vertical, horizontal)


def draw(picture: Any) -> str:
    """Return the picture in characters."""
    low, high = picture.min(), picture.max()
    levels = np.rint((picture - low) / (high - low) * (len(SHADES) - 1)).astype(int)
    return "\n".join("".join(SHADES[level] for level in row) for row in levels.tolist())


def main() -> dict[str, Any]:
    """Blur a picture, repair it, find its edges and shrink it."""
    picture = make_picture(48)
    gauss = np.array(GAUSS) / np.sum(GAUSS)
    blurred = convolve(picture, gauss)
    repaired = median_filter(picture, 3)
    strength, direction = edges(repaired)
    small = blocks(repaired, 4).mean(axis=(2, 3))

    print(draw(small))
    print(f"dead pixels: {np.count_nonzero(picture == 0)} before, {np.count_nonzero(repaired == 0)} after the median")
    print(f"strongest edge {strength.max():.2f}, mean {strength.mean():.3f}")
    counts, bins = np.histogram(direction[strength > 1.0], bins=4, range=(-np.pi, np.pi))
    print("directions of the edges:", counts)
    return {
        "blurred": blurred,
        "repaired": repaired,
        "strength": strength,
        "small": small,
        "counts": counts,
        "bins": bins,
    }


if __name__ == "__main__":
    main()
