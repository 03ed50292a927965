"""Calling a compiled function on arrays.

A tiny program must cost no more than numpy's own operation, so a call whose arrays fit as they are is a builtin function
(`builtin.py`). The others come here: inputs are adapted, outputs are given. What such a call needs is leased from a list,
which is atomic, so that two Python threads may call one model at once.

Known weakness: it relies on where CPython and numpy keep an array's fields, which is checked once per process.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from composit.errors import InternalError
from mosaic.runtime.arguments import Array, Signature, adapt_input, adapt_inputs, empty_in_order, place_outputs
from mosaic.runtime.array_layout import address_of_fields, input_types, verify_layout
from mosaic.runtime.builtin import MOST_ARRAYS, MOST_STATUS, Code, Fallbacks, Run, builtin_functions
from mosaic.runtime.call_memory import CallMemory
from mosaic.runtime.interrupts import listener
from mosaic.runtime.library import Library, foreign_interface
from mosaic.runtime.memory_limit import check_memory, is_compared
from mosaic.runtime.outputs import num_output_bytes, output_maker
from mosaic.runtime.threads import new_runtime, runtime_library

# What mosaic_invoke returns, besides 0 for arrays that do not fit and 1 after a run.
_WAS_STOPPED: Final = 2


class _Lease(NamedTuple):
    """What one call in progress owns. A tuple, because unpacking one is the fastest way to its parts."""

    inputs: Any  # uintptr_t[]: the input arrays
    outputs: Any  # uintptr_t[]: the output arrays
    call: Any  # struct mosaic_call *
    runtime: Any  # struct mosaic_runtime *
    owned: tuple[Any, ...]  # what these point to


@dataclass(frozen=True, slots=True)
class PreparedFunction:
    """A compiled function bound to its constants, its threads and its free arenas."""

    signature: Signature
    run: Callable[[Sequence[Any]], list[Array]]
    """Fresh arrays from input arrays, one for each result of the signature; fastest from a tuple."""
    run_single: Callable[[Sequence[Any]], Any]
    """The only output, a scalar where the signature says so."""
    _leases: "_Leases"
    _check_status: Callable[[Array], None]

    def run_into(self, arrays: Sequence[Any], out: Sequence[Array]) -> None:
        """Compute the outputs in the caller's arrays.

        Raises: ShapeError, DtypeError, TypeError: an array cannot hold its output
        """
        places = place_outputs(self.signature, out, arrays)
        self._leases.run_in(arrays, places)
        for place, array in zip(places, out, strict=True):
            if place is not array:
                np.copyto(array, place)

    def run_on(self, known: Mapping[int, Array], arrays: Sequence[Any]) -> list[Array]:
        """Return the outputs, of which some are dense arrays that are there already and are changed in part.

        known: these arrays, by the positions of their outputs
        """
        makers = self._leases.makers
        places = [known[position] if position in known else make() for position, make in enumerate(makers)]
        self._leases.run_in(arrays, places)
        if self.signature.num_status:
            self._check_status(places.pop())
        return places

    def profile(self, arrays: Sequence[Any], num_kernels: int) -> tuple[int, ...]:
        """Nanoseconds spent in each kernel during one run, as generated code counts them."""
        kernel_ns = foreign_interface().new("long long[]", max(num_kernels, 1))
        outputs = enumerate(self.signature.outputs)
        places = [empty_in_order(one, self.signature.order(position)) for position, one in outputs]
        self._leases.run_in(arrays, places, kernel_ns)
        return tuple(kernel_ns)[:num_kernels]


def _ignore(status: Array) -> None:
    """Functions without indices have no status."""


def prepare_function(
    library: Library,
    signature: Signature,
    constants: Array | None = None,
    num_threads: int = 1,
    memory: CallMemory | None = None,
    check_status: Callable[[Array], None] = _ignore,
    region: int = 0,
) -> PreparedFunction:
    """The function that runs a region of generated code, ready to be called.

    `constants` is a contiguous array of bytes whose alignment is the caller's promise to generated code. `memory` is
    what the function shares with the others of its program. `check_status` raises for the status of a run with indices out
    of bounds.
    """
    verify_layout()
    memory = memory or CallMemory(signature.arena_bytes)
    leases = _Leases(library, region, signature, constants, num_threads, memory)
    run, run_single = _builtin_run(signature, leases, check_status)
    return PreparedFunction(signature, run, run_single, leases, check_status)


class _Leases:
    """The free leases of one function, with everything that must live as long as they do."""

    __slots__ = (
        "_constants",
        "_free",
        "_function",
        "_input_types",
        "_invoke",
        "_library",
        "_num_bytes",
        "_num_threads",
        "_region",
        "_signature",
        "makers",
        "memory",
    )

    def __init__(
        self,
        library: Library,
        region: int,
        signature: Signature,
        constants: Array | None,
        num_threads: int,
        memory: CallMemory,
    ) -> None:
        interface = foreign_interface()
        self._library = library  # keeps the code mapped
        self._signature = signature
        self._function = library.run_function()
        self._constants = interface.NULL if constants is None else interface.from_buffer("unsigned char[]", constants)
        self._input_types = input_types(signature.inputs)
        self._num_threads = num_threads
        self._region = region
        self._num_bytes = signature.arena_bytes + sum(map(num_output_bytes, signature.outputs))
        self.memory = memory
        blocks, outputs = memory.blocks, enumerate(signature.outputs)
        self.makers = [output_maker(one, blocks, signature.order(position)) for position, one in outputs]
        self._invoke = runtime_library().function("int mosaic_invoke(const struct mosaic_call *call)", "mosaic_invoke")
        self._free: list[_Lease] = []

    def _take(self) -> _Lease:
        """A lease that nobody uses, made if all are in use."""
        try:
            return self._free.pop()
        except IndexError:
            return self._make()

    @property
    def is_large(self) -> bool:
        """Whether a call needs so much memory that it is compared with what there is."""
        return is_compared(self._num_bytes)

    def check_memory(self) -> None:
        """Return if there is memory for a call."""
        check_memory(self._num_bytes, "a call, for intermediate results and outputs,", self.memory.largest)

    def run_in(self, arrays: Sequence[Any], places: Sequence[Array], kernel_ns: Any = None) -> None:
        """Run once with given output arrays, and counters of times if they are given."""
        if len(arrays) != len(self._signature.inputs):
            raise self._signature.wrong_count("inputs", len(arrays), len(self._signature.inputs))
        self.check_memory()
        lease, arena = self._take(), self.memory.take_arena()
        try:
            lease.call.arena = arena
            lease.runtime.kernel_ns = foreign_interface().NULL if kernel_ns is None else kernel_ns
            lease.outputs[0 : len(places)] = list(map(address_of_fields, places))
            outcome = self._invoke_on(lease, arrays)
        finally:
            self.memory.give_back(arena)
            self._free.append(lease)
        if outcome == _WAS_STOPPED:
            listener().stop()

    def code(self) -> Code:
        """What the builtin functions run, with all that must live as long as they do."""
        runtime = new_runtime(self._num_threads, foreign_interface().NULL, self._region)
        return Code(self._function, self._constants, runtime, (self._library, self._constants, self.memory))

    def _invoke_on(self, lease: _Lease, arrays: Sequence[Any]) -> int:
        """Call on inputs of any layout, and return how that went; they are converted where that is needed."""
        given = arrays
        # C compares shape, dtype and layout, but reads fields that only numpy's own class is sure to have.
        if not set(map(type, arrays)) <= {np.ndarray}:
            # Scalars, such as the count of an optimizer's steps, among hundreds of arrays.
            pairs = enumerate(arrays)
            given = [one if type(one) is np.ndarray else adapt_input(self._signature, n, one) for n, one in pairs]
        outcome = self._invoke_plain(lease, given)
        if not outcome:
            adapted = adapt_inputs(self._signature, arrays)
            outcome = self._invoke_plain(lease, adapted)
            if not outcome:
                raise InternalError(
                    f"call: {self._signature.inputs} does not describe {adapted}, which were made to fit it"
                )
        return outcome

    def _invoke_plain(self, lease: _Lease, arrays: Sequence[Array]) -> int:
        lease.inputs[0 : len(arrays)] = list(map(address_of_fields, arrays))
        return int(self._invoke(lease.call))

    def _make(self) -> _Lease:
        interface, signature = foreign_interface(), self._signature
        num_inputs, num_outputs = len(signature.inputs), len(signature.outputs)
        inputs, outputs = (interface.new("uintptr_t[]", max(count, 1)) for count in (num_inputs, num_outputs))
        tables = [interface.new("void *[]", max(count, 1)) for count in (num_inputs, num_outputs)]
        watch = interface.new("struct mosaic_watch *")
        watch.hear = listener().callback
        runtime = new_runtime(self._num_threads, watch, self._region)
        call = interface.new("struct mosaic_call *")
        call.run, call.input_types = self._function, self._input_types.table
        call.input_arrays, call.output_arrays = inputs, outputs
        call.inputs, call.outputs = tables
        call.num_inputs, call.num_outputs = num_inputs, num_outputs
        call.constants, call.runtime = self._constants, runtime
        return _Lease(inputs, outputs, call, runtime, (watch, *tables))


def _builtin_run(signature: Signature, leases: _Leases, check_status: Callable[[Array], None]) -> tuple[Run, Run]:
    """The two functions that run on a tuple of arrays, in C where everything fits at once."""

    def run(arrays: Sequence[Any]) -> list[Array]:
        leases.check_memory()
        results = [make() for make in leases.makers]
        leases.run_in(arrays, results)
        if signature.num_status:
            check_status(results.pop())
        return results

    def run_single(arrays: Sequence[Any]) -> Any:
        (result,) = run(arrays)
        return result[()] if getattr(signature.outputs[0], "is_scalar", False) else result

    num_arrays = max(len(signature.inputs), len(signature.outputs))
    if leases.is_large or num_arrays > MOST_ARRAYS or signature.num_status > MOST_STATUS:
        return run, run_single
    return builtin_functions(signature, leases.code(), leases.memory, Fallbacks(run, run_single))
