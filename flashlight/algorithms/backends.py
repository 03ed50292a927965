"""Backends told which algorithm computes a swapped module, and which algorithms there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache, partial
from typing import Any, TypeVar

from composit.backends import Backend, ChoosesAlgorithms, ForPrograms, PreparedProgram, backend_with, get_backend
from composit.errors import ParameterError
from composit.nn.operations.convolution import Convolution, FilterGradient, TransposedConvolution
from composit.node import Node
from composit.numpy.products.matrix_products import Matmul
from composit.program import Program
from flashlight.algorithms.operations import DEFAULT, OPERATIONS, SwappableOperation, operation_called
from flashlight.algorithms.recordings import Backends

BACKEND = "mosaic"
Found = TypeVar("Found")
# The classes of operations in derivatives that have algorithms to choose from.
_OF_DERIVATIVES = (Convolution, TransposedConvolution, FilterGradient, Matmul)
_MOST_BACKENDS = 256


def algorithms_for(operation: SwappableOperation, backend: str = BACKEND) -> tuple[str, ...]:
    """Return the names that may be chosen for an operation; "default" is always one."""
    own = _names_of_backend(operation, get_backend(backend))
    if not own and operation.has_one:
        own = ("direct",)
    return tuple(dict.fromkeys((*own, DEFAULT)))


def check_algorithm(name: object, operation: SwappableOperation, backend: str, asked: str) -> str:
    """Return the name of an algorithm.

    Raises:  ParameterError: the operation has no algorithm of this name
    """
    known = algorithms_for(operation, backend)
    if isinstance(name, str) and name in known:
        return name
    close = get_close_matches(str(name), known, 1)
    meant = f"; did you mean {close[0]!r}?" if close else ""
    raise ParameterError(
        f"{asked}: {name!r:.60} was given as the algorithm of {operation.name}; expected one of {', '.join(map(repr, known))}{meant}"
    )


@lru_cache(maxsize=_MOST_BACKENDS)
def backends_for(name: str, algorithm: str, backend: str) -> Backends:
    """Return what runs an operation with an algorithm, and its derivatives.

    Derivatives are computed by the algorithm of that name where it can take them, and else by the default.
    """
    operation = OPERATIONS[name]
    plain = get_backend(backend)
    if algorithm == DEFAULT or algorithm not in _names_of_backend(operation, plain):
        return Backends(plain, plain)
    chosen = backend_with(backend, {operation.family: algorithm})
    if not operation.gradients:
        return Backends(chosen, plain)
    preferring = backend_with(backend, {"*": partial(_preferred, algorithm)})
    return Backends(chosen, _WhereThereIsAChoice(preferring, plain))


def names_of_backend(operation: SwappableOperation, backend: str) -> Sequence[str]:
    """Return the names that a backend knows for an operation; none if it has no choice."""
    return _names_of_backend(operation, get_backend(backend))


def _names_of_backend(operation: SwappableOperation, backend: Backend) -> Sequence[str]:
    return (
        backend.algorithms_of(operation.family) if operation.family and isinstance(backend, ChoosesAlgorithms) else ()
    )


def _preferred(algorithm: str, occurrence: Any) -> str:  # Any: the backend's, which says what can compute it
    return algorithm if occurrence.can(algorithm) else DEFAULT


class _WhereThereIsAChoice:
    """A backend with algorithms for programs in which they name something; a gradient by a bias alone is a sum."""

    def __init__(self, chosen: Backend, plain: Backend) -> None:
        self._chosen = chosen
        self._plain = plain

    def for_program(self, program: Program, nodes: Sequence[Node | None]) -> Backend:
        """Return the backend for this program."""
        has_choice = any(isinstance(each.operation, _OF_DERIVATIVES) for each in program.instructions)
        found = self._chosen if has_choice else self._plain
        return found.for_program(program, nodes) if isinstance(found, ForPrograms) else found

    def prepare(self, program: Program) -> PreparedProgram:
        """Return the program made runnable."""
        return self.for_program(program, ()).prepare(program)


class ByOperation(Mapping[str, Found]):
    """Something for each operation, by its name in any spelling: "max_pool2d", "maxpool2d", "MaxPool2d"."""

    def __init__(self, find: Callable[[SwappableOperation], Found]) -> None:
        self._find = find

    def __getitem__(self, name: str) -> Found:
        operation = operation_called(name)
        if operation is None:
            raise KeyError(name)
        return self._find(operation)

    def __iter__(self) -> Iterator[str]:
        return iter(OPERATIONS)

    def __len__(self) -> int:
        return len(OPERATIONS)

    def __repr__(self) -> str:
        return repr(dict(self))


# Asked for anew each time: a user may register algorithms.
SUPPORTED_ALGORITHMS = ByOperation(algorithms_for)
DEFAULT_ALGOS = ByOperation(lambda operation: DEFAULT)
