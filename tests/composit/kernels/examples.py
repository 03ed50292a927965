"""Functions of the language of kernels, one for each construct, and arguments for them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
SCALE = 0.75


def relu3(x: float) -> float:
    if x < 0.0:
        return 0.0
    if x < 1.0:
        return x**3 / 3.0
    return x - 2.0 / 3.0


def root(a: float, n: int) -> float:
    """By Newton's method."""
    a = a * a + 0.5
    y = a
    for _ in range(n):
        step = (y * y - a) / (2 * y)
        y -= step
        if abs(step) < 1e-9:
            break
    return y


def power_by_loop(x: float, n: int) -> float:
    y = 1.0
    k = 0
    while k < n:
        y = y * x + math.exp(-x * x)
        k += 1
    return y


def recursive(x: float, n: int) -> float:
    if n <= 0:
        return x
    return x * recursive(math.sin(x), n - 1)


def early_exits(x: float, n: int) -> float:
    total = 0.1
    for i in range(n):
        if x > 1.7:
            return -x
        for j in range(3, 0, -1):
            if j == i:
                continue
            if x + j > 2.5 + i:
                total += x * x
                break
            total += j * math.sin(x) * total
            if total > 5:
                return total
    return total


def several(x: float, n: int):
    u, v = float(n), x
    while u > 0.5 and v < 10:
        u, v = u / 2, v + u
    w = [relu3(v + i) * SCALE for i in range(3)]
    return max(u, v), (sum(w), w[-1] if n % 2 else w[0])


def joined_kinds(x: float, n: int) -> float:
    y = 0
    for i in range(n):
        y = y + i
        if x > 0 and not (i == 2 or x > 1.5):
            y = y * 1.5
    return y if 0 < n <= 3 else -y


def integers(x: float, n: int):
    k = n * 7 - 10
    return k // 3, k % -4, k & 5 | 2, int(x * 3), round(x * 10), math.floor(x), (-k) ** 2, abs(k), x % 0.7, x // 0.3


def functions(x: float, n: int) -> float:
    y = np.sqrt(x * x + 1) + math.tanh(x) * math.atan2(x, 2.0) - math.log1p(x * x) + np.hypot(x, 1.0)
    return y + min(x, 0.5, n) - max(x, 0.25) + math.cosh(x / 2) + np.where(x > 0, x, -x) + math.expm1(x) ** 2


def loop_over_tuple(x: float, n: int) -> float:
    total = 0.0
    for weight, shift in ((1.0, 0.5), (2.0, n)):
        total += weight * math.cos(x + shift)
    return total


EXAMPLES: list[Callable[..., Any]] = [
    relu3, root, power_by_loop, recursive, early_exits, several, joined_kinds, integers, functions, loop_over_tuple,
]  # fmt: skip


def drawn(function: Callable[..., Any], count: int) -> list[Array]:
    """Return arguments for a function: floats between -2 and 2, ints from 0 to 5."""
    rng = np.random.default_rng(7)
    every = [rng.uniform(-2, 2, count), rng.integers(0, 6, count)]
    return every[: function.__code__.co_argcount]
