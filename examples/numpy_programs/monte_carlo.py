"""Monte Carlo estimates: pi, an integral in five dimensions, and the price of options."""

from typing import Any

import composit.numpy as np

NUM_SAMPLES = 20_000


def estimate_pi(generator: Any) -> tuple[Any, Any]:
    """Return an estimate from points in a square, with its standard error."""
    x, y = generator.uniform(-1, 1, size=(2, NUM_SAMPLES))
    hits = x**2 + y**2 <= 1
    return 4 * hits.mean(), 4 * hits.std() / np.sqrt(NUM_SAMPLES)


def ball_volume(generator: Any, dimensions: int) -> Any:
    """Return the volume of the unit ball in so many dimensions."""
    points = generator.uniform(-1, 1, size=(NUM_SAMPLES, dimensions))
    inside = np.linalg.norm(points, axis=1) <= 1
    return inside.mean() * 2.0**dimensions


def paths(generator: Any, start: float, rate: float, volatility: float, num_days: int) -> Any:
    """Return prices that follow a geometric Brownian motion, one row per path, with antithetic pairs."""
    dt = 1 / 252
    shocks = generator.standard_normal((1000, num_days))
    shocks = np.vstack([shocks, -shocks])
    growth = (rate - volatility**2 / 2) * dt + volatility * np.sqrt(dt) * shocks
    prices = np.empty((len(growth), num_days + 1))
    prices[:, 0] = start
    prices[:, 1:] = start * np.exp(np.cumsum(growth, axis=1))
    return prices


def option_prices(prices: Any, strike: float, rate: float) -> dict[str, Any]:
    """Return the discounted means of three payoffs."""
    years = (prices.shape[1] - 1) / 252
    discount = np.exp(-rate * years)
    last = prices[:, -1]
    barrier_kept = (prices < 1.3 * prices[0, 0]).all(axis=1)
    payoffs = {
        "call": np.maximum(last - strike, 0),
        "asian": np.maximum(prices[:, 1:].mean(axis=1) - strike, 0),
        "barrier": np.where(barrier_kept, np.maximum(last - strike, 0), 0),
    }
    return {name: discount * payoff.mean() for name, payoff in payoffs.items()}


def value_at_risk(prices: Any, level: float) -> Any:
    """Return the loss that is exceeded with probability 1 - level."""
    losses = prices[:, 0] - prices[:, -1]
    return np.quantile(losses, level)


def random_walk_returns(generator: Any) -> Any:
    """Return how often walks of 50 steps are back at the origin after each step."""
    steps = generator.choice([-1, 1], size=(500, 50))
    return (steps.cumsum(axis=1) == 0).sum(axis=0)


def main() -> dict[str, Any]:
    """Print the estimates and return them."""
    generator = np.random.default_rng(2024)
    pi, error = estimate_pi(generator)
    print(f"pi is about {pi:.4f} +- {error:.4f}")
    volumes = np.array([ball_volume(generator, dimensions) for dimensions in (2, 3, 4, 5)])
    print("volumes of balls in 2 to 5 dimensions:", np.round(volumes, 2))
    prices = paths(generator, 100.0, 0.03, 0.25, 126)
    options = option_prices(prices, 105.0, 0.03)
    for name, price in options.items():
        print(f"{name:8s} {price:6.3f}")
    risk = value_at_risk(prices, 0.95)
    print(f"95% of half years lose less than {risk:.2f}")
    walks = random_walk_returns(generator)
    return {"pi": pi, "error": error, "volumes": volumes, "options": options, "risk": risk, "walks": walks}


if __name__ == "__main__":
    main()
