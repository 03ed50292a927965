"""Random draws of a graph: torch makes them before each run, in the order of the graph, from its own generators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch._ops import OpOverload
from torch.utils import _pytree as pytree

from composit.backends import BackendChoice
from composit.operation import Shape
from composit.types import LazyTensor
from flashlight.export.tensor_programs import TensorProgram, tensor_program, without_bfloat16

# Shape, strides and dtype of a torch tensor.
Layout: TypeAlias = tuple[Shape, tuple[int, ...], torch.dtype]


# What a graph of values calls in place of a draw in place (dropout draws so), and which would fill memory in another order.
_IN_PLACE: Mapping[OpOverload[..., Any], OpOverload[..., Any]] = {
    torch.ops.aten.bernoulli.p: torch.ops.aten.bernoulli_.float
}


@dataclass(slots=True)
class Draw:
    """One call of an operation that draws.

    spec, leaves: its arguments, with None in place of tensors; places: where the tensors are
    layouts:      of these tensors
    operands:     what they are computed as, where the draw depends on their values, as the chances of `multinomial`; else None
    inputs:       what the operands are computed from: inputs of the graph, and what earlier draws gave
    """

    operation: OpOverload[..., Any]
    spec: pytree.TreeSpec
    leaves: tuple[Any, ...]
    places: tuple[int, ...]
    layouts: tuple[Layout, ...]
    operands: tuple[LazyTensor, ...] | None
    inputs: tuple[LazyTensor, ...]
    _program: TensorProgram | None = field(default=None, init=False)

    def again(self, tensors: Sequence[torch.Tensor], backend: BackendChoice) -> list[torch.Tensor]:
        """Return what torch draws now. tensors: the values of `inputs`, and perhaps more."""
        given = iter(self._operands(tensors, backend))
        leaves = list(self.leaves)
        for place in self.places:
            leaves[place] = next(given)
        args, kwargs = pytree.tree_unflatten(leaves, self.spec)
        result = _IN_PLACE.get(self.operation, self.operation)(*args, **kwargs)
        return [each for each in pytree.tree_leaves(result) if isinstance(each, torch.Tensor)]

    def _operands(self, tensors: Sequence[torch.Tensor], backend: BackendChoice) -> list[torch.Tensor]:
        if self.operands is None:
            return [torch.empty_strided(shape, strides, dtype=dtype) for shape, strides, dtype in self.layouts]
        if self._program is None:
            self._program = tensor_program(self.operands, self.inputs, backend, is_part=True)
        operands = self._program(without_bfloat16(tensors[: len(self.inputs)]))
        return [operand.to(dtype) for operand, (_, _, dtype) in zip(operands, self.layouts, strict=True)]


def with_draws(tensors: Sequence[torch.Tensor], draws: Sequence[Draw], backend: BackendChoice) -> list[torch.Tensor]:
    """Return the tensors, and after them what the draws give for them."""
    found = list(tensors)
    for draw in draws:
        found += draw.again(found, backend)
    return found
