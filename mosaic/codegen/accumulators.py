"""Accumulators of reductions: vectors that start at the identity, combine with values, and are combined at the end.

Totals over blocks of float32 are float64, so that adding blocks loses no digits.
"""

from __future__ import annotations

import numpy as np

from mosaic import c
from mosaic.codegen.expressions import Emitter, Scope
from mosaic.codegen.reducers import combine, identity_of
from mosaic.codegen.registers import Lanes, bool_dtype
from mosaic.ir.statements import RowStage
from mosaic.vector import lane_operations
from mosaic.vector.vector_types import VectorType


def accumulator(emitter: Emitter, stage: RowStage, scope: Scope) -> str:
    """Declare an accumulator of a reduction and return its name."""
    lanes, dtype = emitter.lanes, stage.result.dtype
    name = emitter.fresh("sum" if stage.reducer == "add" else "reduced")
    start = lanes.constant(identity_of(str(stage.reducer), dtype).value, dtype)
    scope.statements.append(c.Declare(lanes.declare(lanes.type(dtype)), name, start))
    return name


def accumulate(
    emitter: Emitter, stage: RowStage, name: str, value: c.Expression, scope: Scope, count: c.Expression | None
) -> None:
    """Add the statement that combines a vector, or its first `count` lanes, into the accumulator."""
    lanes, dtype = emitter.lanes, stage.result.dtype
    combined = combine(lanes, str(stage.reducer), dtype, c.Name(name), value)
    if count is not None:
        vector = lanes.type(dtype)
        combined = lanes.use(lane_operations.select(vector))(
            first_lanes(lanes, vector.mask, count), combined, c.Name(name)
        )
    scope.statements.append(c.Assign(c.Name(name), combined))


def first_lanes(lanes: Lanes, mask: VectorType, count: c.Expression) -> c.Expression:
    """Return the mask of the first `count` lanes."""
    ramp = c.CompoundLiteral(mask.ctype, tuple(c.literal(lane) for lane in range(lanes.lanes)))
    lanes.declare(mask)
    return ramp < c.Cast(mask.element.ctype, count)


def merge(emitter: Emitter, stage: RowStage, name: str, other: str, scope: Scope) -> None:
    """Add the statement that combines another accumulator into the first."""
    combined = combine(emitter.lanes, str(stage.reducer), stage.result.dtype, c.Name(name), c.Name(other))
    scope.statements.append(c.Assign(c.Name(name), combined))


def total(emitter: Emitter, stage: RowStage, name: str, scope: Scope) -> str:
    """Declare the total of a reduction over blocks, with the start value of the accumulator `name`."""
    vector, own = _total_type(emitter.lanes, stage), emitter.lanes.type(stage.result.dtype)
    result = emitter.fresh("total")
    start = emitter.lanes.converted(c.Name(name), own, vector)
    scope.statements.append(c.Declare(emitter.lanes.declare(vector), result, start))
    return result


def add_to_total(emitter: Emitter, stage: RowStage, name: str, addend: str, scope: Scope) -> None:
    """Add the statement that combines an accumulator into a total."""
    lanes, vector = emitter.lanes, _total_type(emitter.lanes, stage)
    widened = lanes.converted(c.Name(addend), lanes.type(stage.result.dtype), vector)
    dtype = np.dtype(np.float64) if vector.element.short == "f64" else stage.result.dtype
    combined = combine(lanes, str(stage.reducer), dtype, c.Name(name), widened)
    scope.statements.append(c.Assign(c.Name(name), combined))


def take_total(emitter: Emitter, stage: RowStage, name: str, source: str, scope: Scope) -> None:
    """Add the statement that sets an accumulator to a total."""
    lanes = emitter.lanes
    narrow = lanes.converted(c.Name(source), _total_type(lanes, stage), lanes.type(stage.result.dtype))
    scope.statements.append(c.Assign(c.Name(name), narrow))


def _total_type(lanes: Lanes, stage: RowStage) -> VectorType:
    own = lanes.type(stage.result.dtype)
    return own.of("f64") if stage.result.dtype == np.float32 else own


def is_decided(lanes: Lanes, stage: RowStage, name: str) -> c.Expression | None:
    """Return the C test that an accumulator of any or all is decided; None for other reductions."""
    if stage.result.dtype != bool_dtype:
        return None
    is_any = stage.reducer in ("logical_or", "maximum", "add")
    value = c.Name(name) if is_any else ~c.Name(name)
    return lanes.use(lane_operations.any_lane(lanes.mask))(value)
