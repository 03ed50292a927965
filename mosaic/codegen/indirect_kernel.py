"""A product whose rows are found by a table, as one C function; a task is a block of rows times one panel of columns.

The task computes the offsets of its rows once, then multiplies tile by tile. `static const` offsets of the taps are part of the text.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from mosaic import c
from mosaic.codegen.expressions import Emitter, Scope, Where
from mosaic.codegen.indirect_tile import IndirectTile, indirect_tile_function
from mosaic.codegen.operands import Operands, address
from mosaic.codegen.registers import Lanes
from mosaic.codegen.row_kernel import KernelCode, row_indices
from mosaic.ir.expressions import Accumulated
from mosaic.ir.indirect import IndirectProduct
from mosaic.ir.schedule import Schedule
from mosaic.matmul.blocking import Blocking, num_panels, num_row_blocks
from mosaic.targets import Target
from mosaic.vector import memory
from mosaic.vector.vector_types import VectorType

_task, _first, _stop, _group, _panel = (c.Name(name) for name in ("task", "first", "stop", "group", "panel"))
_row, _rows, _position, _offsets, _taps = (c.Name(name) for name in ("row", "rows", "position", "offsets", "taps"))
_sums, _r, _lane = c.Name("sums"), c.Name("r"), c.Name("lane")


def emit_indirect_kernel(product: IndirectProduct, schedule: Schedule, comment: str, target: Target) -> KernelCode:
    """Return the kernel of one product."""
    emitter = Emitter(Lanes(replace(target, vector_bytes=schedule.vector_bytes), schedule.lanes), Operands())
    return _IndirectEmitter(product, schedule.blockings[0], emitter).kernel(comment, schedule.num_tasks)


@dataclass(frozen=True, slots=True)
class _IndirectEmitter:
    product: IndirectProduct
    blocking: Blocking
    emitter: Emitter

    @property
    def vector(self) -> VectorType:
        return self.emitter.lanes.type(self.product.windows.dtype)

    @property
    def num_panels(self) -> int:
        return num_panels(self.product.spec, self.blocking)

    def kernel(self, comment: str, num_tasks: int) -> KernelCode:
        """Return the kernel."""
        product, emitter, blocking = self.product, self.emitter, self.blocking
        windows, filters = emitter.operands.pointer(product.windows), emitter.operands.pointer(product.filters)
        arrays = (
            emitter.local.declare("offsets", np.dtype(np.int64), blocking.row_block),
            emitter.local.declare("sums", product.windows.dtype, blocking.mr * blocking.nr),
        )
        tiles = self.over_tiles(windows, filters)
        operands = emitter.operands.listed()
        body = (
            c.Declare(c.pointer(c.pointer(c.void)), "operands", c.Name("context")),
            *emitter.operands.declarations(),
            *emitter.local.declarations(len(operands)),
            *arrays,
            *self.part_of_task(),
            *self.table(),
            tiles,
        )
        helpers = tuple(emitter.lanes.helpers.values())
        return KernelCode(body, comment, helpers, operands, num_tasks, emitter.local.scratch_bytes)

    def part_of_task(self) -> tuple[c.Statement, ...]:
        """Declare the group, the rows and the panel of a task; panels of one block of rows are neighbours."""
        blocks, rows = num_row_blocks(self.product.spec, self.blocking), self.product.spec.rows
        index = c.const(c.int64)
        return (
            c.Declare(index, "panel", _task % self.num_panels),
            c.Declare(index, "group", _task / (self.num_panels * blocks)),
            c.Declare(index, "first", _task / self.num_panels % blocks * self.blocking.row_block),
            c.Declare(index, "stop", c.minimum(_first + self.blocking.row_block, c.literal(rows))),
        )

    def table(self) -> tuple[c.Statement, ...]:
        """Return what fills the tables: offsets of all taps, and of the rows of the task."""
        product = self.product
        count, positions = len(product.positions), product.positions
        taps = [
            sum(place * stride for place, stride in zip(tap, product.windows.strides[count + 1 : -1], strict=True))
            for tap in np.ndindex(*product.taps)
        ]
        axes, declarations = row_indices(positions, _position)
        place = address(c.literal(0), product.windows.strides[:count], axes)
        values = c.InitializerList(tuple(map(c.literal, taps)))
        return (
            c.Declare(c.ArrayType(c.NamedType("static const int64_t"), len(taps)), "taps", values),
            c.loop("position", _stop, *declarations, c.Assign(_offsets[_position - _first], place), start=_first),
        )

    def over_tiles(self, windows: c.Expression, filters: c.Expression) -> c.Statement:
        """Return the loop over tiles of rows."""
        product, spec, blocking = self.product, self.product.spec, self.blocking
        channels = product.windows.shape[-1]
        start = windows + _group * product.windows.strides[len(product.positions)]
        panel = filters + (_group * self.num_panels + _panel) * (spec.depth * blocking.nr)
        call: tuple[c.Statement, ...] = ()
        for rows in sorted(self.row_counts()):
            tile = IndirectTile(self.vector, rows, blocking.nr // self.vector.lanes, self.emitter.lanes.target.has_fma)
            function = self.emitter.lanes.use(indirect_tile_function(tile))
            arguments = (math.prod(product.taps), channels, start, _offsets + (_row - _first), _taps, panel, _sums)
            one = c.ExpressionStatement(function(*arguments))
            call = (c.If(c.equal(_rows, rows), (one,), call),) if call else (one,)
        body = (
            c.Declare(c.const(c.int64), "rows", c.minimum(c.literal(blocking.mr), _stop - _row)),
            *call,
            c.loop("r", _rows, *self.finish_row()),
        )
        return c.loop("row", _stop, *body, start=_first, step=blocking.mr)

    def row_counts(self) -> set[int]:
        """Return how many rows tiles have: whole ones, the last of a block, the last of all."""
        spec, blocking = self.product.spec, self.blocking
        last = spec.rows - (num_row_blocks(spec, blocking) - 1) * blocking.row_block
        counts = set()
        for rows in (blocking.row_block, last):
            counts |= {blocking.mr} if rows >= blocking.mr else set()
            counts |= {rows % blocking.mr} if rows % blocking.mr else set()
        return counts

    def finish_row(self) -> tuple[c.Statement, ...]:
        """Hand the sums of a row to the epilogue, vector by vector."""
        spec, blocking, lanes = self.product.spec, self.blocking, self.vector.lanes
        axes, declarations = row_indices(self.product.positions, _position)
        place = c.Declare(c.const(c.int64), "position", _row + _r)
        rest = spec.columns % lanes
        start = _panel * blocking.nr
        stop = (
            c.minimum(start + blocking.nr, c.literal(spec.columns))
            if spec.columns % blocking.nr
            else start + blocking.nr
        )
        body: list[c.Statement] = []
        if spec.columns >= lanes:
            whole = stop - (lanes - 1) if rest else stop
            body.append(c.loop("lane", whole, *self.epilogue(axes, None), start=start, step=lanes))
        if rest:
            last = (
                c.Declare(c.const(c.int64), "lane", c.literal(spec.columns - rest)),
                *self.epilogue(axes, c.literal(rest)),
            )
            body.append(c.If(c.equal(_panel, self.num_panels - 1), last))
        return (place, *declarations, *body)

    def epilogue(self, axes: tuple[c.Expression, ...], count: c.Expression | None) -> tuple[c.Statement, ...]:
        """Return the statements for one vector of a row's sums."""
        product, emitter, nr = self.product, self.emitter, self.blocking.nr
        load = emitter.lanes.use(memory.load(self.vector))
        place = _sums + _r * nr + (_lane - _panel * nr)
        value = c.Declare(self.vector.ctype, "value", load(place))
        indices = axes or ()
        where = Where((*indices, _group, _lane), len(indices) + 1, count)
        scope = Scope(frozenset(range(len(where.axes))))
        scope.values[emitter.numbers.of(Accumulated(product.windows.dtype))] = c.Name("value")
        emitter.store(product.result, emitter.value(product.epilogue, scope, where), scope, where)
        return (value, *scope.statements)
