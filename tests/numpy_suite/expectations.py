"""pytest and warnings for numpy's test modules: a block that expects an error or a warning evaluates what it builds.

Errors that depend on values come at evaluation in composit, so `with pytest.raises(ValueError): np.f(x)` would see none
of them when the result is dropped. The block therefore runs inside cnp.strict(), which evaluates each operation at its
call; a function given to raises has its result evaluated. Nothing else is changed.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from composit import eager_results
from composit.evaluation import evaluate
from composit.handle import TensorHandle


def strict() -> contextlib.AbstractContextManager[Any]:
    """Return composit's strict mode."""
    return eager_results.strict()


def evaluated(value: Any) -> Any:  # Any: whatever a test compares
    """Return the value with the tensors in it, nested in lists, tuples or dicts, evaluated together: shared parts run once."""
    tensors = list(_tensors_in(value))
    return _filled(value, iter(evaluate(tensors)))


def _tensors_in(value: Any) -> Iterator[TensorHandle]:
    if isinstance(value, TensorHandle):
        yield value
    elif type(value) in (list, dict) or isinstance(value, tuple):
        for item in value.values() if type(value) is dict else value:
            yield from _tensors_in(item)


def _filled(value: Any, arrays: Iterator[Any]) -> Any:
    """Return the value with the arrays in place of its tensors, in the order of `_tensors_in`."""
    if isinstance(value, TensorHandle):
        return next(arrays)
    if type(value) is dict:
        return {key: _filled(item, arrays) for key, item in value.items()}
    if type(value) is list:
        return [_filled(item, arrays) for item in value]
    if isinstance(value, tuple):
        items = [_filled(item, arrays) for item in value]
        return value if all(a is b for a, b in zip(items, value, strict=True)) else _rebuilt(value, items)
    return value


def _rebuilt(value: tuple[Any, ...], items: list[Any]) -> tuple[Any, ...]:
    return type(value)._make(items) if hasattr(type(value), "_make") else tuple(items)


def evaluating(function: Any) -> Any:  # Any: a callable of the test
    """Return the function with its result evaluated, and with what it writes in place computed there."""

    def call(*args: Any, **kwargs: Any) -> Any:
        with strict():
            return evaluated(function(*args, **kwargs))

    return call


class StrictBlock:
    """A context manager of pytest, warnings or numpy.testing whose block runs inside cnp.strict()."""

    def __init__(self, block: Any) -> None:  # Any: any context manager
        self._block = block
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Any:
        entered = self._stack.enter_context(self._block)
        self._stack.enter_context(strict())
        return entered

    def __exit__(self, *error: Any) -> Any:
        return self._stack.__exit__(*error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._block, name)


def expecting(function: Any, num_leading: int) -> Any:  # Any: pytest.raises, np.testing.assert_warns and their like
    """Return the function with its block strict, or the callable that follows its leading arguments evaluating."""

    def call(*args: Any, **kwargs: Any) -> Any:
        if len(args) > num_leading and callable(args[num_leading]):
            checked = evaluating(args[num_leading])
            return function(*args[:num_leading], checked, *args[num_leading + 1 :], **kwargs)
        block = function(*args, **kwargs)
        return StrictBlock(block) if hasattr(block, "__enter__") else block

    return call


def _replaced(module: ModuleType, **names: Any) -> ModuleType:
    replaced = ModuleType(module.__name__)
    replaced.__dict__.update(vars(module))
    replaced.__dict__.update(names)
    return replaced


def _catch_warnings(*args: Any, **kwargs: Any) -> Any:
    block = warnings.catch_warnings(*args, **kwargs)
    return StrictBlock(block) if kwargs.get("record") or (args and args[0]) else block


REPLACED_MODULES: dict[str, ModuleType] = {
    "pytest": _replaced(
        pytest,
        raises=expecting(pytest.raises, 1),
        warns=expecting(pytest.warns, 1),
        deprecated_call=expecting(pytest.deprecated_call, 0),
    ),
    "warnings": _replaced(warnings, catch_warnings=_catch_warnings),
}
