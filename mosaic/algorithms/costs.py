"""Parts of the models of cost: cycles of one core for multiply-adds and for bytes.

They rank algorithms of one operation; nobody adds up to the time of a program. Two vector multiply-adds a cycle, and
the bytes a cycle from beyond L2, are what the processors have in common that the targets stand for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from composit.operation import TensorType
from mosaic.targets import Target

_MULTIPLY_ADDS_PER_CYCLE = 2
_BYTES_PER_CYCLE_NEAR = 32.0  # L2, measured 50-60 a cycle for reads alone on Zen 5, half for reads and writes
_BYTES_PER_CYCLE_FAR = 8.0  # memory


def product_cycles(num_products: float, dtype_bytes: int, target: Target, share: float = 1.0) -> float:
    """Return the cycles of so many multiply-adds, at a share of the limit."""
    return num_products / (target.lanes(dtype_bytes) * _MULTIPLY_ADDS_PER_CYCLE * share)


def memory_cycles(num_bytes: float, target: Target) -> float:
    """Return the cycles of moving so many bytes, from L2 if they fit there."""
    return num_bytes / (_BYTES_PER_CYCLE_NEAR if num_bytes <= target.caches.l2 else _BYTES_PER_CYCLE_FAR)


def num_bytes(types: Iterable[TensorType]) -> int:
    """Return the bytes of arrays."""
    return sum(math.prod(each.shape) * each.dtype.itemsize for each in types)
