"""Calling a compiled function on arrays.

The path of a call is short because a tiny program must cost little more than numpy's own operation: types are compared
by identity first, addresses come from the buffer interface (a fifth of the time of `ndarray.ctypes`), and what one call
needs is leased from a list, which is atomic, so that two Python threads may call one model at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mosaic.runtime.arena import allocate_block
from mosaic.runtime.arguments import PLAIN, Array, Signature, adapt_input, place_outputs
from mosaic.runtime.library import Library, foreign_interface
from mosaic.runtime.outputs import output_maker
from mosaic.runtime.threads import new_runtime, runtime_library


class _Lease(NamedTuple):
    """What one call in progress owns. A tuple, because unpacking one is the fastest way to its parts."""

    inputs: Any  # void *[]
    outputs: Any  # void *[]
    call: Any  # struct mosaic_call *
    arena: Any  # keeps the memory


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
        plain = [adapt_input(self.signature, position, array) for position, array in enumerate(arrays)]
        from_buffer = foreign_interface().from_buffer
        lease = self._leases.take()
        try:
            for table, members in ((lease.inputs, plain), (lease.outputs, places)):
                for position, array in enumerate(members):
                    table[position] = from_buffer(array)
            lease.call.runtime = runtime
            self._leases.invoke(lease.call)
        finally:
            lease.call.runtime = self._leases.runtime
            self._leases.free.append(lease)


def prepare_function(
    library: Library, symbol: str, signature: Signature, constants: Array | None = None, num_threads: int = 1
) -> PreparedFunction:
    """The exported function `symbol`, ready to be called.

    `constants` is a contiguous array of bytes whose alignment is the caller's promise to generated code.
    """
    leases = _Leases(library, symbol, signature, constants, num_threads)
    return PreparedFunction(signature, _fast_run(signature, leases), leases)


class _Leases:
    """The free leases of one function, with everything that must live as long as they do."""

    __slots__ = ("_constants", "_function", "_library", "_signature", "free", "invoke", "runtime")

    def __init__(
        self, library: Library, symbol: str, signature: Signature, constants: Array | None, num_threads: int
    ) -> None:
        interface = foreign_interface()
        self._library = library  # keeps the code mapped
        self._signature = signature
        self._function = library.run_function(symbol)
        self._constants = interface.NULL if constants is None else interface.from_buffer("unsigned char[]", constants)
        self.runtime = new_runtime(num_threads)
        self.invoke = runtime_library().function("void mosaic_invoke(const struct mosaic_call *call)", "mosaic_invoke")
        self.free: list[_Lease] = []

    def take(self) -> _Lease:
        """A lease that nobody uses, made if all are in use."""
        try:
            return self.free.pop()
        except IndexError:
            return self._make()

    def _make(self) -> _Lease:
        interface = foreign_interface()
        num_bytes = self._signature.arena_bytes
        inputs = interface.new("void *[]", max(len(self._signature.inputs), 1))
        outputs = interface.new("void *[]", max(len(self._signature.outputs), 1))
        arena = allocate_block(num_bytes).pointer() if num_bytes else interface.NULL
        call = interface.new("struct mosaic_call *")
        call.run, call.inputs, call.outputs = self._function, inputs, outputs
        call.constants, call.arena, call.runtime = self._constants, arena, self.runtime
        return _Lease(inputs, outputs, call, arena)


def _fast_run(signature: Signature, leases: _Leases) -> Callable[[Sequence[Any]], list[Array]]:
    """The shortest way through a call, as a closure: a variable of a closure costs less than an attribute."""
    inputs = [(position, one.shape, one.dtype) for position, one in enumerate(signature.inputs)]
    outputs = [(position, output_maker(one)) for position, one in enumerate(signature.outputs)]
    num_inputs = len(inputs)
    from_buffer, ndarray = foreign_interface().from_buffer, np.ndarray
    take, give_back, invoke = leases.take, leases.free.append, leases.invoke

    def run(arrays: Sequence[Any]) -> list[Array]:
        if len(arrays) != num_inputs:
            raise signature.wrong_count("inputs", len(arrays), num_inputs)
        lease = input_table, output_table, call, _ = take()
        kept = []  # copies live until the function has run
        results = []
        try:
            for position, shape, dtype in inputs:
                array = arrays[position]
                if (
                    type(array) is not ndarray
                    or array.dtype is not dtype
                    or array.shape != shape
                    or array.flags.num & PLAIN != PLAIN
                ):
                    array = adapt_input(signature, position, array)
                    kept.append(array)
                input_table[position] = from_buffer(array)
            for position, make in outputs:
                result = make()
                output_table[position] = from_buffer(result)
                results.append(result)
            invoke(call)
        finally:
            give_back(lease)
        return results

    return run
