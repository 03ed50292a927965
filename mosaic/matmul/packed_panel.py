"""A panel of B that a task stores in memory of its own before it multiplies: what it reads from afar, it reads once.

A panel stored in the arena beforehand is written to memory and read back. Of 32 x 1024 times the transpose of 2048 x 1024 the
copy took as long as the product (Zen 4).
"""

from __future__ import annotations

from functools import lru_cache

from mosaic import c
from mosaic.c.helpers import Helper
from mosaic.matmul.blocking import Blocking
from mosaic.vector.transposition import transpose
from mosaic.vector.vector_types import VectorType

_to, _from, _k, _lane, _first, _steps, _columns = (
    c.Name(name) for name in ("to", "from", "k", "lane", "first", "steps", "columns")
)
_row_step, _column_step = c.Name("row_step"), c.Name("column_step")


def num_packed(blocking: Blocking) -> int:
    """Return how many elements of B a task stores at a time."""
    return blocking.depth_block * blocking.nr


def pack_panel(vector: VectorType, width: int, strides: tuple[int, int]) -> Helper:
    """Return ``pack_...(to, from, row_step, column_step, steps, columns)``: to[k * width + j] = from[k * row_step + j * column_step].

    `strides` are the steps with which it will be called: where rows of B, or its columns, are dense, vectors are read. The
    lanes from `columns` on are left as they are; the product does not use what it computes from them.
    """
    if strides[1] == 1:
        return _pack_rows(vector, width)
    return _pack_columns(vector, width) if strides[0] == 1 else _pack_elements(vector, width)


@lru_cache(maxsize=256)
def _pack_rows(vector: VectorType, width: int) -> Helper:
    row = c.loop("lane", _columns, c.Assign(_to[_k * width + _lane], _from[_k * _row_step + _lane]))
    return _packing("rows", vector, width, (c.loop("k", _steps, row),))


@lru_cache(maxsize=256)
def _pack_elements(vector: VectorType, width: int) -> Helper:
    element = c.Assign(_to[_k * width + _lane], _from[_k * _row_step + _lane * _column_step])
    return _packing("elements", vector, width, (c.loop("k", _steps, c.loop("lane", _columns, element)),))


@lru_cache(maxsize=256)
def _pack_columns(vector: VectorType, width: int) -> Helper:
    side = vector.lanes
    square = transpose(vector)
    call = square(_to + _k * width + _first, c.literal(width), _from + _first * _column_step + _k, _column_step)
    whole_columns, whole_steps = _columns / side * side, _steps / side * side
    element = c.Assign(_to[_k * width + _lane], _from[_lane * _column_step + _k])
    squares = c.loop("k", whole_steps, c.ExpressionStatement(call), step=side)
    steps_left = c.loop("lane", _first + side, c.loop("k", _steps, element, start=whole_steps), start=_first)
    columns_left = c.loop("lane", _columns, c.loop("k", _steps, element), start=whole_columns)
    body = (c.loop("first", whole_columns, squares, steps_left, step=side), columns_left)
    return _packing("columns", vector, width, body, (square,))


def _packing(
    kind: str, vector: VectorType, width: int, body: tuple[c.Statement, ...], helpers: tuple[Helper, ...] = ()
) -> Helper:
    element, name = vector.element.ctype, f"pack_{kind}_{vector.name}_{width}"
    parameters = (
        c.Parameter(c.pointer(element), "to"),
        c.Parameter(c.const_pointer(element), "from"),
        c.Parameter(c.int64, "row_step", ("unused",)),
        c.Parameter(c.int64, "column_step", ("unused",)),
        c.Parameter(c.int64, "steps"),
        c.Parameter(c.int64, "columns"),
    )
    comment = f"Stores {kind} of a matrix in a panel of {width} columns"
    function = c.Function(
        name, c.void, parameters, body, is_static=True, attributes=("noinline", "unused"), comment=comment
    )
    return Helper(name, (function,), helpers)
