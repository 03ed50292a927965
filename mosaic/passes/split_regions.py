"""Splits a program into regions of kernels and the islands (numpy calls) between them, with what each passes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mosaic.ir.statements import Group, IrProgram, Island, read_views, written_views
from mosaic.ir.views import Buffer, BufferKind
from mosaic.lowering.registry import compiled_dtypes


@dataclass(frozen=True, slots=True)
class Region:
    """Groups that run in one C function, the buffers it is given and those it hands on.

    A region that `is_packing` depends on one input only: its results may be kept as long as the input's array. The
    `updated` are outputs that an earlier step has filled, of which the region changes a part.
    """

    groups: tuple[Group, ...]
    inputs: tuple[Buffer, ...]
    outputs: tuple[Buffer, ...]
    is_packing: bool = False
    updated: tuple[Buffer, ...] = ()


Step = Region | Island


def split_regions(program: IrProgram) -> tuple[Step, ...]:
    """Return the steps in order. A program without islands is one region with the program's inputs and outputs."""
    packing = _packing_regions(program)
    packed = {id(group) for region in packing for group in region.groups}
    runs: list[list[Group] | Island] = []
    for statement in program.statements:
        if isinstance(statement, Island):
            runs.append(statement)
            continue
        assert isinstance(statement, Group), "groups have been formed"
        if id(statement) in packed:
            continue
        if not runs or isinstance(runs[-1], Island):
            runs.append([])
        run = runs[-1]
        assert isinstance(run, list)
        run.append(statement)
    outputs = program.delivered
    if all(isinstance(run, list) for run in runs) and _are_compiled((*program.inputs, *outputs)):
        inputs = (*program.inputs, *program.packed_inputs)
        return (*packing, *(Region(tuple(run), inputs, outputs) for run in runs if isinstance(run, list)))
    return (*packing, *_with_borders(runs, outputs))


def _with_borders(runs: Sequence[list[Group] | Island], outputs: Sequence[Buffer]) -> list[Step]:
    """Return the steps; a region hands on the buffers that an output or a later step reads."""
    needed = set(outputs)
    steps: list[Step] = []
    written = [_written([run] if isinstance(run, Island) else run) for run in runs]
    fillers = Counter(buffer for each in written for buffer in each)
    for run, own in zip(reversed(runs), reversed(written), strict=True):
        fillers.subtract(list(own))
        updated = [buffer for buffer in own if fillers[buffer]]
        steps.append(run if isinstance(run, Island) else _region(run, needed, updated))
        needed.update(updated)
        for statement in [run] if isinstance(run, Island) else run:
            needed.update(view.buffer for view in read_views(statement))
    return steps[::-1]


def _written(statements: Sequence[Group | Island]) -> dict[Buffer, None]:
    return dict.fromkeys(view.buffer for statement in statements for view in written_views(statement))


def _are_compiled(buffers: Sequence[Buffer]) -> bool:
    return all(buffer.dtype in compiled_dtypes for buffer in buffers)


def _packing_regions(program: IrProgram) -> tuple[Region, ...]:
    """Return a region for each input whose panels are kept."""
    regions = []
    for source in dict.fromkeys(program.packed_inputs.values()):
        panels = tuple(panel for panel, other in program.packed_inputs.items() if other is source)
        groups = tuple(
            group
            for group in program.statements
            if isinstance(group, Group) and any(view.buffer in panels for view in written_views(group))
        )
        regions.append(Region(groups, (source,), panels, is_packing=True))
    return tuple(regions)


def _region(groups: list[Group], needed: Collection[Buffer], updated: Sequence[Buffer]) -> Region:
    written = _written(groups)
    read = dict.fromkeys(view.buffer for group in groups for view in read_views(group))
    inputs = tuple(buffer for buffer in read if buffer not in written and buffer.kind is not BufferKind.CONSTANT)
    outputs = tuple(buffer for buffer in written if buffer in needed or buffer in updated)
    return Region(tuple(groups), inputs, outputs, updated=tuple(updated))
