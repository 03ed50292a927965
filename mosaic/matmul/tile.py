"""The innermost function of a matrix product: a tile of sums in registers over a stretch of the depth.

One function serves every product of its element type and tile shape: strides are arguments, the sums go to a small
scratch tile from which the caller's epilogue takes them (2 accesses per sum against `steps` multiply-adds).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from mosaic import c
from mosaic.c.helpers import Helper
from mosaic.targets import line_bytes
from mosaic.vector.lane_operations import fma
from mosaic.vector.memory import broadcast, load, load_partial, store
from mosaic.vector.vector_types import VectorType


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile of `rows` x `vectors` sums; with `is_partial` only `last_lanes` lanes of B's last vector may be read.

    b_ahead: how many steps before its turn the row of B is asked for, where it comes from far; 0: the processor sees to it
    a_ahead: the same of the column of A, whose numbers lie side by side
    asks_next: each step asks L2 for a part of what the next tiles read in place of B
    by_table: a table says where each row of B starts
    takes_turns: the depth is several runs of `steps`, for which a table says where in A they start
    """

    vector: VectorType
    rows: int
    vectors: int
    has_fma: bool
    is_partial: bool = False
    b_ahead: int = 0
    a_ahead: int = 0
    takes_turns: bool = False
    asks_next: bool = False
    by_table: bool = False

    @property
    def name(self) -> str:
        """Return the name of the function."""
        columns = self.vectors * self.vector.lanes
        return (
            f"multiply_{self.rows}x{columns}_{self.vector.name}"
            + ("_partial" if self.is_partial else "")
            + ("_ahead" if self.b_ahead else "")
            + ("_down" if self.a_ahead else "")
            + ("_turns" if self.takes_turns else "")
            + ("_next" if self.asks_next else "")
            + ("_table" if self.by_table else "")
        )


_a, _b, _sums, _steps = (c.Name(name) for name in ("a", "b", "sums", "steps"))
_a_row_stride, _a_depth_stride, _b_depth_stride = (
    c.Name(name) for name in ("a_row_stride", "a_depth_stride", "b_depth_stride")
)
_turns, _starts, _run = c.Name("turns"), c.Name("starts"), c.Name("run")
_next, _next_step = c.Name("next"), c.Name("next_step")
_b_starts, _b_row = c.Name("b_starts"), c.Name("b_row")
_sums_stride, _accumulate, _last_lanes = c.Name("sums_stride"), c.Name("accumulate"), c.Name("last_lanes")


@lru_cache(maxsize=256)
def tile_function(tile: Tile) -> Helper:
    """Return the function of a tile.

    ``name([turns, starts,] steps, a, a_row_stride, a_depth_stride, b, b_depth_stride, sums, sums_stride, accumulate,
    [next, next_step,] [last_lanes])`` adds the products of `steps` columns of A and rows of B to the sums, or starts from
    zero; with turns, the same for the columns from each of the starts on. By a table, `b_starts` takes the place of `b_depth_stride`.
    """
    vector = tile.vector
    element = vector.element.ctype
    source = c.const_pointer(element)
    turns = (c.Parameter(c.int64, "turns"), c.Parameter(c.const_pointer(c.int64), "starts"))
    parameters = (
        *(turns if tile.takes_turns else ()),
        c.Parameter(c.int64, "steps"),
        c.Parameter(source, "a"),
        c.Parameter(c.int64, "a_row_stride", ("unused",)),
        c.Parameter(c.int64, "a_depth_stride"),
        c.Parameter(source, "b"),
        c.Parameter(c.const_pointer(c.int64), "b_starts") if tile.by_table else c.Parameter(c.int64, "b_depth_stride"),
        c.Parameter(c.pointer(element), "sums"),
        c.Parameter(c.int64, "sums_stride", ("unused",)),
        c.Parameter(c.int_, "accumulate"),
        *((c.Parameter(source, "next"), c.Parameter(c.int64, "next_step")) if tile.asks_next else ()),
        *((c.Parameter(c.int64, "last_lanes"),) if tile.is_partial else ()),
    )
    requires = (load(vector), store(vector), broadcast(vector), fma(vector, tile.has_fma), load_partial(vector))
    columns = tile.vectors * vector.lanes
    function = c.Function(
        tile.name,
        c.void,
        parameters,
        (*_start(tile), _over_depth(tile), *_finish(tile)),
        is_static=True,
        attributes=("noinline", "unused"),
        comment=f"sums[{tile.rows}][{columns}] += a[{tile.rows}][steps] b[steps][{columns}], kept in registers.",
    )
    return Helper(tile.name, (function,), requires)


def _sum(row: int, column: int) -> c.Name:
    return c.Name(f"sum_{row}_{column}")


def _place(tile: Tile, row: int, column: int) -> c.Expression:
    return _sums + _sums_stride * row + column * tile.vector.lanes


def _start(tile: Tile) -> tuple[c.Statement, ...]:
    return tuple(c.Declare(tile.vector.ctype, _sum(*cell).text, tile.vector.zero) for cell in _cells(tile))


def _finish(tile: Tile) -> tuple[c.Statement, ...]:
    """Add the sums of earlier stretches of the depth: sums of sums are more accurate than one long sum."""
    vector = tile.vector
    added = tuple(c.AugmentedAssign(_sum(*cell), "+", load(vector)(_place(tile, *cell))) for cell in _cells(tile))
    stored = tuple(c.ExpressionStatement(store(vector)(_place(tile, *cell), _sum(*cell))) for cell in _cells(tile))
    return (c.If(_accumulate, added), *stored)


def _cells(tile: Tile) -> list[tuple[int, int]]:
    return [(row, column) for row in range(tile.rows) for column in range(tile.vectors)]


def _over_depth(tile: Tile) -> c.Statement:
    """Return the loop over the steps, of each turn if there are several; B goes on from turn to turn."""
    if not tile.takes_turns:
        return c.loop("k", _steps, *_step(tile, _a))
    start = c.Declare(c.const_pointer(tile.vector.element.ctype), _run.text, _a + _starts[c.Name("turn")])
    return c.loop("turn", _turns, start, c.loop("k", _steps, *_step(tile, _run)))


def _places_ahead(tile: Tile) -> Iterator[c.Expression]:
    """Yield the places that later steps read and that are asked for now: all lines of a row of B, the last number of a column of A.

    The tile of rows before this one has asked for the line of the first numbers.
    """
    if tile.b_ahead:
        for offset in range(0, tile.vectors * tile.vector.num_bytes, line_bytes):
            yield _b + _b_depth_stride * tile.b_ahead + offset // tile.vector.element.num_bytes
    if tile.a_ahead:
        yield _a + _a_depth_stride * tile.a_ahead + (tile.rows - 1)


def _step(tile: Tile, a: c.Name) -> tuple[c.Statement, ...]:
    """One k: a row of B, and each of A's numbers times it."""
    vector, multiply_add = tile.vector, fma(tile.vector, tile.has_fma)
    ahead = (c.Call("__builtin_prefetch", (place,)) for place in _places_ahead(tile))
    body: list[c.Statement] = [c.ExpressionStatement(each) for each in ahead]
    if tile.asks_next:
        body.append(c.ExpressionStatement(c.Call("__builtin_prefetch", (_next, c.literal(0), c.literal(2)))))
        body.append(c.AugmentedAssign(_next, "+", _next_step))
    b = _b_row if tile.by_table else _b
    if tile.by_table:
        body.append(c.Declare(c.const_pointer(vector.element.ctype), _b_row.text, _b + _b_starts[c.Name("k")]))
    for column in range(tile.vectors):
        place = b + column * vector.lanes
        is_last = tile.is_partial and column == tile.vectors - 1
        value = load_partial(vector)(place, _last_lanes) if is_last else load(vector)(place)
        body.append(c.Declare(vector.ctype, f"b_{column}", value))
    for row in range(tile.rows):
        factor = c.Name(f"a_{row}")
        body.append(c.Declare(vector.ctype, factor.text, broadcast(vector)(a[_a_row_stride * row])))
        body.extend(
            c.Assign(_sum(row, column), multiply_add(factor, c.Name(f"b_{column}"), _sum(row, column)))
            for column in range(tile.vectors)
        )
    body.append(c.AugmentedAssign(a, "+", _a_depth_stride))
    if not tile.by_table:
        body.append(c.AugmentedAssign(_b, "+", _b_depth_stride))
    return tuple(body)
