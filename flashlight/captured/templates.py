"""`Template`: a result of a call, put together again with other tensors and with the containers of another call.

What a program returns may be new, given (the cache that it was called with), or new inside of what was given (the keys that it
put into that cache). The template says which, and is filled for each call:

    def f(x, cache): cache.append(x + 1); return cache      # returns what was given, with a new tensor in it
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import torch

from composit.errors import OperandError
from flashlight.captured.structures import Structure, children_of, is_holder
from flashlight.sizes.symbols import SYMBOLIC, known_value


@dataclass(frozen=True, slots=True)
class _Result:
    """A tensor that the program computes."""

    position: int


@dataclass(frozen=True, slots=True)
class _Given:
    """A tensor or container that the call was given."""

    kind: str
    position: int


@dataclass(frozen=True, slots=True)
class _Known:
    """Something that is the same in each call."""

    thing: Any


@dataclass(frozen=True, slots=True)
class _Number:
    """A number that depends on named sizes: torch's symbolic integer."""

    number: Any


@dataclass(frozen=True, slots=True)
class _Made:
    """A container or object that each call makes anew. shell: one without its parts, or the class of one that takes them."""

    shell: Any
    parts: tuple[tuple[Any, object], ...]


class Templates:
    """Makes templates of what a call returned and did to its arguments.

    given:   the arguments, as they were before the call
    results: the tensors that the templates ask for
    """

    def __init__(self, given: Structure) -> None:
        self._given = given
        self.results: list[torch.Tensor] = []
        self._positions: dict[int, int] = {}
        self._made: dict[int, object] = {}
        self._kept: list[object] = []  # so that no other object gets its id

    def of(self, value: Any) -> object:
        """Return the template of a value."""
        place = self._given.place_of(value)
        if place is not None:
            return _Given(*place)
        if isinstance(value, torch.Tensor):
            return self._result(value)
        if isinstance(value, SYMBOLIC):
            return _Number(value)
        if is_holder(value) or isinstance(value, tuple):
            if id(value) not in self._made:
                self._made[id(value)] = self._holder(value)
            return self._made[id(value)]
        return _Known(value)

    def _holder(self, value: Any) -> object:
        # Entered before its parts, which may lead back to it.
        made = self._made[id(value)] = _Made(None, ())
        self._kept.append(value)
        object.__setattr__(made, "parts", self.parts_of(value))
        is_container = isinstance(value, Mapping | list | tuple)
        if not is_container and not _differs_between_calls(made, set()):
            # A configuration or a logger, which all calls share.
            return _Known(value)
        object.__setattr__(made, "shell", _shell_of(value))
        return made

    def parts_of(self, holder: Any) -> tuple[tuple[Any, object], ...]:
        """Return the templates of the parts of a container or object."""
        return tuple((name, self.of(child)) for name, child in children_of(holder))

    def _result(self, tensor: torch.Tensor) -> _Result:
        position = self._positions.setdefault(id(tensor), len(self.results))
        if position == len(self.results):
            self.results.append(tensor)
        return _Result(position)


class Filling:
    """Fills templates for one call.

    given:  its arguments; results: what the program computed for them
    number: gives the number for one that depends on named sizes (`x.shape[0]`)
    """

    def __init__(
        self, given: Structure, results: Sequence[torch.Tensor], number: Callable[[Any], Any] = known_value
    ) -> None:
        self._number = number
        self._given = given
        self._results = results
        self._made: dict[int, Any] = {}

    def fill(self, template: Any) -> object:
        """Return the value of a template."""
        if isinstance(template, _Result):
            return self._results[template.position]
        if isinstance(template, _Given):
            things: Sequence[Any] = self._given.tensors if template.kind == "tensor" else self._given.holders
            return things[template.position]
        if isinstance(template, _Known):
            return template.thing
        if isinstance(template, _Number):
            return self._number(template.number)
        if id(template) not in self._made:
            self._make(template)
        return self._made[id(template)]

    def _make(self, template: _Made) -> None:
        shell = template.shell
        if not isinstance(shell, type):
            self._made[id(template)] = made = copy(shell)
            self.put(made, template.parts)
            return
        parts: dict[Any, Any] = {name: self.fill(part) for name, part in template.parts}
        if issubclass(shell, tuple):
            made = shell(*parts.values()) if hasattr(shell, "_fields") else shell(parts.values())
        else:
            made = shell(**parts)
        self._made[id(template)] = made

    def put(self, holder: Any, parts: Sequence[tuple[Any, object]]) -> None:
        """Replace what a container or object holds."""
        filled = {name: self.fill(part) for name, part in parts}
        if isinstance(holder, MutableMapping):
            holder.clear()
            holder.update(filled)
        elif isinstance(holder, list):
            holder[:] = filled.values()
        elif hasattr(holder, "__dict__"):
            vars(holder).clear()
            vars(holder).update(filled)
        else:
            for name, value in filled.items():
                object.__setattr__(holder, name, value)


def _differs_between_calls(template: object, seen: set[int]) -> bool:
    if not isinstance(template, _Made):
        return isinstance(template, _Result | _Given | _Number)
    if id(template) in seen:
        return False
    seen.add(id(template))
    return any(_differs_between_calls(part, seen) for _, part in template.parts)


def _shell_of(value: Any) -> Any:
    """Return a container or object like `value` without its parts, which would keep the tensors of the first call alive."""
    if isinstance(value, tuple) or (isinstance(value, Mapping) and hasattr(type(value), "__dataclass_fields__")):
        # transformers' ModelOutput is a mapping made from its fields.
        return type(value)
    shell = copy(value)
    if shell is value:
        raise OperandError(
            f"capture: the function returned an object of type {type(value).__name__} with tensors, of which Python makes no copy; "
            "expected containers and plain objects; return its tensors instead"
        )
    if isinstance(shell, MutableMapping | list):
        shell.clear()
    elif hasattr(shell, "__dict__"):
        vars(shell).clear()
    return shell
