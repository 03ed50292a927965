"""The gradient of a convolution's filters as one C function; a task has some outputs and channels, and all taps of these.

Blocks of positions go by. Of each, the task copies the part of the image under it, channels side by side, and its part of g,
position by position; then it multiplies, tap by tap and tile by tile. The windows of a tap are places in the copy: no columns are
stored. The sums stay in the thread's part of the arena, and are written out in the order of the filters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from mosaic import c
from mosaic.codegen.expressions import Emitter
from mosaic.codegen.filter_tile import FilterTile, copy_rows, filter_tile_function
from mosaic.codegen.operands import Operands, address
from mosaic.codegen.registers import Lanes
from mosaic.codegen.row_kernel import KernelCode
from mosaic.ir.filter_sums import FilterSums
from mosaic.ir.schedule import Schedule
from mosaic.matmul.filter_blocking import FilterBlocks, FilterSpec, choose_filter_blocks
from mosaic.matmul.packed_panel import pack_panel
from mosaic.targets import Target
from mosaic.vector.memory import load
from mosaic.vector.vector_types import VectorType

_task, _group, _first_output, _first_channel = (
    c.Name(name) for name in ("task", "group", "first_output", "first_channel")
)
_image, _line, _place = c.Name("image"), c.Name("line"), c.Name("place")
_images, _lines, _places = c.Name("images"), c.Name("lines"), c.Name("places")
_i, _y, _tile, _panel, _tap_y, _tap_x = (c.Name(name) for name in ("i", "y", "tile", "panel", "tap_y", "tap_x"))
_copied_image, _copied_g, _sums, _starts = (c.Name(name) for name in ("copied_image", "copied_g", "sums", "starts"))
_columns, _rows, _o, _channel = (c.Name(name) for name in ("columns", "rows", "o", "channel"))


def emit_filter_kernel(sums: FilterSums, schedule: Schedule, comment: str, target: Target) -> KernelCode:
    """Return the kernel of one gradient."""
    emitter = Emitter(Lanes(replace(target, vector_bytes=schedule.vector_bytes), schedule.lanes), Operands())
    return _FilterEmitter(sums, choose_filter_blocks(sums.spec, target), emitter).kernel(comment, schedule.num_tasks)


@dataclass(frozen=True, slots=True)
class _FilterEmitter:
    product: FilterSums
    blocks: FilterBlocks
    emitter: Emitter

    @property
    def spec(self) -> FilterSpec:
        return self.product.spec

    @property
    def vector(self) -> VectorType:
        return self.emitter.lanes.type(self.product.image.dtype)

    @property
    def copied_strides(self) -> tuple[int, int, int, int]:
        """Between panels, images, lines and places of the copied part of the image."""
        _, images, lines, places = self.blocks.image_shape(self.spec)
        nr = self.blocks.nr
        return images * lines * places * nr, lines * places * nr, places * nr, nr

    @property
    def tile_sums(self) -> int:
        """The sums of one tap, panel and tile."""
        return self.blocks.mr * self.blocks.nr

    def kernel(self, comment: str, num_tasks: int) -> KernelCode:
        """Return the kernel."""
        product, blocks, local = self.product, self.blocks, self.emitter.local
        dtype, operands = product.image.dtype, self.emitter.operands
        image, g = operands.pointer(product.image), operands.pointer(product.g)
        result = operands.pointer(product.result, is_written=True)
        sizes = (
            ("copied_image", math.prod(blocks.image_shape(self.spec)) * blocks.nr),
            ("copied_g", blocks.tiles * blocks.mr * blocks.num_positions),
            ("sums", self.spec.taps * blocks.panels * blocks.tiles * self.tile_sums),
        )
        arrays = tuple(local.declare(name, dtype, size) for name, size in sizes)
        loops = (self.over_positions(image, g), self.write_out(result))
        listed = operands.listed()
        unpack = c.Declare(c.pointer(c.pointer(c.void)), "operands", c.Name("context"))
        body = (unpack, *operands.declarations(), *local.declarations(len(listed)), *arrays)
        helpers = tuple(self.emitter.lanes.helpers.values())
        steps = (*body, *self.part_of_task(), self.table(), *loops)
        return KernelCode(steps, comment, helpers, listed, num_tasks, local.scratch_bytes)

    def part_of_task(self) -> tuple[c.Statement, ...]:
        """Declare the group of a task, and its first output and channel; tasks with the same channels are neighbours."""
        spec, blocks = self.spec, self.blocks
        outputs, channels = blocks.num_output_blocks(spec), blocks.num_channel_blocks(spec)
        index = c.const(c.int64)
        return (
            c.Declare(index, "group", _task / (outputs * channels)),
            c.Declare(index, "first_output", _task % outputs * (blocks.tiles * blocks.mr)),
            c.Declare(index, "first_channel", _task / outputs % channels * (blocks.panels * blocks.nr)),
        )

    def table(self) -> c.Statement:
        """Declare where in the copied image each line of a block begins."""
        _, image, line, _ = self.copied_strides
        lines = np.ndindex(self.blocks.images, self.blocks.lines)
        values = [number * image + place * self.spec.strides[0] * line for number, place in lines]
        table = c.ArrayType(c.NamedType("static const int64_t"), len(values))
        return c.Declare(table, "starts", c.InitializerList(tuple(map(c.literal, values))))

    def over_positions(self, image: c.Expression, g: c.Expression) -> c.Statement:
        """Return the loops over blocks of positions."""
        index, spec, blocks = c.const(c.int64), self.spec, self.blocks
        names = ("image", "line", "place")
        steps = (blocks.images, blocks.lines, blocks.places)
        counts = [
            c.Declare(
                index, f"{name}s", c.minimum(c.literal(step), count - c.Name(name)) if count % step else c.literal(step)
            )
            for name, step, count in zip(names, steps, spec.positions, strict=True)
        ]
        body: tuple[c.Statement, ...] = (*counts, self.copy_image(image), self.copy_g(g), self.multiply())
        for name, step, count in reversed(list(zip(names, steps, spec.positions, strict=True))):
            body = (c.loop(name, count, *body, step=step),)
        return body[0]

    def copy_image(self, image: c.Expression) -> c.Statement:
        """Return the loops that copy the image under a block, panel by panel."""
        spec, view, (panel, each, line, _) = self.spec, self.product.image, self.copied_strides
        rows, places = (
            (count - 1) * step + (spec.reach(axis, 1))
            for axis, (count, step) in enumerate(zip((_lines, _places), spec.strides, strict=True))
        )
        to = _copied_image + _panel * panel + _i * each + _y * line
        channel = _first_channel + _panel * self.blocks.nr
        axes = (_image + _i, _line * spec.strides[0] + _y, _place * spec.strides[1], _group, channel)
        copied = self.copied(
            to, address(image, view.strides, axes), (view.strides[2], view.strides[4]), places, self.blocks.nr
        )
        columns = c.minimum(c.literal(self.blocks.nr), spec.channels - channel)
        body = (
            c.Declare(c.const(c.int64), "columns", columns),
            c.If(_columns > 0, (c.loop("i", _images, c.loop("y", rows, *copied)),)),
        )
        return c.loop("panel", self.blocks.panels, *body)

    def copy_g(self, g: c.Expression) -> c.Statement:
        """Return the loops that copy g of a block, tile by tile."""
        spec, view, blocks = self.spec, self.product.g, self.blocks
        to = _copied_g + _tile * (blocks.num_positions * blocks.mr) + (_i * _lines + _y) * (_places * blocks.mr)
        output = _first_output + _tile * blocks.mr
        axes = (_image + _i, _line + _y, _place, _group, output)
        copied = self.copied(to, address(g, view.strides, axes), (view.strides[2], view.strides[4]), _places, blocks.mr)
        columns = c.minimum(c.literal(blocks.mr), spec.outputs - output)
        body = (
            c.Declare(c.const(c.int64), "columns", columns),
            c.If(_columns > 0, (c.loop("i", _images, c.loop("y", _lines, *copied)),)),
        )
        return c.loop("tile", blocks.tiles, *body)

    def copied(
        self, to: c.Expression, start: c.Expression, strides: tuple[int, int], steps: c.Expression, width: int
    ) -> tuple[c.Statement, ...]:
        """Return what copies rows of a line: a function for whole rows, another for the last channels."""
        use, vector = self.emitter.lanes.use, self.vector
        use(load(vector))  # which brings the types that all of these have in common
        element = vector.element.ctype
        declared = (c.Declare(c.pointer(element), "to", to), c.Declare(c.const_pointer(element), "from", start))
        target, source = c.Name("to"), c.Name("from")
        some = c.ExpressionStatement(use(pack_panel(vector, width, strides))(target, source, *strides, steps, _columns))
        if strides[1] != 1:
            return (*declared, some)
        # What a row writes too much must end before the row after the next, which may not be part of the copy.
        may_exceed = min(strides[0], 2 * width) >= math.ceil(width / vector.lanes) * vector.lanes
        copy = use(copy_rows(vector, width, may_exceed))
        whole = c.ExpressionStatement(copy(target, source, strides[0], steps))
        return (*declared, c.If(c.equal(_columns, width), (whole,), (some,)))

    def multiply(self) -> c.Statement:
        """Return the loops over taps, panels and tiles."""
        spec, blocks, (panel, _, line, place) = self.spec, self.blocks, self.copied_strides
        tap = _tap_y * spec.kernel[1] + _tap_x
        b = _copied_image + _panel * panel + _tap_y * (spec.dilation[0] * line) + _tap_x * (spec.dilation[1] * place)
        a = _copied_g + _tile * (blocks.num_positions * blocks.mr)
        sums = _sums + ((tap * blocks.panels + _panel) * blocks.tiles + _tile) * self.tile_sums
        is_later = c.Name("image") + c.Name("line") + c.Name("place") > 0
        arguments = (_images * _lines, _starts, _places, a, b, spec.strides[1] * place, sums, is_later)
        lanes, columns = self.vector.lanes, spec.channels % blocks.nr or blocks.nr
        last = math.ceil(columns / lanes)
        calls = {}
        for vectors in {blocks.nr // lanes, last}:
            tile = FilterTile(self.vector, blocks.mr, vectors, blocks.nr, self.emitter.lanes.target.has_fma)
            function = self.emitter.lanes.use(filter_tile_function(tile))
            calls[vectors] = c.ExpressionStatement(function(*arguments))
        call: c.Statement = calls[blocks.nr // lanes]
        channel = _first_channel + _panel * blocks.nr
        if last != blocks.nr // lanes:
            call = c.If(channel + columns < spec.channels, (call,), (calls[last],))
        # Behind the last channel or output of a group there is nothing to compute.
        is_within = c.logical_and(channel < spec.channels, _first_output + _tile * blocks.mr < spec.outputs)
        inner = c.loop("panel", blocks.panels, c.loop("tile", blocks.tiles, c.If(is_within, (call,))))
        return c.loop("tap_y", spec.kernel[0], c.loop("tap_x", spec.kernel[1], inner))

    def write_out(self, result: c.Expression) -> c.Statement:
        """Return the loops that store the sums in the order of the filters: the taps of a channel lie side by side."""
        spec, blocks = self.spec, self.blocks
        channel = _channel - _first_channel
        place = ((_tap_y * spec.kernel[1] + _tap_x) * blocks.panels + channel / blocks.nr) * blocks.tiles
        value = _sums[
            (place + (_o - _first_output) / blocks.mr) * self.tile_sums
            + (_o - _first_output) % blocks.mr * blocks.nr
            + channel % blocks.nr
        ]
        axes = (_group, _o, _channel, _tap_y, _tap_x)
        stored = c.Assign(address(result, self.product.result.strides, axes)[c.literal(0)], value)
        taps = c.loop("tap_y", spec.kernel[0], c.loop("tap_x", spec.kernel[1], stored))
        stops = (
            c.Declare(c.const(c.int64), name, c.minimum(first + count, c.literal(most)))
            for name, first, count, most in (
                ("output_stop", _first_output, blocks.tiles * blocks.mr, spec.outputs),
                ("channel_stop", _first_channel, blocks.panels * blocks.nr, spec.channels),
            )
        )
        channels = c.loop("channel", c.Name("channel_stop"), taps, start=_first_channel)
        return c.Block((*stops, c.loop("o", c.Name("output_stop"), channels, start=_first_output)))
