"""Calling a compiled function on arrays.

The path of a call is short because a tiny program must cost little more than numpy's own operation: Python hands over
the addresses of the array objects, and C checks their types and reads their data pointers (`invoke.c`). What one call
needs is leased from a list, which is atomic, so that two Python threads may call one model at once.

Known weakness: it relies on where CPython and numpy keep an array's fields, which is checked once per process.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from composit.errors import InternalError
from mosaic.runtime.arena import allocate_block
from mosaic.runtime.arguments import Array, Signature, adapt_input, place_outputs
from mosaic.runtime.array_layout import address_of_fields, input_types, verify_layout
from mosaic.runtime.library import Library, foreign_interface
from mosaic.runtime.outputs import output_maker
from mosaic.runtime.threads import new_runtime, runtime_library


class _Lease(NamedTuple):
    """What one call in progress owns. A tuple, because unpacking one is the fastest way to its parts."""

    inputs: Any  # uintptr_t[]: the input arrays
    outputs: Any  # uintptr_t[]: the output arrays
    call: Any  # struct mosaic_call *
    owned: tuple[Any, ...]  # what the call points to


@dataclass(frozen=True, slots=True)
class PreparedFunction:
    """A compiled function bound to its constants, its threads and its free arenas."""

    signature: Signature
    run: Callable[[Sequence[Any]], list[Array]]
    """Fresh output arrays from input arrays, one for each of the signature."""
    _leases: "_Leases"

    def run_into(self, arrays: Sequence[Any], out: Sequence[Array]) -> None:
        """Compute the outputs in the caller's arrays.

        Raises: ShapeError, DtypeError, TypeError: an array cannot hold its output
        """
        places = place_outputs(self.signature, out, arrays)
        self._run_in(arrays, places, self._leases.runtime)
        for place, array in zip(places, out, strict=True):
            if place is not array:
                np.copyto(array, place)

    def profile(self, arrays: Sequence[Any], num_kernels: int) -> tuple[int, ...]:
        """Nanoseconds spent in each kernel during one run, as generated code counts them."""
        interface = foreign_interface()
        runtime = interface.new("struct mosaic_runtime *", self._leases.runtime[0])
        kernel_ns = interface.new("long long[]", max(num_kernels, 1))
        runtime.kernel_ns = kernel_ns
        self._run_in(arrays, [np.empty(one.shape, one.dtype) for one in self.signature.outputs], runtime)
        return tuple(kernel_ns)[:num_kernels]

    def _run_in(self, arrays: Sequence[Any], places: Sequence[Array], runtime: Any) -> None:
        """Run once with given output arrays and a given runtime."""
        if len(arrays) != len(self.signature.inputs):
            raise self.signature.wrong_count("inputs", len(arrays), len(self.signature.inputs))
        lease = self._leases.take()
        try:
            lease.call.runtime = runtime
            for position, place in enumerate(places):
                lease.outputs[position] = address_of_fields(place)
            self._leases.invoke_adapted(lease, arrays)
        finally:
            lease.call.runtime = self._leases.runtime
            self._leases.free.append(lease)


def prepare_function(
    library: Library, symbol: str, signature: Signature, constants: Array | None = None, num_threads: int = 1
) -> PreparedFunction:
    """The exported function `symbol`, ready to be called.

    `constants` is a contiguous array of bytes whose alignment is the caller's promise to generated code.
    """
    verify_layout()
    leases = _Leases(library, symbol, signature, constants, num_threads)
    return PreparedFunction(signature, _fast_run(signature, leases), leases)


class _Leases:
    """The free leases of one function, with everything that must live as long as they do."""

    __slots__ = ("_constants", "_function", "_input_types", "_library", "_signature", "free", "invoke", "runtime")

    def __init__(
        self, library: Library, symbol: str, signature: Signature, constants: Array | None, num_threads: int
    ) -> None:
        interface = foreign_interface()
        self._library = library  # keeps the code mapped
        self._signature = signature
        self._function = library.run_function(symbol)
        self._constants = interface.NULL if constants is None else interface.from_buffer("unsigned char[]", constants)
        self._input_types = input_types(signature.inputs)
        self.runtime = new_runtime(num_threads)
        self.invoke = runtime_library().function("int mosaic_invoke(const struct mosaic_call *call)", "mosaic_invoke")
        self.free: list[_Lease] = []

    def take(self) -> _Lease:
        """A lease that nobody uses, made if all are in use."""
        try:
            return self.free.pop()
        except IndexError:
            return self._make()

    def invoke_adapted(self, lease: _Lease, arrays: Sequence[Any]) -> None:
        """Call on inputs of any layout, converted where that is needed."""
        adapted = [adapt_input(self._signature, position, array) for position, array in enumerate(arrays)]
        for position, array in enumerate(adapted):
            lease.inputs[position] = address_of_fields(array)
        if not self.invoke(lease.call):
            raise InternalError(
                f"call: {self._signature.inputs} does not describe {adapted}, which were made to fit it"
            )

    def _make(self) -> _Lease:
        interface, signature = foreign_interface(), self._signature
        num_inputs, num_outputs = len(signature.inputs), len(signature.outputs)
        inputs, outputs = (interface.new("uintptr_t[]", max(count, 1)) for count in (num_inputs, num_outputs))
        tables = [interface.new("void *[]", max(count, 1)) for count in (num_inputs, num_outputs)]
        arena = allocate_block(signature.arena_bytes).pointer() if signature.arena_bytes else interface.NULL
        call = interface.new("struct mosaic_call *")
        call.run, call.input_types = self._function, self._input_types.table
        call.input_arrays, call.output_arrays = inputs, outputs
        call.inputs, call.outputs = tables
        call.num_inputs, call.num_outputs = num_inputs, num_outputs
        call.constants, call.arena, call.runtime = self._constants, arena, self.runtime
        return _Lease(inputs, outputs, call, (arena, *tables))


def _fast_run(signature: Signature, leases: _Leases) -> Callable[[Sequence[Any]], list[Array]]:
    """The shortest way through a call, as a closure: a variable of a closure costs less than an attribute."""
    makers = [(position, output_maker(one)) for position, one in enumerate(signature.outputs)]
    num_inputs = len(signature.inputs)
    positions = tuple(range(num_inputs))
    ndarray, head_bytes = np.ndarray, object.__basicsize__
    take, give_back, invoke = leases.take, leases.free.append, leases.invoke

    def run(arrays: Sequence[Any]) -> list[Array]:
        if len(arrays) != num_inputs:
            raise signature.wrong_count("inputs", len(arrays), num_inputs)
        lease = inputs, outputs, call, _ = take()
        results = []
        try:
            for position, make in makers:
                result = make()
                outputs[position] = id(result) + head_bytes
                results.append(result)
            are_arrays = True
            for position in positions:
                array = arrays[position]
                are_arrays = are_arrays and type(array) is ndarray
                inputs[position] = id(array) + head_bytes
            if not are_arrays or not invoke(call):
                leases.invoke_adapted(lease, arrays)
        finally:
            give_back(lease)
        return results

    return run
