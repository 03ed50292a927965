"""`Structure`: the arguments of a call taken apart into tensors, containers and a key of everything else.

Two calls with equal keys differ in the values of their tensors alone, so that one may run the path that the other took.
"""

from __future__ import annotations

import enum
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from logging import Logger
from types import MappingProxyType, ModuleType
from typing import Any, TypeAlias

import numpy as np
import torch

from composit.errors import ParameterError, ShapeError
from flashlight.sizes.symbols import SYMBOLIC

Key: TypeAlias = Hashable
_PLAIN = (bool, int, str, bytes, type(None), enum.Enum, torch.dtype, torch.device, torch.layout, torch.memory_format)


class Same:
    """The key of an object that is known by its identity alone: a function, a module, a generator. It keeps the object alive."""

    __slots__ = ("thing",)

    def __init__(self, thing: object) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.thing is self.thing

    def __hash__(self) -> int:
        return id(self.thing)


class Structure:
    """A value taken apart.

    named: tensors with named sizes, by id, and the names by axis; the key has the names in place of the lengths

    tensors: each tensor once, in the order in which they are found
    holders: each list, mapping and object with attributes once, in order
    others:  what the key knows by its identity: functions, modules; generators: each torch generator
    sizes:   named sizes
    key:     equal for values that differ in their tensors' values alone
    """

    def __init__(
        self,
        value: object,
        named: Mapping[int, tuple[torch.Tensor, Mapping[int, str]]] = MappingProxyType({}),
    ) -> None:
        self._named = named
        self.sizes: dict[str, int] = {}
        self.tensors: list[torch.Tensor] = []
        self.holders: list[Any] = []
        self.others: list[object] = []
        self.generators: list[torch.Generator] = []
        self._places: dict[int, tuple[str, int]] = {}
        key = self._key_of(value)
        self.key: Key = (key, self._memory_key())

    def place_of(self, thing: object) -> tuple[str, int] | None:
        """Return where a tensor or holder was found, ("tensor", 0) for the first tensor; None if it was not."""
        return self._places.get(id(thing))

    def contents(self) -> tuple[Key, ...]:
        """Return what each holder holds now: tensors and holders by identity, everything else by its key."""
        return tuple(self._content(tuple(children_of(holder))) for holder in self.holders)

    def _content(self, part: object) -> Key:
        if isinstance(part, tuple):
            return (type(part), *map(self._content, part))
        return Same(part) if isinstance(part, torch.Tensor) or is_holder(part) else self._key_of_other(part)

    def _key_of(self, value: object) -> Key:
        place = self._places.get(id(value))
        if place is not None:
            return ("again", *place)
        if isinstance(value, torch.Tensor):
            return self._key_of_tensor(value)
        if is_holder(value):
            self._places[id(value)] = ("holder", len(self.holders))
            self.holders.append(value)
        elif not isinstance(value, tuple):
            return self._key_of_other(value)
        return (type(value), *((self._key_of(name), self._key_of(child)) for name, child in children_of(value)))

    def _key_of_tensor(self, tensor: torch.Tensor) -> Key:
        self._places[id(tensor)] = ("tensor", len(self.tensors))
        self.tensors.append(tensor)
        strides = tensor.stride() if tensor.layout is torch.strided and not tensor.is_contiguous() else None
        flags = (tensor.requires_grad, tensor.is_inference(), tensor.is_conj(), tensor.is_neg())
        return (type(tensor), self._shape_of(tensor), tensor.dtype, tensor.device, strides, flags)

    def _shape_of(self, tensor: torch.Tensor) -> tuple[int | str, ...]:
        shape: list[int | str] = list(tensor.shape)
        _, names = self._named.get(id(tensor), (tensor, {}))
        for axis, name in names.items():
            if not -tensor.ndim <= axis < tensor.ndim:
                raise ParameterError(
                    f"capture: dynamic= names axis {axis} of a tensor of shape {tuple(tensor.shape)} {name!r}; expected one of its "
                    f"{tensor.ndim} axes; name another one"
                )
            length = tensor.shape[axis]
            if self.sizes.setdefault(name, length) != length:
                raise ShapeError(
                    f"capture: the size {name!r} is {self.sizes[name]} in one argument and {length} in another; expected one length for "
                    "one name; give arguments that agree, or use other names in dynamic="
                )
            shape[axis] = name
        return tuple(shape)

    def _key_of_other(self, value: object) -> Key:
        if isinstance(value, float | complex):
            # Text tells 0.0 from -0.0, and nan from numbers.
            return (type(value), repr(value))
        if isinstance(value, slice | range):
            return (type(value), value.start, value.stop, value.step)
        if isinstance(value, _PLAIN):
            return (type(value), value)
        if isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
            return (type(value), value.dtype, value.shape, value.tobytes())
        if isinstance(value, set | frozenset):
            return (type(value), frozenset(map(self._key_of_other, value)))
        if isinstance(value, torch.Generator):
            self.generators.append(value)
        self.others.append(value)
        return Same(value)

    def _memory_key(self) -> Key:
        """Return which tensors share memory, and how: a write to one then reaches the other."""
        by_storage: dict[int, list[tuple[int, int]]] = {}
        for position, tensor in enumerate(self.tensors):
            if tensor.layout is torch.strided and not tensor.is_nested:
                storage = tensor.untyped_storage().data_ptr()
                by_storage.setdefault(storage, []).append((position, int(tensor.storage_offset())))
        return tuple(tuple(group) for address, group in by_storage.items() if len(group) > 1 and address)


def is_holder(value: object) -> bool:
    """Return whether a value is a list, a mapping, or an object with attributes that stands for data."""
    if isinstance(value, Mapping | list):
        return True
    if isinstance(
        value, (torch.Tensor, torch.nn.Module, torch.Generator, ModuleType, Logger, type, enum.Enum, *SYMBOLIC)
    ):
        return False
    has_attributes = hasattr(value, "__dict__") or is_dataclass(value)
    return has_attributes and not callable(value) and not hasattr(value, "__array__")


def children_of(value: Any) -> Iterable[tuple[Any, Any]]:  # Any: containers and objects of any kind
    """Return the names and the parts of a container or an object, as they are now."""
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, list | tuple):
        return list(enumerate(value))
    if hasattr(value, "__dict__"):
        return list(vars(value).items())
    return [(field.name, getattr(value, field.name)) for field in fields(value) if hasattr(value, field.name)]
