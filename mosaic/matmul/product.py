"""Matrix products as C: sums stay in registers over the depth, then go to the caller's epilogue.

Algorithm: Goto and van de Geijn's panel product with B stored in panels beforehand, or by the task; A is read in place.
Weakness: a matrix of one or two columns is computed as a whole vector of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

from mosaic import c
from mosaic.c.helpers import Helper
from mosaic.matmul.blocking import (
    Blocking,
    MatmulSpec,
    asks_next,
    num_panels,
    num_row_blocks,
    num_tasks,
    num_tiles,
    waits_for_a,
    waits_for_b,
)
from mosaic.matmul.packed_panel import pack_panel
from mosaic.matmul.tile import Tile, tile_function
from mosaic.targets import Target
from mosaic.vector.memory import load
from mosaic.vector.vector_types import VectorType, vector_type

Epilogue = Callable[[c.Expression, c.Expression, c.Expression, c.Expression | None], Sequence[c.Statement]]
"""(row, column of the first lane, sums of the lanes, number of valid lanes or None for all) -> statements."""


@dataclass(frozen=True, slots=True)
class Matmul:
    """A matrix product to emit: sizes, blocks, processor, name and epilogue.

    `extra_parameters` are the parameters that the statements of `epilogue` use, `epilogue_helpers` what they call. Of several
    lines, `line_names` have the indices of the one whose sums an epilogue gets.
    Where tasks pack, a parameter after these is memory for `num_packed` elements of B. With `takes_sums`, the last
    parameter is memory for `num_sums` sums; otherwise they lie on the stack.
    """

    spec: MatmulSpec
    blocking: Blocking
    target: Target
    name: str
    epilogue: Epilogue
    extra_parameters: tuple[c.Parameter, ...] = ()
    epilogue_helpers: tuple[Helper, ...] = ()
    takes_sums: bool = False

    @property
    def vector(self) -> VectorType:
        """Return the type of the vectors of sums."""
        return vector_type(self.spec.dtype, self.target.lanes(self.spec.dtype.itemsize))


_a, _b, _sums, _panel, _row, _rows, _row_stop, _column, _lane_start, _r, _task = (
    c.Name(name) for name in ("a", "b", "sums", "panel", "row", "rows", "row_stop", "column", "lane_start", "r", "task")
)
_b_panel, _packed, _depth, _turn = c.Name("b_panel"), c.Name("packed"), c.Name("depth"), c.Name("turn")
_line, _line_start, _line_stop = c.Name("line"), c.Name("line_start"), c.Name("line_stop")
_row_start, _a_line = c.Name("row_start"), c.Name("a_line")


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A part of the depth: where it begins and how long it is, and the same in turns where A has several axes of depth."""

    depth: c.Expression
    steps: c.Expression
    turn: c.Expression
    turns: c.Expression


def line_names(spec: MatmulSpec) -> tuple[c.Name, ...]:
    """Return the names of the indices of a line."""
    return tuple(c.Name(f"line_{axis}") for axis in range(len(spec.lines)))


_b_steps_ahead, _a_steps_ahead = 8, 16
"""How many rows of B and columns of A are under way: with half as many, what comes from L3 is late."""


def emit_matmul(matmul: Matmul) -> Helper:
    """Return ``name(task_start, task_stop, a, b, extra...[, packed][, sums])``, which computes a range of tasks.

    A task is one block of rows times one panel of columns; all panels of a block of rows are neighbours. Each sum is
    computed by one task in the order of k, so the bits do not depend on how tasks are spread over threads.
    """
    spec, blocking = matmul.spec, matmul.blocking
    element = matmul.vector.element.ctype
    source = c.const_pointer(element)
    given = (c.Parameter(c.pointer(element), "sums"),) if matmul.takes_sums else ()
    packed = () if spec.packed_from is None else (c.Parameter(c.pointer(element), "packed"),)
    parameters = (
        c.Parameter(c.int64, "task_start"),
        c.Parameter(c.int64, "task_stop"),
        c.Parameter(source, "a"),
        c.Parameter(source, "b"),
        *matmul.extra_parameters,
        *packed,
        *given,
    )
    on_stack = c.Declare(c.ArrayType(element, num_sums(spec, blocking)), "sums", attributes=("aligned(64)",))
    tasks = c.For("task", c.Name("task_start"), c.Name("task_stop"), (*_locate(matmul), *_rows_of_task(matmul)))
    function = c.Function(
        matmul.name,
        c.void,
        parameters,
        (tasks,) if matmul.takes_sums else (on_stack, tasks),
        comment=(
            f"{f'{spec.num_lines} times ' if spec.lines else ''}({spec.rows}, {spec.depth}) @ ({spec.depth}, {spec.columns}): "
            f"{num_tasks(spec, blocking)} tasks of {f'{blocking.line_block} times ' if spec.lines else ''}"
            f"{min(blocking.row_block, spec.rows)} rows x {blocking.nr} columns, in tiles of {blocking.mr} rows"
        ),
    )
    tiles = tuple(tile_function(tile) for tile in _tiles(matmul).values())
    helpers = (*_starts(matmul), *tiles, load(matmul.vector), *matmul.epilogue_helpers)
    if spec.packed_from is not None:
        helpers = (pack_panel(matmul.vector, blocking.nr, spec.packed_from), *helpers)
    return Helper(matmul.name, (function,), helpers)


def num_sums(spec: MatmulSpec, blocking: Blocking) -> int:
    """Return how many sums a task keeps: those of a tile, or those of all its rows where depth comes in blocks."""
    rows = blocking.mr if _is_tile_finished(spec, blocking) else blocking.line_block * blocking.row_block
    return rows * blocking.nr


def _is_tile_finished(spec: MatmulSpec, blocking: Blocking) -> bool:
    """Whether the sums of a tile are complete before the next tile begins."""
    return blocking.is_deep or blocking.depth_block >= spec.depth


def _starts(matmul: Matmul) -> tuple[Helper, ...]:
    """Return the table of where in A the runs of the depth start, or where the rows of B do."""
    spec = matmul.spec
    if not spec.a_outer and not spec.b_outer:
        return ()
    places = tuple(
        product(
            *(
                range(0, extent * stride, stride) if stride else [0] * extent
                for extent, stride in spec.a_outer or spec.b_outer
            )
        )
    )
    values = c.InitializerList(tuple(c.literal(sum(place)) for place in places))
    table = c.ArrayType(c.const(c.int64), len(places))
    return (Helper(_table_name(matmul), (c.Global(table, _table_name(matmul), values),), (load(matmul.vector),)),)


def _table_name(matmul: Matmul) -> str:
    return f"{matmul.name}_starts"


def _row_counts(matmul: Matmul) -> list[int]:
    """Return the different numbers of rows that tiles have: mr, and what the blocks of rows leave over."""
    rows, blocking = matmul.spec.rows, matmul.blocking
    blocks = {min(blocking.row_block, rows), rows % blocking.row_block or min(blocking.row_block, rows)}
    counts = {block % blocking.mr for block in blocks} | ({blocking.mr} if max(blocks) >= blocking.mr else set())
    return sorted(counts - {0}, reverse=True)


def _last_columns(matmul: Matmul) -> int:
    """Return how many columns the last panel has."""
    return matmul.spec.columns % matmul.blocking.nr or matmul.blocking.nr


def _tiles(matmul: Matmul) -> dict[tuple[int, bool], Tile]:
    """Return the tile for each (number of rows, is it the last panel)."""
    vector, spec, blocking = matmul.vector, matmul.spec, matmul.blocking
    last = _last_columns(matmul)
    is_partial = spec.b_depth_stride is not None and last % vector.lanes != 0
    tiles: dict[tuple[int, bool], Tile] = {}
    asks = asks_next(spec, blocking, matmul.target)
    waits = waits_for_b(spec, matmul.target) or _is_panel_large(matmul) or asks
    b_ahead = _b_steps_ahead if waits and not spec.b_outer else 0
    a_ahead = _a_steps_ahead if waits_for_a(spec, matmul.target) else 0

    def tile(rows: int, columns: int, is_last: bool) -> Tile:
        vectors = -(-columns // vector.lanes)
        is_short = is_last and is_partial
        turns, table = bool(spec.a_outer), bool(spec.b_outer)
        return Tile(vector, rows, vectors, matmul.target.has_fma, is_short, b_ahead, a_ahead, turns, asks, table)

    for rows in _row_counts(matmul):
        if num_panels(spec, blocking) > 1 or last == blocking.nr:
            tiles[rows, False] = tile(rows, blocking.nr, False)
        if last != blocking.nr:
            tiles[rows, True] = tile(rows, last, True)
    return tiles


def _is_panel_large(matmul: Matmul) -> bool:
    """Whether tiles go along a panel that fills half of L2, so that parts of it come from L3.

    3 x 3 windows of 512 channels, 28 x 28 positions: 0.95 of the time (Sapphire Rapids).
    """
    panel_bytes = matmul.spec.depth * matmul.blocking.nr * matmul.spec.dtype.itemsize
    return matmul.blocking.is_deep and panel_bytes > matmul.target.caches.l2 // 2


def _locate(matmul: Matmul) -> tuple[c.Statement, ...]:
    """Declare where the task's rows, columns and panel start."""
    spec, blocking = matmul.spec, matmul.blocking
    panels = num_panels(spec, blocking)
    row_start: c.Expression = c.literal(0)
    row_stop: c.Expression = c.literal(spec.rows)
    block, blocks_of_line = _task / panels, num_row_blocks(spec, blocking)
    if blocks_of_line > 1:
        row_start = (block % blocks_of_line if spec.lines else block) * blocking.row_block
        row_stop = c.minimum(_row_start + blocking.row_block, spec.rows)
    panel_size = blocking.nr * _column_step(spec)
    source = c.const_pointer(matmul.vector.element.ctype)
    return (
        c.Declare(c.const(c.int64), "panel", _task % panels),
        c.Declare(c.const(c.int64), "column", _panel * blocking.nr),
        *_columns_of_panel(matmul),
        *_locate_lines(matmul, block / blocks_of_line),
        c.Declare(c.const(c.int64), "row_start", row_start),
        c.Declare(c.const(c.int64), "row_stop", row_stop),
        c.Declare(source, "b_panel", _b + _panel * panel_size),
    )


def _locate_lines(matmul: Matmul, block: c.Expression) -> tuple[c.Statement, ...]:
    """Declare the first line of a task and the one behind its last."""
    spec, blocking = matmul.spec, matmul.blocking
    if not spec.lines:
        return ()
    start, stop = block * blocking.line_block, c.minimum(_line_start + blocking.line_block, spec.num_lines)
    return tuple(
        c.Declare(c.const(c.int64), name, value) for name, value in (("line_start", start), ("line_stop", stop))
    )


def _column_step(spec: MatmulSpec) -> int:
    """Return how far apart the columns of B are, in the mean where they lie in panels."""
    if spec.packed_from is not None:
        return spec.packed_from[1]
    return 1 if spec.b_depth_stride is not None else spec.depth


def _columns_of_panel(matmul: Matmul) -> tuple[c.Statement, ...]:
    """Declare how many columns the panel has, where that differs from panel to panel."""
    spec, nr = matmul.spec, matmul.blocking.nr
    if spec.columns % nr == 0 or spec.columns < matmul.vector.lanes:
        return ()
    return (c.Declare(c.const(c.int64), "columns", c.minimum(c.literal(nr), spec.columns - _column)),)


def _rows_of_task(matmul: Matmul) -> tuple[c.Statement, ...]:
    if _is_one_stretch(matmul):
        spec = matmul.spec
        whole = _Stretch(c.literal(0), c.literal(spec.run), c.literal(0), c.literal(spec.num_turns))
        packed = _pack(matmul, whole)
        return (*packed, _over_rows(matmul, (*_multiply(matmul, whole), *_finish_rows(matmul, _sums))))
    if matmul.blocking.is_deep:
        multiply = _over_depth(matmul, lambda stretch: _multiply(matmul, stretch))
        return (_over_rows(matmul, (multiply, *_finish_rows(matmul, _sums))),)
    finish = _over_rows(matmul, _finish_rows(matmul, _tile_sums(matmul)))
    return (_over_depth(matmul, lambda stretch: (_over_rows(matmul, _multiply(matmul, stretch)),)), finish)


def _is_one_stretch(matmul: Matmul) -> bool:
    return matmul.blocking.depth_block >= matmul.spec.depth


def _over_depth(matmul: Matmul, body: Callable[[_Stretch], tuple[c.Statement, ...]]) -> c.Statement:
    """Return the loop over blocks of the depth, each turn of which adds to the sums."""
    spec, blocking = matmul.spec, matmul.blocking
    if not spec.a_outer:
        steps = c.minimum(c.literal(blocking.depth_block), spec.depth - _depth)
        stretch = _Stretch(_depth, steps, c.literal(0), c.literal(1))
        return c.loop("depth", spec.depth, *_pack(matmul, stretch), *body(stretch), step=blocking.depth_block)
    at_once = blocking.depth_block // spec.run
    turns = (
        c.literal(at_once) if spec.num_turns % at_once == 0 else c.minimum(c.literal(at_once), spec.num_turns - _turn)
    )
    depth = c.Declare(c.const(c.int64), "depth", _turn * spec.run)
    stretch = _Stretch(_depth, c.literal(spec.run), _turn, turns)
    return c.loop("turn", spec.num_turns, depth, *body(stretch), step=at_once)


def _pack(matmul: Matmul, stretch: _Stretch) -> tuple[c.Statement, ...]:
    """Store a stretch of the depth of the task's panel in its own memory, if it does not lie in panels."""
    spec, nr = matmul.spec, matmul.blocking.nr
    if spec.packed_from is None:
        return ()
    columns = c.minimum(c.literal(nr), spec.columns - _column) if spec.columns % nr else c.literal(nr)
    start = _b_panel + stretch.depth * spec.packed_from[0]
    call = pack_panel(matmul.vector, nr, spec.packed_from)(_packed, start, *spec.packed_from, stretch.steps, columns)
    return (c.ExpressionStatement(call),)


def _tile_sums(matmul: Matmul) -> c.Expression:
    """Return where the sums of the current tile are: in a scratch tile, or in one for the whole block of rows."""
    if _is_tile_finished(matmul.spec, matmul.blocking):
        return _sums
    row: c.Expression = _row - _row_start
    if matmul.spec.lines:
        row = (_line - _line_start) * min(matmul.blocking.row_block, matmul.spec.rows) + row
    return _sums + row * matmul.blocking.nr


def _over_rows(matmul: Matmul, body: tuple[c.Statement, ...]) -> c.Statement:
    mr = matmul.blocking.mr
    if len(_row_counts(matmul)) > 1:
        body = (c.Declare(c.const(c.int64), "rows", c.minimum(c.literal(mr), _row_stop - _row)), *body)
    rows = c.loop("row", _row_stop, *body, start=_row_start, step=mr)
    if not matmul.spec.lines:
        return rows
    return c.loop("line", _line_stop, *_indices_of_line(matmul), rows, start=_line_start)


def _indices_of_line(matmul: Matmul) -> tuple[c.Statement, ...]:
    """Declare where a line is along each axis, and its A."""
    lines = matmul.spec.lines
    place: c.Expression = _a
    indices: list[c.Statement] = []
    for axis, (name, (extent, stride)) in enumerate(zip(line_names(matmul.spec), lines, strict=True)):
        inner = math.prod(other for other, _ in lines[axis + 1 :])
        index = _line / inner if inner > 1 else _line
        indices.append(c.Declare(c.const(c.int64), name.text, index % extent if axis else index, ("unused",)))
        place = place + name * stride
    return (*indices, c.Declare(c.const_pointer(matmul.vector.element.ctype), _a_line.text, place, ("unused",)))


def _multiply(matmul: Matmul, stretch: _Stretch) -> tuple[c.Statement, ...]:
    """Call the function of the tile that has as many rows and columns."""
    statement: tuple[c.Statement, ...] = ()
    for (rows, is_last), tile in reversed(_tiles(matmul).items()):
        call = c.ExpressionStatement(_tile_call(matmul, tile, stretch))
        condition = _tile_condition(matmul, rows, is_last)
        statement = (c.If(condition, (call,), statement),) if statement else (call,)
    return statement


def _tile_condition(matmul: Matmul, rows: int, is_last: bool) -> c.Expression:
    has_other_rows = len(_row_counts(matmul)) > 1
    last_panel = num_panels(matmul.spec, matmul.blocking) - 1
    has_other_panels = _last_columns(matmul) != matmul.blocking.nr and last_panel > 0
    by_panel = c.equal(_panel, last_panel) if is_last else _panel < last_panel
    by_rows = c.equal(_rows, rows)
    if has_other_rows and has_other_panels:
        return c.logical_and(by_rows, by_panel)
    return by_panel if has_other_panels else by_rows


def _tile_call(matmul: Matmul, tile: Tile, stretch: _Stretch) -> c.Expression:
    spec, blocking = matmul.spec, matmul.blocking
    return tile_function(tile)(
        *((stretch.turns, c.Name(_table_name(matmul)) + stretch.turn) if tile.takes_turns else ()),
        stretch.steps,
        _a_of_row(matmul, stretch.depth),
        spec.a_row_stride,
        spec.a_depth_stride,
        *_b_of_stretch(matmul, stretch),
        _tile_sums(matmul),
        blocking.nr,
        c.literal(0) if _is_one_stretch(matmul) else stretch.depth > 0,
        *(_part_of_next(matmul, stretch) if tile.asks_next else ()),
        *((c.literal(_last_columns(matmul) % matmul.vector.lanes),) if tile.is_partial else ()),
    )


def _b_of_stretch(matmul: Matmul, stretch: _Stretch) -> tuple[c.Expression, c.Operand]:
    """Return where B begins in a stretch of the depth, and the step between its rows, or the table of where they are."""
    spec = matmul.spec
    if spec.b_outer:
        return _b_panel, c.Name(_table_name(matmul)) + stretch.depth
    step = matmul.blocking.nr if spec.b_depth_stride is None else spec.b_depth_stride
    return (_packed if spec.packed_from is not None else _b_panel + stretch.depth * step), step


def _part_of_next(matmul: Matmul, stretch: _Stretch) -> tuple[c.Expression, c.Operand]:
    """Return where the part begins that a tile asks for, of what lies behind what all tiles read of B now, and its step."""
    spec, blocking = matmul.spec, matmul.blocking
    count = num_tiles(spec, blocking)
    step = -(-blocking.nr // count)
    tile: c.Expression = (_row - _row_start) / blocking.mr
    if spec.lines:
        tile = (_line - _line_start) * -(-min(blocking.row_block, spec.rows) // blocking.mr) + tile
    if _is_tile_finished(spec, blocking):
        return _b_panel + (spec.depth * blocking.nr + (tile * spec.depth + stretch.depth) * step), step
    steps = blocking.depth_block
    return _b_panel + (stretch.depth + steps) * blocking.nr + tile * (steps * step), step


def _a_of_row(matmul: Matmul, depth: c.Expression) -> c.Expression:
    """Return where A's row starts in this stretch of the depth; where there are turns, their table says that."""
    spec = matmul.spec
    start = (_a_line if spec.lines else _a) + _row * spec.a_row_stride
    return start if spec.a_outer else start + depth * spec.a_depth_stride


def _finish_rows(matmul: Matmul, sums: c.Expression) -> tuple[c.Statement, ...]:
    """Hand the sums to the epilogue, vector by vector."""
    vector, spec, blocking = matmul.vector, matmul.spec, matmul.blocking
    rest = spec.columns % vector.lanes
    columns = c.Name("columns") if spec.columns % blocking.nr else c.literal(blocking.nr)
    whole = columns if rest == 0 else columns - (vector.lanes - 1)
    place = sums + _r * blocking.nr
    offset = c.Name("offset")
    body: list[c.Statement] = []
    if spec.columns >= vector.lanes:
        body.append(c.loop("offset", whole, *_epilogue(matmul, place, offset, None), step=vector.lanes))
    if rest:
        start = (spec.columns - rest) % blocking.nr
        partial = _epilogue(matmul, place, c.literal(start), c.literal(rest))
        last_panel = num_panels(spec, blocking) - 1
        body.extend(partial if last_panel == 0 else (c.If(c.equal(_panel, last_panel), partial),))
    row_counts = _row_counts(matmul)
    return (c.loop("r", _rows if len(row_counts) > 1 else row_counts[0], *body),)


def _epilogue(
    matmul: Matmul, place: c.Expression, offset: c.Expression, lanes: c.Expression | None
) -> tuple[c.Statement, ...]:
    vector = matmul.vector
    value = c.Declare(vector.ctype, "value", load(vector)(place + offset))
    statements = matmul.epilogue(_row + _r, _column + offset, c.Name("value"), lanes)
    return (value, *statements)
