"""Values in vector registers: one number of lanes per kernel, truth values as masks.

A register holds as many lanes of the kernel's widest dtype; all its vectors have this number, so that dtypes line up.
A bool is a mask in registers (integers, -1 for true) and one byte, 0 or 1, in memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mosaic import c
from mosaic.c.helpers import Helper
from mosaic.targets import Target
from mosaic.vector import conversions, memory
from mosaic.vector.vector_types import VectorType, vector_type

bool_dtype = np.dtype(bool)


@dataclass(slots=True)
class Lanes:
    """The lane types of one kernel, and the helpers it has used so far."""

    target: Target
    lanes: int
    helpers: dict[str, Helper] = field(default_factory=dict)

    @property
    def mask(self) -> VectorType:
        """Return the type that truth values have in registers."""
        return vector_type(np.dtype(f"i{min(8, self.target.vector_bytes // self.lanes)}"), self.lanes)

    def type(self, dtype: np.dtype) -> VectorType:
        """Return the type that a value of `dtype` has in registers."""
        return self.mask if dtype == bool_dtype else vector_type(dtype, self.lanes)

    def stored_type(self, dtype: np.dtype) -> VectorType:
        """Return the type of lanes of `dtype` as they lie in memory."""
        return vector_type(dtype, self.lanes)

    def use(self, helper: Helper) -> Helper:
        """Return the helper, remembered as one that the kernel needs."""
        self.helpers.setdefault(helper.name, helper)
        return helper

    def declare(self, vector: VectorType) -> c.CType:
        """Return the C type of a vector, remembered as one that the kernel needs."""
        self.use(vector.helper)
        return vector.ctype

    def converted(self, value: c.Expression, source: VectorType, target: VectorType) -> c.Expression:
        """Return the lanes of a vector converted as C converts each."""
        return value if source == target else self.use(conversions.convert(source, target))(value)

    def as_mask(self, comparison: c.Expression, compared: VectorType) -> c.Expression:
        """Return the result of comparing two vectors of `compared` as a truth value."""
        return self.converted(comparison, compared.mask, self.mask)

    def from_memory(self, value: c.Expression, dtype: np.dtype) -> c.Expression:
        """Return lanes as loaded in the form they have in registers."""
        if dtype != bool_dtype:
            return value
        wide = self.converted(value, self.stored_type(dtype), self.mask)
        return c.not_equal(wide, c.literal(0))

    def to_memory(self, value: c.Expression, dtype: np.dtype) -> c.Expression:
        """Return lanes in registers in the form they have in memory."""
        return self.converted(-value, self.mask, self.stored_type(dtype)) if dtype == bool_dtype else value

    def broadcast(self, scalar: c.Expression, dtype: np.dtype) -> c.Expression:
        """Return a scalar as it lies in memory in every lane, in the form of registers."""
        return self.from_memory(self.use(memory.broadcast(self.stored_type(dtype)))(scalar), dtype)

    def broadcast_register(self, scalar: c.Expression, dtype: np.dtype) -> c.Expression:
        """Return a scalar in the form of registers in every lane."""
        return self.use(memory.broadcast(self.type(dtype)))(scalar)

    def constant(self, value: float, dtype: np.dtype) -> c.Expression:
        """Return a constant in every lane."""
        if dtype == bool_dtype:
            return self.use(memory.broadcast(self.mask))(c.literal(-1 if value else 0))
        vector = self.type(dtype)
        return self.use(memory.broadcast(vector))(vector.literal(value))
