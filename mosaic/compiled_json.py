"""A compiled program as JSON text and back: lists of numbers, with each buffer once in a table.

The text says nothing of values of constants, and nothing that is read is run: it holds numbers and words only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from functools import singledispatch
from typing import Any, TypeAlias

import numpy as np

from mosaic.compiled import (
    ArenaSize,
    CompiledKernel,
    CompiledProgram,
    CompiledRegion,
    CompiledStep,
    ConstantPlace,
    Donation,
)
from mosaic.ir.expressions import Literal, Uniform
from mosaic.ir.islands import Island
from mosaic.ir.views import Buffer, BufferKind, View
from mosaic.tiling.packing import Packing
from mosaic.tiling.pairs import PairPacking
from mosaic.tiling.winograd_filters import WinogradPanels

Row: TypeAlias = list[Any]  # Any: numbers, words and lists of them, as the json module reads and writes

_packings: dict[str, type[Packing | PairPacking | WinogradPanels]] = {
    each.__name__: each for each in (Packing, PairPacking, WinogradPanels)
}
"""How constants are packed, by name; the first field of each is a view, the others are numbers and tuples of them."""


def can_be_stored(compiled: CompiledProgram) -> bool:
    """Whether all dtypes have a name from which numpy makes them again."""
    seen = [value.dtype if isinstance(value, View) else value.literal.dtype for value in _values(compiled)]
    return all(map(_is_named, [*seen, *(buffer.dtype for buffer in (*compiled.inputs, *compiled.constants))]))


def to_json(compiled: CompiledProgram) -> str:
    """Return all but the C text, which is stored beside it."""
    writer = _Writer()
    content = {
        "steps": [_step_row(step, writer) for step in compiled.steps],
        "inputs": [writer.buffer(buffer) for buffer in compiled.inputs],
        "input_positions": compiled.input_positions,
        "outputs": [writer.value(value) for value in compiled.outputs],
        "constants": [writer.constant(buffer, place) for buffer, place in compiled.constants.items()],
        "constant_positions": sorted(compiled.constant_positions),
        "lowered": sorted(compiled.lowered),
        "donations": [[each.output, each.input, each.reason] for each in compiled.donations],
    }
    return json.dumps({"buffers": writer.rows, **content})


def from_json(text: str, source: str) -> CompiledProgram:
    """Return the program that `to_json` described.

    Raises: ValueError, KeyError, IndexError, TypeError: the text is something else
    """
    content = json.loads(text)
    reader = _Reader([_buffer(row) for row in content["buffers"]])
    return CompiledProgram(
        source,
        tuple(reader.step(each) for each in content["steps"]),
        reader.buffers(content["inputs"]),
        tuple(content["input_positions"]),
        tuple(reader.value(each) for each in content["outputs"]),
        dict(reader.constant(each) for each in content["constants"]),
        frozenset(content["constant_positions"]),
        frozenset(content["lowered"]),
        tuple(Donation(*row) for row in content["donations"]),
    )


def _values(compiled: CompiledProgram) -> list[View | Uniform]:
    return [*compiled.outputs, *(value for island in compiled.islands for value in (*island.operands, *island.results))]


def _is_named(dtype: np.dtype) -> bool:
    return not dtype.hasobject and dtype.names is None and np.dtype(dtype.str) == dtype


@dataclass(frozen=True, slots=True)
class _Writer:
    """Numbers buffers in the order in which they are met."""

    rows: list[Row] = field(default_factory=list)
    numbers: dict[Buffer, int] = field(default_factory=dict)

    def buffer(self, buffer: Buffer) -> int:
        if buffer not in self.numbers:
            self.numbers[buffer] = len(self.rows)
            self.rows.append([buffer.kind.value, buffer.number, buffer.num_elements, buffer.dtype.str])
        return self.numbers[buffer]

    def value(self, value: View | Uniform) -> Row:
        if isinstance(value, View):
            return [self.buffer(value.buffer), value.offset, value.shape, value.strides]
        return [value.literal.dtype.str, value.literal.bits.hex(), value.shape]

    def constant(self, buffer: Buffer, place: ConstantPlace) -> Row:
        packed = place.packing
        row = None
        if packed is not None:
            _, *rest = fields(_packings[type(packed).__name__])
            row = [type(packed).__name__, self.value(packed.view), *(getattr(packed, each.name) for each in rest)]
        return [self.buffer(buffer), place.start, place.position, row]


@singledispatch
def _step_row(step: object, writer: _Writer) -> Row:
    raise TypeError(f"to_json: {type(step).__name__} is no step of a compiled program")


@_step_row.register
def _(step: CompiledRegion, writer: _Writer) -> Row:
    inputs, outputs = ([writer.buffer(one) for one in buffers] for buffers in (step.inputs, step.outputs))
    sizes = step.arena
    arena = [sizes.arena_bytes, sizes.unshared_bytes, sizes.lower_bound_bytes, sizes.largest]
    kernels = [
        [one.function, one.num_tasks, one.origins, one.shapes, one.num_flops, one.num_bytes, one.scratch_bytes]
        for one in step.kernels
    ]
    updated = [writer.buffer(one) for one in step.updated]
    return ["region", inputs, outputs, step.is_packing, step.status_origins, arena, kernels, updated]


@_step_row.register
def _(step: Island, writer: _Writer) -> Row:
    results, operands = ([writer.value(one) for one in values] for values in (step.results, step.operands))
    return ["island", results, operands, step.origins, step.reason, step.updates_operand]


def _buffer(row: Row) -> Buffer:
    kind, number, num_elements, dtype = row
    return Buffer(BufferKind(kind), number, num_elements, np.dtype(dtype))


@dataclass(frozen=True, slots=True)
class _Reader:
    """Makes each buffer once, so that what is equal is one object again."""

    table: list[Buffer]

    def buffers(self, numbers: list[int]) -> tuple[Buffer, ...]:
        return tuple(self.table[number] for number in numbers)

    def view(self, row: Row) -> View:
        buffer, offset, shape, strides = row
        return View(self.table[buffer], offset, tuple(shape), tuple(strides))

    def value(self, row: Row) -> View | Uniform:
        if len(row) == 4:
            return self.view(row)
        dtype, bits, shape = np.dtype(row[0]), bytes.fromhex(row[1]), row[2]
        return Uniform(Literal(np.frombuffer(bits, dtype)[0].item(), dtype, bits), tuple(shape))

    def constant(self, row: Row) -> tuple[Buffer, ConstantPlace]:
        buffer, start, position, packing = row
        packed = None
        if packing is not None:
            name, view, *rest = packing
            numbers: list[Any] = [tuple(each) if isinstance(each, list) else each for each in rest]
            packed = _packings[name](self.view(view), *numbers)
        return self.table[buffer], ConstantPlace(start, position, packed)

    def step(self, row: Row) -> CompiledStep:
        kind, *rest = row
        return self.island(rest) if kind == "island" else self.region(rest)

    def island(self, row: Row) -> Island:
        results, operands, origins, reason, updates_operand = row
        values = tuple(map(self.view, results)), tuple(map(self.value, operands))
        return Island(*values, tuple(origins), reason, updates_operand)

    def region(self, row: Row) -> CompiledRegion:
        inputs, outputs, is_packing, status_origins, arena, kernels, updated = row
        return CompiledRegion(
            self.buffers(inputs),
            self.buffers(outputs),
            is_packing,
            tuple(status_origins),
            _arena_size(arena),
            tuple(map(_kernel, kernels)),
            self.buffers(updated),
        )


def _arena_size(row: Row) -> ArenaSize:
    arena_bytes, unshared_bytes, lower_bound_bytes, largest = row
    pairs = tuple((position, num_bytes) for position, num_bytes in largest)
    return ArenaSize(arena_bytes, unshared_bytes, lower_bound_bytes, pairs)


def _kernel(row: Row) -> CompiledKernel:
    function, num_tasks, origins, shapes, *numbers = row
    return CompiledKernel(function, num_tasks, tuple(origins), tuple(map(tuple, shapes)), *numbers)
