"""Wraps numpy's methods that draw random numbers: tensors among the parameters are evaluated, results are new inputs.

numpy draws at the call. permutation, shuffle and choice of a tensor draw positions, and take its elements lazily.
"""

from __future__ import annotations

import inspect
import warnings
from abc import ABCMeta
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from composit.apply import as_tensor, input_of
from composit.containers import flatten
from composit.guards import read_value
from composit.handle import TensorHandle
from composit.numpy.arguments.signatures import signature_of
from composit.numpy.indexing.taking import take
from composit.numpy.random.recorded_draws import note_draw
from composit.numpy.views.layout import stand_in_of
from composit.numpy.views.writes import assign_result, is_writable, writing_to
from composit.operation import Array
from composit.source import warn_user

# Any, everywhere here: arguments and results of numpy's methods.
Method = Callable[..., Any]


class NumpysToo(ABCMeta):
    """Metaclass of our generators: isinstance(np.random.default_rng(), composit.numpy.random.Generator) is True."""

    _numpys_class: type

    def __instancecheck__(cls, instance: object) -> bool:
        return super().__instancecheck__(instance) or isinstance(instance, cls.__dict__.get("_numpys_class", ()))


def known(name: str, *values: Any) -> Any:
    """Return the values with each tensor replaced by its evaluated array; a single value without a tuple.

    name: the function that reads the tensors, for the error of a run on other inputs: the drawn numbers depend on them
    """
    handles, rebuild = flatten(values)
    filled = rebuild([read_value(handle, name) for handle in handles]) if handles else values
    return filled[0] if len(values) == 1 else filled


def drawn(value: Any) -> object:
    """Return drawn numbers, arrays and numpy scalars as tensors, anything else unchanged."""
    if type(value) is np.ndarray:
        return input_of(value.view())
    if isinstance(value, np.generic) and value.dtype.kind not in "OUSVT":
        return as_tensor(value)
    return value


def drawing(method: Method) -> Callable[..., Any]:
    """Return our method for a numpy method that draws; it runs on `_numpys`, the numpy generator inside ours."""

    def draw(self: Any, *args: Any, **kwargs: Any) -> object:
        return drawn(_run(method, self, args, kwargs))

    return _as_numpys(draw, method)


def drawing_into(method: Method) -> Callable[..., Any]:
    """Return our method for a numpy method with `out=`: an array is filled, a tensor is assigned to."""
    names = list(inspect.signature(method).parameters)[1:]

    def draw(self: Any, *args: Any, **kwargs: Any) -> object:
        named = {**dict(zip(names, args, strict=False)), **kwargs}
        out = named.get("out")
        if out is None or len(named) < len(args) + len(kwargs):
            return drawn(_run(method, self, args, kwargs))
        if not isinstance(out, TensorHandle):
            return _run(method, self, args, kwargs)
        target = _memory_for(out)
        _run(method, self, (), {**named, "out": target})
        assign_result(out, input_of(target))
        return out

    return _as_numpys(draw, method)


# Types that hold no tensors. Most calls have only such parameters, and skip the search for tensors.
_PLAIN = frozenset((int, float, bool, str, type, type(None), np.ndarray))


def _run(method: Method, generator: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> object:
    values, named = args, kwargs
    if not (_PLAIN.issuperset(map(type, args)) and _PLAIN.issuperset(map(type, kwargs.values()))):
        values, named = known(method.__name__, args, dict(kwargs))
    result: object = method(generator._numpys, *values, **named)
    note_draw(method, generator._numpys, values, named, result)
    return result


def _memory_for(out: Any) -> Array:
    """Return an array to fill in place of the tensor, contiguous if and only if it is: some methods demand that."""
    if out.type.is_scalar:
        value: Array = read_value(out, "")
        return value
    layout = stand_in_of(out)
    is_whole = layout.flags.forc
    memory: Array = np.zeros_like(layout) if is_whole else np.zeros((*layout.shape, 2), layout.dtype)[..., 0]
    memory.flags.writeable = is_writable(out)
    return memory


def _as_numpys(ours: Method, method: Method) -> Method:
    ours.__name__ = method.__name__
    ours.__qualname__ = method.__qualname__
    ours.__doc__ = f"Return what numpy's {method.__qualname__} draws, as a tensor. See its page."
    return with_signature_of(method)(ours)


def with_signature_of(method: Method) -> Callable[[Method], Method]:
    """Return a decorator that gives our function the signature of numpy's, for inspect and help."""

    def shown(ours: Method) -> Method:
        ours.__signature__ = signature_of(method)  # type: ignore[attr-defined]  # what inspect reads
        return ours

    return shown


def permuting(method: Method) -> Callable[..., Any]:
    """Return `permutation`: for a tensor it draws positions and takes the elements lazily."""
    by_value, signature = drawing(method), inspect.signature(method)

    def permute(self: Any, *args: Any, **kwargs: Any) -> object:
        named = _named(signature, args, kwargs)
        x, axis = _produced(named.get("x")), named.get("axis", 0)
        if not _has_axis(x, axis):
            return by_value(self, *args, **kwargs)
        return take(x, input_of(_shuffled_positions(self, x.shape[axis]).view()), axis)

    return _as_numpys(permute, method)


def shuffling(method: Method) -> Callable[..., Any]:
    """Return `shuffle`: for a tensor it draws positions, and assigns the elements at them to the tensor, lazily."""
    signature = inspect.signature(method)

    def shuffle(self: Any, *args: Any, **kwargs: Any) -> None:
        named = _named(signature, args, kwargs)
        axis = named.get("axis", 0)
        x: Any = named.get("x")
        if _has_axis(x, axis) and is_writable(x):
            if x.size:
                with writing_to(x):
                    assign_result(x, take(x, input_of(_shuffled_positions(self, x.shape[axis]).view()), axis))
        elif isinstance(x, TensorHandle):
            # The axis does not exist or the tensor is read-only: numpy raises its error.
            method(self._numpys, **{**named, "x": _memory_for(x)})
        elif isinstance(x, np.ndarray | list):
            method(self._numpys, *args, **kwargs)
        else:
            _warned_from_the_call(method, self._numpys, *args, **kwargs)

    return _as_numpys(shuffle, method)


def _warned_from_the_call(function: Method, *args: Any, **kwargs: Any) -> None:
    """Call the function and repeat its warnings at the user's line: ours adds a frame that numpy's does not have."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function(*args, **kwargs)
    for warning in caught:
        warn_user(str(warning.message), warning.category)


def choosing(method: Method) -> Callable[..., Any]:
    """Return `choice`: for a tensor it draws positions and takes the elements lazily."""
    by_value, signature = drawing(method), inspect.signature(method)

    def choose(self: Any, *args: Any, **kwargs: Any) -> object:
        named = _named(signature, args, kwargs)
        axis, size = named.pop("axis", 0), named.get("size")
        a: Any = named.get("a")
        has_rows = _has_axis(a, axis) and a.shape[axis] > 0 and (a.ndim == 1 or "axis" in signature.parameters)
        if not has_rows or size == () or a.dtype.kind == "O":
            return by_value(self, *args, **kwargs)
        # numpy draws the same positions for choice(n) as for choice(array of length n).
        positions: Any = _run(method, self, (), {**named, "a": a.shape[axis]})
        return take(a, input_of(positions.view()) if isinstance(positions, np.ndarray) else positions, axis)

    return _as_numpys(choose, method)


def _named(signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments by name, or nothing if they do not fit the signature and numpy will refuse the call."""
    try:
        named = signature.bind(None, *args, **kwargs).arguments
    except TypeError:
        return {}
    return {name: value for name, value in named.items() if name != "self"}


def _produced(x: Any) -> Any:
    """Return the tensor that an object's `__array__` returns, if it does; anything else unchanged."""
    if hasattr(x, "__lazy_tensor__") or isinstance(x, np.ndarray | np.generic | type) or not hasattr(x, "__array__"):
        return x
    produced = x.__array__()
    return produced if isinstance(produced, TensorHandle) else x


def _shuffled_positions(generator: Any, length: int) -> Array:
    positions: Array = _permutation(generator._numpys, length)
    note_draw(_permutation, generator._numpys, (length,), {}, positions)
    return positions


def _permutation(numpys: Any, length: int) -> Array:
    positions = np.arange(length)
    numpys.shuffle(positions)
    return positions


def _has_axis(x: Any, axis: Any) -> bool:
    """Return whether x is a tensor with that axis; numpy accepts or refuses anything else."""
    return isinstance(x, TensorHandle) and axis.__class__ is int and -x.ndim <= axis < x.ndim
