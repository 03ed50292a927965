"""Nested containers of tensors: taken apart before evaluation and put together again with values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from copy import copy
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from composit.apply import tensor_made_by
from composit.handle import TensorHandle

Rebuild: TypeAlias = Callable[[Sequence[Any]], Any]  # Any: arrays in, the container out


def flatten(container: Any) -> tuple[list[TensorHandle], Rebuild]:  # Any: tensors in containers of any kind
    """Return the tensors in a container, and a function that puts values in their places.

    Containers are lists, tuples, named tuples, mappings and dataclasses; their classes are kept, so that a ModelOutput
    comes back as a ModelOutput. Another object that has tensors among its attributes, such as a cache of keys and values, comes
    back as a copy with values there. Anything else stays as it is: numbers, functions, modules.
    """
    handles: list[TensorHandle] = []
    # A partial of a function of this module, unlike a closure, pickles with the operation that keeps it.
    return handles, partial(_fill, _collect(container, handles))


def map_leaves(container: Any, function: Callable[[Any], Any]) -> Any:
    """Return the container with everything in it that is no container replaced by `function` of it."""
    if isinstance(container, Mapping | list | tuple) or (is_dataclass(container) and not isinstance(container, type)):
        return _map_children(container, lambda child: map_leaves(child, function))
    return function(container)


def with_made_tensors(container: Any) -> tuple[Any, bool]:
    """Return the container with objects replaced by the tensors that their `__array__` gives, and whether there are any.

    numpy refuses an object whose `__array__` gives a tensor.
    """
    made: list[Any] = []
    return _made_in(container, made), bool(made)


def _made_in(value: Any, made: list[Any]) -> object:
    tensor = None if isinstance(value, TensorHandle | np.ndarray | np.generic) else tensor_made_by(value)
    if tensor is not None:
        made.append(tensor)
        return tensor
    return _map_children(value, lambda child: _made_in(child, made))


class _Slot:
    """The place of one tensor in a container."""

    __slots__ = ("position",)

    def __init__(self, position: int) -> None:
        self.position = position


@dataclass(frozen=True, slots=True)
class _Object:
    """An object that is no container, and templates of those of its attributes that hold tensors."""

    original: object
    attributes: Mapping[str, object]

    def filled(self, values: Sequence[Any]) -> object:
        """Return a copy of the object with values in place of tensors."""
        made = copy(self.original)
        vars(made).update({name: _fill(template, values) for name, template in self.attributes.items()})
        return made


def _attributes_with_tensors(value: object, around: frozenset[int] = frozenset()) -> list[str]:
    """Return the names of an object's attributes that hold tensors, at any depth; none of what can be called.

    around: ids of the objects that led here: a way back to one of them leads to nothing new
    """
    attributes = getattr(value, "__dict__", None)
    if not attributes or callable(value) or hasattr(value, "__array__") or id(value) in around:
        return []
    around = around | {id(value)}
    return [name for name, child in attributes.items() if _holds_tensor(child, around)]


def _holds_tensor(value: object, around: frozenset[int]) -> bool:
    if issubclass(type(value), np.generic) or isinstance(value, type):
        return False
    if hasattr(value, "__lazy_tensor__"):
        return True
    if isinstance(value, Mapping):
        return any(_holds_tensor(child, around) for child in value.values())
    if isinstance(value, list | tuple):
        return any(_holds_tensor(child, around) for child in value)
    return bool(_attributes_with_tensors(value, around))


def _collect(value: Any, handles: list[TensorHandle]) -> object:
    # `type(value)` and not isinstance: lazy scalars are instances of numpy's classes too.
    if issubclass(type(value), np.generic):
        return value
    protocol = getattr(value, "__lazy_tensor__", None)
    if protocol is not None and not isinstance(value, type):
        handles.append(protocol())
        return _Slot(len(handles) - 1)
    if not isinstance(value, Mapping | list | tuple) and not is_dataclass(value):
        names = _attributes_with_tensors(value)
        return _Object(value, {name: _collect(vars(value)[name], handles) for name in names}) if names else value
    return _map_children(value, lambda child: _collect(child, handles))


def _fill(template: Any, values: Sequence[Any]) -> object:
    if isinstance(template, _Slot):
        return values[template.position]
    if isinstance(template, _Object):
        return template.filled(values)
    return _map_children(template, lambda child: _fill(child, values))


def _map_children(value: Any, function: Callable[[Any], Any]) -> object:
    if isinstance(value, Mapping):
        return _like_mapping(value, {key: function(child) for key, child in value.items()})
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(function(child) for child in value))
    if isinstance(value, list | tuple):
        return type(value)([function(child) for child in value])
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: function(getattr(value, f.name)) for f in fields(value) if f.init})
    return value


def _like_mapping(original: Mapping[Any, Any], items: dict[Any, Any]) -> object:
    # A dict subclass that is also a dataclass (transformers' ModelOutput) is made from its fields.
    make: Callable[..., Any] = type(original)
    if hasattr(make, "__dataclass_fields__"):
        return make(**items)
    if isinstance(original, MutableMapping):
        # A copy keeps further state, such as the factory of a defaultdict.
        filled: Any = copy(original)
        filled.update(items)
        return filled
    return make(items)
