"""Splits a program into regions of kernels and the islands (numpy calls) between them, with what each passes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from mosaic.ir.islands import Island
from mosaic.ir.kinds import of_kind
from mosaic.ir.statements import Group, IrProgram, Statement, read_views, written_views
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

    def __str__(self) -> str:
        head = f"region({_names(self.inputs)}) -> {_names(self.outputs)}:"
        lines = [line for group in self.groups for line in str(group).splitlines()]
        return "\n".join([head, *(f"    {line}" for line in lines)])


def _names(buffers: Sequence[Buffer]) -> str:
    return ", ".join(buffer.name for buffer in buffers)


Step = Region | Island


def regions_of(steps: Iterable[Step]) -> list[Region]:
    """Return the steps that run in machine code."""
    return [step for step in steps if isinstance(step, Region)]


def split_regions(program: IrProgram) -> tuple[Step, ...]:
    """Return the steps in order. A program without islands is one region with the program's inputs and outputs."""
    packing = _packing_regions(program)
    packed = {id(group) for region in packing for group in region.groups}
    runs = list(_runs(statement for statement in program.statements if id(statement) not in packed))
    outputs = program.delivered
    if all(run.island is None for run in runs) and _are_compiled((*program.inputs, *outputs)):
        inputs = (*program.inputs, *program.packed_inputs)
        return (*packing, *(Region(run.groups, inputs, outputs) for run in runs))
    return (*packing, *_with_borders(runs, outputs))


@dataclass(frozen=True, slots=True)
class _Run:
    """Neighbouring groups, or one island."""

    groups: tuple[Group, ...] = ()
    island: Island | None = None

    @property
    def statements(self) -> tuple[Statement, ...]:
        return self.groups if self.island is None else (self.island,)

    @property
    def written(self) -> dict[Buffer, None]:
        """The buffers that it fills, in order."""
        return dict.fromkeys(view.buffer for statement in self.statements for view in written_views(statement))

    @property
    def read(self) -> dict[Buffer, None]:
        """The buffers that it reads, in order."""
        return dict.fromkeys(view.buffer for statement in self.statements for view in read_views(statement))


def _runs(statements: Iterable[Statement]) -> Iterator[_Run]:
    for is_compiled, neighbours in groupby(statements, lambda statement: statement.is_compiled):
        together = tuple(neighbours)
        if is_compiled:
            groups = of_kind(Group, together)
            assert len(groups) == len(together), "groups have been formed"
            yield _Run(groups)
        else:
            yield from (_Run(island=island) for island in of_kind(Island, together))


def _with_borders(runs: Sequence[_Run], outputs: Sequence[Buffer]) -> list[Step]:
    """Return the steps; a region hands on the buffers that an output or a later step reads."""
    needed = set(outputs)
    steps: list[Step] = []
    written = [run.written for run in runs]
    fillers = Counter(buffer for each in written for buffer in each)
    for run, own in zip(reversed(runs), reversed(written), strict=True):
        fillers.subtract(list(own))
        updated = [buffer for buffer in own if fillers[buffer]]
        steps.append(_region(run, own, needed, updated) if run.island is None else run.island)
        needed.update(updated, run.read)
    return steps[::-1]


def _are_compiled(buffers: Sequence[Buffer]) -> bool:
    return all(buffer.dtype in compiled_dtypes for buffer in buffers)


def _packing_regions(program: IrProgram) -> tuple[Region, ...]:
    """Return a region for each input whose panels are kept."""
    regions = []
    for source in dict.fromkeys(program.packed_inputs.values()):
        panels = tuple(panel for panel, other in program.packed_inputs.items() if other is source)
        groups = tuple(group for group in program.groups if any(view.buffer in panels for view in written_views(group)))
        regions.append(Region(groups, (source,), panels, is_packing=True))
    return tuple(regions)


def _region(run: _Run, written: Collection[Buffer], needed: Collection[Buffer], updated: Sequence[Buffer]) -> Region:
    inputs = tuple(buffer for buffer in run.read if buffer not in written and buffer.kind is not BufferKind.CONSTANT)
    outputs = tuple(buffer for buffer in written if buffer in needed or buffer in updated)
    return Region(run.groups, inputs, outputs, updated=tuple(updated))
