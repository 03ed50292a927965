"""The names of numpy.linalg, gathered from the modules that define them."""

from __future__ import annotations

from composit.numpy.products import matmul, tensordot, vecdot

__all__ = ["matmul", "tensordot", "vecdot"]
