"""The innermost function of a product whose rows are found by a table: a tile of sums in registers over the whole depth.

It differs from `mosaic.matmul.tile` in where A comes from: row r at tap t begins at ``a + rows[r] + taps[t]``, and its channels
lie side by side. So rows of a tile may lie in different lines of an image, or in different images.
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
class IndirectTile:
    """A tile of `rows` x `vectors` sums."""

    vector: VectorType
    rows: int
    vectors: int
    has_fma: bool

    @property
    def name(self) -> str:
        """Return the name of the function."""
        return f"multiply_by_table_{self.rows}x{self.vectors * self.vector.lanes}_{self.vector.name}"


_a, _b, _rows, _taps, _sums, _channel = (c.Name(name) for name in ("a", "b", "rows", "taps", "sums", "channel"))
_num_taps, _num_channels, _tap, _offset = (c.Name(name) for name in ("num_taps", "num_channels", "tap", "offset"))


@lru_cache(maxsize=256)
def indirect_tile_function(tile: IndirectTile) -> Helper:
    """Return ``name(num_taps, num_channels, a, rows, taps, b, sums)``, which stores the sums of a tile, row after row."""
    vector, element = tile.vector, tile.vector.element.ctype
    columns = tile.vectors * vector.lanes
    parameters = (
        c.Parameter(c.int64, "num_taps"),
        c.Parameter(c.int64, "num_channels"),
        c.Parameter(c.const_pointer(element), "a"),
        c.Parameter(c.const_pointer(c.int64), "rows"),
        c.Parameter(c.const_pointer(c.int64), "taps"),
        c.Parameter(c.const_pointer(element), "b"),
        c.Parameter(c.pointer(element), "sums"),
    )
    cells = [(row, column) for row in range(tile.rows) for column in range(tile.vectors)]
    starts = tuple(c.Declare(c.const_pointer(element), f"start_{row}", _a + _rows[row]) for row in range(tile.rows))
    zeros = tuple(c.Declare(vector.ctype, _sum(*cell).text, vector.zero) for cell in cells)
    stored = tuple(
        c.ExpressionStatement(store(vector)(_sums + (row * columns + column * vector.lanes), _sum(row, column)))
        for row, column in cells
    )
    body = (
        c.Declare(c.const(c.int64), "offset", _taps[_tap]),
        c.loop("channel", _offset + _num_channels, *_step(tile), start=_offset),
    )
    function = c.Function(
        tile.name,
        c.void,
        parameters,
        (*starts, *zeros, c.loop("tap", _num_taps, *body), *stored),
        is_static=True,
        attributes=("noinline", "unused"),
        comment=f"sums[{tile.rows}][{columns}] of rows at offsets of a table, kept in registers over all taps.",
    )
    requires = (load(vector), store(vector), broadcast(vector), fma(vector, tile.has_fma))
    return Helper(tile.name, (function,), requires)


def _sum(row: int, column: int) -> c.Name:
    return c.Name(f"sum_{row}_{column}")


def _step(tile: IndirectTile) -> tuple[c.Statement, ...]:
    """One channel of a tap: a row of B, and a number of each row of A times it."""
    vector, multiply_add = tile.vector, fma(tile.vector, tile.has_fma)
    body: list[c.Statement] = [
        c.Declare(vector.ctype, f"b_{column}", load(vector)(_b + column * vector.lanes))
        for column in range(tile.vectors)
    ]
    for row in range(tile.rows):
        body.append(c.Declare(vector.ctype, f"a_{row}", broadcast(vector)(c.Name(f"start_{row}")[_channel])))
        body += [
            c.Assign(_sum(row, column), multiply_add(c.Name(f"a_{row}"), c.Name(f"b_{column}"), _sum(row, column)))
            for column in range(tile.vectors)
        ]
    body.append(c.AugmentedAssign(_b, "+", c.literal(tile.vectors * vector.lanes)))
    return tuple(body)
