"""Levenshtein's distance of two words by dynamic programming, element by element, and the way back through the table."""

from typing import Any

SIZE = 55
SMALL_SIZE = 6


def run(np: Any, size: int) -> dict[str, Any]:
    """Return the table of distances and the places along the shortest way."""
    rng = np.random.default_rng(9)
    first, second = rng.integers(0, 4, size=size), rng.integers(0, 4, size=size)
    table = np.zeros((size + 1, size + 1), dtype=np.int64)
    table[:, 0] = table[0, :] = np.arange(size + 1)
    for i in range(1, size + 1):
        for j in range(1, size + 1):
            replaced = table[i - 1, j - 1] + (first[i - 1] != second[j - 1])
            table[i, j] = np.minimum(np.minimum(table[i - 1, j], table[i, j - 1]) + 1, replaced)
    i, j, places = size, size, []
    while i > 0 and j > 0:
        places.append((i, j))
        if table[i, j] == table[i - 1, j - 1] + (first[i - 1] != second[j - 1]):
            i, j = i - 1, j - 1
        elif table[i, j] == table[i - 1, j] + 1:
            i -= 1
        else:
            j -= 1
    return {"table": table, "places": np.array(places)}
