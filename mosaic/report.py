"""Reports of a compiled model: kernels, memory, the kernel of each node, times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from composit.errors import ParameterError
from composit.program import Label
from mosaic.algorithms.choosing import Choice
from mosaic.algorithms.explaining import describe_choice
from mosaic.executable import Executable
from mosaic.without_compiler import InterpretedExecutable

AnyExecutable = Executable | InterpretedExecutable


@dataclass(frozen=True, slots=True)
class KernelRecord:
    """One kernel as it runs.

    num_bytes: of the buffers it reads and writes, each counted once; local results not
    """

    function: str
    operations: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    num_flops: int
    num_bytes: int
    num_tasks: int


@dataclass(frozen=True, slots=True)
class BufferReport:
    """Bytes of intermediate results: with sharing, without, and what liveness asks for at least."""

    arena_bytes: int
    bytes_without_reuse: int
    lower_bound_bytes: int
    constant_bytes: int

    def __str__(self) -> str:
        return (
            f"arena {self.arena_bytes} bytes; {self.bytes_without_reuse} without reuse; at least "
            f"{self.lower_bound_bytes} alive at once; constants {self.constant_bytes}"
        )


@dataclass(frozen=True, slots=True)
class KernelTime:
    """The median time of a kernel over the runs, and its rates."""

    record: KernelRecord
    elapsed_ns: float

    @property
    def gflops(self) -> float:
        """Arithmetic per nanosecond."""
        return self.record.num_flops / max(self.elapsed_ns, 1.0)

    @property
    def gigabytes_per_second(self) -> float:
        """Memory traffic per nanosecond."""
        return self.record.num_bytes / max(self.elapsed_ns, 1.0)


@dataclass(frozen=True, slots=True)
class ProfileReport:
    """Times of all kernels; printed, the slowest functions first."""

    kernels: tuple[KernelTime, ...]

    @property
    def elapsed_ns(self) -> float:
        """The sum over all kernels."""
        return sum(kernel.elapsed_ns for kernel in self.kernels)

    def __str__(self) -> str:
        lines = [f"{'function':<12} {'calls':>5} {'ms':>9} {'share':>6} {'GFLOP/s':>8} {'GB/s':>7}  operations"]
        for calls in sorted(self._by_function(), key=lambda group: -sum(one.elapsed_ns for one in group)):
            elapsed = sum(one.elapsed_ns for one in calls)
            flops = sum(one.record.num_flops for one in calls) / max(elapsed, 1.0)
            traffic = sum(one.record.num_bytes for one in calls) / max(elapsed, 1.0)
            record = calls[0].record
            words = ", ".join(dict.fromkeys(record.operations))[:60]
            share = elapsed / max(self.elapsed_ns, 1.0)
            figures = f"{elapsed / 1e6:>9.3f} {share:>6.1%} {flops:>8.1f} {traffic:>7.1f}"
            lines.append(f"{record.function:<12} {len(calls):>5} {figures}  {words}")
        return "\n".join([*lines, f"{'total':<12} {len(self.kernels):>5} {self.elapsed_ns / 1e6:>9.3f}"])

    def _by_function(self) -> list[list[KernelTime]]:
        groups: dict[str, list[KernelTime]] = {}
        for kernel in self.kernels:
            groups.setdefault(kernel.record.function, []).append(kernel)
        return list(groups.values())


def kernel_records(executable: AnyExecutable) -> tuple[KernelRecord, ...]:
    """Return a record per kernel, in the order in which they run."""
    instructions = executable.program.instructions
    return tuple(
        KernelRecord(
            kernel.function,
            tuple(instructions[origin].operation.name for origin in kernel.origins),
            kernel.shapes,
            kernel.num_flops,
            kernel.num_bytes,
            kernel.num_tasks,
        )
        for kernel in executable.compiled.kernels
    )


def buffer_report(executable: AnyExecutable) -> BufferReport:
    """Return the bytes of the arena that all regions share, including the threads' local arrays."""
    sizes = [(0, 0, 0)]
    for region in executable.compiled.regions:
        arena = region.arena
        scratch = region.num_arena_bytes(executable.num_threads) - arena.arena_bytes
        sizes.append((arena.arena_bytes + scratch, arena.unshared_bytes + scratch, arena.lower_bound_bytes + scratch))
    most, unshared, least = zip(*sizes, strict=True)
    return BufferReport(max(most), sum(unshared), max(least), executable.constants.nbytes)


def explain(executable: AnyExecutable, algorithms: Iterable[Choice] = (), labels: Sequence[Label] = ()) -> str:
    """Return one line per node: computed in which kernel, or why in none; below it its algorithm, and those that it might have had.

    labels: of the nodes, where they have other names than in the program that was compiled
    """
    program, fate = executable.program, _fates(executable)
    names = labels or program.labels
    choices: dict[int, list[Choice]] = {}
    for choice in algorithms:
        choices.setdefault(choice.position, []).append(choice)
    lines = []
    for position, instruction in enumerate(program.instructions):
        label = names[position]
        where = f"{label.scope}/" if label.scope else ""
        types = ", ".join(map(str, instruction.types))
        words = fate.get(position) or _without_kernel(executable, position)
        lines.append(f"%{position} {where}{label.name} {types}: {words}")
        lines += [f"    {line}" for choice in choices.get(position, []) for line in describe_choice(choice)]
    return "\n".join(lines)


def _fates(executable: AnyExecutable) -> dict[int, str]:
    fates: dict[int, str] = {}
    for number, kernel in enumerate(executable.compiled.kernels):
        for origin in kernel.origins:
            others = len(kernel.origins) - 1
            fused = f", fused with {others} other node{'s' * (others > 1)}" if others else ""
            fates.setdefault(origin, f"kernel {number} ({kernel.function}){fused}")
    for island in executable.compiled.islands:
        fates[island.origins[0]] = f"numpy island, because {island.reason}"
    return fates


def _without_kernel(executable: AnyExecutable, position: int) -> str:
    instruction = executable.program.instructions[position]
    if position in executable.compiled.input_positions:
        return "input"
    if position in executable.compiled.constant_positions:
        return "constant" if not instruction.operands else "folded: it depends on constants alone"
    if not instruction.operands:
        return "a scalar in the code"
    if position in executable.compiled.lowered:
        return "not needed by any output"
    return "a view of its operand, or the same as an earlier node"


def profile_report(executable: AnyExecutable, arrays: Sequence[Any], repeat: int) -> ProfileReport:
    """Return the median time of each kernel over `repeat` runs, after one that is not counted.

    Raises: ParameterError: no run is asked for
    """
    if repeat < 1:
        raise ParameterError(f"profile: repeat={repeat!r} was given; expected at least one run")
    executable.run(arrays)
    runs = [list(_kernel_times(executable, arrays)) for _ in range(repeat)]
    medians = [sorted(times)[len(times) // 2] for times in zip(*runs, strict=True)]
    records = kernel_records(executable)
    return ProfileReport(tuple(KernelTime(record, time) for record, time in zip(records, medians, strict=True)))


def _kernel_times(executable: AnyExecutable, arrays: Sequence[Any]) -> Iterator[int]:
    yield from executable.profile(arrays, len(executable.compiled.kernels))
