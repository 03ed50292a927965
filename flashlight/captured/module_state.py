"""What a path depends on besides arguments: the modules and variables of the function, torch's modes, random generators."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np
import torch

from flashlight.captured.structures import Key, Same, Structure

_NUMBERS = (bool, int, float, str, type(None))
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
_TENSORS = ("_parameters", "_buffers", "_modules")


def settings_of(function: Callable[..., Any]) -> Structure:
    """Return what a function uses besides its arguments: attributes of its object, closed-over and global variables.

    Functions that it calls, and objects among its variables, are not looked into.
    """
    return Structure(list(_parts_of(function)), looks_into_objects=False)


def settings_key(settings: Structure) -> Key:
    """Return the key of variables. A tensor among them is read anew in each call, so it has to be the same tensor."""
    return settings.key, tuple(Same(tensor) for tensor in settings.tensors)


def _parts_of(function: Any) -> Iterable[Any]:
    if isinstance(function, partial):
        yield from _parts_of(function.func)
        yield from (function.args, function.keywords)
    elif isinstance(function, MethodType):
        yield from _parts_of_object(function.__self__)
        yield from _parts_of(function.__func__)
    elif isinstance(function, FunctionType):
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is not None:
            yield from _parts_of(wrapped)
        yield from (_content_of(cell) for cell in function.__closure__ or ())
        yield from _defaults_of(function)
        yield from _globals_of(function.__code__, function.__globals__)
    elif isinstance(function, torch.nn.Module):
        yield function
        yield from _parts_of(type(function).forward)
    else:
        yield from _parts_of_object(function)


def _parts_of_object(owner: Any) -> Iterable[Any]:
    yield owner
    if not isinstance(owner, torch.nn.Module | type) and hasattr(owner, "__dict__"):
        yield dict(vars(owner))


def _content_of(cell: Any) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # nothing was assigned to it yet
        return None


def _defaults_of(function: FunctionType) -> Iterable[Any]:
    yield function.__defaults__
    yield function.__kwdefaults__


def _globals_of(code: CodeType, variables: dict[str, Any]) -> Iterable[Any]:
    yield from (variables[name] for name in code.co_names if name in variables)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals_of(constant, variables)


def modules_in(*structures: Structure) -> list[torch.nn.Module]:
    """Return the modules of these structures with all modules inside, each once."""
    found: dict[int, torch.nn.Module] = {}
    for structure in structures:
        for root in structure.modules:
            if id(root) not in found:
                found.update({id(module): module for module in root.modules()})
    return list(found.values())


def state_key(modules: Sequence[torch.nn.Module]) -> Key:
    """Return torch's modes, and of each module its numbers and flags (`training`), and which parameters, buffers and hooks it has."""
    modes = (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.get_default_dtype(),
        torch.are_deterministic_algorithms_enabled(),
    )
    return modes, tuple(_state_of(module) for module in modules)


def _state_of(module: torch.nn.Module) -> Key:
    variables = vars(module)
    numbers = tuple((name, value) for name, value in variables.items() if type(value) in _NUMBERS)
    tensors = tuple(tuple(map(id, variables[kind].values())) for kind in _TENSORS)
    return numbers, tensors, tuple(len(variables[kind]) for kind in _HOOKS)


class Attributes:
    """The attributes of modules at one time, to see what a call assigns to."""

    def __init__(self, modules: Sequence[torch.nn.Module]) -> None:
        self._before = [(module, _attributes_of(module)) for module in modules]

    def assigned(self) -> list[str]:
        """Return the names of the attributes that are other objects now."""
        found = []
        for module, before in self._before:
            now = _attributes_of(module)
            names = [name for name in {**before, **now} if not _is_same(before.get(name), now.get(name))]
            found += [f"{type(module).__name__}.{name}" for name in names]
        return found


def _attributes_of(module: torch.nn.Module) -> dict[str, Any]:
    variables = dict(vars(module))
    for kind in _TENSORS:
        variables |= variables.pop(kind)
    return variables


def _is_same(before: Any, now: Any) -> bool:
    return before is now or (type(before) is type(now) and type(now) in _NUMBERS and before == now)


def random_state(generators: Sequence[torch.Generator]) -> list[bytes]:
    """Return the states of torch's, Python's and numpy's generators, to see whether a call drew."""
    states = [torch.get_rng_state(), *(generator.get_state() for generator in generators)]
    drawn = [state.numpy().tobytes() for state in states]
    return [*drawn, repr(random.getstate()).encode(), repr(np.random.get_state(legacy=False)).encode()]
