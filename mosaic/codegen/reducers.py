"""Reductions as records: where they start, how two values combine, how the lanes of one vector combine."""

from __future__ import annotations

import numpy as np

from mosaic import c
from mosaic.codegen.elementwise import emit_function
from mosaic.codegen.registers import Lanes, bool_dtype
from mosaic.ir.expressions import Literal, literal
from mosaic.vector.lane_operations import horizontal

SUM_OF_SOME = "sum of some"
"""Adds like "add", but starts at -0.0, which changes no sum, so that the first term starts it.

numpy's scans begin with the first element, so that cumsum([-0.0]) is -0.0; its sums begin with 0.0.
"""

_reducer_to_function = {SUM_OF_SOME: "add"}
_lane_combiners = {
    "add": "sum",
    SUM_OF_SOME: "sum",
    "multiply": "product",
    "maximum": "maximum",
    "minimum": "minimum",
    # Of masks, where true is -1: one true lane is the minimum, one false lane is the maximum.
    "logical_or": "minimum",
    "logical_and": "maximum",
}


def is_reducer(name: str) -> bool:
    """Whether C can reduce by the function of that name."""
    return name in _lane_combiners


def identity_of(name: str, dtype: np.dtype) -> Literal:
    """Return the value that changes nothing."""
    if name == SUM_OF_SOME:
        return literal(-0.0, dtype)
    if name in ("add", "logical_or"):
        return literal(0, dtype)
    if name in ("multiply", "logical_and"):
        return literal(1, dtype)
    if dtype == bool_dtype:
        return literal(name == "minimum", dtype)
    if dtype.kind == "f":
        return literal(float("inf") if name == "minimum" else -float("inf"), dtype)
    limits = np.iinfo(dtype)
    return literal(limits.max if name == "minimum" else limits.min, dtype)


def combine(lanes: Lanes, name: str, dtype: np.dtype, left: c.Expression, right: c.Expression) -> c.Expression:
    """Return two vectors combined lane by lane."""
    return emit_function(lanes, _reducer_to_function.get(name, name), (dtype, dtype), dtype, (left, right))


def combine_lanes(lanes: Lanes, name: str, dtype: np.dtype, value: c.Expression) -> c.Expression:
    """Return all lanes of a vector combined, as a scalar in the form of registers."""
    if dtype == bool_dtype:
        name = {"maximum": "logical_or", "minimum": "logical_and", "add": "logical_or", "multiply": "logical_and"}.get(
            name, name
        )
    return lanes.use(horizontal(lanes.type(dtype), _lane_combiners[name]))(value)
