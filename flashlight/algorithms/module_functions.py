"""`ModuleFunctions`: the calls of a swapped module as functions of tensors, with one program for each set of shapes.

The operator composit::run_program finds them by keys, which say all that torch.compile has to know:

    swapped:7|eval|((...,), {})            the call of swapped module 7 with one tensor
    swapped:7|eval|((...,), {})|3>0,1      the gradients by tensors 0 and 1 of the 3 that it takes
"""

from __future__ import annotations

import ast
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar
from weakref import WeakValueDictionary, ref

import torch
from torch import nn
from torch.utils import _pytree as pytree

from composit.errors import DtypeError, OperandError, ParameterError
from composit.locks import fork_safe_lock
from flashlight.algorithms.held_tensors import names_of_tensors
from flashlight.algorithms.recordings import TENSOR, Backends, Forward, ModuleCall, recorded_call
from flashlight.export.tensor_programs import TensorFunction, TensorProgram, register_function, register_maker

MAX_PROGRAMS = 32
_PREFIX = "swapped"
_numbers = count(1)
_FLOATS = (torch.float32, torch.float64)
Held = TypeVar("Held")
_SIMPLE = (bool, int, float, complex, str, tuple, type(None))


@dataclass(frozen=True, slots=True)
class Swap:
    """How a module was swapped.

    forward:  of the class that it had
    path:     its name in the model; returns_pair: as in ModuleCall
    """

    forward: Forward
    path: str
    backends: Backends
    returns_pair: bool


class ModuleFunctions:
    """The functions of one swapped module, by how it is called.

    key:   begins the keys of all of them; names: of the tensors that the module holds, as they follow the arguments
    """

    def __init__(self, module: nn.Module, swap: Swap) -> None:
        self.module = ref(module)
        self.names = names_of_tensors(module)
        self.swap = swap
        self._functions: dict[str, _Called | _PulledBack] = {}
        number = next(_numbers)
        self.key = f"{_PREFIX}:{number}"
        _functions_by_key[self.key] = self

    def __deepcopy__(self, memo: object) -> ModuleFunctions:
        """Return itself: the copy of a module gets functions of its own when it is called."""
        return self

    def are_of(self, module: nn.Module) -> bool:
        """Return whether these are the functions of this module as it is now."""
        return self.module() is module and self.names == names_of_tensors(module)

    def function(self, call: str) -> _Called | _PulledBack:
        """Return the function for the end of a key."""
        known = self._functions.get(call)
        if known is None:
            outer, mark, wanted = call.rpartition("|")
            if mark and ">" in wanted:
                size, _, numbers = wanted.partition(">")
                known = _PulledBack(self, call, self.function(outer), int(size), tuple(map(int, numbers.split(","))))
            else:
                known = _Called(self, call)
            known = self._functions.setdefault(call, known)
            register_function(known)
        return known


def _function_of_key(key: str) -> TensorFunction | None:
    start, _, call = key.partition("|")
    functions = _functions_by_key.get(start)
    return None if functions is None else functions.function(call)


_functions_by_key: WeakValueDictionary[str, ModuleFunctions] = WeakValueDictionary()
register_maker(_PREFIX, _function_of_key)


def call_text(is_training: bool, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Return the end of the key of a call: its arguments as Python writes them, with ... for tensors.

    Raises:  OperandError: an argument is neither a tensor nor a plain value of Python
    """
    mode = "train" if is_training else "eval"
    return f"{mode}|({_text(tuple(args))}, {_text(dict(kwargs))})"


def _text(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return "..."
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    if isinstance(value, dict):
        return "{" + ", ".join([f"{key!r}: {_text(each)}" for key, each in value.items()]) + "}"
    if isinstance(value, list):
        return "[" + ", ".join([_text(each) for each in value]) + "]"
    if isinstance(value, tuple):
        return "(" + "".join([f"{_text(each)}, " for each in value]) + ")"
    raise OperandError(
        f"swap_operation: a swapped module was called with an argument of type {type(value).__name__}; expected tensors, numbers, texts "
        "and containers of these; leave this module as it is"
    )


def tensors_of_call(args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[torch.Tensor]:
    """Return the tensors among arguments, in the order of `call_text`."""
    found: list[torch.Tensor] = []
    for value in (*args, *kwargs.values()):
        if isinstance(value, torch.Tensor):
            found.append(value)
        elif isinstance(value, dict):
            found.extend(tensors_of_call((), value))
        elif isinstance(value, list | tuple):
            found.extend(tensors_of_call(value, {}))
    return found


class _Called:
    """A call of a module: a bounded number of programs, one for each set of shapes and settings."""

    def __init__(self, owner: ModuleFunctions, call: str) -> None:
        self.key = f"{owner.key}|{call}"
        self._owner = ref(owner)
        arguments = ast.literal_eval(call.partition("|")[2])
        leaves, self._spec = pytree.tree_flatten(arguments)
        self._leaves = [TENSOR if leaf is ... else leaf for leaf in leaves]
        self._programs: OrderedDict[object, TensorProgram] = OrderedDict()
        self._lock = fork_safe_lock()

    def __call__(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Return the outputs, dense and in C order."""
        return [each.contiguous() for each in self.program(tensors)(tensors)]

    def program(self, tensors: Sequence[torch.Tensor]) -> TensorProgram:
        """Return the program for tensors of these shapes."""
        call, backends = self._module_call()
        key = (tuple([(each.shape, each.dtype) for each in tensors]), _settings_of(call.module))
        with self._lock:
            known = self._programs.get(key)
            if known is None:
                _check(call, tensors)
                known = self._programs[key] = recorded_call(call, tensors, backends)
                while len(self._programs) > MAX_PROGRAMS:
                    self._programs.popitem(last=False)
            self._programs.move_to_end(key)
        return known

    def empty_results(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Return tensors of the shapes that the module's own forward gives, whose sizes may be symbols."""
        results = self._module_call()[0].results(tensors)
        return [each.new_empty(each.shape) for each in results]

    def pullback(self, wanted: Sequence[int], size: int) -> TensorFunction:
        """Return the gradients by these tensors, of `size` that the call takes."""
        return _pullback(self, self._owner(), wanted, size)

    def _module_call(self) -> tuple[ModuleCall, Backends]:
        owner = _alive(self._owner(), self.key)
        module, swap = _alive(owner.module(), self.key), owner.swap
        call = ModuleCall(module, swap.forward, owner.names, self._leaves, self._spec, swap.path, swap.returns_pair)
        return call, swap.backends


class _PulledBack:
    """The gradients of another function.

    size: how many tensors that one takes, wanted: the positions by which gradients are taken
    """

    def __init__(
        self, owner: ModuleFunctions, call: str, outer: _Called | _PulledBack, size: int, wanted: tuple[int, ...]
    ) -> None:
        self.key = f"{owner.key}|{call}"
        self._owner = ref(owner)
        self._outer = outer
        self._size = size
        self._wanted = wanted

    def __call__(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Return the gradients, dense and in C order."""
        return [each.contiguous() for each in self.program(tensors)(tensors)]

    def program(self, tensors: Sequence[torch.Tensor]) -> TensorProgram:
        """Return the program for tensors of these shapes."""
        return self._outer.program(tensors[: self._size]).pullback(self._wanted)

    def empty_results(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Return tensors of the shapes of those by which gradients are taken."""
        return [tensors[position].new_empty(tensors[position].shape) for position in self._wanted]

    def pullback(self, wanted: Sequence[int], size: int) -> TensorFunction:
        """Return the gradients of the gradients."""
        return _pullback(self, self._owner(), wanted, size)


def _pullback(
    function: _Called | _PulledBack, owner: ModuleFunctions | None, wanted: Sequence[int], size: int
) -> TensorFunction:
    call = function.key.partition("|")[2]
    return _alive(owner, function.key).function(f"{call}|{size}>{','.join(map(str, wanted))}")


def _alive(thing: Held | None, key: str) -> Held:
    if thing is None:
        raise ParameterError(
            f"run_program: the swapped module of the key {key!r:.80} is gone; expected one that is alive; keep the module while what was "
            "compiled of it runs"
        )
    return thing


def _settings_of(module: nn.Module) -> tuple[object, ...]:
    """Return the plain attributes, which may change between calls: strides, padding, an axis."""
    own = [(name, value) for name, value in vars(module).items() if isinstance(value, _SIMPLE)]
    return (*own, *(_settings_of(child) for child in module._modules.values() if child is not None))


def _check(call: ModuleCall, tensors: Sequence[torch.Tensor]) -> None:
    for each in tensors:
        if (each.is_floating_point() or each.is_complex()) and each.dtype not in _FLOATS:
            raise DtypeError(
                f"swap_operation: {call.path} ({type(call.module).__name__}) was called with a tensor of dtype {each.dtype} and shape "
                f"{tuple(each.shape)}; expected float32 or float64; convert it with tensor.float(), and call outside of autocast"
            )
        if each.device.type != "cpu":
            raise OperandError(
                f"swap_operation: {call.path} ({type(call.module).__name__}) was called with a tensor on {each.device}; expected tensors "
                "on the CPU; move the model and its inputs with .cpu()"
            )
