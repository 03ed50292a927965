"""Which objects hold tensors among their attributes: the cache of keys and values in the output of a transformer, for one.

An object may lead anywhere, also back to itself. Each is looked at once, so a search costs what can be reached.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Link: TypeAlias = tuple[
    int, str | None
]  # the id of an object or container, and the name of the attribute if it is an object


@dataclass(slots=True)
class AttributeSearch:
    """Finds the attributes that lead to tensors.

    names: by the id of each object that has such attributes, in the order in which they were found
    """

    is_tensor: Callable[[Any], bool]
    names: dict[int, dict[str, None]] = field(default_factory=dict)
    _links: dict[int, list[Link]] = field(default_factory=dict)  # which objects and containers lead to one
    _kept: list[object] = field(default_factory=list)  # an id is that of an object only while it lives

    def attributes_of(self, value: object) -> Mapping[str, None]:
        """Return the names of the attributes of an object that lead to tensors."""
        if id(value) not in self._links:
            self._links[id(value)] = []
            self._mark(self._tensors_behind(value))
        return self.names.get(id(value), {})

    def _tensors_behind(self, start: object) -> list[Link]:
        """Look at what can be reached and was not looked at, and return the links that lead to a tensor or to its holder."""
        found: list[Link] = []
        waiting = [start]
        while waiting:
            value = waiting.pop()
            self._kept.append(value)
            for name, child in _children(value):
                link = (id(value), name)
                if self.is_tensor(child) or id(child) in self.names:
                    found.append(link)
                elif isinstance(child, Mapping | list | tuple) or is_record(child) or is_object(child):
                    if id(child) not in self._links:
                        self._links[id(child)] = []
                        waiting.append(child)
                    self._links[id(child)].append(link)
        return found

    def _mark(self, found: list[Link]) -> None:
        while found:
            holder, name = found.pop()
            is_new = holder not in self.names
            names = self.names.setdefault(holder, {})
            if name is not None:
                names[name] = None
            if is_new:
                found += self._links[holder]


def is_record(value: object) -> TypeGuard[DataclassInstance]:
    """Return whether a value is a dataclass's, with or without a `__dict__`."""
    return is_dataclass(value) and not isinstance(value, type)


def is_object(value: object) -> bool:
    """Return whether a value is an object with attributes that may stand for data: no function, model, class, module or array."""
    return hasattr(value, "__dict__") and not (
        callable(value) or isinstance(value, ModuleType) or hasattr(value, "__array__")
    )


def _children(value: object) -> list[tuple[str | None, object]]:
    if isinstance(value, Mapping):
        return [(None, child) for child in value.values()]
    if isinstance(value, list | tuple):
        return [(None, child) for child in value]
    if is_record(value):
        return [(each.name, getattr(value, each.name, None)) for each in fields(value)]
    return list(vars(value).items())
