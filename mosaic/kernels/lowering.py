"""The lowering of kernels: expressions where all is cheap and free of loops, else a loop that calls their C function."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from composit.kernels.operation import KernelCall, float_dtype_of
from mosaic.ir.expressions import Gather, Load
from mosaic.ir.views import View
from mosaic.kernels.functions import facts_of
from mosaic.kernels.scalar_c import DOUBLE
from mosaic.kernels.selects import Chosen, as_selects
from mosaic.kernels.statement import KernelLoop
from mosaic.lowering.registry import Context, Value, check_dtypes, lower


@lower.register
def _(operation: KernelCall, context: Context) -> Sequence[Value]:
    check_dtypes(*context.operand_types, *context.types)
    unit, shape = operation.kernel.unit, context.types[0].shape
    floats = float_dtype_of(unit, context.operand_types)
    if not context.types[0].size:
        return tuple(context.result(number) for number in range(len(context.types)))
    selects = as_selects(unit, floats, context)
    if selects is not None:
        return tuple(_delivered(each, context, number) for number, each in enumerate(selects))
    operands = tuple(_flat(context, number, shape) for number in range(len(unit.entry.parameters)))
    results = tuple(context.result(number) for number in range(len(context.types)))
    flat = tuple(_reshaped(each, each.size) for each in results)
    # A failure is written to the place that an index out of bounds has, which belongs to the instruction.
    can_fail = unit.entry.name in facts_of(unit, DOUBLE).failing
    checks = (Gather(Load(operands[0]), 0, 0, context.position),) if can_fail else ()
    context.statements.append(KernelLoop(flat, operands, operation.kernel, floats.name, checks, (context.position,)))
    return results


def _delivered(chosen: Chosen, context: Context, number: int) -> Value:
    return context.define(context.result(number), chosen)


def _flat(context: Context, number: int, shape: tuple[int, ...]) -> View:
    """Return an operand as a dense array of one axis: of one element, or of all elements of the results."""
    view = context.view(number)
    if view.size == 1:
        return _reshaped(view, 1)
    seen = view.broadcast_to(shape)
    dense = seen if seen.is_contiguous else context.copy(seen, context.memory.temporary(shape, seen.dtype))
    return _reshaped(dense, int(np.prod(shape, dtype=np.int64)))


def _reshaped(view: View, size: int) -> View:
    flat = view.reshape((size,))
    assert flat is not None, "a dense array takes every shape of its size"
    return flat
