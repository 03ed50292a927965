"""The gradient of the filters of narrow groups as one C function, with lanes along the channels of all groups.

A task has some vectors of channels. Line by line, and vector by vector, the sums of some taps stay in registers; each number of a
group's outputs meets all channels of its group by a shuffle of g. Sums of a line are added to those of the lines before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from mosaic import c
from mosaic.c.helpers import Helper
from mosaic.codegen.expressions import Emitter
from mosaic.codegen.operands import Operands, address
from mosaic.codegen.registers import Lanes
from mosaic.codegen.row_kernel import KernelCode
from mosaic.ir.filter_sums import GroupSums
from mosaic.ir.schedule import Schedule
from mosaic.targets import Target
from mosaic.vector.lane_operations import fma
from mosaic.vector.memory import load, load_partial, store
from mosaic.vector.vector_types import VectorType

_task, _image, _line, _vector, _lane = (c.Name(name) for name in ("task", "image", "line", "vector", "lane"))
_sums, _channel, _tap_y, _tap_x, _output = (c.Name(name) for name in ("sums", "channel", "tap_y", "tap_x", "output"))
_x, _g, _steps, _k, _count = (c.Name(name) for name in ("x", "g", "steps", "k", "count"))
_x_step, _g_step, _down, _across = (c.Name(name) for name in ("x_step", "g_step", "down", "across"))


def emit_group_sums_kernel(sums: GroupSums, schedule: Schedule, comment: str, target: Target) -> KernelCode:
    """Return the kernel of one gradient."""
    emitter = Emitter(Lanes(replace(target, vector_bytes=schedule.vector_bytes), schedule.lanes), Operands())
    return _GroupSumsEmitter(sums, schedule.per_task, emitter).kernel(comment, schedule.num_tasks)


@dataclass(frozen=True, slots=True)
class LineOfSums:
    """The sums of a block of taps over one line, for one vector of channels; `each` is how many channels a group has."""

    vector: VectorType
    taps: tuple[int, int]
    each: int
    is_partial: bool
    has_fma: bool

    @property
    def name(self) -> str:
        """Return the name of the function."""
        ending = "_partial" if self.is_partial else ""
        return f"add_line_{'x'.join(map(str, self.taps))}_of_{self.each}_{self.vector.name}{ending}"


@lru_cache(maxsize=256)
def line_of_sums(line: LineOfSums) -> Helper:
    """Return ``name(steps, x, x_step, down, across, g, g_step, count, sums)``, which adds to the sums [taps][each][lanes]."""
    vector, element = line.vector, line.vector.element.ctype
    multiply_add = fma(vector, line.has_fma)
    cells = [(y, x, o) for y in range(line.taps[0]) for x in range(line.taps[1]) for o in range(line.each)]

    def loaded(place: c.Expression) -> c.Expression:
        return load_partial(vector)(place, _count) if line.is_partial else load(vector)(place)

    body: list[c.Statement] = [c.Declare(c.const(vector.ctype), "outputs", loaded(_g + _k * _g_step))]
    for output in range(line.each):
        order = [lane // line.each * line.each + output for lane in range(vector.lanes)]
        parts = (c.Name("outputs"), c.Name("outputs"), *map(c.literal, order))
        value = c.Call("__builtin_shufflevector", parts) if line.each > 1 else c.Name("outputs")
        body.append(c.Declare(c.const(vector.ctype), f"g_{output}", value))
    for y in range(line.taps[0]):
        for x in range(line.taps[1]):
            place = _x + (_k * _x_step + _down * y + _across * x)
            body.append(c.Declare(c.const(vector.ctype), f"x_{y}_{x}", loaded(place)))
            body += [
                c.Assign(_sum(y, x, o), multiply_add(c.Name(f"x_{y}_{x}"), c.Name(f"g_{o}"), _sum(y, x, o)))
                for o in range(line.each)
            ]
    places = [_sums + number * vector.lanes for number in range(len(cells))]
    added = [
        c.ExpressionStatement(store(vector)(place, load(vector)(place) + _sum(*cell)))
        for place, cell in zip(places, cells, strict=True)
    ]
    zeros = (c.Declare(vector.ctype, _sum(*cell).text, vector.zero) for cell in cells)
    numbers = ("x_step", "down", "across")
    parameters = (
        c.Parameter(c.int64, "steps"),
        c.Parameter(c.const_pointer(element), "x"),
        *(c.Parameter(c.int64, name, ("unused",)) for name in numbers),
        c.Parameter(c.const_pointer(element), "g"),
        c.Parameter(c.int64, "g_step"),
        c.Parameter(c.int64, "count", ("unused",)),
        c.Parameter(c.pointer(element), "sums"),
    )
    function = c.Function(
        line.name,
        c.void,
        parameters,
        (*zeros, c.loop("k", _steps, *body), *added),
        is_static=True,
        attributes=("noinline", "unused"),
        comment=f"Adds x times g over a line to the sums of {line.taps[0]} x {line.taps[1]} taps, kept in registers.",
    )
    requires = (load(vector), load_partial(vector), store(vector), multiply_add)
    return Helper(line.name, (function,), requires)


def _sum(*cell: int) -> c.Name:
    return c.Name("sum_" + "_".join(map(str, cell)))


@dataclass(frozen=True, slots=True)
class _GroupSumsEmitter:
    product: GroupSums
    vectors: int
    emitter: Emitter

    @property
    def each(self) -> int:
        return self.product.result.shape[2]

    @property
    def vector(self) -> VectorType:
        return self.emitter.lanes.type(self.product.image.dtype)

    @property
    def block(self) -> tuple[int, int]:
        """The taps whose sums the registers hold, as rows and columns of the filter."""
        height, width = self.product.kernel
        fitting = max(1, (self.emitter.lanes.target.num_vector_registers - self.each - 2) // self.each)
        across = min(width, fitting)
        return min(height, max(1, fitting // across)), across

    def kernel(self, comment: str, num_tasks: int) -> KernelCode:
        """Return the kernel."""
        product, operands, local = self.product, self.emitter.operands, self.emitter.local
        x, g = operands.pointer(product.image), operands.pointer(product.g)
        result = operands.pointer(product.result, is_written=True)
        size = self.vectors * math.prod(product.kernel) * self.each * self.vector.lanes
        array = local.declare("sums", product.image.dtype, size)
        zero = c.loop("number", size, c.Assign(_sums[c.Name("number")], c.literal(0)))
        loops = (zero, self.over_lines(x, g), self.write_out(result))
        listed = operands.listed()
        unpack = c.Declare(c.pointer(c.pointer(c.void)), "operands", c.Name("context"))
        body = (unpack, *operands.declarations(), *local.declarations(len(listed)), array, *loops)
        helpers = tuple(self.emitter.lanes.helpers.values())
        return KernelCode(body, comment, helpers, listed, num_tasks, local.scratch_bytes)

    def over_lines(self, x: c.Expression, g: c.Expression) -> c.Statement:
        """Return the loops over images, lines, and vectors of channels."""
        product, lanes = self.product, self.vector.lanes
        images, lines, _ = product.g.shape[:3]
        rest = product.num_channels % lanes
        whole = self.over_taps(x, g, False)
        step: tuple[c.Statement, ...] = whole
        if rest:
            step = (c.If(_channel + lanes <= product.num_channels, whole, self.over_taps(x, g, True)),)
        channel = c.Declare(c.const(c.int64), "channel", (_task * self.vectors + _vector) * lanes)
        within = c.If(_channel < product.num_channels, step)
        inner = c.loop("vector", self.vectors, channel, within)
        return c.loop("image", images, c.loop("line", lines, inner))

    def over_taps(self, x: c.Expression, g: c.Expression, is_partial: bool) -> tuple[c.Statement, ...]:
        """Return the calls for all blocks of taps."""
        product, vector, (height, width) = self.product, self.vector, self.product.kernel
        across, down = self.block[1], self.block[0]
        strides, has_fma = product.image.strides, self.emitter.lanes.target.has_fma
        count = c.literal(product.num_channels % vector.lanes if is_partial else vector.lanes)
        calls = []
        for y in range(0, height, down):
            for first in range(0, width, across):
                taps = min(down, height - y), min(across, width - first)
                function = self.emitter.lanes.use(
                    line_of_sums(LineOfSums(vector, taps, self.each, is_partial, has_fma))
                )
                start = address(x, strides[:2], (_image, _line * product.strides[0] + y * product.dilation[0]))
                steps = (
                    strides[2] * product.strides[1],
                    strides[1] * product.dilation[0],
                    strides[2] * product.dilation[1],
                )
                calls.append(
                    c.ExpressionStatement(
                        function(
                            product.g.shape[2],
                            start + (first * product.dilation[1] * strides[2] + _channel),
                            *steps,
                            address(g, product.g.strides[:2], (_image, _line)) + _channel,
                            product.g.strides[2],
                            count,
                            _sums + (_vector * (height * width) + self.place(y, first)) * (self.each * vector.lanes),
                        )
                    )
                )
        return tuple(calls)

    def place(self, y: int, x: int) -> int:
        """Return the number of a tap in the order of the sums: block after block."""
        (height, width), (down, across) = self.product.kernel, self.block
        top, left = y // down * down, x // across * across
        rows, columns = min(down, height - top), min(across, width - left)
        return top * width + rows * left + (y - top) * columns + (x - left)

    def write_out(self, result: c.Expression) -> c.Statement:
        """Return the loops that store the sums in the order of the filters."""
        product, lanes, each, (height, width) = self.product, self.vector.lanes, self.each, self.product.kernel
        stored = []
        for y in range(height):
            for x in range(width):
                place = ((_vector * (height * width) + self.place(y, x)) * each + _output) * lanes + _lane
                axes = (_channel / each, _output, _channel % each, c.literal(y), c.literal(x))
                stored.append(c.Assign(address(result, product.result.strides, axes)[c.literal(0)], _sums[place]))
        channel = c.Declare(c.const(c.int64), "channel", (_task * self.vectors + _vector) * lanes + _lane)
        inner = c.If(_channel < product.num_channels, (c.loop("output", each, *stored),))
        return c.loop("vector", self.vectors, c.loop("lane", lanes, channel, inner))
