"""Backends by name: the protocol, the registry, and the entry points through which other packages bring theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol, TypeAlias, runtime_checkable

from composit.errors import ParameterError, UnknownBackendError, UnsupportedOperationError
from composit.node import Node
from composit.operation import Array, Input, Operation, Scalar, TensorType
from composit.program import Label, Program
from composit.source import describe_source

ENTRY_POINT_GROUP = "composit.backends"

# Takes the values of program.inputs in order, returns those of program.outputs in order.
PreparedProgram: TypeAlias = Callable[[Sequence[Array]], Sequence[Array]]


@runtime_checkable
class Backend(Protocol):
    """Anything that can make a program runnable.

    A backend may also define `supports(operation, types) -> bool`; operations it does not support are then an error that
    names them, before anything runs.
    """

    def prepare(self, program: Program) -> PreparedProgram:
        """Return a callable that runs the program on arrays."""
        ...


# What functions take as `backend=`: a name, an object, or a mapping from keys (composit/mixed/selectors.py) to these.
BackendChoice: TypeAlias = str | Backend | Mapping[Any, str | Backend]


@runtime_checkable
class RunsInPlace(Protocol):
    """A prepared program that can write outputs into the memory of inputs, and whose results nobody else sees."""

    def __call__(self, arrays: Sequence[Array]) -> Sequence[Array]: ...

    def donations(self) -> Iterable[tuple[int, int, str]]:
        """Yield an output, an input of its type that it is computed from, and why it cannot be written there: "" if it can."""
        ...

    def run_in_place(self, arrays: Sequence[Array], given_away: Mapping[int, int]) -> Sequence[Array]:
        """Return the outputs; those in `given_away` are the arrays of these inputs, written to."""
        ...


@runtime_checkable
class TakesConstants(Protocol):
    """A backend that computes once what depends on constants alone, and stores constants as it reads them."""

    def prepare_with(
        self, program: Program, constants: Mapping[int, Array], nodes: Sequence[Node | None]
    ) -> PreparedProgram:
        """Return a callable that takes the values of `program.inputs` in order, without those that `constants` has by position."""
        ...


@runtime_checkable
class Explains(Protocol):
    """A prepared program that says how it computes."""

    def explain(self, labels: Sequence[Label]) -> str:
        """Return how each instruction is computed, by what algorithm, and why; `labels` name the instructions."""
        ...


@runtime_checkable
class ForSteps(Protocol):
    """A backend with another form for programs all of whose arrays change from run to run, as in training."""

    def for_steps(self) -> Backend:
        """Return the backend in that form, each time the same object."""
        ...


@runtime_checkable
class MakesCode(Protocol):
    """A backend that compiles programs, and says which operations it leaves to numpy."""

    def without_code(self, program: Program) -> Iterable[tuple[int, str]]:
        """Yield the instructions that numpy runs in the compiled program, by position, and why each has no code."""
        ...


@runtime_checkable
class ForPrograms(Protocol):
    """A backend that runs programs of one structure in several ways, by the names and tensors in them, which are no part of a digest."""

    def for_program(self, program: Program, nodes: Sequence[Node | None]) -> Backend:
        """Return the backend for this program, the same object where it would do the same; `nodes` are those of the instructions."""
        ...


@runtime_checkable
class ForRegions(Protocol):
    """A backend that was made for a program, and can run a part of it as it would run the whole."""

    def for_region(self, positions: Sequence[int]) -> Backend:
        """Return the backend for a part: for each of its instructions the position in the whole program, -1 for what it is given."""
        ...


@runtime_checkable
class ForParts(Protocol):
    """A backend for which a key that selects nothing in a program is an error."""

    def for_parts(self) -> Backend:
        """Return the same without such errors, for the parts of what a user asked for."""
        ...


@runtime_checkable
class ChoosesAlgorithms(Protocol):
    """A backend with several ways to compute an operation."""

    def with_algorithms(self, algorithms: Any) -> Backend:
        """Return the backend that computes operations as the user says (docs/algorithms.md)."""
        ...

    def algorithms_of(self, operation: str) -> Sequence[str]:
        """Return the names that may be given for an operation ("conv2d"), those of algorithms first; none if there is no choice."""
        ...


def backend_with(backend: BackendChoice, algorithms: Any) -> Backend:
    """Return a backend by name or as it is, told which algorithms to use; None is the default.

    Raises:  UnknownBackendError: no such name; ParameterError: the backend has no algorithms to choose from
    """
    found = get_backend(backend)
    if algorithms is None:
        return found
    if isinstance(found, ChoosesAlgorithms):
        return found.with_algorithms(algorithms)
    raise ParameterError(
        f"algorithms: {algorithms!r:.80} was given for backend={backend!r:.40}, which has one way to compute each operation; expected a"
        " backend with algorithms; write backend='mosaic'"
    )


@runtime_checkable
class _Selective(Protocol):
    """A backend that says which operations it supports."""

    def supports(self, operation: Operation, types: Sequence[TensorType]) -> bool: ...


def check_supported(program: Program, backend: Backend) -> None:
    """Raise unless the backend supports every operation of the program; one that does not say supports all.

    Raises:  UnsupportedOperationError: names the operation, its types and the user's line
    """
    if not isinstance(backend, _Selective):
        return
    for instruction, label in zip(program.instructions, program.labels, strict=True):
        operation = instruction.operation
        if isinstance(operation, Input | Scalar) or backend.supports(operation, instruction.types):
            continue
        name = getattr(backend, "name", type(backend).__name__)
        scope = f" in {label.scope}" if label.scope else ""
        raise UnsupportedOperationError(
            f"backend: {operation.name} -> {', '.join(map(str, instruction.types))}{scope} was given to {name}, which does"
            " not support it; expected only operations that it supports; evaluate with backend='numpy', or add the"
            f" operation to the backend. It was built at:\n  {describe_source(label.source)}"
        )


_registered: dict[str, Backend] = {}


def register_backend(name: str, backend: Backend) -> None:
    """Make a backend known by name in this process; packages use the entry point group `composit.backends` instead.

    Raises:  TypeError: the object has no method prepare(program)
    """
    _registered[name] = _checked(backend)


def available_backends() -> list[str]:
    """Return the names that `evaluate(..., backend=name)` knows."""
    return sorted({*_registered, *_entry_points()})


def get_backend(backend: BackendChoice) -> Backend:
    """Return the backend of that name, loaded when first asked for; a backend object is returned as it is.

    Of a mapping from keys to backends it is the one that runs each node where the first key that matches says.

    Raises:  UnknownBackendError: no such name; OperandError, ParameterError: a key or value of a mapping is of no use
    """
    if isinstance(backend, Mapping):
        # It prepares programs through this module.
        from composit.mixed.mixed_backend import mixed_backend

        return mixed_backend(backend)
    if not isinstance(backend, str):
        return _checked(backend)
    known = _registered.get(backend)
    if known is None:
        known = _registered[backend] = _load(backend)
    return known


def backend_for_parts(backend: BackendChoice) -> Backend:
    """Return the backend for what is computed besides the program of a user, which need not have something for each key."""
    chosen = get_backend(backend)
    return chosen.for_parts() if isinstance(chosen, ForParts) else chosen


def _checked(backend: object) -> Backend:
    if isinstance(backend, Backend):
        return backend
    raise TypeError(
        f"backend: got {backend!r:.80} of type {type(backend).__name__}; expected a name such as 'numpy' or an object with "
        "prepare(program) -> callable (see docs/adding_a_backend.md)"
    )


def _entry_points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}


def _load(name: str) -> Backend:
    if name == "numpy":
        # The oracle needs no installed metadata.
        from composit.interpreter import NumpyBackend

        return NumpyBackend()
    point = _entry_points().get(name)
    if point is None:
        raise UnknownBackendError(
            f"backend: {name!r} is not known; available: {', '.join(available_backends()) or 'none'}; install the package that "
            f"brings it, register it under the entry point group {ENTRY_POINT_GROUP!r}, or pass a backend object"
        )
    return _checked(point.load()())
