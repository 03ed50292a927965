"""The innermost functions of a filter gradient: copies of both factors, and a tile of sums in registers over positions.

It differs from `mosaic.matmul.tile` in where the factors lie: A is stored position after position, B in lines of an image.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from mosaic import c
from mosaic.c.helpers import Helper
from mosaic.vector.lane_operations import fma
from mosaic.vector.memory import broadcast, load, store
from mosaic.vector.vector_types import VectorType


@dataclass(frozen=True, slots=True)
class FilterTile:
    """A tile of `rows` x `vectors` sums, whose rows lie `width` elements apart in memory, as do columns of B."""

    vector: VectorType
    rows: int
    vectors: int
    width: int
    has_fma: bool

    @property
    def name(self) -> str:
        """Return the name of the function."""
        columns = self.vectors * self.vector.lanes
        return f"multiply_positions_{self.rows}x{columns}_of_{self.width}_{self.vector.name}"


_a, _b, _starts, _sums, _k, _run = (c.Name(name) for name in ("a", "b", "starts", "sums", "k", "run"))
_turn, _turns, _steps, _b_step = (c.Name(name) for name in ("turn", "turns", "steps", "b_step"))
_to, _from, _row_step = c.Name("to"), c.Name("from"), c.Name("row_step")


@lru_cache(maxsize=256)
def filter_tile_function(tile: FilterTile) -> Helper:
    """Return ``name(turns, starts, steps, a, b, b_step, sums, accumulate)``: sums of a[k] times b[starts[turn] + step * b_step]."""
    vector, element = tile.vector, tile.vector.element.ctype
    parameters = (
        c.Parameter(c.int64, "turns"),
        c.Parameter(c.const_pointer(c.int64), "starts"),
        c.Parameter(c.int64, "steps"),
        c.Parameter(c.const_pointer(element), "a"),
        c.Parameter(c.const_pointer(element), "b"),
        c.Parameter(c.int64, "b_step"),
        c.Parameter(c.pointer(element), "sums"),
        c.Parameter(c.int_, "accumulate"),
    )
    cells = [(row, column) for row in range(tile.rows) for column in range(tile.vectors)]
    zeros = tuple(c.Declare(vector.ctype, _sum(*cell).text, vector.zero) for cell in cells)
    places = {(row, column): _sums + (row * tile.width + column * vector.lanes) for row, column in cells}
    added = tuple(c.AugmentedAssign(_sum(*cell), "+", load(vector)(places[cell])) for cell in cells)
    stored = tuple(c.ExpressionStatement(store(vector)(places[cell], _sum(*cell))) for cell in cells)
    body = (
        c.Declare(c.const_pointer(element), "run", _b + _starts[_turn]),
        c.loop("k", _steps, *_step(tile)),
    )
    function = c.Function(
        tile.name,
        c.void,
        parameters,
        (*zeros, c.loop("turn", _turns, *body), c.If(c.Name("accumulate"), added), *stored),
        is_static=True,
        attributes=("noinline", "unused"),
        comment=f"sums[{tile.rows}][{tile.width}] over positions, kept in registers; b lies in lines.",
    )
    requires = (load(vector), store(vector), broadcast(vector), fma(vector, tile.has_fma))
    return Helper(tile.name, (function,), requires)


def _sum(row: int, column: int) -> c.Name:
    return c.Name(f"sum_{row}_{column}")


def _step(tile: FilterTile) -> tuple[c.Statement, ...]:
    """One position: a row of B, and a number of each row of A times it."""
    vector, multiply_add = tile.vector, fma(tile.vector, tile.has_fma)
    body: list[c.Statement] = [
        c.Declare(vector.ctype, f"b_{column}", load(vector)(_run + column * vector.lanes))
        for column in range(tile.vectors)
    ]
    for row in range(tile.rows):
        body.append(c.Declare(vector.ctype, f"a_{row}", broadcast(vector)(_a[row])))
        body += [
            c.Assign(_sum(row, column), multiply_add(c.Name(f"a_{row}"), c.Name(f"b_{column}"), _sum(row, column)))
            for column in range(tile.vectors)
        ]
    body.append(c.AugmentedAssign(_a, "+", c.literal(tile.rows)))
    body.append(c.AugmentedAssign(_run, "+", _b_step))
    return tuple(body)


@lru_cache(maxsize=256)
def copy_rows(vector: VectorType, count: int, may_exceed: bool) -> Helper:
    """Return ``copy_rows_...(to, from, row_step, steps)``: so many neighbours of each of some rows, rows densely.

    may_exceed: rows lie so far apart that whole vectors of all but the last may be read; what they write too much, the next
    row overwrites
    """
    is_exceeding = may_exceed and count % vector.lanes > 0
    name, element = f"copy_rows_{count}_{vector.name}{'_by_vectors' * is_exceeding}", vector.element.ctype
    whole = count - count % vector.lanes
    exact = (*_copy_vectors(vector, count, whole), *_copy_elements(count, whole))
    loops: tuple[c.Statement, ...] = (c.loop("k", _steps, *exact),)
    if is_exceeding:
        last = c.loop("k", _steps, *exact, start=_steps - 1)
        loops = (c.loop("k", _steps - 1, *_copy_vectors(vector, count, count)), last)
    parameters = (
        c.Parameter(c.pointer(element), "to"),
        c.Parameter(c.const_pointer(element), "from"),
        c.Parameter(c.int64, "row_step"),
        c.Parameter(c.int64, "steps"),
    )
    comment = f"Copies {count} neighbours of each row."
    attributes = ("noinline", "unused")
    function = c.Function(name, c.void, parameters, loops, is_static=True, attributes=attributes, comment=comment)
    return Helper(name, (function,), (load(vector), store(vector)))


def _copy_vectors(vector: VectorType, count: int, stop: int) -> tuple[c.Statement, ...]:
    places = range(0, stop, vector.lanes)
    pairs = [(_to + (_k * count + place), _from + (_k * _row_step + place)) for place in places]
    return tuple(c.ExpressionStatement(store(vector)(to, load(vector)(start))) for to, start in pairs)


def _copy_elements(count: int, start: int) -> tuple[c.Statement, ...]:
    return tuple(c.Assign(_to[_k * count + number], _from[_k * _row_step + number]) for number in range(start, count))
