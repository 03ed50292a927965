"""`Reachable`: the Python state that a function may read: what its objects lead to, and what the code that runs mentions.

Looked at are attributes of objects (of modules, of configurations, in containers), global variables and class attributes:

    def forward(self, x): return helper(x) * self.config.scale      # self and all it holds; helper, when forward begins

Code of torch, numpy and Python's own library is not looked at, and the state of objects that C keeps is not known.
"""

from __future__ import annotations

import builtins
import enum
import random
import sys
from argparse import Namespace
from array import array
from collections import OrderedDict, UserDict, UserList, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from functools import cached_property, lru_cache, partial
from hashlib import blake2b
from itertools import chain
from types import CodeType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch

from flashlight.captured.cells import (
    ABSENT,
    Cell,
    cell_of_answer,
    cell_of_attributes,
    cell_of_mapping,
    cell_of_sequence,
    cell_of_variables,
)
from flashlight.captured.mentioned import Mentioned, mentioned_in

MAX_CELLS = 100_000
_FOREIGN = frozenset((*sys.stdlib_module_names, "torch", "numpy", "composit", "flashlight", "mosaic", "sympy"))
# Of classes of Python's own library, the objects of these are data.
_DATA = (SimpleNamespace, Namespace, UserDict, UserList)
_ATOMS = (
    *(bool, int, float, complex, str, bytes, type(None), range, slice, enum.Enum, np.dtype, np.generic),
    *(torch.dtype, torch.device, torch.layout, torch.memory_format),
)
_CALLED_BY_TORCH = ("forward", "backward", "setup_context")
_BUILTINS = frozenset(vars(builtins))


class Reachable:
    """What can be reached from some roots, and by functions that begin to run later.

    cells:     the state, in places; empties: containers without items, which have to stay so; both after `finish`
    obstacles: why the state cannot be known
    """

    def __init__(self, roots: Mapping[str, object]) -> None:
        self.cells: list[Cell] = []
        self.empties: list[Any] = []
        self.tensors: list[torch.Tensor] = []
        self.obstacles: list[str] = []
        self._seen: dict[int, object] = {}
        self._waiting: deque[tuple[str, Any]] = deque(roots.items())
        self._names: set[str] = set(_CALLED_BY_TORCH)
        self._classes: dict[type, dict[str, Any]] = {}
        # Values by name, of each dict of variables.
        self._variables: dict[int, tuple[str, Mapping[str, Any], dict[str, Any]]] = {}
        # Functions by their code, until it runs, and code that has run.
        self._functions: dict[int, list[FunctionType]] = {}
        self._begun: set[int] = set()
        self._walk()

    def begin(self, code: CodeType, variables: dict[str, Any]) -> None:
        """Visit what code mentions that begins to run, with its global variables."""
        self._begun.add(id(code))
        if not _is_foreign(variables.get("__name__")):
            self._mention(mentioned_in(code), variables)
        # Of other libraries' functions the closures too: a decorator's has the function of the user.
        for function in self._functions.pop(id(code), ()):
            self._expand(function)
        self._walk()

    def _mention(self, mentioned: Mentioned, variables: dict[str, Any]) -> None:
        """Visit variables and modules with names that code mentions."""
        self._names |= mentioned.names
        where = str(variables["__name__"])
        self._note_variables(where, variables, mentioned.variables)
        for name in mentioned.variables:
            self._add_named(f"{where}.{name}", variables.get(name), mentioned.names)
        for name in mentioned.imports:
            for full in (name, f"{variables.get('__package__')}.{name}"):
                self._add_named(full, sys.modules.get(full), mentioned.names)

    def _note_variables(self, where: str, variables: Mapping[str, Any], names: Iterable[str]) -> None:
        _, _, known = self._variables.setdefault(id(variables), (where, variables, {}))
        for name in names:
            # A variable that comes later may hide a builtin function.
            if name not in known and (name in variables or name in _BUILTINS):
                known[name] = variables.get(name, ABSENT)

    def _add_named(self, where: str, value: Any, names: frozenset[str]) -> None:
        """Visit a value of a variable; of a Python module its variables with these names."""
        if not isinstance(value, ModuleType):
            self._add(where, value)
        elif not _is_foreign(value.__name__):
            variables = vars(value)
            found = [name for name in names if name in variables]
            self._note_variables(value.__name__, variables, found)
            for name in found:
                if variables[name] is not value:
                    self._add_named(f"{value.__name__}.{name}", variables[name], names - {name})

    def _walk(self) -> None:
        while self._waiting:
            where, value = self._waiting.popleft()
            self._visit(where, value)
            if len(self.cells) + len(self.empties) > MAX_CELLS:
                self.obstacles.append(f"its Python state has more than {MAX_CELLS} parts")
                self._waiting.clear()

    def finish(self) -> None:
        """Make cells of what was found by name."""
        for kind, attributes in self._classes.items():
            self._end_class(kind, attributes)
        for where, variables, known in self._variables.values():
            self.cells.append(cell_of_variables(where, variables, tuple(known), tuple(known.values())))
        self._classes.clear()
        self._variables.clear()
        self._functions.clear()
        self._seen.clear()

    def _end_class(self, kind: type, attributes: dict[str, Any]) -> None:
        # A new attribute may hide one of a base class.
        may_hide = (each for base in kind.__mro__[1:] for each in self._names & vars(base).keys())
        names = tuple({*(self._names & attributes.keys()), *may_hide})
        values = [attributes.get(name, ABSENT) for name in names]
        now: Any = vars(kind)  # Any: a proxy, which mypy's stubs do not take for a mapping of strings
        self.cells.append(cell_of_variables(kind.__name__, now, names, values))

    def _add(self, where: str, value: Any) -> None:
        if not issubclass(type(value), _ATOMS) and id(value) not in self._seen:
            self._waiting.append((where, value))

    def _add_all(self, parts: Iterable[tuple[str, Any]]) -> None:
        for where, value in parts:
            self._add(where, value)

    def _visit(self, where: str, value: Any) -> None:
        if id(value) in self._seen:
            return
        self._seen[id(value)] = value
        # By the type: `isinstance` would ask objects for their `__class__`, which may run code.
        visit = next((visit for kinds, visit in _VISITS if issubclass(type(value), kinds)), Reachable._visit_object)
        visit(self, where, value)

    def _visit_tensor(self, where: str, tensor: torch.Tensor) -> None:
        self.tensors.append(tensor)

    def _visit_tuple(self, where: str, items: tuple[Any, ...]) -> None:
        self._add_all((f"{where}[{position}]", each) for position, each in enumerate(items))

    def _visit_sequence(self, where: str, items: Any) -> None:
        cell = cell_of_sequence(where, items)
        self._add_container(cell, items)
        self._add_all((f"{where}{name}", each) for name, each in zip(cell.names, cell.values, strict=True))
        self._visit_object(where, items)

    def _visit_mapping(self, where: str, items: dict[Any, Any]) -> None:
        cell = cell_of_mapping(where, items)
        self._add_container(cell, items)
        self._add_all((f"{where}{name}", each) for name, each in zip(cell.names, cell.values, strict=False))
        self._visit_object(where, items)

    def _add_container(self, cell: Cell, items: Any) -> None:
        if not cell.values and type(items) in _CONTAINERS:
            self.empties.append(items)
        else:
            self.cells.append(cell)

    def _visit_set(self, where: str, items: Any) -> None:
        if isinstance(items, set):
            self.cells.append(cell_of_answer(where, lambda: tuple(sorted(items, key=_key_of_item))))
        self._add_all((f"an item of {where}", each) for each in items)

    def _visit_array(self, where: str, values: Any) -> None:
        self.cells.append(cell_of_answer(where, lambda: _digest(values)))

    def _visit_random(self, where: str, generator: Any) -> None:
        self.cells.append(cell_of_answer(f"the state of {where}", lambda: _state_of(generator)))

    def _visit_context(self, where: str, variable: ContextVar[Any]) -> None:
        self.cells.append(cell_of_answer(where, lambda: variable.get(ABSENT)))
        self._add(where, variable.get(None))

    def _visit_method(self, where: str, method: Any) -> None:
        self._add_all(((where.rpartition(".")[0] or where, method.__self__), (where, method.__func__)))

    def _visit_partial(self, where: str, function: Any) -> None:
        parts = {"func": function.func, "args": function.args, "keywords": function.keywords}
        self._add_all((f"{where}.{name}", part) for name, part in parts.items())

    def _visit_descriptor(self, where: str, descriptor: Any) -> None:
        functions = ("fget", "fset", "func", "__func__")
        self._add_all((where, getattr(descriptor, name)) for name in functions if getattr(descriptor, name, None))

    def _visit_function(self, where: str, function: FunctionType) -> None:
        if id(function.__code__) in self._begun:
            self._expand(function)
        else:
            self._functions.setdefault(id(function.__code__), []).append(function)

    def _expand(self, function: FunctionType) -> None:
        """Visit the variables of a function that runs."""
        name, cells = function.__qualname__, function.__closure__ or ()
        parts = ("__code__", "__defaults__", "__kwdefaults__")
        self.cells.append(cell_of_attributes(name, function, parts))
        self._add_all((f"{name}.{part}", getattr(function, part)) for part in parts[1:])
        if cells:
            words = [f", variable {each}" for each in function.__code__.co_freevars]

            def read() -> Sequence[Any]:
                return [_content_of(cell) for cell in cells]

            self.cells.append(Cell(name, words, read, read()))
            self._add_all((f"{name}{word}", each) for word, each in zip(words, read(), strict=True))
        if function.__dict__:
            self._visit_attributes(name, function, function.__dict__)

    def _visit_class(self, where: str, kind: type) -> None:
        for each in kind.__mro__:
            if each not in self._classes and not _is_foreign(each.__module__):
                attributes = self._classes[each] = dict(vars(each))
                self._add_all((f"{each.__name__}.{name}", value) for name, value in attributes.items())

    def _visit_object(self, where: str, value: Any) -> None:
        kind: Any = type(value)
        if not issubclass(kind, (torch.nn.Module, *_DATA)) and _is_foreign(kind.__module__) and not _is_of_torch(kind):
            self._visit_foreign(where, value)
            return
        self._visit_class(where, kind)
        attributes = attributes_of(value)
        if attributes is not None:
            self._visit_attributes(where, value, attributes)
        slots = [name for name in _slots_of(kind) if not name.startswith("__")]
        if slots:
            self.cells.append(cell_of_attributes(where, value, slots))
            values = self.cells[-1].values
            self._add_all((f"{where}.{name}", each) for name, each in zip(slots, values, strict=True))

    def _visit_foreign(self, where: str, value: Any) -> None:
        """Visit an object of Python's own library, or of C: a method of a dict, a function with a cache."""
        if isinstance(value, Iterator):
            self.obstacles.append(f"it may advance the iterator {where}, whose place Python does not tell")
        elif callable(value):
            owner = getattr(value, "__self__", None)
            self._add(where, getattr(value, "__wrapped__", None))
            self._add(where, None if isinstance(owner, ModuleType) else owner)

    def _visit_attributes(self, where: str, value: Any, attributes: dict[str, Any]) -> None:
        self._add_container(cell_of_mapping(where, attributes, is_attributes=True), attributes)
        self.cells.append(Cell(where, [".__class__"], lambda: (type(value),), (type(value),)))
        is_module = issubclass(type(value), torch.nn.Module)
        for name, each in list(attributes.items()):
            if is_module and name in _PARTS and isinstance(each, dict):
                self._visit_parts(where, each)
            else:
                self._add(f"{where}.{name}", each)

    def _visit_parts(self, where: str, parts: dict[str, Any]) -> None:
        """Visit parameters, buffers or modules inside a module."""
        self._seen[id(parts)] = parts
        self._add_container(cell_of_mapping(where, parts, is_attributes=True), parts)
        self._add_all((f"{where}.{name}", each) for name, each in parts.items())


_CONTAINERS = (dict, OrderedDict, list, deque)
_PARTS = ("_parameters", "_buffers", "_modules")
_GENERATORS = (random.Random, np.random.Generator, np.random.RandomState, np.random.BitGenerator, torch.Generator)
# The first that fits. Objects of other classes have attributes.
_VISITS: tuple[tuple[Any, Callable[[Reachable, str, Any], None]], ...] = (
    (torch.Tensor, Reachable._visit_tensor),
    (_ATOMS, lambda *_: None),
    (torch.nn.Module, Reachable._visit_object),
    (FunctionType, Reachable._visit_function),
    (MethodType, Reachable._visit_method),
    (type, Reachable._visit_class),
    (ModuleType, lambda *_: None),
    (tuple, Reachable._visit_tuple),
    (list | deque, Reachable._visit_sequence),
    (dict, Reachable._visit_mapping),
    (set | frozenset, Reachable._visit_set),
    (np.ndarray | array | bytearray, Reachable._visit_array),
    (partial, Reachable._visit_partial),
    (property | staticmethod | classmethod | cached_property, Reachable._visit_descriptor),
    (_GENERATORS, Reachable._visit_random),
    (ContextVar, Reachable._visit_context),
)


def _is_of_torch(kind: type) -> bool:
    """Return whether objects of a class of torch are data that a function may use: distributions, optimizers."""
    return kind.__module__.startswith("torch.") and not kind.__module__.startswith(_TORCHS_TOOLS)


_TORCHS_TOOLS = tuple(
    f"torch.{name}" for name in ("_", "fx", "jit", "distributed", "autograd", "multiprocessing", "utils")
)


def attributes_of(value: object) -> dict[str, Any] | None:
    """Return the attributes of an object as they are stored, whatever its class does to be asked for them."""
    try:
        attributes = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return None
    return attributes if isinstance(attributes, dict) else None


def _is_foreign(module: object) -> bool:
    return not isinstance(module, str) or module.partition(".")[0] in _FOREIGN


def _content_of(cell: Any) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # nothing was assigned to it yet
        return ABSENT


@lru_cache(maxsize=1024)
def _slots_of(kind: type) -> tuple[str, ...]:
    found = (vars(each).get("__slots__", ()) for each in kind.__mro__)
    return tuple(chain.from_iterable((each,) if isinstance(each, str) else each for each in found))


def _key_of_item(item: Any) -> tuple[str, str]:
    return type(item).__name__, repr(item) if isinstance(item, _ATOMS) else str(id(item))


def _digest(values: Any) -> tuple[object, ...]:
    if not isinstance(values, np.ndarray):
        return (bytes(values),)
    if values.dtype.hasobject:
        return (values.shape, *values.ravel())
    return values.dtype.str, values.shape, blake2b(values.tobytes()).digest()


def _state_of(generator: Any) -> str:
    if isinstance(generator, random.Random):
        return repr(generator.getstate())
    if isinstance(generator, np.random.RandomState):
        return repr(generator.get_state(legacy=False))
    if isinstance(generator, torch.Generator):
        return str(generator.get_state().numpy().tobytes())
    source = generator if isinstance(generator, np.random.BitGenerator) else generator.bit_generator
    return repr(source.state)
