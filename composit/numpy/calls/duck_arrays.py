"""Arrays of other libraries among the arguments: numpy's protocol `__array_function__`, for our public functions.

A duck array is an object with an `__array_function__` of its own, such as a dask array.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from composit.handle import TensorHandle

# Any, everywhere here: what numpy's functions take and return.
Function = Callable[..., Any]


def duck_arrays_in(values: Iterable[Any]) -> list[Any]:
    """Return one duck array of each class among the values, subclasses before their bases."""
    return one_of_each_class(value for value in _flat(values) if _is_duck(value))


def one_of_each_class(values: Iterable[Any]) -> list[Any]:
    """Return the first object of each class, subclasses before their bases: the order in which numpy asks them."""
    found: list[Any] = []
    for value in values:
        if any(type(other) is type(value) for other in found):
            continue
        place = next((i for i, other in enumerate(found) if issubclass(type(value), type(other))), len(found))
        found.insert(place, value)
    return found


def _flat(values: Iterable[Any]) -> Iterable[Any]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from value
        else:
            yield value


def _is_duck(value: Any) -> bool:
    if isinstance(value, TensorHandle | type):
        return False
    method = getattr(type(value), "__array_function__", None)
    # A subclass of np.ndarray that inherits numpy's method is handled by numpy itself.
    return method is not None and method is not np.ndarray.__array_function__


def ask_duck_arrays(
    public: Function, name: str, ducks: Sequence[Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> object:
    """Return the first result that is not NotImplemented from the duck arrays' `__array_function__`.

    name: the full name of numpy's function

    Raises:  TypeError: all of them return NotImplemented
    """
    types = tuple(type(duck) for duck in ducks)
    for duck in ducks:
        result = duck.__array_function__(public, types, args, dict(kwargs))
        if result is not NotImplemented:
            return result
    raise TypeError(
        f"no implementation found for {name!r} on types that implement __array_function__: {list(types)}: each"
        " returned NotImplemented; convert the operands with asarray"
    )
