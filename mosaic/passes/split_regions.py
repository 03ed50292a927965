"""Parts a program into regions of kernels and the islands between them, and says what crosses the borders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mosaic.ir import Group, IrProgram, Island, read_views, written_views
from mosaic.ir_views import Buffer, BufferKind


@dataclass(frozen=True, slots=True)
class Region:
    """Groups that run in one C function, the buffers it is given and those it hands on."""

    groups: tuple[Group, ...]
    inputs: tuple[Buffer, ...]
    outputs: tuple[Buffer, ...]


Step = Region | Island


def split_regions(program: IrProgram) -> tuple[Step, ...]:
    """Return the steps in order. A program without islands is one region with the program's inputs and outputs."""
    runs: list[list[Group] | Island] = []
    for statement in program.statements:
        if isinstance(statement, Island):
            runs.append(statement)
            continue
        assert isinstance(statement, Group), "groups have been formed"
        if not runs or isinstance(runs[-1], Island):
            runs.append([])
        run = runs[-1]
        assert isinstance(run, list)
        run.append(statement)
    outputs = program.delivered
    if all(isinstance(run, list) for run in runs):
        return tuple(Region(tuple(run), program.inputs, outputs) for run in runs if isinstance(run, list))
    return tuple(
        run if isinstance(run, Island) else _region(run, runs[:index], runs[index + 1 :], outputs)
        for index, run in enumerate(runs)
    )


def _region(
    groups: list[Group],
    before: Sequence[list[Group] | Island],
    after: Sequence[list[Group] | Island],
    outputs: tuple[Buffer, ...],
) -> Region:
    written = dict.fromkeys(view.buffer for group in groups for view in written_views(group))
    read = dict.fromkeys(view.buffer for group in groups for view in read_views(group))
    needed = set(outputs)
    for run in after:
        for statement in [run] if isinstance(run, Island) else run:
            needed.update(view.buffer for view in read_views(statement))
    inputs = tuple(buffer for buffer in read if buffer not in written and buffer.kind is not BufferKind.CONSTANT)
    return Region(tuple(groups), inputs, tuple(buffer for buffer in written if buffer in needed))
