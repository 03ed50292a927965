"""Number theory: the sieve of Eratosthenes, perfect numbers, Pascal's triangle and magic squares."""

from typing import Any

import composit.numpy as np

LIMIT = 2000


def sieve(limit: int) -> Any:
    """Return the primes below a limit: multiples are crossed out by slices."""
    is_prime = np.ones(limit, dtype=bool)
    is_prime[:2] = False
    is_prime[4::2] = False
    for number in range(3, int(np.sqrt(limit)) + 1, 2):
        if is_prime[number]:
            is_prime[number * number :: number] = False
    return np.flatnonzero(is_prime)


def divisor_sums(limit: int) -> Any:
    """Return for each number the sum of its divisors below itself."""
    sums = np.zeros(limit, dtype=np.int64)
    for divisor in range(1, limit // 2):
        sums[2 * divisor :: divisor] += divisor
    return sums


def pascal(size: int) -> Any:
    """Return Pascal's triangle as a square matrix."""
    triangle = np.zeros((size, size), dtype=np.int64)
    triangle[:, 0] = 1
    for row in range(1, size):
        triangle[row, 1:] = triangle[row - 1, 1:] + triangle[row - 1, :-1]
    return triangle


def magic_square(size: int) -> Any:
    """Return a magic square of odd size by the Siamese method."""
    n = np.arange(size * size)
    square = np.empty((size, size), dtype=int)
    # One up and one to the right at each step; one down instead after each `size` of them.
    square[(2 * (n // size) - n) % size, (size // 2 + n - n // size) % size] = n + 1
    return square


def is_magic(square: Any) -> bool:
    """Return whether all rows, columns and diagonals have one sum."""
    sums = np.concatenate([square.sum(axis=0), square.sum(axis=1), [np.trace(square), np.trace(np.fliplr(square))]])
    return bool(np.unique(sums).size == 1)


def main() -> dict[str, Any]:
    """Print small facts about small numbers."""
    primes = sieve(LIMIT)
    gaps = np.diff(primes)
    print(f"{primes.size} primes below {LIMIT}, the last {primes[-3:]}; the largest gap is {gaps.max()}")
    twins = primes[:-1][gaps == 2]
    print(f"{twins.size} pairs of twins, the last {twins[-1]} and {twins[-1] + 2}")
    sums = divisor_sums(500)
    perfect = np.flatnonzero((sums == np.arange(500)) & (sums > 0))
    amicable = np.array([n for n in range(1, 300) if n < sums[n] < 500 and sums[sums[n]] == n])
    print("perfect:", perfect, "amicable:", amicable)
    triangle = pascal(8)
    print(triangle)
    print("rows sum to powers of two:", np.array_equal(triangle.sum(axis=1), 2 ** np.arange(8)))
    square = magic_square(5)
    print(square)
    print("magic:", is_magic(square))
    return {"primes": primes, "gaps": gaps, "perfect": perfect, "triangle": triangle, "square": square}


if __name__ == "__main__":
    main()
