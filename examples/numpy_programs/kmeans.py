"""k-means clustering by Lloyd's algorithm, started by k-means++."""

from typing import Any

import composit.numpy as np

CENTERS = [[0.0, 0.0], [5.0, 1.0], [2.0, 6.0], [-4.0, 4.0]]
POINTS_PER_CLUSTER = 60
MAX_ROUNDS = 50


def make_points(generator: Any) -> tuple[Any, Any]:
    """Return points around the centers, shuffled, and the cluster that each was drawn from."""
    centers = np.array(CENTERS)
    labels = np.repeat(np.arange(len(centers)), POINTS_PER_CLUSTER)
    points = centers[labels] + generator.normal(scale=0.8, size=(len(labels), 2))
    order = generator.permutation(len(labels))
    return points[order], labels[order]


def squared_distances(points: Any, centers: Any) -> Any:
    """Return the squared distance of each point to each center."""
    difference = points[:, np.newaxis, :] - centers[np.newaxis, :, :]
    return (difference**2).sum(axis=-1)


def first_centers(points: Any, num_clusters: int, generator: Any) -> Any:
    """Return points far from each other: each next one is drawn with probability as its squared distance."""
    centers = np.empty((num_clusters, points.shape[1]))
    centers[0] = points[generator.integers(len(points))]
    for count in range(1, num_clusters):
        nearest = squared_distances(points, centers[:count]).min(axis=1)
        cumulative = np.cumsum(nearest / nearest.sum())
        centers[count] = points[np.searchsorted(cumulative, generator.random())]
    return centers


def assign(points: Any, centers: Any) -> Any:
    """Return the index of the nearest center for each point."""
    return squared_distances(points, centers).argmin(axis=1)


def move(points: Any, labels: Any, centers: Any) -> Any:
    """Return the mean of each cluster; an empty one keeps its center."""
    moved = centers.copy()
    for cluster in range(len(centers)):
        members = points[labels == cluster]
        if len(members) > 0:
            moved[cluster] = members.mean(axis=0)
    return moved


def cluster_points(points: Any, num_clusters: int, generator: Any) -> tuple[Any, Any, int]:
    """Return centers, labels and the number of rounds until nothing moved."""
    centers = first_centers(points, num_clusters, generator)
    num_rounds = 0
    while True:
        num_rounds += 1
        labels = assign(points, centers)
        moved = move(points, labels, centers)
        if np.allclose(moved, centers) or num_rounds == MAX_ROUNDS:
            return centers, labels, num_rounds
        centers = moved


def confusion(labels: Any, truth: Any, num_clusters: int) -> Any:
    """Return how many points of each true cluster were put in each found one."""
    table = np.zeros((num_clusters, num_clusters), dtype=int)
    np.add.at(table, (truth, labels), 1)
    return table


def main() -> dict[str, Any]:
    """Cluster drawn points and compare with what they were drawn from."""
    generator = np.random.default_rng(8)
    points, truth = make_points(generator)
    centers, labels, num_rounds = cluster_points(points, len(CENTERS), generator)
    order = np.lexsort((centers[:, 1], centers[:, 0]))
    centers = centers[order]
    labels = np.argsort(order)[labels]
    table = confusion(labels, truth, len(CENTERS))
    inertia = squared_distances(points, centers).min(axis=1).sum()

    print(f"{len(points)} points in {num_rounds} rounds, inertia {inertia:.2f}")
    print("centers:")
    print(np.round(centers, 2))
    print("found clusters of each true one:")
    print(table)
    purity = table.max(axis=1).sum() / table.sum()
    return {"centers": centers, "labels": labels, "table": table, "inertia": inertia, "purity": purity}


if __name__ == "__main__":
    main()
