"""Percolation: does water find a way through a random porous block? Clusters are labelled by spreading labels."""

from typing import Any

import composit.numpy as np

SIZE = 16
PROBABILITIES = [0.45, 0.55, 0.6, 0.65, 0.75]
NUM_TRIALS = 4


def flow(is_open: Any) -> Any:
    """Return which cells water from the upper edge reaches."""
    wet = np.zeros_like(is_open)
    wet[0] = is_open[0]
    while True:
        spread = wet.copy()
        spread[1:] |= wet[:-1]
        spread[:-1] |= wet[1:]
        spread[:, 1:] |= wet[:, :-1]
        spread[:, :-1] |= wet[:, 1:]
        spread &= is_open
        if np.array_equal(spread, wet):
            return wet
        wet = spread


def label(is_open: Any) -> Any:
    """Return a number for each cell, the same within a cluster, 0 for closed cells."""
    labels = np.where(is_open, np.arange(1, is_open.size + 1).reshape(is_open.shape), 0)
    while True:
        padded = np.pad(labels, 1)
        neighbors = np.stack([padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:], labels])
        spread = np.where(is_open, neighbors.max(axis=0), 0)
        if (spread == labels).all():
            return labels
        labels = spread


def cluster_sizes(labels: Any) -> Any:
    """Return the sizes of the clusters, largest first."""
    _, counts = np.unique(labels[labels > 0], return_counts=True)
    return np.sort(counts)[::-1]


def chance_to_percolate(probability: float, generator: Any) -> float:
    """Return the share of random blocks that let water through."""
    blocks = generator.random((NUM_TRIALS, SIZE, SIZE)) < probability
    return sum(bool(flow(block)[-1].any()) for block in blocks) / NUM_TRIALS


def draw(is_open: Any, wet: Any) -> str:
    """Return the block in characters: closed, dry and wet cells."""
    symbols = np.array(["#", " ", "~"])
    return "\n".join("".join(row) for row in symbols[is_open.astype(int) + wet])


def main() -> dict[str, Any]:
    """Try several porosities, then look at one block closely."""
    generator = np.random.default_rng(9)
    chances = np.array([chance_to_percolate(p, generator) for p in PROBABILITIES])
    for probability, chance in zip(PROBABILITIES, chances, strict=True):
        print(f"porosity {probability:.2f}: {chance:.0%} let water through")

    is_open = generator.random((SIZE, 2 * SIZE)) < 0.6
    wet = flow(is_open)
    labels = label(is_open)
    sizes = cluster_sizes(labels)
    spanning = np.intersect1d(labels[0], labels[-1])
    spanning = spanning[spanning > 0]
    print(draw(is_open, wet))
    print(f"{sizes.size} clusters, the largest ones {sizes[:5].tolist()}; {spanning.size} reach from top to bottom")
    return {"chances": chances, "wet": wet, "labels": labels, "sizes": sizes, "spanning": spanning}


if __name__ == "__main__":
    main()
