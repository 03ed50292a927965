"""The description of a compiled program: its C text, and all that running and reporting need.

It refers to the Program's instructions by position and holds no values of constants, so that it can be stored and be
used with any program of the same structure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mosaic.ir.expressions import Uniform
from mosaic.ir.islands import Island
from mosaic.ir.views import Buffer, Shape, View
from mosaic.tiling.packing import Packed


@dataclass(frozen=True, slots=True)
class CompiledKernel:
    """One launch of a kernel: the function, how many tasks it has, what it computes.

    num_bytes:     of the buffers it reads and writes, each counted once; local results not
    scratch_bytes: bytes of the arena for each thread that runs it
    """

    function: str
    num_tasks: int
    origins: tuple[int, ...]
    shapes: tuple[Shape, ...]
    num_flops: int
    num_bytes: int
    scratch_bytes: int


@dataclass(frozen=True, slots=True)
class ArenaSize:
    """Bytes of a region's intermediate results: with sharing, without, and what liveness asks for at least.

    largest: the buffers that take most, outputs too: the instruction that computes each, and its bytes
    """

    arena_bytes: int
    unshared_bytes: int
    lower_bound_bytes: int
    largest: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class CompiledRegion:
    """A C function, the buffers it is given and those it hands on.

    A region that `is_packing` depends on one input only: its results may be kept as long as the input's array.
    `status_origins` are the instructions that may find an index out of bounds, one int64 each in an output behind the
    region's own. The `updated` are outputs that an earlier step has filled, of which the region changes a part.
    """

    inputs: tuple[Buffer, ...]
    outputs: tuple[Buffer, ...]
    is_packing: bool
    status_origins: tuple[int, ...]
    arena: ArenaSize
    kernels: tuple[CompiledKernel, ...]
    updated: tuple[Buffer, ...] = ()

    @property
    def num_status(self) -> int:
        """How many places for index errors there are."""
        return len(self.status_origins)

    def touched_buffers(self) -> Iterator[Buffer]:
        """Yield the buffers that it reads or fills."""
        yield from (*self.inputs, *self.outputs)

    def filled_buffers(self) -> Iterator[Buffer]:
        """Yield the buffers that it makes."""
        yield from (buffer for buffer in self.outputs if buffer not in self.updated)

    def num_arena_bytes(self, num_threads: int) -> int:
        """Return the size of its arena: intermediate results, and the threads' local arrays."""
        scratch = (kernel.scratch_bytes * min(kernel.num_tasks, num_threads) for kernel in self.kernels)
        return self.arena.arena_bytes + max(scratch, default=0)


CompiledStep = CompiledRegion | Island


@dataclass(frozen=True, slots=True)
class ConstantPlace:
    """Where in the block of constants a buffer starts, in bytes, and whose value fills it: an instruction's, as it is
    or packed. A constant of a dtype without C has no start and stays an array."""

    start: int | None
    position: int
    packing: Packed | None = None


@dataclass(frozen=True, slots=True)
class Donation:
    """An output and an input that it is computed from: it may be written into the input's memory unless there is a reason."""

    output: int
    input: int
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class CompiledProgram:
    """A C text and how it is run.

    steps:              regions and islands in order; region i is run by the i-th function of the text
    input_positions:    the instructions of the inputs
    constant_positions: the instructions that depend on constants alone
    lowered:            the instructions that became statements; the others are views, constants or repetitions
    donations:          which outputs may be written into the memory of which inputs
    """

    source: str
    steps: tuple[CompiledStep, ...]
    inputs: tuple[Buffer, ...]
    input_positions: tuple[int, ...]
    outputs: tuple[View | Uniform, ...]
    constants: Mapping[Buffer, ConstantPlace]
    constant_positions: frozenset[int]
    lowered: frozenset[int]
    donations: tuple[Donation, ...] = ()

    @property
    def regions(self) -> list[CompiledRegion]:
        """The steps that run in machine code."""
        return [step for step in self.steps if isinstance(step, CompiledRegion)]

    @property
    def islands(self) -> list[Island]:
        """The steps that numpy runs."""
        return [step for step in self.steps if isinstance(step, Island)]

    @property
    def kernels(self) -> list[CompiledKernel]:
        """The kernels of all regions in the order in which they run."""
        return [kernel for region in self.regions for kernel in region.kernels]
