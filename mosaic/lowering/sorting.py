"""Sorting: a statement that finds the order of each row, its C, and the lowerings of argsort and sort.

The algorithm is merge sort from runs of 1 upwards, which is stable, with two arrays of positions. Known weakness: positions
are moved, not elements, so long rows read their elements in no order. NaNs come last, as in numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from composit.numpy.sorting.sort_and_search import ArgSort, Sort
from mosaic import c
from mosaic.c.helpers import Helper
from mosaic.codegen.expressions import Emitter, Scope, int64_dtype
from mosaic.codegen.group_kernels import KernelRequest, emit_kernel
from mosaic.codegen.operands import Operands, element_type
from mosaic.codegen.row_kernel import KernelCode, kernel_of_rows, lanes_of
from mosaic.codegen.row_loops import Row
from mosaic.ir.expressions import Gather, Load
from mosaic.ir.views import View
from mosaic.lowering.registry import Context, NoLowering, Value, lower
from mosaic.lowering.row_positions import RowPositions, in_rows


@dataclass(frozen=True, slots=True, eq=False)
class RowOrder(RowPositions):
    """``result[rows..., i]`` is the position of the element of rank i in ``source[rows...]``; equal elements keep their order."""

    origins: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.result} = order of rows of {self.source}"


@lower.register
def _(operation: ArgSort, context: Context) -> Sequence[Value]:
    if not (operation.stable or operation.algorithm in ("stable", "mergesort")):
        raise NoLowering(
            "argsort has a lowering to C with kind='stable' only: others order equal elements as they like"
        )
    return (_append_order(context, operation.axis),)


@lower.register
def _(operation: Sort, context: Context) -> Sequence[Value]:
    axis, source, shape = operation.axis, context.view(0), context.types[0].shape
    if not source.size:
        return (context.result(),)
    order = _append_order(context, axis)
    gather = Gather(Load(order), shape[axis], source.strides[axis], context.position)
    first = source.slice_axis(axis, 0, 1).broadcast_to(shape)
    return (context.define(context.result(), Load(first, (gather,))),)


def _append_order(context: Context, axis: int) -> View:
    """Return the positions of the first operand's elements in ascending order along an axis."""
    source = context.view(0)
    result = context.memory.temporary(source.shape, int64_dtype)
    if source.size:
        context.statements.append(RowOrder(in_rows(axis, result), in_rows(axis, source), (context.position,)))
    return result


@dataclass(slots=True)
class RowOrderEmitter:
    """Emits the order of one row: a call, with two arrays of positions."""

    emitter: Emitter
    statement: RowOrder

    def emit(self, row: Row, scope: Scope) -> tuple[c.Statement, ...]:
        """Return the statements for one row."""
        emitter, source, result = self.emitter, self.statement.source, self.statement.result
        where, count = row.where(c.literal(0), None), source.shape[-1]
        names = ("order", "other")
        declared = [emitter.local.declare(name, int64_dtype, count) for name in names]
        helper = emitter.lanes.use(order_of_row(source.dtype))
        elements = (emitter.address(source, where), c.literal(source.strides[-1]), c.literal(count))
        places = (emitter.address(result, where, is_written=True), c.literal(result.strides[-1]))
        called = c.ExpressionStatement(helper(*elements, *map(c.Name, names), *places))
        return (*scope.statements, *declared, called)


@emit_kernel.register
def _(first: RowOrder, request: KernelRequest) -> KernelCode:
    emitter = Emitter(lanes_of(request.group, request.target), Operands())
    return kernel_of_rows(request.group, request.comment, RowOrderEmitter(emitter, first))


_x, _step, _count, _from, _to = (c.Name(name) for name in ("x", "step", "count", "from", "to"))
_i, _width, _start, _middle, _stop = (c.Name(name) for name in ("i", "width", "start", "middle", "stop"))
_left, _right, _places, _places_step = (c.Name(name) for name in ("left", "right", "places", "places_step"))


@lru_cache(maxsize=16)
def order_of_row(dtype: np.dtype) -> Helper:
    """Return ``order_of_row_T(x, step, count, from, to, places, places_step)``; `from` and `to` hold `count` positions each."""
    element = element_type(dtype)
    name, positions = f"order_of_row_{dtype.name}", c.pointer(c.int64)
    parameters = (
        c.Parameter(c.const_pointer(element), "x"),
        *(c.Parameter(c.int64, each) for each in ("step", "count")),
        *(c.Parameter(positions, each) for each in ("from", "to", "places")),
        c.Parameter(c.int64, "places_step"),
    )
    swapped = (c.Declare(positions, "before", _from), c.Assign(_from, _to), c.Assign(_to, c.Name("before")))
    runs = c.loop("start", _count, *_merge(dtype), step=_width * 2)
    body = (
        c.loop("i", _count, c.Assign(_from[_i], _i)),
        c.For("width", c.literal(1), _count, (runs, *swapped), step=_width),
        c.loop("i", _count, c.Assign(_places[_i * _places_step], _from[_i])),
    )
    comment = "The positions of elements in ascending order, by merging runs."
    function = c.Function(name, c.void, parameters, body, is_static=True, comment=comment)
    return Helper(name, (c.Include("stdint.h"), function))


def _merge(dtype: np.dtype) -> tuple[c.Statement, ...]:
    """Return the statements that merge the runs [start, middle) and [middle, stop)."""
    first, second = (c.Name(name) for name in ("first", "second"))
    take_left = (c.Assign(_to[_i], _from[_left]), c.AugmentedAssign(_left, "+", c.literal(1)))
    take_right = (c.Assign(_to[_i], _from[_right]), c.AugmentedAssign(_right, "+", c.literal(1)))
    compared = (
        c.Declare(c.const(element_type(dtype)), "first", _x[_from[_left] * _step]),
        c.Declare(c.const(element_type(dtype)), "second", _x[_from[_right] * _step]),
        c.If(_is_less(dtype, second, first), take_right, take_left),
    )
    of_rest = c.If(_left < _middle, take_left, take_right)
    merged = c.If(c.logical_and(_left < _middle, _right < _stop), compared, (of_rest,))
    return (
        c.Declare(c.const(c.int64), "middle", c.minimum(_start + _width, _count)),
        c.Declare(c.const(c.int64), "stop", c.minimum(_middle + _width, _count)),
        c.Declare(c.int64, "left", _start),
        c.Declare(c.int64, "right", _middle),
        c.loop("i", _stop, merged, start=_start),
    )


def _is_less(dtype: np.dtype, one: c.Expression, other: c.Expression) -> c.Expression:
    """Return whether one element comes before another: a NaN after every number."""
    less: c.Expression = one < other
    if dtype.kind != "f":
        return less
    return c.logical_or(less, c.logical_and(c.equal(one, one), c.not_equal(other, other)))
