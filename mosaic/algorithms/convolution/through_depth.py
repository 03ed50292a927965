"""The two ways in which tiles of a product over windows go through taps and channels: tile by tile, or part by part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import singledispatch

from composit.operation import Operation
from mosaic.algorithms.convolution.cases import operation_of
from mosaic.algorithms.record import Case, Lowering
from mosaic.ir.kinds import Kind
from mosaic.ir.statements import Matmul
from mosaic.lowering.registry import Context, Value, lower

_widest_panel = 64  # columns: four vectors of float32 on AVX-512, as most tiles have


def lower_through_depth(is_deep: bool) -> Lowering:
    """Return the lowering of convolutions whose products go through the depth in one of the two ways."""

    def lower_by(operation: Operation, context: Context) -> Sequence[Value]:
        start = len(context.statements)
        results = lower(operation, context)
        context.statements[start:] = [_through(each, is_deep) for each in context.statements[start:]]
        return results

    return lower_by


@singledispatch
def _through(statement: Kind, is_deep: bool) -> Kind:
    """Return a statement; a product goes through its depth as said."""
    return statement


@_through.register
def _(statement: Matmul, is_deep: bool) -> Kind:
    return replace(statement, is_deep=is_deep)


def panel_fits(case: Case) -> bool:
    """Whether a panel of the filters stays in L2, beside the next one."""
    filters = case.operand_types[1]
    columns = filters.shape[0] // operation_of(case).groups
    depth = filters.size // max(1, filters.shape[0])
    return depth * min(columns, _widest_panel) * filters.dtype.itemsize <= case.target.caches.l2 * 3 // 8
