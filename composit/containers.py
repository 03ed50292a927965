"""Nested containers of tensors: taken apart before evaluation and put together again with values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from copy import copy
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from composit.apply import tensor_made_by
from composit.handle import TensorHandle
from composit.object_attributes import AttributeSearch, is_object, is_record

Rebuild: TypeAlias = Callable[[Sequence[Any]], Any]  # Any: arrays in, the container out


def flatten(container: Any) -> tuple[list[TensorHandle], Rebuild]:  # Any: tensors in containers of any kind
    """Return the tensors in a container, and a function that puts values in their places.

    Containers are lists, tuples, named tuples, mappings and dataclasses; their classes are kept, so that a ModelOutput
    comes back as a ModelOutput. Anything else stays as it is.
    """
    handles: list[TensorHandle] = []
    # A partial of a function of this module, unlike a closure, pickles with the operation that keeps it.
    return handles, partial(_fill, _collect(container, handles))


def flatten_results(container: Any) -> tuple[list[TensorHandle], Rebuild]:  # Any: as above
    """Do what `flatten` does, also for other objects that have tensors among their attributes, such as a cache of keys and values.

    These are filled in copies, which lead to each other as the objects do. Functions, models and modules are not looked into.
    """
    found: list[Any] = []
    objects = _Objects(found)
    template = objects.collect(container)
    return [tensor.__lazy_tensor__() for tensor in found], lambda values: objects.filled(template, values)


def tensors_in(container: Any) -> list[Any]:  # Any: as above, and tensors of any library
    """Return the tensors whose lazy tensors `flatten_results` returns, as they are."""
    found: list[Any] = []
    _Objects(found).collect(container)
    return found


def map_leaves(container: Any, function: Callable[[Any], Any]) -> Any:
    """Return the container with everything in it that is no container replaced by `function` of it."""
    if isinstance(container, Mapping | list | tuple) or is_record(container):
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


def _collect(value: Any, handles: list[TensorHandle]) -> object:
    if _is_tensor(value):
        handles.append(value.__lazy_tensor__())
        return _Slot(len(handles) - 1)
    return _map_children(value, lambda child: _collect(child, handles))


def _is_tensor(value: Any) -> bool:
    # `type(value)` and not isinstance: lazy scalars are instances of numpy's classes too.
    if issubclass(type(value), np.generic) or isinstance(value, type):
        return False
    return getattr(value, "__lazy_tensor__", None) is not None


def _fill(template: Any, values: Sequence[Any]) -> object:
    kind = type(template)
    if kind is _Slot:
        return values[template.position]
    # A compiled step fills hundreds of slots at each call; these are its usual containers.
    if kind is dict:
        return {key: _fill(child, values) for key, child in template.items()}
    if kind is list or kind is tuple:
        return kind([_fill(child, values) for child in template])
    return _map_children(template, lambda child: _fill(child, values))


@dataclass(slots=True, eq=False)
class _Object:
    """An object to copy, with what fills its attributes with tensors."""

    original: object
    attributes: dict[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class _Objects:
    """Takes containers apart, and objects with tensors; objects may lead back to themselves."""

    found: list[Any]
    search: AttributeSearch = field(default_factory=lambda: AttributeSearch(_is_tensor))
    known: dict[int, _Object] = field(default_factory=dict)

    def collect(self, value: Any) -> object:
        """Return a template: the value with a slot for each tensor, and an `_Object` for each object with tensors."""
        if _is_tensor(value):
            self.found.append(value)
            return _Slot(len(self.found) - 1)
        if isinstance(value, Mapping | list | tuple) or is_record(value) or not is_object(value):
            return _map_children(value, self.collect)
        names = self.search.attributes_of(value)
        if not names:
            return value
        if id(value) not in self.known:
            made = self.known[id(value)] = _Object(value)
            made.attributes.update({name: self.collect(vars(value)[name]) for name in names})
        return self.known[id(value)]

    def filled(self, template: Any, values: Sequence[Any]) -> object:
        """Return a template with values in its slots."""
        made: dict[_Object, object] = {}

        def fill(part: Any) -> object:
            if isinstance(part, _Slot):
                return values[part.position]
            if not isinstance(part, _Object):
                return _map_children(part, fill)
            if part not in made:
                made[part] = copy(part.original)
                vars(made[part]).update({name: fill(each) for name, each in part.attributes.items()})
            return made[part]

        return fill(template)


def _map_children(value: Any, function: Callable[[Any], Any]) -> object:
    if isinstance(value, Mapping):
        return _like_mapping(value, {key: function(child) for key, child in value.items()})
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(function(child) for child in value))
    if isinstance(value, list | tuple):
        return type(value)([function(child) for child in value])
    if is_record(value):
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
