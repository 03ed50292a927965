"""Scans: a loop along the axis that carries the result so far, element by element, in numpy's order of additions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from composit.numpy.reductions.running import Accumulate
from mosaic.codegen.reducers import SUM_OF_SOME, identity_of, is_reducer
from mosaic.ir.affine import Symbol, symbol_number
from mosaic.ir.expressions import Apply, Literal, Load, convert, literal, map_views
from mosaic.ir.loops import Carried, Loop
from mosaic.ir.statements import Definition
from mosaic.ir.views import View
from mosaic.lowering.registry import Context, NoLowering, Value, lower


@lower.register
def _(operation: Accumulate, context: Context) -> Sequence[Value]:
    """y[i] = y[i - 1] + x[i]; the first turn adds to the identity."""
    name, source_type, types = operation.function.name, context.operand_types[0], context.types[0]
    if not (is_reducer(name) or name in _other_identities) or source_type.shape != types.shape:
        raise NoLowering(f"{operation.name} of {source_type} has no lowering to C")
    result = context.result()
    if not result.size:
        return (result,)
    symbol = Symbol(f"i{context.position}", types.shape[operation.axis])
    source = map_views(
        context.load(0, types.shape, source_type.dtype), lambda view: at_turn(view, operation.axis, symbol)
    )
    part = at_turn(result, operation.axis, symbol)
    before, after = (context.memory.temporary(part.shape, types.dtype) for _ in range(2))
    total = Apply(name, (Load(before), convert(source, types.dtype)), types.dtype)
    origins = (context.position,)
    body = (Definition(after, total, origins), Definition(part, Load(after), origins))
    start = _identity(name, types.dtype)
    context.statements.append(Loop(symbol, symbol.most, body, (Carried(before, after, start),)))
    return (result,)


_other_identities = {"logaddexp": -math.inf, "logaddexp2": -math.inf}
"""What changes nothing, for functions that C scans by but does not reduce by."""


def _identity(name: str, dtype: np.dtype) -> Literal:
    if name in _other_identities:
        return literal(_other_identities[name], dtype)
    return identity_of(SUM_OF_SOME if name == "add" else name, dtype)


def at_turn(view: View, axis: int, symbol: Symbol) -> View:
    """Return the view at a turn's index along one axis."""
    single = view.slice_axis(axis, 0, 1).drop_axes((axis,))
    return replace(single, offset=view.offset + view.strides[axis] * symbol_number(symbol))
