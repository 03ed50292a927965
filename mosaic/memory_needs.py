"""The peak memory of a run, and the nodes that take most of it, for the error when memory is too small."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from composit.program import Program, labels_of
from composit.source import describe_source
from mosaic.compiled import CompiledProgram
from mosaic.ir.views import Buffer, BufferKind
from mosaic.runtime.memory_limit import spell_bytes

_NUM_NAMED = 3
_LEAST_NAMED_BYTES = 1 << 20


def peak_bytes(compiled: CompiledProgram, ending: Sequence[frozenset[Buffer]], num_threads: int) -> int:
    """Return the most bytes of arrays between steps that are alive at once, and of the arena that regions share.

    ending: for each step the buffers that nothing reads after it
    """
    alive = most = 0
    for step, over in zip(compiled.steps, ending, strict=True):
        alive += sum(buffer.num_bytes for buffer in set(step.filled_buffers()))
        most = max(most, alive)
        alive -= sum(buffer.num_bytes for buffer in over if buffer.kind is BufferKind.TEMPORARY)
    return most + arena_bytes(compiled, num_threads)


def arena_bytes(compiled: CompiledProgram, num_threads: int) -> int:
    """Return the size of an arena that serves each region in turn."""
    return max((region.num_arena_bytes(num_threads) for region in compiled.regions), default=0)


def describe_largest(program: Program, compiled: CompiledProgram) -> str:
    """Return the results that take most memory, with the lines that built them."""
    sizes: dict[int, int] = {}
    for region in compiled.regions:
        sizes.update(region.arena.largest)
    for island in compiled.islands:
        sizes[island.origins[0]] = sum(view.buffer.num_bytes for view in island.results)
    return describe_nodes(program, sizes.items())


def describe_nodes(program: Program, sizes: Iterable[tuple[int, int]]) -> str:
    """Return the largest of some instructions, given with their bytes, one a line with the line that built it."""
    largest = sorted((one for one in sizes if one[1] >= _LEAST_NAMED_BYTES), key=lambda one: -one[1])
    return "".join(f"\n  {_describe(program, position, size)}" for position, size in largest[:_NUM_NAMED])


def _describe(program: Program, position: int, num_bytes: int) -> str:
    instruction, label = program.instructions[position], labels_of(program)[position]
    where = f", built at\n    {describe_source(label.source).strip()}" if label.source is not None else ""
    return f"{spell_bytes(num_bytes)} for {label.name}: {instruction.types[0]}{where}"
