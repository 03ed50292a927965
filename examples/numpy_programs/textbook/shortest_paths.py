"""Shortest paths between all pairs of places by Floyd and Warshall, row by row, with the next place on each path."""

from typing import Any

SIZE = 50
SMALL_SIZE = 7


def run(np: Any, size: int) -> dict[str, Any]:
    """Return all distances, the next places, and one path."""
    rng = np.random.default_rng(10)
    distances = np.where(rng.random((size, size)) < 0.15, rng.uniform(1.0, 9.0, (size, size)), np.inf)
    np.fill_diagonal(distances, 0.0)
    following = np.where(np.isfinite(distances), np.arange(size), -1)
    for k in range(size):
        for i in range(size):
            through = distances[i, k] + distances[k]
            shorter = through < distances[i]
            distances[i] = np.where(shorter, through, distances[i])
            following[i] = np.where(shorter, following[i, k], following[i])
    place, path = 0, [0]
    while place != size - 1 and following[place, size - 1] >= 0:
        place = int(following[place, size - 1])
        path.append(place)
    return {"distances": distances, "following": following, "path": np.array(path)}
