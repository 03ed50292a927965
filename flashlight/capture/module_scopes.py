"""Module paths as name scopes (`encoder.layer.0`), and names of parameters (`encoder.layer.0.weight`).

Both are read from the outermost module when it is called.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from inspect import Parameter, signature
from itertools import chain
from types import MappingProxyType

import torch

from composit.node import name_scope

_NO_KEYWORDS: Mapping[str, object] = MappingProxyType({})
_MOST_NUMBERED = 16


class ModuleScopes:
    """The modules being called, outermost first, and the names that the outermost gives to its parts."""

    __slots__ = ("_kept", "_module_paths", "_open", "_tensor_names")

    def __init__(self) -> None:
        self._open: list[tuple[torch.nn.Module, str, AbstractContextManager[None]]] = []
        # Names are keyed by id; the objects are kept, so that no other object gets the id.
        self._kept: list[object] = []
        self._module_paths: dict[int, str] = {}
        self._tensor_names: dict[int, str] = {}

    @property
    def depth(self) -> int:
        """How many modules are being called."""
        return len(self._open)

    def is_in_script(self) -> bool:
        """Return whether the innermost module is scripted."""
        return bool(self._open) and isinstance(self._open[-1][0], torch.jit.ScriptModule)

    def enter(
        self, module: torch.nn.Module, arguments: Sequence[object], keywords: Mapping[str, object] = _NO_KEYWORDS
    ) -> None:
        """Open the scope of a module whose call begins with these arguments."""
        if not self._open:
            self._learn(module, arguments, keywords)
        path = self._module_paths.get(id(module), type(module).__name__)
        outer = self._open[-1][1] if self._open else ""
        relative = path[len(outer) + 1 :] if outer and path.startswith(f"{outer}.") else path
        scope: AbstractContextManager[None] = name_scope(relative) if relative else _NoScope()
        scope.__enter__()
        self._open.append((module, path, scope))

    def leave(self, module: torch.nn.Module) -> None:
        """Close the scope of a module whose call ends, and scopes inside it that are still open."""
        if any(module is opened for opened, _, _ in self._open):
            while self._close_last() is not module:
                pass

    def close(self) -> None:
        """Close all scopes."""
        while self._open:
            self._close_last()
        self._kept.clear()
        self._tensor_names.clear()
        self._module_paths.clear()

    def _close_last(self) -> torch.nn.Module:
        module, _, scope = self._open.pop()
        scope.__exit__(None, None, None)
        return module

    def _learn(self, root: torch.nn.Module, arguments: Sequence[object], keywords: Mapping[str, object]) -> None:
        named = chain(zip(_parameters_of(root), arguments, strict=False), keywords.items())
        for path, tensor in named_tensors(named):
            self._kept.append(tensor)
            self._tensor_names.setdefault(id(tensor), path)
        if id(root) in self._module_paths:
            return
        self._kept.append(root)
        for name, module in root.named_modules():
            self._module_paths.setdefault(id(module), name)
        for name, tensor in chain(root.named_parameters(), root.named_buffers()):
            self._tensor_names.setdefault(id(tensor), name)

    def name_of(self, tensor: torch.Tensor) -> str | None:
        """Return the dotted name of a parameter or buffer, or of an argument of the outermost module; None for others."""
        return self._tensor_names.get(id(tensor))

    def describe(self) -> str:
        """Return ' in encoder.layer.0 (BertLayer)' for errors, or nothing outside of modules."""
        if not self._open:
            return ""
        module, path, _ = self._open[-1]
        is_scripted = isinstance(module, torch.jit.ScriptModule)
        kind = module.original_name if is_scripted else type(module).__name__
        return f" in {path} ({kind})" if path else f" in {kind}"


def _parameters_of(module: torch.nn.Module) -> list[str]:
    """Return the names of the positional parameters; those of `*args` are numbered."""
    if isinstance(module.forward, torch.ScriptMethod):
        # The first argument of a scripted method is the module.
        return [argument.name for argument in module.forward.schema.arguments[1:] if not argument.kwarg_only]
    try:
        parameters = signature(module.forward).parameters.values()
    except (TypeError, ValueError):
        # Functions written in C, which a module may have in place of its forward, need not have a signature.
        return []
    names: list[str] = []
    for parameter in parameters:
        if parameter.kind is Parameter.VAR_POSITIONAL:
            names.extend(f"{parameter.name}.{index}" for index in range(_MOST_NUMBERED))
        elif parameter.kind is not Parameter.KEYWORD_ONLY:
            names.append(parameter.name)
    return names


def named_tensors(values: Iterable[tuple[str, object]]) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the tensors in containers, with their paths: `past.0` is the first of a list."""
    for name, value in values:
        if isinstance(value, torch.Tensor):
            yield name, value
        elif isinstance(value, Mapping):
            yield from named_tensors((f"{name}.{key}", child) for key, child in value.items())
        elif isinstance(value, list | tuple):
            yield from named_tensors((f"{name}.{index}", child) for index, child in enumerate(value))


class _NoScope(AbstractContextManager[None]):
    """Stands for the scope of the outermost module, which has no name."""

    def __exit__(self, *error: object) -> None:
        """Close nothing."""
