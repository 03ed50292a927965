"""Packing a matrix into panels at run time, as C: for operands of a product that are not constants.

One function per panel width and memory order; shapes and strides are its arguments. Where the depth is contiguous,
square blocks are transposed in registers.
"""

from __future__ import annotations

from functools import lru_cache

from mosaic import c
from mosaic.kernels.helper import Helper
from mosaic.kernels.memory import load, load_partial, load_strided_partial, store
from mosaic.kernels.transpose import transpose
from mosaic.kernels.vectors import VectorType

_panel, _depth, _columns, _k, _count = (c.Name(name) for name in ("panel", "depth", "columns", "k", "count"))
_depth_stride, _column_stride = c.Name("depth_stride"), c.Name("column_stride")
_from, _to, _offset, _steps = c.Name("from"), c.Name("to"), c.Name("offset"), c.Name("steps")


def packing_function(vector: VectorType, nr: int, depth_stride: int, column_stride: int) -> Helper:
    """Return the packing function for a matrix with such strides, in elements.

    ``name(task_start, task_stop, depth, columns, depth_stride, column_stride, source, panels)`` fills panels
    task_start to task_stop of the layout of `mosaic.kernels.panels`, zeros in the columns that are not there.
    """
    if column_stride == 1:
        return _pack_rows(vector, nr)
    if depth_stride == 1:
        return _pack_columns(vector, nr)
    return _pack_elements(vector, nr)


@lru_cache(maxsize=64)
def _pack_rows(vector: VectorType, nr: int) -> Helper:
    """Columns lie beside each other: whole vectors are copied."""
    whole = _over_depth(_copies(vector, nr, load(vector), None))
    part = _over_depth(_copies(vector, nr, load_partial(vector), _count))
    body = (c.If(c.equal(_count, nr), (whole,), (part,)),)
    requires = (load(vector), load_partial(vector), store(vector))
    return _over_panels("rows", vector, nr, body, requires)


@lru_cache(maxsize=64)
def _pack_elements(vector: VectorType, nr: int) -> Helper:
    """Neither order is contiguous: element by element."""
    statements = tuple(
        c.ExpressionStatement(
            store(vector)(
                _to + _k * nr + start,
                load_strided_partial(vector)(
                    _from + _k * _depth_stride + _column_stride * start, _column_stride, _count - start
                ),
            )
        )
        for start in range(0, nr, vector.lanes)
    )
    return _over_panels(
        "elements", vector, nr, (_over_depth(statements),), (load_strided_partial(vector), store(vector))
    )


@lru_cache(maxsize=64)
def _pack_columns(vector: VectorType, nr: int) -> Helper:
    """The depth is contiguous: square blocks are read along it and stored across."""
    lanes, block = vector.lanes, transpose(vector)
    valid = c.Name("valid")
    body = (
        c.loop(
            "offset",
            nr,
            c.Declare(c.const(c.int64), "valid", c.minimum(c.literal(lanes), _count - _offset)),
            c.loop(
                "k",
                _depth,
                c.Declare(c.const(c.int64), "steps", c.minimum(c.literal(lanes), _depth - _k)),
                c.ExpressionStatement(
                    block(
                        _from + _offset * _column_stride + _k,
                        _column_stride,
                        valid,
                        _steps,
                        _to + _k * nr + _offset,
                        nr,
                    )
                ),
                step=lanes,
            ),
            step=lanes,
        ),
    )
    return _over_panels("columns", vector, nr, body, (block,))


def _copies(vector: VectorType, nr: int, loading: Helper, count: c.Expression | None) -> tuple[c.Statement, ...]:
    statements = []
    for start in range(0, nr, vector.lanes):
        place = _from + _k * _depth_stride + start
        value = loading(place) if count is None else loading(place, count - start)
        statements.append(c.ExpressionStatement(store(vector)(_to + _k * nr + start, value)))
    return tuple(statements)


def _over_depth(body: tuple[c.Statement, ...]) -> c.Statement:
    return c.loop("k", _depth, *body)


def _over_panels(
    order: str, vector: VectorType, nr: int, body: tuple[c.Statement, ...], requires: tuple[Helper, ...]
) -> Helper:
    name = f"pack_{order}_{nr}_{vector.name}"
    element = vector.element.ctype
    source = c.Name("source") + _panel * nr * _column_stride
    in_panel = (
        c.Declare(c.const(c.int64), "count", c.minimum(c.literal(nr), _columns - _panel * nr)),
        c.Declare(c.const_pointer(element), "from", source),
        c.Declare(c.pointer(element), "to", c.Name("panels") + _panel * nr * _depth),
        *body,
    )
    integers = ("task_start", "task_stop", "depth", "columns", "depth_stride", "column_stride")
    parameters = (
        *(c.Parameter(c.int64, each, ("unused",) if each.endswith("stride") else ()) for each in integers),
        c.Parameter(c.const_pointer(element), "source"),
        c.Parameter(c.pointer(element), "panels"),
    )
    function = c.Function(
        name,
        c.void,
        parameters,
        (c.For("panel", c.Name("task_start"), c.Name("task_stop"), in_panel),),
        is_static=True,
        attributes=("noinline", "unused"),
        comment=f"(depth, columns) by {order} -> (panels, depth, {nr}), the last panel filled up with zeros",
    )
    return Helper(name, (function,), requires)
