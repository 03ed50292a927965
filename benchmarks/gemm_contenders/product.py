"""What every contender computes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

Matrix = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Product:
    """a (rows, depth) @ b (depth, columns), `times` times a run, because one is too short to time."""

    a: Matrix
    b: Matrix
    times: int

    @property
    def num_flops(self) -> float:
        """Floating-point operations of one run."""
        return 2.0 * self.a.size * int(self.b.shape[1]) * self.times


def sample_product(rows: int, depth: int, columns: int, dtype: str, num_flops: float) -> Product:
    """Random matrices, multiplied often enough for about `num_flops` a run."""
    generator = np.random.default_rng(0)
    a, b = (generator.standard_normal(shape).astype(dtype) for shape in ((rows, depth), (depth, columns)))
    return Product(a, b, max(1, round(num_flops / (2.0 * rows * depth * columns))))
