"""Runs a compiled program: regions of machine code, islands run by numpy, and the buffers between them."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from composit.errors import OutOfBoundsError
from composit.operation import Array, Dtype, TensorType, tensor_type
from composit.program import Program, labels_of
from composit.source import describe_source
from mosaic.compiled import CompiledProgram, CompiledRegion
from mosaic.ir.complex_parts import as_stored, as_typed
from mosaic.ir.expressions import Uniform
from mosaic.ir.islands import Island
from mosaic.ir.views import Buffer, View
from mosaic.kernels import lowering as kernels  # noqa: F401  # registers the lowering of kernels
from mosaic.last_reads import buffers_read_last
from mosaic.lowering.registry import compiled_dtypes
from mosaic.memory_needs import arena_bytes, describe_largest, describe_nodes, peak_bytes
from mosaic.numpy_islands import IslandRunner, Values
from mosaic.passes.pipeline import Report, Request
from mosaic.recompiles import record_compilation
from mosaic.runtime.arena import aligned_bytes
from mosaic.runtime.arguments import Order, Signature, adapt_inputs, check_outputs
from mosaic.runtime.call_memory import CallMemory
from mosaic.runtime.compilation import compile_and_load
from mosaic.runtime.execute import PreparedFunction, prepare_function
from mosaic.runtime.library import Library
from mosaic.runtime.memory_limit import check_memory
from mosaic.runtime.outputs import FreeBlocks
from mosaic.runtime.threads import num_available_cores
from mosaic.runtime.tile_registers import allow_tile_registers
from mosaic.stored_programs import compile_and_link
from mosaic.targets import Target, check_runs_here


@dataclass(slots=True, weakref_slot=True)
class KeptPanels:
    """The panels packed from each input in the latest run, as long as the array they were packed from lives."""

    latest: dict[Buffer, tuple[weakref.ref[Array], list[Array]]] = field(default_factory=dict)

    def run(self, region: CompiledRegion, function: PreparedFunction, given: Sequence[Array]) -> list[Array]:
        """Return the results of a packing region, without running it again for an array that cannot have changed."""
        (source,), (array,) = region.inputs, given
        known = self.latest.get(source)
        if known is not None and known[0]() is array:
            return known[1]
        results = function.run(given)
        if not array.flags.writeable and array.base is None:
            self.latest[source] = (weakref.ref(array, partial(_forget, weakref.ref(self), source)), results)
        return results


def _forget(kept: weakref.ref[KeptPanels], source: Buffer, _: object) -> None:
    """Drop the panels of an array that died. A strong reference would keep all panels until a garbage collection."""
    panels = kept()
    if panels is not None:
        panels.latest.pop(source, None)


@dataclass(frozen=True, slots=True, eq=False)
class Executable:
    """The loaded functions of a compiled program, one per region.

    kept:          the constants outside the block
    target:        what the functions were compiled for
    islands:       runs the steps between the regions
    ending:        for each step the buffers that nothing reads after it
    memory:        what all functions lease their memory from
    peak_bytes:    what a run in steps needs at once
    is_one_region: the only region takes and gives what the program does
    """

    program: Program
    compiled: CompiledProgram
    functions: tuple[PreparedFunction, ...]
    constants: Array
    kept: Values
    target: Target
    num_threads: int
    signature: Signature
    islands: IslandRunner
    ending: tuple[frozenset[Buffer], ...]
    memory: CallMemory
    peak_bytes: int
    is_one_region: bool
    panels: KeptPanels = field(default_factory=KeptPanels)

    @property
    def output_types(self) -> tuple[TensorType, ...]:
        """The types of what a run returns."""
        return tuple(self.program.instructions[source].types[index] for source, index in self.program.outputs)

    def __reduce__(self) -> tuple[Callable[..., Executable], tuple[object, ...]]:
        # Machine code stays in its process; where this is loaded, the text is found in the cache or compiled again.
        stored = (self.program, self.compiled, self.constants, self.kept, self.target, self.num_threads)
        return load_executable, stored

    @property
    def run_single(self) -> Callable[[Sequence[Any]], Any] | None:
        """A function from a tuple of arrays to the only output, as numpy returns it; None unless one region computes one output."""
        if not self.is_one_region or len(self.compiled.outputs) != 1:
            return None
        return self.functions[0].run_single

    def run(self, arrays: Sequence[Any], out: Sequence[Array] | None = None) -> list[Array]:
        """Return fresh outputs for the arrays of all inputs, or fill `out`, which is untouched if the run fails."""
        if out is not None:
            return self._run_into(arrays, out)
        return self.functions[0].run(arrays) if self.is_one_region else self._run_steps(arrays)

    def _run_into(self, arrays: Sequence[Any], out: Sequence[Array]) -> list[Array]:
        if self.is_one_region and not self.compiled.regions[0].num_status:
            self.functions[0].run_into(arrays, out)
            return list(out)
        check_outputs(self.output_types, out)
        for place, result in zip(out, self.run(arrays), strict=True):
            np.copyto(place, result)
        return list(out)

    def run_in_place(self, arrays: Sequence[Any], given_away: Mapping[int, int]) -> list[Array]:
        """Return outputs of which some are written into the memory of inputs, which are dense and writable: their arrays.

        given_away: the input of each such output, as `compiled.donations` allows. After an error these hold anything
        """
        if self.is_one_region:
            return self.functions[0].run_on({n: arrays[given] for n, given in given_away.items()}, arrays)
        outputs = self.compiled.outputs
        places = {
            view.buffer: arrays[given_away[number]].reshape(-1)
            for number, view in enumerate(outputs)
            if number in given_away and isinstance(view, View)
        }
        results = self._run_steps(arrays, places=places)
        return [arrays[given_away[n]] if n in given_away else result for n, result in enumerate(results)]

    def _run_steps(
        self, arrays: Sequence[Any], totals: list[int] | None = None, places: Mapping[Buffer, Array] | None = None
    ) -> list[Array]:
        """Run step by step; with `totals`, add the time of each kernel to them. `places` are the memory of some outputs."""
        check_memory(self.peak_bytes, "a run, for intermediate results and outputs,", self.memory.largest)
        values: Values = dict(zip(self.compiled.inputs, adapt_inputs(self.signature, arrays), strict=True))
        functions = iter(self.functions)
        for step, ending in zip(self.compiled.steps, self.ending, strict=True):
            if isinstance(step, Island):
                self.islands.run(step, values, ending)
            else:
                self._run_region(step, next(functions), values, totals, places or {})
            for buffer in ending:
                values.pop(buffer, None)
        typed = zip(self.compiled.outputs, self.output_types, strict=True)
        return [self._output(view, each.dtype, values) for view, each in typed]

    def _run_region(
        self,
        region: CompiledRegion,
        function: PreparedFunction,
        values: Values,
        totals: list[int] | None,
        places: Mapping[Buffer, Array],
    ) -> None:
        given = tuple(values[buffer] for buffer in region.inputs)
        if totals is not None:
            for kernel, elapsed in enumerate(function.profile(given, len(totals))):
                totals[kernel] += elapsed
        known = {region.outputs.index(each): values[each] for each in region.updated}
        known |= {n: places[each] for n, each in enumerate(region.outputs) if each in places and n not in known}
        if known:
            results = function.run_on(known, given)
        else:
            results = self.panels.run(region, function, given) if region.is_packing else function.run(given)
        values.update(zip(region.outputs, results, strict=True))

    def _output(self, value: View | Uniform, dtype: Dtype, values: Values) -> Array:
        """Return an output; without C for its dtype it may be a view of an operand."""
        if isinstance(value, View) and value.size and value.dtype in compiled_dtypes:
            order = _order(value) or tuple(range(value.ndim))
            places = tuple(order.index(axis) for axis in range(value.ndim))
            stored = as_stored(values[value.buffer]).reshape([value.shape[axis] for axis in order])
            return as_typed(stored.transpose(places), dtype)
        return self.islands.output(value, dtype, values)

    def profile(self, arrays: Sequence[Any], num_kernels: int) -> list[int]:
        """Return the nanoseconds spent in each kernel during one run."""
        totals = [0] * num_kernels
        self._run_steps(arrays, totals)
        return totals


def _check_indices(program: Program, origins: Sequence[int], status: Array) -> None:
    """Raise if the status of a run says that an index is out of bounds."""
    if not status.any():
        return
    origin = next(origin for origin, found in zip(origins, status, strict=True) if found)
    operation = program.instructions[origin].operation
    own = operation.error_of_status(int(status[origins.index(origin)]))
    if own is not None:
        raise own
    name = operation.name
    raise OutOfBoundsError(
        f"{name}: an index is out of bounds for the axis it selects from; expected indices within its length; "
        f"built at\n{describe_source(labels_of(program)[origin].source)}"
    )


def with_scalars(results: Sequence[Array], types: Sequence[TensorType]) -> list[Any]:
    """Return results as numpy gives them: scalars where the type says so, not arrays of rank 0."""
    return [result[()] if each.is_scalar else result for result, each in zip(results, types, strict=True)]


def build_executable(request: Request, num_threads: int, report: Report) -> Executable:
    """Return the program compiled by the C compiler, or found in the cache, with its constants in one block."""
    program, started = request.program, perf_counter()
    compiled, library, outcome = compile_and_link(request, report)
    record_compilation(request, num_threads, outcome, perf_counter() - started)
    report("pack constants", 0.6)
    block, kept = constant_block(program, compiled, request.known), _constants_outside(compiled, request.known)
    return _linked(program, compiled, library, block, kept, request.options.target, num_threads)


def load_executable(
    program: Program, compiled: CompiledProgram, constants: Array, kept: Values, target: Target, num_threads: int
) -> Executable:
    """Return an unpickled program, with machine code for its C text.

    Raises: ParameterError: this machine cannot run code for the target; CompilerNotFoundError, CompileError
    """
    check_runs_here(target)
    library = compile_and_load(compiled.source, target=target) if compiled.regions else None
    block = aligned_bytes(constants.size)
    block[:] = constants
    return _linked(program, compiled, library, block, kept, target, num_threads)


def _linked(
    program: Program,
    compiled: CompiledProgram,
    library: Library | None,
    block: Array,
    kept: Values,
    target: Target,
    num_threads: int,
) -> Executable:
    if target.bfloat16 == "tiles":
        allow_tile_registers()
    ending, is_one_region = buffers_read_last(compiled), _is_one_region(compiled)
    largest, most_outputs = partial(describe_largest, program, compiled), _most_outputs(compiled)
    memory = CallMemory(arena_bytes(compiled, num_threads), largest, FreeBlocks(2 * most_outputs))
    signature = program_signature(program, compiled.input_positions)
    functions: tuple[PreparedFunction, ...] = ()
    if library is not None:
        owns = [_signature(signature, compiled, each, each.num_arena_bytes(num_threads)) for each in compiled.regions]
        checks = [partial(_check_indices, program, region.status_origins) for region in compiled.regions]
        functions = tuple(
            prepare_function(library, own, block, num_threads, memory, check, index)
            for index, (own, check) in enumerate(zip(owns, checks, strict=True))
        )
    islands, peak = IslandRunner(program, compiled, block, kept), peak_bytes(compiled, ending, num_threads)
    parts = (signature, islands, ending, memory, peak, is_one_region)
    return Executable(program, compiled, functions, block, kept, target, num_threads, *parts)


def _most_outputs(compiled: CompiledProgram) -> int:
    return max((len(region.outputs) for region in compiled.regions), default=1)


def _is_one_region(compiled: CompiledProgram) -> bool:
    if len(compiled.steps) != 1 or not compiled.regions:
        return False
    (region,) = compiled.regions
    return region.inputs == compiled.inputs and len(region.outputs) == len(compiled.outputs)


def program_signature(program: Program, inputs: Sequence[int]) -> Signature:
    """Return the types of inputs and outputs of the whole program, with the names of the inputs."""
    types = tuple(program.instructions[position].types[0] for position in inputs)
    names = tuple(program.labels[position].name for position in inputs)
    outputs = tuple(program.instructions[source].types[index] for source, index in program.outputs)
    return Signature(types, outputs, 0, tuple("" if name == "input" else name for name in names))


def _signature(whole: Signature, compiled: CompiledProgram, region: CompiledRegion, num_bytes: int) -> Signature:
    """Return the types of inputs and outputs of a region, and the bytes of its arena; `whole` is the program's signature."""
    types = dict(zip(compiled.inputs, whole.inputs, strict=True))
    inputs = tuple(types.get(buffer) or tensor_type((buffer.num_elements,), buffer.dtype) for buffer in region.inputs)
    is_only = _is_one_region(compiled)
    buffers = (tensor_type((buffer.num_elements,), buffer.dtype) for buffer in region.outputs)
    outputs = list(whole.outputs if is_only else buffers)
    if region.num_status:
        outputs.append(tensor_type((region.num_status,), np.int64))
    orders = tuple(map(_order, compiled.outputs)) if is_only else ()
    names = whole.input_names if is_only else ()
    return Signature(inputs, tuple(outputs), num_bytes, names, orders, region.num_status)


def _order(output: View | Uniform) -> Order:
    """Return the axes of an output from the outermost in memory inward, None where they lie in row-major order."""
    if isinstance(output, Uniform) or output.is_contiguous:
        return None
    return tuple(sorted(range(output.ndim), key=lambda axis: -output.strides[axis]))


def _constants_outside(compiled: CompiledProgram, known: Mapping[int, Array]) -> Values:
    """Return the values of constants that the block does not hold, for islands and as outputs."""
    places = compiled.constants.items()
    return {buffer: known[place.position].reshape(-1) for buffer, place in places if place.start is None}


def _largest_constants(program: Program, compiled: CompiledProgram) -> str:
    sizes = [(place.position, buffer.num_bytes) for buffer, place in compiled.constants.items()]
    return describe_nodes(program, sizes)


def constant_block(program: Program, compiled: CompiledProgram, known: Mapping[int, Array]) -> Array:
    """Return one block with every constant where its place says, filled from the values of instructions."""
    starts = {buffer: place.start for buffer, place in compiled.constants.items() if place.start is not None}
    num_bytes = max((start + buffer.num_bytes for buffer, start in starts.items()), default=1)
    check_memory(num_bytes, "a program, for its constants,", lambda: _largest_constants(program, compiled))
    block = aligned_bytes(num_bytes)

    def fill(buffer: Buffer) -> None:
        place = compiled.constants[buffer]
        target = block[starts[buffer] :][: buffer.num_bytes].view(buffer.dtype)
        if place.packing is None:
            target[:] = as_stored(known[place.position])
        else:
            place.packing.fill(target, as_stored(known[place.position]))

    # numpy copies without the interpreter's lock, so threads share the work.
    with ThreadPoolExecutor(num_available_cores()) as pool:
        list(pool.map(fill, starts))
    return block
