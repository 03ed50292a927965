"""Streams whose results are narrower than what they are computed from: several vectors fill one store.

A short store costs as much as a whole one. int64 to int16 takes 0.5 of the time of a store for each vector where the
operands come from memory, int32 `or` int32 to bool 0.6 (Zen 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mosaic import c
from mosaic.codegen.registers import Lanes
from mosaic.ir.expressions import Apply, Convert, Expression
from mosaic.ir.statements import RowStage
from mosaic.vector import memory
from mosaic.vector.conversions import narrowed_pair
from mosaic.vector.vector_types import VectorType, vector_type

_bool, _int32 = np.dtype(bool), np.dtype(np.int32)
_opposites = {"greater_equal": "less", "less_equal": "greater", "not_equal": "equal"}


@dataclass(frozen=True, slots=True)
class Narrowing:
    """The last step of a stage: integers that are stored with fewer bytes each, or truth values.

    wide:         what is computed of each element before
    dtype:        of the result
    is_opposite:  the result is true where `wide` is not
    """

    wide: Expression
    dtype: np.dtype
    is_opposite: bool = False

    def wide_type(self, lanes: Lanes) -> VectorType:
        """Return the type of one computed vector."""
        return lanes.mask if self.dtype == _bool else lanes.type(self.wide.dtype)

    def stored(self, lanes: Lanes, values: Sequence[c.Expression], place: c.Expression) -> c.Statement:
        """Return the statement that stores the lanes of all vectors, a power of two of them, one after the other."""
        vector = self.wide_type(lanes)
        while len(values) > 1:
            narrow = lanes.use(narrowed_pair(vector, is_mask=self.dtype == _bool))
            values = [narrow(low, high) for low, high in zip(values[::2], values[1::2], strict=True)]
            vector = vector.narrowed_pair
        target = vector_type(self.dtype, vector.lanes)
        value = values[0]
        if self.dtype == _bool:  # true is -1 in a mask
            value = value + 1 if self.is_opposite else -value
        return c.ExpressionStatement(lanes.use(memory.store(target))(place, lanes.converted(value, vector, target)))


def narrowing_of(stage: RowStage) -> Narrowing | None:
    """Return how a stage ends if its vectors can be narrowed in pairs; None if they are stored as they are computed."""
    dtype, expression = stage.result.dtype, stage.expression
    if dtype == _bool:
        return _of_truth(expression)
    if not isinstance(expression, Convert) or dtype.kind not in "iu":
        return None
    source = expression.argument.dtype
    if source.kind in "iu":
        return Narrowing(expression.argument, dtype) if source.itemsize > dtype.itemsize else None
    # C converts a float to an integer of less than four bytes by way of int32.
    by_way = source.kind == "f" and dtype.itemsize < _int32.itemsize
    return Narrowing(Convert(expression.argument, _int32), dtype) if by_way else None


def _of_truth(expression: Expression) -> Narrowing:
    """AVX compares integers by "equal" and "greater"; for the other comparisons gcc takes AVX-512's masks, which cost more."""
    opposite = _opposites.get(expression.function) if isinstance(expression, Apply) else None
    if opposite is None or not isinstance(expression, Apply) or expression.arguments[0].dtype.kind not in "iu":
        return Narrowing(expression, _bool)
    return Narrowing(replace(expression, function=opposite), _bool, is_opposite=True)


def vectors_of_store(stages: Sequence[RowStage], lanes: int, vector_bytes: int, whole_bytes: int) -> int:
    """Return how many computed vectors are stored together, so that the result fills as many bytes as one of them.

    whole_bytes: a store of integers with so many bytes is left alone; packing truth values is cheaper than converting them
    """
    narrowing = narrowing_of(stages[0]) if len(stages) == 1 else None
    if narrowing is None:
        return 1
    item_bytes = narrowing.dtype.itemsize
    if narrowing.dtype == _bool:
        return min(8, vector_bytes // lanes) // item_bytes
    return narrowing.wide.dtype.itemsize // item_bytes if lanes * item_bytes < whole_bytes else 1
