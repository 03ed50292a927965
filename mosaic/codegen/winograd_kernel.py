"""Winograd's convolution as one C function, and the transform of filters as another.

A task has a block of tiles and some panels of outputs. It transforms the tiles' inputs, channel by channel in lanes; multiplies,
for each of the points of a tile, (tiles, channels) by (channels, outputs) with the tile function of all products; transforms
back, outputs in lanes, and hands each vector of results to the epilogue. What lies between these steps stays in the thread's
part of the arena, which fits in L2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce

from mosaic import c
from mosaic.codegen.expressions import Emitter, Scope, Where
from mosaic.codegen.operands import Operands, address
from mosaic.codegen.registers import Lanes
from mosaic.codegen.row_kernel import KernelCode
from mosaic.codegen.winograd_transforms import data_function, filter_function, inverse_function, patch_function
from mosaic.ir.expressions import Accumulated
from mosaic.ir.schedule import Schedule
from mosaic.ir.winograd import WinogradFilters, WinogradProduct
from mosaic.matmul.tile import Tile, tile_function
from mosaic.targets import Target
from mosaic.vector import memory
from mosaic.vector.vector_types import VectorType
from mosaic.winograd.blocks import WinogradBlocks

_task, _tile, _first, _stop, _group = (c.Name(name) for name in ("task", "tile", "first", "stop", "group"))
_panel, _first_panel, _last_panel = c.Name("panel"), c.Name("first_panel"), c.Name("last_panel")
_image, _y, _x, _channel, _output = (c.Name(name) for name in ("image", "y", "x", "channel", "output"))
_data, _products, _patch, _block = (c.Name(name) for name in ("data", "products", "patch", "block"))
_point, _row, _rows, _depth = (c.Name(name) for name in ("point", "row", "rows", "depth"))
_steps_ahead = 8
"""How many steps before its turn a row of the filters is asked for, as in products: they come from L3 or memory."""


def emit_winograd_kernel(product: WinogradProduct, schedule: Schedule, comment: str, target: Target) -> KernelCode:
    """Return the kernel of one convolution."""
    emitter = Emitter(Lanes(replace(target, vector_bytes=schedule.vector_bytes), schedule.lanes), Operands())
    blocks = WinogradBlocks(schedule.per_task, schedule.panels, schedule.blockings[0])
    return _WinogradEmitter(product, blocks, emitter).kernel(comment, schedule.num_tasks)


@dataclass(frozen=True, slots=True)
class _WinogradEmitter:
    product: WinogradProduct
    blocks: WinogradBlocks
    emitter: Emitter

    @property
    def vector(self) -> VectorType:
        return self.emitter.lanes.type(self.product.image.dtype)

    @property
    def has_fma(self) -> bool:
        return self.emitter.lanes.target.has_fma

    @property
    def num_panels(self) -> int:
        return self.blocks.num_panels(self.product.spec)

    @property
    def data_strides(self) -> tuple[int, int]:
        """Between points, and between tiles: a vector more than needed, or lines of equal points would share places in the cache."""
        lanes = self.vector.lanes
        row = -(-self.product.spec.channels // lanes) * lanes + lanes
        return self.blocks.tiles * row + lanes, row

    @property
    def product_strides(self) -> tuple[int, int]:
        """Between points, and between tiles."""
        lanes = self.vector.lanes
        row = self.blocks.panels * self.blocks.product.nr + lanes
        return self.blocks.tiles * row + lanes, row

    def kernel(self, comment: str, num_tasks: int) -> KernelCode:
        """Return the kernel."""
        product, emitter = self.product, self.emitter
        dtype, local, points = product.image.dtype, emitter.local, product.spec.points
        image, filters = emitter.operands.pointer(product.image), emitter.operands.pointer(product.filters)
        arrays = (
            local.declare("data", dtype, points * self.data_strides[0]),
            local.declare("products", dtype, points * self.product_strides[0]),
            local.declare("patch", dtype, points * self.vector.lanes),
            local.declare("block", dtype, math.prod(product.outputs) * self.vector.lanes),
        )
        steps = (self.transform_data(image), self.multiply(filters), self.transform_back())
        operands = emitter.operands.listed()
        unpack = c.Declare(c.pointer(c.pointer(c.void)), "operands", c.Name("context"))
        body = (unpack, *emitter.operands.declarations(), *local.declarations(len(operands)), *arrays)
        helpers = tuple(emitter.lanes.helpers.values())
        return KernelCode(
            (*body, *self.part_of_task(), *steps), comment, helpers, operands, num_tasks, local.scratch_bytes
        )

    def part_of_task(self) -> tuple[c.Statement, ...]:
        """Declare the tiles, the group and the panels of a task."""
        spec, blocks = self.product.spec, self.blocks
        tile_blocks, parts = blocks.num_tile_blocks(spec), math.ceil(self.num_panels / blocks.panels)
        index = c.const(c.int64)
        part = _task / tile_blocks
        return (
            c.Declare(index, "first", _task % tile_blocks * blocks.tiles),
            c.Declare(index, "stop", c.minimum(_first + blocks.tiles, c.literal(spec.tiles))),
            c.Declare(index, "group", part / parts),
            c.Declare(index, "first_panel", part % parts * blocks.panels),
            c.Declare(index, "last_panel", c.minimum(_first_panel + blocks.panels, c.literal(self.num_panels))),
        )

    def over_tiles(self, *body: c.Statement) -> c.Statement:
        """Return a loop over the tiles of the task, with the place of each: its image, and where its outputs begin."""
        down, across = self.product.num_tiles
        index = c.const(c.int64)
        return c.loop(
            "tile",
            _stop,
            c.Declare(index, "image", _tile / (down * across)),
            c.Declare(index, "y", _tile / across % down * self.product.outputs[0]),
            c.Declare(index, "x", _tile % across * self.product.outputs[1]),
            *body,
            start=_first,
        )

    def transform_data(self, image: c.Expression) -> c.Statement:
        """Return the loops that transform the inputs of all tiles; those that reach beyond the image are copied before."""
        product, lanes = self.product, self.vector.lanes
        _, height, width, _, channels = product.image.shape
        strides, (length, breadth) = product.image.strides, product.lengths
        transform = self.emitter.lanes.use(data_function(product.transforms, self.vector, self.has_fma))
        copy = self.emitter.lanes.use(patch_function((length, breadth), self.vector))
        source, place = c.Name("source"), c.Name("place")
        target = (place, c.literal(self.data_strides[0]))
        whole = c.ExpressionStatement(transform(source, strides[1], strides[2], *target))
        valid = (
            c.minimum(height - _y, c.literal(length)),
            c.minimum(width - _x, c.literal(breadth)),
            c.minimum(channels - _channel, c.literal(lanes)),
        )
        beyond = (
            c.ExpressionStatement(copy(source, strides[1], strides[2], *valid, _patch)),
            c.ExpressionStatement(transform(_patch, breadth * lanes, lanes, *target)),
        )
        conditions = [
            *([_y <= height - length] if product.reaches_beyond(0) else ()),
            *([_x <= width - breadth] if product.reaches_beyond(1) else ()),
            *([_channel <= channels - lanes] if channels % lanes else ()),
        ]
        step: c.Statement = whole
        if conditions:
            step = c.If(reduce(c.logical_and, conditions), (whole,), beyond)
        start = address(image, strides, (_image, _y, _x, _group, _channel))
        declared = (
            c.Declare(c.const_pointer(self.vector.element.ctype), "source", start),
            c.Declare(
                c.pointer(self.vector.element.ctype),
                "place",
                _data + (_tile - _first) * self.data_strides[1] + _channel,
            ),
        )
        return self.over_tiles(c.loop("channel", channels, *declared, step, step=lanes))

    def multiply(self, filters: c.Expression) -> c.Statement:
        """Return the loops over points, panels and rows of tiles."""
        spec, blocking = self.product.spec, self.blocks.product
        panel = ((_group * spec.points + _point) * self.num_panels + _panel) * (spec.channels * blocking.nr)
        source = c.const_pointer(self.vector.element.ctype)
        place = _products + _point * self.product_strides[0] + (_panel - _first_panel) * blocking.nr
        rows = (
            c.Declare(c.const(c.int64), "rows", c.minimum(c.literal(blocking.mr), _stop - _first - _row)),
            *self.over_depth(self.tiles_by_rows()),
        )
        body = (
            c.Declare(source, "b", filters + panel),
            c.Declare(c.pointer(self.vector.element.ctype), "sums", place),
            c.loop("row", _stop - _first, *rows, step=blocking.mr),
        )
        over_panels = c.loop("panel", _last_panel, *body, start=_first_panel)
        return c.loop("point", spec.points, over_panels)

    def over_depth(self, call: Callable[[c.Expression, c.Expression], c.Statement]) -> tuple[c.Statement, ...]:
        """Return the calls for all channels, in stretches if there are many."""
        channels, block = self.product.spec.channels, self.blocks.product.depth_block
        if block >= channels:
            return (call(c.literal(0), c.literal(channels)),)
        steps = c.minimum(c.literal(block), channels - _depth)
        return (c.loop("depth", channels, call(_depth, steps), step=block),)

    def tiles_by_rows(self) -> Callable[[c.Expression, c.Expression], c.Statement]:
        """Return what makes the call of the function for as many rows as are left."""
        data, sums = self.data_strides, self.product_strides[1]
        nr = self.blocks.product.nr

        def call(depth: c.Expression, steps: c.Expression) -> c.Statement:
            a = _data + _point * data[0] + _row * data[1] + depth
            b, target = c.Name("b") + depth * nr, c.Name("sums") + _row * sums
            statement: tuple[c.Statement, ...] = ()
            for rows in sorted(self.row_counts()):
                tile = Tile(self.vector, rows, nr // self.vector.lanes, self.has_fma, b_ahead=_steps_ahead)
                function = self.emitter.lanes.use(tile_function(tile))
                one = c.ExpressionStatement(function(steps, a, data[1], 1, b, nr, target, sums, depth > 0))
                statement = (c.If(c.equal(_rows, rows), (one,), statement),) if statement else (one,)
            return statement[0]

        return call

    def row_counts(self) -> set[int]:
        """Return how many tiles are multiplied at once: in whole blocks, in the last of a task, in the last task."""
        spec, blocks, mr = self.product.spec, self.blocks, self.blocks.product.mr
        counts = set()
        for tiles in {blocks.tiles, spec.tiles - (blocks.num_tile_blocks(spec) - 1) * blocks.tiles}:
            counts |= {mr} if tiles >= mr else set()
            counts |= {tiles % mr} if tiles % mr else set()
        return counts

    def transform_back(self) -> c.Statement:
        """Return the loops over the results of all tiles."""
        spec, lanes = self.product.spec, self.vector.lanes
        columns = c.minimum(_last_panel * self.blocks.product.nr, c.literal(spec.outputs))
        rest = spec.outputs % lanes
        whole = columns - (lanes - 1) if rest else columns
        body: list[c.Statement] = []
        if spec.outputs >= lanes:
            start = _first_panel * self.blocks.product.nr
            body.append(c.loop("output", whole, *self.results(None), start=start, step=lanes))
        if rest:
            last = (c.Declare(c.const(c.int64), "output", c.literal(spec.outputs - rest)), *self.results(rest))
            is_here = c.equal(_last_panel, self.num_panels)
            body.append(c.If(is_here, last) if self.blocks.panels < self.num_panels else c.Block(last))
        return self.over_tiles(*body)

    def results(self, count: int | None) -> tuple[c.Statement, ...]:
        """Return the statements for one vector of outputs of a tile, all or the first `count` of its lanes."""
        product, lanes, emitter = self.product, self.vector.lanes, self.emitter
        point, row = self.product_strides
        inverse = emitter.lanes.use(inverse_function(product.transforms, self.vector, self.has_fma))
        column = _output - _first_panel * self.blocks.product.nr
        source = _products + (_tile - _first) * row + column
        back = c.ExpressionStatement(inverse(source, product.lengths[1] * point, point, _block, lanes))
        bounds = []
        for length, each, start in zip(product.result.shape[1:3], product.outputs, (_y, _x), strict=True):
            bounds.append(c.literal(each) if length % each == 0 else c.minimum(c.literal(each), length - start))
        outer = Scope(frozenset({0, 3, 4}))
        middle = outer.inner(1)
        inner = middle.inner(2)
        where = Where(
            (_image, c.Name("row"), c.Name("column"), _group, _output), 4, None if count is None else c.literal(count)
        )
        place = _block + (c.Name("i") * product.outputs[1] + c.Name("j")) * lanes
        value = c.Declare(self.vector.ctype, "value", emitter.lanes.use(memory.load(self.vector))(place))
        inner.values[emitter.numbers.of(Accumulated(product.image.dtype))] = c.Name("value")
        emitter.store(product.result, emitter.value(product.epilogue, inner, where), inner, where)
        index = c.const(c.int64)
        along = c.loop("j", bounds[1], c.Declare(index, "column", _x + c.Name("j")), value, *inner.statements)
        down = c.loop("i", bounds[0], c.Declare(index, "row", _y + c.Name("i")), *middle.statements, along)
        return (back, *outer.statements, down)


def emit_filters_kernel(filters: WinogradFilters, schedule: Schedule, comment: str, target: Target) -> KernelCode:
    """Return the kernel that transforms filters into panels; a task is one panel of a group."""
    emitter = Emitter(Lanes(replace(target, vector_bytes=schedule.vector_bytes), schedule.lanes), Operands())
    use, dtype = emitter.lanes.use, filters.result.dtype
    vector = emitter.lanes.type(dtype)
    _, points, panels, channels, nr = filters.result.shape
    _, outputs, _, *taps = filters.filters.shape
    transform = use(filter_function(filters.transforms, vector, target.has_fma))
    source = emitter.operands.pointer(filters.filters)
    result = emitter.operands.pointer(filters.result, is_written=True)
    taken = emitter.local.declare("patch", dtype, math.prod(taps) * vector.lanes)
    place = address(source, filters.filters.strides, (_group, _output, _channel, c.Name("i"), c.Name("j")))
    stride = filters.filters.strides[1]
    gathered = use(memory.load_strided(vector))(place, stride)
    partial = use(memory.load_strided_partial(vector))(place, stride, c.Name("count"))
    lanes = _patch + (c.Name("i") * taps[1] + c.Name("j")) * vector.lanes
    store = use(memory.store(vector))
    copy = c.If(
        c.Name("count") < vector.lanes,
        (c.ExpressionStatement(store(lanes, partial)),),
        (c.ExpressionStatement(store(lanes, gathered)),),
    )
    target_place = result + ((_group * (points * panels) + _panel) * channels + _channel) * nr + c.Name("lane")
    index = c.const(c.int64)
    each = (
        c.Declare(index, "output", _panel * nr + c.Name("lane")),
        c.Declare(index, "count", outputs - _output),
        c.loop("i", taps[0], c.loop("j", taps[1], copy)),
        c.ExpressionStatement(
            transform(_patch, taps[1] * vector.lanes, vector.lanes, target_place, panels * channels * nr)
        ),
    )
    loops = c.loop("channel", channels, c.loop("lane", nr, *each, step=vector.lanes))
    operands = emitter.operands.listed()
    body = (
        c.Declare(c.pointer(c.pointer(c.void)), "operands", c.Name("context")),
        *emitter.operands.declarations(),
        *emitter.local.declarations(len(operands)),
        taken,
        c.Declare(index, "group", _task / panels),
        c.Declare(index, "panel", _task % panels),
        loops,
    )
    helpers = tuple(emitter.lanes.helpers.values())
    return KernelCode(body, comment, helpers, operands, schedule.num_tasks, emitter.local.scratch_bytes)
