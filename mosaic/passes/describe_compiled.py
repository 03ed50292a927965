"""The last pass: from groups, launches and plans to the description that running and reporting need."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import singledispatch

import numpy as np

from mosaic.codegen.launches import Launch
from mosaic.compiled import ArenaSize, CompiledKernel, CompiledRegion, CompiledStep, ConstantPlace
from mosaic.ir.islands import Island
from mosaic.ir.statements import Group, IrProgram
from mosaic.ir.views import Buffer
from mosaic.passes.assign_memory import MemoryPlan
from mosaic.passes.split_regions import Region, Step

# How many nodes an error for too little memory names.
_NUM_LARGEST = 3


def describe_steps(
    steps: Sequence[Step], plans: Sequence[MemoryPlan], launches: Sequence[Sequence[Launch]]
) -> Iterator[CompiledStep]:
    """Yield each step without its statements; plans and launches are those of the regions, in order."""
    facts = iter(zip(plans, launches, strict=True))
    for step in steps:
        yield _described(step, facts)


Facts = Iterator[tuple[MemoryPlan, Sequence[Launch]]]


@singledispatch
def _described(step: object, facts: Facts) -> CompiledStep:
    """Return a step without its statements; a region takes the next of the facts."""
    raise TypeError(f"describe_steps: {type(step).__name__} is no step of a program")


@_described.register
def _(step: Region, facts: Facts) -> CompiledStep:
    plan, calls = next(facts)
    planned = plan.buffers
    sizes = (planned.arena_bytes, planned.unshared_bytes, planned.lower_bound_bytes)
    arena = ArenaSize(*sizes, _largest_buffers(step.groups))
    kernels = tuple(_kernel(group, launch) for group, launch in zip(step.groups, calls, strict=True))
    origins = plan.status_origins
    return CompiledRegion(step.inputs, step.outputs, step.is_packing, origins, arena, kernels, step.updated)


@_described.register
def _(step: Island, facts: Facts) -> CompiledStep:
    return step


def constant_places(
    program: IrProgram, offsets: Mapping[Buffer, int | None], known: Collection[int]
) -> dict[Buffer, ConstantPlace]:
    """Return what fills each constant buffer; lowering numbers those that are not packed by the known instructions."""
    positions = sorted(known)
    places = {}
    for buffer, start in offsets.items():
        content = program.constants[buffer]
        packing = None if isinstance(content, np.ndarray) else content
        source = buffer if packing is None else packing.view.buffer
        places[buffer] = ConstantPlace(start, positions[source.number], packing)
    return places


def _kernel(group: Group, launch: Launch) -> CompiledKernel:
    touched = {view.buffer: view for view in (*group.reads(), *group.writes())}
    num_bytes = sum(
        min(view.buffer.num_bytes, view.size * view.dtype.itemsize)
        for view in touched.values()
        if view.buffer not in group.local
    )
    shapes = tuple(view.most_shape for view in group.writes())
    facts = (group.origins, shapes, group.num_flops, num_bytes, launch.scratch_bytes)
    return CompiledKernel(launch.function, launch.num_tasks, *facts)


def _largest_buffers(groups: Sequence[Group]) -> tuple[tuple[int, int], ...]:
    """Return the instruction and the bytes of each of the largest buffers that the groups fill."""
    sizes = {
        view.buffer: (stage.origins[-1], view.buffer.num_bytes)
        for group in groups
        for stage in group.stages
        for view in stage.writes()
        if view.buffer not in group.local
    }
    return tuple(sorted(sizes.values(), key=lambda one: -one[1])[:_NUM_LARGEST])
