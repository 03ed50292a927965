"""The tensors that a module holds, by dotted names, and copies of a module that hold others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn


def names_of_tensors(module: nn.Module, path: str = "") -> tuple[str, ...]:
    """Return the dotted names of all tensors that a module holds: parameters, buffers, and attributes that hooks set."""
    names = [
        f"{path}{name}"
        for group in (module._parameters, module._buffers, vars(module))
        for name, value in group.items()
        if isinstance(value, torch.Tensor)
    ]
    for name, child in module._modules.items():
        if child is not None:
            names.extend(names_of_tensors(child, f"{path}{name}."))
    return tuple(names)


def tensor_named(module: nn.Module, name: str) -> torch.Tensor:
    """Return the tensor of a dotted name."""
    value: Any = module
    for part in name.split("."):
        value = getattr(value, part)
    tensor: torch.Tensor = value
    return tensor


def with_tensors(module: nn.Module, tensors: Mapping[str, torch.Tensor]) -> nn.Module:
    """Return a module like this one that holds other tensors, given by their dotted names; all else is shared.

    The module itself is not touched: another thread may call it. A module with two names is one in the copy too.
    """
    return _copied(module, tensors, "", {})


def _copied(module: nn.Module, tensors: Mapping[str, torch.Tensor], path: str, made: dict[int, nn.Module]) -> nn.Module:
    if id(module) in made:
        return made[id(module)]
    copy: nn.Module = object.__new__(type(module))
    made[id(module)] = copy
    state = dict(vars(module))
    for group in ("_parameters", "_buffers"):
        state[group] = {name: tensors.get(f"{path}{name}", old) for name, old in state[group].items()}
    state["_modules"] = {
        name: None if child is None else _copied(child, tensors, f"{path}{name}.", made)
        for name, child in state["_modules"].items()
    }
    state |= {name: tensors[f"{path}{name}"] for name in vars(module) if f"{path}{name}" in tensors}
    vars(copy).update(state)
    return copy
