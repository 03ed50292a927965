"""`NamedValues`: parameters and buffers of a graph, put into a module under dotted names: "encoder.0.weight"."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from composit.types import LazyTensor

Path = tuple[str, ...]


@dataclass(slots=True)
class NamedValues:
    """Tensors of a graph with the values that a module keeps for them, in the order in which a program takes them."""

    tensors: list[LazyTensor] = field(default_factory=list)
    _paths: list[Path] = field(default_factory=list)
    _values: list[torch.Tensor] = field(default_factory=list)

    def add(self, name: str | None, tensor: LazyTensor, value: torch.Tensor, is_parameter: bool) -> None:
        """Add a tensor; without a name it is called parameter_0, parameter_1, ..."""
        wanted = tuple(part for part in (name or f"parameter_{len(self.tensors)}").split(".") if part)
        self.tensors.append(tensor)
        self._paths.append(self._free(wanted or ("parameter",)))
        self._values.append(torch.nn.Parameter(value) if is_parameter else value)

    def _free(self, wanted: Path) -> Path:
        """Return a path that no other is, begins, or goes on from: w, w_1, w_2, ...; where w is a value, w.x becomes w_x."""
        wanted = tuple(map(_allowed, wanted))
        if any(wanted[: len(other)] == other for other in self._paths if len(other) < len(wanted)):
            wanted = ("_".join(wanted),)
        path, number = wanted, 0
        while any(path == other[: len(path)] for other in self._paths):
            number += 1
            path = (*wanted[:-1], f"{wanted[-1]}_{number}")
        return path

    def add_to(self, module: torch.nn.Module) -> tuple[Path, ...]:
        """Register all values in a module and in modules below it, and return their paths."""
        for path, value in zip(self._paths, self._values, strict=True):
            holder = module
            for name in path[:-1]:
                if name not in dict(holder.named_children()):
                    holder.add_module(name, torch.nn.Module())
                holder = holder.get_submodule(name)
            if isinstance(value, torch.nn.Parameter):
                holder.register_parameter(path[-1], value)
            else:
                holder.register_buffer(path[-1], value)
        return tuple(self._paths)


def _allowed(name: str) -> str:
    """Return a name that is no attribute of modules: "type" becomes "type_"."""
    return f"{name}_" if hasattr(torch.nn.Module, name) or name in _ATTRIBUTES else name


# What a module keeps by itself: its state, and that of modules made of programs.
_ATTRIBUTES = frozenset(
    (*vars(torch.nn.Module()), "program", "input_names", "_key", "_leaves", "_spec", "_paths", "_words")
)
