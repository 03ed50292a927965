"""Matrix products as C: sums stay in registers over the depth, then go to the caller's epilogue.

Algorithm: Goto and van de Geijn's panel product with B stored in panels beforehand, or by the task; A is read in place.
Weakness: a matrix of one or two columns is computed as a whole vector of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mosaic import c
from mosaic.c.helpers import Helper
from mosaic.matmul.blocking import Blocking, MatmulSpec, num_panels, num_row_blocks, num_tasks, waits_for_a, waits_for_b
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

    `extra_parameters` are the parameters that the statements of `epilogue` use, `epilogue_helpers` what they call.
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
_b_panel, _packed, _depth, _a_start = c.Name("b_panel"), c.Name("packed"), c.Name("depth"), c.Name("a_start")


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
            f"({spec.rows}, {spec.depth}) @ ({spec.depth}, {spec.columns}): {num_tasks(spec, blocking)} tasks of "
            f"{min(blocking.row_block, spec.rows)} rows x {blocking.nr} columns, in tiles of {blocking.mr} rows"
        ),
    )
    tiles = tuple(tile_function(tile) for tile in _tiles(matmul).values())
    helpers = (*tiles, load(matmul.vector), *matmul.epilogue_helpers)
    if spec.packed_from is not None:
        helpers = (pack_panel(matmul.vector, blocking.nr, spec.packed_from), *helpers)
    return Helper(matmul.name, (function,), helpers)


def num_sums(spec: MatmulSpec, blocking: Blocking) -> int:
    """Return how many sums a task keeps: those of a tile, or those of all its rows where depth comes in blocks."""
    is_whole = blocking.depth_block >= spec.depth and not spec.a_outer
    return (blocking.mr if is_whole else blocking.row_block) * blocking.nr


def _is_whole_depth(matmul: Matmul) -> bool:
    return matmul.blocking.depth_block >= matmul.spec.depth and not matmul.spec.a_outer


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
    tiles, has_fma = {}, matmul.target.has_fma
    b_ahead = _b_steps_ahead if waits_for_b(spec, matmul.target) else 0
    a_ahead = _a_steps_ahead if waits_for_a(spec, matmul.target) else 0
    for rows in _row_counts(matmul):
        if num_panels(spec, blocking) > 1 or last == blocking.nr:
            tiles[rows, False] = Tile(vector, rows, blocking.nr // vector.lanes, has_fma, False, b_ahead, a_ahead)
        if last != blocking.nr:
            vectors = -(-last // vector.lanes)
            tiles[rows, True] = Tile(vector, rows, vectors, has_fma, is_partial, b_ahead, a_ahead)
    return tiles


def _locate(matmul: Matmul) -> tuple[c.Statement, ...]:
    """Declare where the task's rows, columns and panel start."""
    spec, blocking = matmul.spec, matmul.blocking
    panels = num_panels(spec, blocking)
    row_start: c.Expression = c.literal(0)
    row_stop: c.Expression = c.literal(spec.rows)
    if num_row_blocks(spec, blocking) > 1:
        row_start = _task / panels * blocking.row_block
        row_stop = c.minimum(c.Name("row_start") + blocking.row_block, spec.rows)
    panel_size = blocking.nr * _column_step(spec)
    source = c.const_pointer(matmul.vector.element.ctype)
    return (
        c.Declare(c.const(c.int64), "panel", _task % panels),
        c.Declare(c.const(c.int64), "column", _panel * blocking.nr),
        *_columns_of_panel(matmul),
        c.Declare(c.const(c.int64), "row_start", row_start),
        c.Declare(c.const(c.int64), "row_stop", row_stop),
        c.Declare(source, "b_panel", _b + _panel * panel_size),
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
    if _is_whole_depth(matmul):
        depth = (c.literal(0), c.literal(matmul.spec.depth))
        return (*_pack(matmul, *depth), _over_rows(matmul, (*_multiply(matmul, *depth), *_finish_rows(matmul, _sums))))
    finish = _over_rows(matmul, _finish_rows(matmul, _tile_sums(matmul)))
    return (_over_depth(matmul), finish)


def _over_depth(matmul: Matmul) -> c.Statement:
    """Return the loop over blocks of the depth, or over its outer axes, each turn of which adds to the sums of all rows."""
    spec, blocking = matmul.spec, matmul.blocking
    if not spec.a_outer:
        steps = c.minimum(c.literal(blocking.depth_block), spec.depth - _depth)
        multiply = _over_rows(matmul, _multiply(matmul, _depth, steps))
        return c.loop("depth", spec.depth, *_pack(matmul, _depth, steps), multiply, step=blocking.depth_block)
    indices = [c.Name(f"depth_{axis}") for axis in range(len(spec.a_outer))]
    turn: c.Expression = c.literal(0)
    start: c.Expression = c.literal(0)
    for index, (extent, stride) in zip(indices, spec.a_outer, strict=True):
        turn, start = turn * extent + index, start + index * stride
    multiply = _over_rows(matmul, _multiply(matmul, _depth, c.literal(spec.run)))
    body: tuple[c.Statement, ...] = (
        c.Declare(c.const(c.int64), "depth", turn * spec.run),
        c.Declare(c.const_pointer(matmul.vector.element.ctype), _a_start.text, _a + start),
        multiply,
    )
    for index, (extent, _) in reversed(list(zip(indices, spec.a_outer, strict=True))):
        body = (c.loop(index.text, extent, *body),)
    return body[0]


def _pack(matmul: Matmul, depth: c.Expression, steps: c.Expression) -> tuple[c.Statement, ...]:
    """Store a stretch of the depth of the task's panel in its own memory, if it does not lie in panels."""
    spec, nr = matmul.spec, matmul.blocking.nr
    if spec.packed_from is None:
        return ()
    columns = c.minimum(c.literal(nr), spec.columns - _column) if spec.columns % nr else c.literal(nr)
    start = _b_panel + depth * spec.packed_from[0]
    call = pack_panel(matmul.vector, nr, spec.packed_from)(_packed, start, *spec.packed_from, steps, columns)
    return (c.ExpressionStatement(call),)


def _tile_sums(matmul: Matmul) -> c.Expression:
    """Return where the sums of the current tile are: in a scratch tile, or in one for the whole block of rows."""
    if _is_whole_depth(matmul):
        return _sums
    return _sums + (_row - c.Name("row_start")) * matmul.blocking.nr


def _over_rows(matmul: Matmul, body: tuple[c.Statement, ...]) -> c.Statement:
    mr = matmul.blocking.mr
    if len(_row_counts(matmul)) > 1:
        body = (c.Declare(c.const(c.int64), "rows", c.minimum(c.literal(mr), _row_stop - _row)), *body)
    return c.loop("row", _row_stop, *body, start=c.Name("row_start"), step=mr)


def _multiply(matmul: Matmul, depth: c.Expression, steps: c.Expression) -> tuple[c.Statement, ...]:
    """Call the function of the tile that has as many rows and columns."""
    statement: tuple[c.Statement, ...] = ()
    for (rows, is_last), tile in reversed(_tiles(matmul).items()):
        call = c.ExpressionStatement(_tile_call(matmul, tile, depth, steps))
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


def _tile_call(matmul: Matmul, tile: Tile, depth: c.Expression, steps: c.Expression) -> c.Expression:
    spec, blocking = matmul.spec, matmul.blocking
    b_stride = blocking.nr if spec.b_depth_stride is None else spec.b_depth_stride
    return tile_function(tile)(
        steps,
        _a_of_row(matmul, depth),
        spec.a_row_stride,
        spec.a_depth_stride,
        _packed if spec.packed_from is not None else _b_panel + depth * b_stride,
        b_stride,
        _tile_sums(matmul),
        blocking.nr,
        c.literal(0) if _is_whole_depth(matmul) else depth > 0,
        *((c.literal(_last_columns(matmul) % matmul.vector.lanes),) if tile.is_partial else ()),
    )


def _a_of_row(matmul: Matmul, depth: c.Expression) -> c.Expression:
    """Return where A's row starts in this stretch of the depth."""
    spec = matmul.spec
    if spec.a_outer:
        return _a_start + _row * spec.a_row_stride
    return _a + _row * spec.a_row_stride + depth * spec.a_depth_stride


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
