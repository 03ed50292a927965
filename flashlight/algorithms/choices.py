"""`chosen_algorithms`: what a torch user gives to `convert`, as a backend takes it: by operations of graphs and by paths of modules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, TypeAlias

from torch import nn

from composit.errors import OperandError, ParameterError
from composit.handle import described
from flashlight.algorithms.backends import check_algorithm, names_of_backend
from flashlight.algorithms.operations import (
    DEFAULT,
    OPERATIONS,
    SwappableOperation,
    operation_called,
    operation_given,
    operation_of_class,
)
from flashlight.algorithms.selectors import Selection, Selector, missing_shape, takes_shape
from flashlight.algorithms.swapped import SwappedModule

# Keys: names of operations, classes of modules, names of modules and patterns of such.
Algorithms: TypeAlias = Mapping[Any, Selector]
_ASKED = "convert"


def chosen_algorithms(
    module: nn.Module, algorithms: Algorithms | None, sample: Sequence[int] | None, backend: str
) -> dict[str, Any]:
    """Return what to give as `algorithms=` of the backend; algorithms of swapped modules hold where nothing else is said.

    Raises:  ParameterError, OperandError: as `convert`
    """
    if algorithms is not None and not isinstance(algorithms, Mapping):
        raise ParameterError(
            f"{_ASKED}: {described(algorithms)!s:.60} of type {type(algorithms).__name__} was given as algorithms; expected a mapping from "
            "operations to algorithms, such as {'conv2d': 'direct'}"
        )
    chooser = _Chooser(module, sample, backend)
    for key, selector in (algorithms or {}).items():
        chooser.add(key, selector)
    for path, each in module.named_modules():
        if isinstance(each, SwappedModule) and path:
            chooser.keep(path, each)
    return chooser.chosen


class _Chooser:
    """Collects the algorithms for a backend."""

    def __init__(self, module: nn.Module, sample: Sequence[int] | None, backend: str) -> None:
        self.chosen: dict[str, Any] = {}
        self._module = module
        self._sample = sample
        self._backend = backend
        self._named: set[str] = set()

    def add(self, key: Any, selector: Selector) -> None:
        """Add what the user gives for a key."""
        if isinstance(key, str) and operation_called(key) is None:
            self._add_path(key, selector)
            return
        operation, classes = operation_given(key, _ASKED)
        self._named.add(operation.name)
        if isinstance(selector, str) and isinstance(key, str):
            self._add_everywhere(operation, check_algorithm(selector, operation, self._backend, _ASKED))
            return
        found = {path: each for path, each in self._module.named_modules() if isinstance(each, classes)}
        if found:
            selection = Selection(self._module, found, self._sample, _ASKED)
            self._add_modules(operation, list(selection.names(selector)))
        else:
            self._add_calls(operation, selector)

    def keep(self, path: str, module: SwappedModule) -> None:
        """Add the algorithm that a swapped module has."""
        operation = operation_of_class(module.original_class)
        if operation is not None and operation.name not in self._named and path not in self.chosen:
            self._add_modules(operation, [(path, module.algorithm)])

    def _add_everywhere(self, operation: SwappableOperation, algorithm: str) -> None:
        if algorithm != DEFAULT and self._is_known(operation):
            self.chosen[operation.family] = algorithm

    def _add_modules(self, operation: SwappableOperation, names: Sequence[tuple[str, object]]) -> None:
        for path, name in names:
            algorithm = check_algorithm(name, operation, self._backend, f"{_ASKED}: {path}")
            if algorithm != DEFAULT and self._is_known(operation):
                # The model itself is in no scope.
                self.chosen[path or operation.family] = algorithm

    def _add_calls(self, operation: SwappableOperation, selector: Selector) -> None:
        """Add what holds for the calls of a function, where no module computes the operation."""
        if callable(selector):
            if takes_shape(selector) and self._sample is None:
                raise OperandError(missing_shape(_ASKED, selector))
            self.chosen[operation.family or operation.name] = partial(_of_call, selector)
        else:
            self.chosen[operation.family or operation.name] = selector

    def _add_path(self, pattern: str, selector: Selector) -> None:
        paths = [path for path, _ in self._module.named_modules() if path]
        if not any(fnmatchcase(path, pattern) for path in paths):
            close = get_close_matches(pattern, [*paths, *OPERATIONS], 3)
            raise ParameterError(
                f"{_ASKED}: {pattern!r} is no operation, and no name of a module of {type(self._module).__name__}; expected one of "
                f"{', '.join(OPERATIONS)}, or a name or pattern such as {'layer1.*' if not paths else paths[-1]!r}"
                f"{'; close are ' + ', '.join(map(repr, close)) if close else ''}"
            )
        if callable(selector):
            self.chosen[pattern] = partial(_of_module, selector, self._module)
        else:
            self.chosen[pattern] = selector

    def _is_known(self, operation: SwappableOperation) -> bool:
        """Return whether the backend has algorithms for it; else there is one way, whose name says nothing."""
        return bool(names_of_backend(operation, self._backend))


def _of_call(choose: Callable[..., str], occurrence: Any, shape: Any) -> str:  # Any: the backend's words for a call
    return choose(occurrence, shape) if takes_shape(choose) else choose(occurrence)


def _of_module(choose: Callable[..., str], model: nn.Module, occurrence: Any, shape: Any) -> str:
    module = model.get_submodule(occurrence.scope)
    return choose(module, shape) if takes_shape(choose) else choose(module)
