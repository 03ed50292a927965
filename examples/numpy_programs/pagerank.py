"""Markov chains: the rank of pages, the weather in the long run, and a gambler's chances."""

from typing import Any

import composit.numpy as np

LINKS = {
    "home": ["about", "docs", "blog"],
    "about": ["home"],
    "docs": ["home", "api", "guide"],
    "api": ["docs"],
    "guide": ["docs", "api"],
    "blog": ["home", "guide", "orphan"],
    "orphan": [],
}
DAMPING = 0.85


def transition_matrix(links: dict[str, list[str]]) -> Any:
    """Return the probabilities to go from one page to another, column by column."""
    names = list(links)
    matrix = np.zeros((len(names), len(names)))
    for column, targets in enumerate(links.values()):
        for target in targets:
            matrix[names.index(target), column] = 1
    totals = matrix.sum(axis=0)
    dangling = totals == 0
    matrix[:, dangling] = 1.0
    totals[dangling] = len(names)
    matrix /= totals
    return matrix


def page_rank(matrix: Any) -> tuple[Any, int]:
    """Return the rank of each page by power iteration, and the number of rounds."""
    size = len(matrix)
    rank = np.full(size, 1 / size)
    change, rounds = 1.0, 0
    while change > 1e-10:
        following = DAMPING * (matrix @ rank) + (1 - DAMPING) / size
        change = np.abs(following - rank).sum()
        rank = following
        rounds += 1
    return rank, rounds


def stationary(matrix: Any) -> Any:
    """Return the distribution that a chain of row probabilities keeps: the eigenvector of eigenvalue 1."""
    values, vectors = np.linalg.eig(matrix.T)
    vector = vectors[:, np.argmin(np.abs(values - 1))].real
    return vector / vector.sum()


def walk(matrix: Any, num_steps: int, generator: Any) -> Any:
    """Return the states that a walk visits."""
    cumulative = matrix.cumsum(axis=1)
    states = np.zeros(num_steps, dtype=int)
    for step, chance in enumerate(generator.random(num_steps - 1)):
        states[step + 1] = np.searchsorted(cumulative[states[step]], chance)
    return states


def ruin_probabilities(goal: int, chance: float) -> Any:
    """Return the probability of ruin for each fortune below the goal, from the fundamental matrix."""
    inner = np.diag(np.full(goal - 2, chance), 1) + np.diag(np.full(goal - 2, 1 - chance), -1)
    to_ruin = np.zeros(goal - 1)
    to_ruin[0] = 1 - chance
    return np.linalg.inv(np.eye(goal - 1) - inner) @ to_ruin


def main() -> dict[str, Any]:
    """Rank pages, then look at two classic chains."""
    matrix = transition_matrix(LINKS)
    rank, rounds = page_rank(matrix)
    names = np.array(list(LINKS))
    order = np.argsort(-rank, kind="stable")
    print(f"after {rounds} rounds:")
    for name, share in zip(names[order], rank[order], strict=True):
        print(f"  {name:7s} {share:.4f}")

    weather = np.array([[0.8, 0.15, 0.05], [0.3, 0.5, 0.2], [0.2, 0.4, 0.4]])
    long_run = stationary(weather)
    powers = np.linalg.matrix_power(weather, 50)
    print("sun, clouds, rain in the long run:", np.round(long_run, 3))
    print("each row of the 50th power says the same:", np.allclose(powers, long_run))
    states = walk(weather, 200, np.random.default_rng(1))
    visits = np.bincount(states, minlength=3) / states.size
    ruin = ruin_probabilities(10, 0.49)
    print(f"with 5 coins of 10, ruin has probability {ruin[4]:.4f}")
    return {"rank": rank, "order": order, "long_run": long_run, "visits": visits, "ruin": ruin, "powers": powers}


if __name__ == "__main__":
    main()
