"""Assigns each buffer of a region an address: in the tables of inputs and outputs, the constants, or the arena."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

from mosaic.codegen.expressions import status_buffer
from mosaic.codegen.launches import PlaceOf, operand_places
from mosaic.codegen.local_arrays import scratch_buffer
from mosaic.ir.statements import IrProgram, read_views, written_views
from mosaic.ir.views import Buffer, BufferKind
from mosaic.lowering.registry import compiled_dtypes
from mosaic.passes.plan_buffers import BufferPlan, BufferRequest, plan_buffers, plan_without_reuse
from mosaic.passes.split_regions import Region

constant_alignment_bytes = 64


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """The addresses of a region's operands. `status_origins` are the instructions that may find an index out of bounds,
    one int64 each in an output behind the region's own; `arena` says where in the arena each intermediate result starts,
    in bytes."""

    place_of: PlaceOf
    buffers: BufferPlan
    status_origins: tuple[int, ...]
    arena: Mapping[Buffer, int]

    @property
    def num_status(self) -> int:
        """How many places for index errors there are."""
        return len(self.status_origins)

    def __str__(self) -> str:
        sizes = f"{self.buffers.arena_bytes} bytes, {self.buffers.unshared_bytes} without sharing"
        places = [f"    {buffer.name}: {buffer.num_bytes} bytes at {start}" for buffer, start in self.arena.items()]
        return "\n".join([f"arena of {sizes}", *places])


def constant_offsets(program: IrProgram) -> dict[Buffer, int | None]:
    """Return the byte offset of each constant that is still read; None for a constant that C never reads."""
    offsets: dict[Buffer, int | None] = {}
    stop = 0
    read = [view.buffer for statement in program.statements for view in read_views(statement)]
    for buffer in (*read, *program.delivered):
        if buffer.kind is not BufferKind.CONSTANT or buffer in offsets:
            continue
        if buffer.dtype not in compiled_dtypes:
            offsets[buffer] = None
            continue
        offsets[buffer] = stop
        stop += -(-buffer.num_bytes // constant_alignment_bytes) * constant_alignment_bytes
    return offsets


def assign_memory(region: Region, reuse_buffers: bool, constants: Mapping[Buffer, int | None]) -> MemoryPlan:
    """Return the addresses of everything the region reads or writes."""
    inputs = {buffer: position for position, buffer in enumerate(region.inputs)}
    outputs = {buffer: position for position, buffer in enumerate(region.outputs)}
    requests = _requests(region, {*inputs, *outputs, *constants})
    plan = (plan_buffers if reuse_buffers else plan_without_reuse)(list(requests.values()))
    arena = dict(zip(requests, plan.offsets, strict=True))
    origins = _status_origins(region)
    slots = {origin: slot for slot, origin in enumerate(origins)}
    in_block = {buffer: start for buffer, start in constants.items() if start is not None}
    # The threads' parts follow the buffers, since their total size depends on the number of threads.
    own = {**arena, scratch_buffer: plan.arena_bytes}
    place_of = operand_places(inputs, {**outputs, status_buffer: len(outputs)}, in_block, own, slots)
    return MemoryPlan(place_of, plan, origins, arena)


def _requests(region: Region, placed: set[Buffer]) -> dict[Buffer, BufferRequest]:
    """Return the lifetime of each buffer that lies in the arena, counted in groups.

    A buffer used in a loop is alive in all its turns.
    """
    first: dict[Buffer, int] = {}
    last: dict[Buffer, int] = {}
    begins, ends = _borders_of_loops(region)
    for step, group in enumerate(region.groups):
        for view in (*read_views(group), *written_views(group)):
            if view.buffer not in placed and view.buffer not in group.local and view.size:
                first.setdefault(view.buffer, begins[step])
                last[view.buffer] = ends[step]
    return {buffer: BufferRequest(buffer.num_bytes, first[buffer], last[buffer]) for buffer in first}


def _borders_of_loops(region: Region) -> tuple[list[int], list[int]]:
    """Return for each group the first and the last group of the outermost loop around it."""
    begins, ends = list(range(len(region.groups))), list(range(len(region.groups)))
    for turns, steps in groupby(range(len(region.groups)), lambda step: region.groups[step].turns[:1]):
        together = list(steps)
        for step in together if turns else ():
            begins[step], ends[step] = together[0], together[-1]
    return begins, ends


def _status_origins(region: Region) -> tuple[int, ...]:
    return tuple(dict.fromkeys(gather.origin for group in region.groups for gather in group.checked_indices()))
