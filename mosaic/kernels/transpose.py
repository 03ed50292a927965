"""A square block of numbers transposed in registers, as C.

Method: blocks of half the side are exchanged, then blocks of a quarter, and so on: lanes * log2(lanes) shuffles of two
vectors for lanes**2 numbers.
"""

from __future__ import annotations

from functools import lru_cache

from mosaic import c
from mosaic.kernels.helper import Helper
from mosaic.kernels.memory import load, load_partial, store
from mosaic.kernels.vectors import VectorType

_source, _target, _rows, _columns = (c.Name(name) for name in ("source", "target", "rows", "columns"))
_source_stride, _target_stride = c.Name("source_stride"), c.Name("target_stride")


@lru_cache(maxsize=64)
def transpose(vector: VectorType) -> Helper:
    """Return ``transpose_V(source, source_stride, rows, columns, target, target_stride)``.

    target[j * target_stride + i] = source[i * source_stride + j] for i < lanes and j < columns; rows beyond `rows` are
    taken as zero and not read, columns beyond `columns` are neither read nor written.
    """
    name = f"transpose_{vector.name}"
    element = vector.element.ctype
    parameters = (
        c.Parameter(c.const_pointer(element), "source"),
        c.Parameter(c.int64, "source_stride"),
        c.Parameter(c.int64, "rows"),
        c.Parameter(c.int64, "columns"),
        c.Parameter(c.pointer(element), "target"),
        c.Parameter(c.int64, "target_stride"),
    )
    function = c.Function(
        name,
        c.void,
        parameters,
        (*_load_rows(vector), *_exchanges(vector), *_store_columns(vector)),
        is_static=True,
        attributes=("noinline", "unused"),
        comment=f"a block of {vector.lanes} x {vector.lanes}, transposed",
    )
    return Helper(name, (function,), (load(vector), load_partial(vector), store(vector)))


def _row(index: int) -> c.Name:
    return c.Name(f"row_{index}")


def _load_rows(vector: VectorType) -> tuple[c.Statement, ...]:
    declared, whole, part = [], [], []
    for index in range(vector.lanes):
        place = _source + _source_stride * index
        declared.append(c.Declare(vector.ctype, _row(index).text, vector.zero))
        whole.append(c.Assign(_row(index), load(vector)(place)))
        part.append(c.If(_rows > index, (c.Assign(_row(index), load_partial(vector)(place, _columns)),)))
    is_whole = c.logical_and(c.equal(_rows, vector.lanes), c.equal(_columns, vector.lanes))
    return (*declared, c.If(is_whole, tuple(whole), tuple(part)))


def _exchanges(vector: VectorType) -> tuple[c.Statement, ...]:
    """Between rows i and i + d, exchange the lanes with bit d of one with those without of the other."""
    lanes = vector.lanes
    statements: list[c.Statement] = []
    distance = lanes // 2
    while distance:
        kept = [lane if not lane & distance else lanes + lane - distance for lane in range(lanes)]
        moved = [lane + distance if not lane & distance else lanes + lane for lane in range(lanes)]
        body: list[c.Statement] = []
        for index in range(lanes):
            if index & distance:
                continue
            pair = (_row(index), _row(index + distance))
            body.append(c.Declare(vector.ctype, f"kept_{index}", _shuffled(pair, kept)))
            body.append(c.Assign(pair[1], _shuffled(pair, moved)))
            body.append(c.Assign(pair[0], c.Name(f"kept_{index}")))
        statements.append(c.Block(tuple(body), comment=f"rows {distance} apart"))
        distance //= 2
    return tuple(statements)


def _shuffled(pair: tuple[c.Name, c.Name], order: list[int]) -> c.Expression:
    return c.Call("__builtin_shufflevector", (*pair, *(c.literal(lane) for lane in order)))


def _store_columns(vector: VectorType) -> tuple[c.Statement, ...]:
    return tuple(
        c.If(
            _columns > index,
            (c.ExpressionStatement(store(vector)(_target + _target_stride * index, _row(index))),),
        )
        for index in range(vector.lanes)
    )
