"""A hidden Markov model: likelihood by the scaled forward algorithm, the most likely states by Viterbi's."""

from typing import Any

SIZE = 800  # observations
SMALL_SIZE = 12
STATES, SYMBOLS = 4, 6


def run(np: Any, size: int) -> dict[str, Any]:
    """Return the filtered distributions, the logarithm of the likelihood, and the best path."""
    rng = np.random.default_rng(5)
    transition = rng.dirichlet(np.ones(STATES) * 2, size=STATES)
    emission = rng.dirichlet(np.ones(SYMBOLS), size=STATES)
    observed = rng.integers(0, SYMBOLS, size=size)
    alpha, scale = np.zeros((size, STATES)), np.zeros(size)
    delta, back = np.zeros((size, STATES)), np.zeros((size, STATES), dtype=np.int64)
    alpha[0] = emission[:, observed[0]] / STATES
    delta[0] = np.log(emission[:, observed[0]] / STATES)
    scale[0] = alpha[0].sum()
    alpha[0] /= scale[0]
    for t in range(1, size):
        seen = emission[:, observed[t]]
        alpha[t] = (alpha[t - 1] @ transition) * seen
        scale[t] = alpha[t].sum()
        alpha[t] /= scale[t]
        scores = delta[t - 1][:, None] + np.log(transition)
        back[t] = scores.argmax(axis=0)
        delta[t] = scores.max(axis=0) + np.log(seen)
    path = np.zeros(size, dtype=np.int64)
    path[-1] = delta[-1].argmax()
    for t in range(size - 2, -1, -1):
        path[t] = back[t + 1, path[t + 1]]
    return {"alpha": alpha, "log_likelihood": np.log(scale).sum(), "path": path}
