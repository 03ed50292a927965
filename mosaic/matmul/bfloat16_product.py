"""Matrix products of bfloat16 as C: tiles of 32 x 32 sums, each over the whole depth, then the caller's epilogue.

A task is a block of rows times one panel of 32 columns. A's rows are filled up with zeros to whole steps, and there is memory
for whole tiles of rows: what the rows beyond the last hold does not matter, since each row makes only its own sums.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mosaic import c
from mosaic.c.helpers import Helper
from mosaic.matmul.bfloat16_tile import (
    TILE_COLUMNS,
    TILE_DEPTH,
    TILE_ROWS,
    is_on_tiles,
    pairs_function,
    start_tiles,
    tiles_function,
)
from mosaic.matmul.blocking import Blocking, enough_tasks, task_products
from mosaic.targets import Target, line_bytes
from mosaic.vector.memory import load
from mosaic.vector.vector_types import VectorType, vector_type

Epilogue = Callable[[c.Expression, c.Expression, c.Expression, c.Expression | None], Sequence[c.Statement]]

WIDTH = 2 * TILE_COLUMNS
"""Columns of a panel."""

PADDED_ROWS = TILE_ROWS
"""The left operand has memory for a multiple of so many rows."""

_rows_in_vectors = 6  # 6 x 2 sums, 2 of B and one of A: more do not fit where there are 16 registers' worth of names


@dataclass(frozen=True, slots=True)
class Bfloat16Spec:
    """Sizes of a product: the stride of A's rows is the padded depth."""

    rows: int
    columns: int
    depth: int

    @property
    def padded_depth(self) -> int:
        """The depth, filled up to whole steps."""
        return -(-self.depth // TILE_DEPTH) * TILE_DEPTH

    @property
    def num_panels(self) -> int:
        """Panels of columns."""
        return math.ceil(self.columns / WIDTH)


def choose_bfloat16_blocking(spec: Bfloat16Spec, target: Target) -> Blocking:
    """Return tiles of 32 x 32 over the whole depth; a block of rows of A takes at most half of L2, and few panels share its rows."""
    fitting = max(WIDTH, target.caches.l2 // 2 // (2 * spec.padded_depth) // WIDTH * WIDTH)
    blocks = max(1, math.ceil(enough_tasks / spec.num_panels))
    least = max(WIDTH, task_products // (WIDTH * spec.padded_depth) // WIDTH * WIDTH)
    shared = max(least, -(-math.ceil(spec.rows / blocks) // WIDTH) * WIDTH)
    return Blocking(WIDTH, WIDTH, spec.padded_depth, min(fitting, shared))


@dataclass(frozen=True, slots=True)
class Bfloat16Product:
    """A product to emit, as `mosaic.matmul.product.Matmul` for other dtypes."""

    spec: Bfloat16Spec
    blocking: Blocking
    target: Target
    name: str
    epilogue: Epilogue
    extra_parameters: tuple[c.Parameter, ...] = ()
    epilogue_helpers: tuple[Helper, ...] = ()

    @property
    def vector(self) -> VectorType:
        """Return the type of the vectors of sums."""
        return vector_type(np.dtype(np.float32), self.target.lanes(4))


_row, _row_stop, _column, _rows, _r, _sums = (
    c.Name(name) for name in ("row", "row_stop", "column", "rows", "r", "sums")
)
_offset = c.Name("offset")


def num_sums(blocking: Blocking) -> int:
    """Return how many sums a task keeps: those of a tile."""
    return blocking.mr * blocking.nr


def num_tasks(spec: Bfloat16Spec, blocking: Blocking) -> int:
    """Return the number of tasks: blocks of rows times panels, all panels of one block of rows in a row."""
    return math.ceil(spec.rows / blocking.row_block) * spec.num_panels


def emit_bfloat16_product(product: Bfloat16Product) -> Helper:
    """Return ``name(task_start, task_stop, a, b, extra..., sums)``, which computes a range of tasks."""
    spec, blocking = product.spec, product.blocking
    half = c.const_pointer(c.NamedType("uint16_t"))
    parameters = (
        c.Parameter(c.int64, "task_start"),
        c.Parameter(c.int64, "task_stop"),
        c.Parameter(half, "a"),
        c.Parameter(half, "b"),
        *product.extra_parameters,
        c.Parameter(c.pointer(c.float32), "sums"),
    )
    rows = c.loop("row", _row_stop, *_tile(product), start=c.Name("row_start"), step=blocking.mr)
    tasks = c.For("task", c.Name("task_start"), c.Name("task_stop"), (*_locate(product), rows))
    body: tuple[c.Statement, ...] = (tasks,)
    is_tiled = is_on_tiles(product.target)
    if is_tiled:
        body = (c.call("start_tiles"), tasks, c.call("stop_tiles"))
    function = c.Function(
        product.name,
        c.void,
        parameters,
        body,
        comment=(
            f"({spec.rows}, {spec.depth}) @ ({spec.depth}, {spec.columns}) of bfloat16: {num_tasks(spec, blocking)} tasks of "
            f"{min(blocking.row_block, spec.rows)} rows x {blocking.nr} columns"
        ),
    )
    start = (start_tiles(),) if is_tiled else ()
    helpers = (*start, *_functions(product).values(), load(product.vector), *product.epilogue_helpers)
    return Helper(product.name, (function,), helpers)


def _locate(product: Bfloat16Product) -> tuple[c.Statement, ...]:
    spec, block = product.spec, product.blocking.row_block
    task = c.Name("task")
    return (
        c.Declare(c.const(c.int64), "panel", task % spec.num_panels),
        c.Declare(c.const(c.int64), "column", c.Name("panel") * WIDTH),
        c.Declare(c.const(c.int64), "row_start", task / spec.num_panels * block),
        c.Declare(c.const(c.int64), "row_stop", c.minimum(c.Name("row_start") + block, c.literal(spec.rows))),
        c.Declare(c.const_pointer(c.NamedType("uint16_t")), "b_panel", c.Name("b") + c.Name("panel") * (WIDTH * spec.padded_depth)),
    )  # fmt: skip


def _lines_ahead(product: Bfloat16Product) -> int:
    """Return how many cache lines of the next panel each step of a tile asks for, so that all tiles of a task ask for all of it."""
    block = min(product.blocking.row_block, product.spec.rows)
    return math.ceil(TILE_DEPTH * WIDTH * 2 / line_bytes / math.ceil(block / product.blocking.mr))


def _functions(product: Bfloat16Product) -> dict[int, Helper]:
    """Return the functions of a tile, by the number of rows that each computes."""
    if is_on_tiles(product.target):
        lines = _lines_ahead(product)
        return {TILE_ROWS * count: tiles_function(count, 2, lines) for count in (2, 1)}
    vector = product.vector
    bits = vector_type(np.dtype(np.int32), vector.lanes)
    return {rows: pairs_function(vector, bits, rows, WIDTH) for rows in (_rows_in_vectors, 4, 2, 1)}


def _ahead(product: Bfloat16Product) -> c.Statement:
    """Declare where the part of the next panel starts that this tile asks for; the last panel stands for the one after it."""
    spec = product.spec
    following = c.minimum(c.Name("panel") + 1, c.literal(spec.num_panels - 1))
    numbers = _lines_ahead(product) * (line_bytes // 2) * (spec.padded_depth // TILE_DEPTH)
    part = (_row - c.Name("row_start")) / product.blocking.mr * numbers
    start = c.Name("b") + following * (WIDTH * spec.padded_depth) + part
    return c.Declare(c.const_pointer(c.NamedType("uint16_t")), "ahead", start)


def _tile(product: Bfloat16Product) -> tuple[c.Statement, ...]:
    """Compute the sums of at most 32 rows, and hand them to the epilogue."""
    rows = c.Declare(c.const(c.int64), "rows", c.minimum(c.literal(product.blocking.mr), _row_stop - _row))
    multiply = _on_tiles(product) if is_on_tiles(product.target) else _in_vectors(product)
    return (rows, _ahead(product), *multiply, *_finish(product))


def _call(product: Bfloat16Product, function: Helper, first: c.Expression, sums: c.Expression) -> c.Statement:
    depth = product.spec.padded_depth
    a = c.Name("a") + first * depth
    ahead = c.Name("ahead")
    return c.ExpressionStatement(function(depth // TILE_DEPTH, a, c.literal(depth), c.Name("b_panel"), sums, ahead))


def _on_tiles(product: Bfloat16Product) -> tuple[c.Statement, ...]:
    functions = _functions(product)
    two, one = (_call(product, functions[count], _row, _sums) for count in (2 * TILE_ROWS, TILE_ROWS))
    return (c.If(_rows > TILE_ROWS, (two,), (one,)),)


def _in_vectors(product: Bfloat16Product) -> tuple[c.Statement, ...]:
    """Take as many rows as the widest function that fits, again and again."""
    first = c.Name("first")
    chain: tuple[c.Statement, ...] = ()
    for count, function in sorted(_functions(product).items()):
        step = (
            _call(product, function, _row + first, _sums + first * WIDTH),
            c.AugmentedAssign(first, "+", c.literal(count)),
        )
        chain = (c.If(_rows - first >= count, step, chain),) if chain else step
    return (c.Declare(c.int64, "first", c.literal(0)), c.While(first < _rows, chain))


def _finish(product: Bfloat16Product) -> tuple[c.Statement, ...]:
    """Hand the sums of all rows to the epilogue, vector by vector, and the last columns lane by lane."""
    vector, columns = product.vector, product.spec.columns
    rest = columns % vector.lanes
    place = _sums + _r * WIDTH
    declared: tuple[c.Statement, ...] = ()
    count: c.Expression = c.literal(WIDTH)
    if columns % WIDTH:
        declared = (c.Declare(c.const(c.int64), "columns", c.minimum(c.literal(WIDTH), columns - _column)),)
        count = c.Name("columns")
    whole = count if rest == 0 else count - (vector.lanes - 1)
    body: list[c.Statement] = []
    if columns >= vector.lanes:
        body.append(c.loop("offset", whole, *_epilogue(product, place, _offset, None), step=vector.lanes))
    if rest:
        start = (columns - rest) % WIDTH
        partial = _epilogue(product, place, c.literal(start), c.literal(rest))
        is_last = c.equal(c.Name("panel"), product.spec.num_panels - 1)
        body.extend(partial if product.spec.num_panels == 1 else (c.If(is_last, partial),))
    return (*declared, c.loop("r", _rows, *body))


def _epilogue(
    product: Bfloat16Product, place: c.Expression, offset: c.Expression, lanes: c.Expression | None
) -> tuple[c.Statement, ...]:
    vector = product.vector
    value = c.Declare(vector.ctype, "value", load(vector)(place + offset))
    return (value, *product.epilogue(_row + _r, _column + offset, c.Name("value"), lanes))
