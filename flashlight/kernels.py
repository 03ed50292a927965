"""Kernels of `composit.kernels` in torch: an operator with derivatives of any order, a module, and an autograd function.

The operator composit::run_kernel works under autograd and torch.compile, and the tracer captures it as one node.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from composit.apply import apply, apply_several
from composit.errors import OperandError
from composit.kernels.kernel import Kernel
from composit.kernels.language import FLOAT
from composit.kernels.operation import KernelCall, KernelUnit
from composit.kernels.reverse import has_derivative
from composit.nn.evaluation import evaluate
from composit.operation import tensor_type
from flashlight.conversion import array_of, numpy_dtype, tensor_of
from flashlight.table import Call, register

# The kernels that torch was given, by the digests that the operator takes: one entry for each kernel and derivative of it.
_key_to_unit: dict[str, KernelUnit] = {}


def _key_of(unit: KernelUnit) -> str:
    key = unit.digest.hex()
    _key_to_unit.setdefault(key, unit)
    return key


@torch.library.custom_op("composit::run_kernel", mutates_args=(), schema="(Tensor[] tensors, str key) -> Tensor[]")
def run_kernel(tensors: list[torch.Tensor], key: str) -> list[torch.Tensor]:
    """Return the results of a kernel on tensors that broadcast."""
    unit = _key_to_unit[key]
    arrays = [array_of(each.detach().cpu(), unit.unit.entry.name) for each in tensors]
    computed = evaluate(apply(KernelCall(unit), *arrays), backend="mosaic")
    results = computed if isinstance(computed, tuple) else (computed,)
    return [tensor_of(np.array(each)).to(tensors[0].device) for each in results]


@run_kernel.register_fake
def _empty(tensors: list[torch.Tensor], key: str) -> list[torch.Tensor]:
    types = [tensor_type(tuple(each.shape), numpy_dtype(each.dtype)) for each in tensors]
    dtypes = [
        torch.from_numpy(np.empty(0, each.dtype)).dtype for each in KernelCall(_key_to_unit[key]).result_types(*types)
    ]
    shape = torch.broadcast_shapes(*(each.shape for each in tensors))
    return [tensors[0].new_empty(shape, dtype=dtype) for dtype in dtypes]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Sequence[torch.Tensor]) -> None:
    tensors, key = inputs
    ctx.save_for_backward(*tensors)
    ctx.key = key


def _backward(ctx: Any, incoming: Sequence[torch.Tensor]) -> tuple[list[torch.Tensor | None], None]:
    """Return the cotangents: the operator again, on the kernel's derivative."""
    tensors, unit = ctx.saved_tensors, _key_to_unit[ctx.key]
    entry = unit.unit.entry
    gradients: list[torch.Tensor | None] = [None] * len(tensors)
    floats = [number for number, each in enumerate(entry.parameters) if each.kind is FLOAT]
    wanted = tuple(ctx.needs_input_grad[0][number] for number in floats)
    if not any(wanted) or not has_derivative(entry):
        return gradients, None
    given = [each for each, kind in zip(incoming, entry.results, strict=True) if kind is FLOAT]
    received = iter(torch.ops.composit.run_kernel([*tensors, *given], _key_of(unit.vjp(wanted))))
    for number, is_wanted in zip(floats, wanted, strict=True):
        if is_wanted:
            gradients[number] = next(received).sum_to_size(tensors[number].shape)
    return gradients, None


run_kernel.register_autograd(_backward, setup_context=_keep)


@register(torch.ops.composit.run_kernel)
def _(call: Call, tensors: Sequence[Any], key: str) -> list[Any]:
    unit = _key_to_unit[key]
    if len(unit.unit.entry.results) == 1:
        return [apply(KernelCall(unit), *tensors)]
    return list(apply_several(KernelCall(unit), *tensors))


def call_kernel(kernel: Kernel, *arguments: Any) -> Any:  # Any: tensors, numbers, and tuples of these
    """Return a kernel of torch tensors and numbers, with torch's autograd."""
    example = next(each for each in arguments if isinstance(each, torch.Tensor))
    unit, form, operands = kernel.bound(arguments, lambda value: _tensor(value, example))
    results = torch.ops.composit.run_kernel(operands, _key_of(unit))
    return kernel.in_form(tuple(results) if len(results) > 1 else results[0], form)


def _tensor(value: Any, example: torch.Tensor) -> torch.Tensor:
    if isinstance(value, torch.Tensor):
        return value
    if isinstance(value, bool | int):
        return torch.tensor(value, device=example.device)
    if isinstance(value, float):
        # A Python number is weak: it has the width of the tensors beside it.
        width = example.dtype if example.is_floating_point() else torch.float64
        return torch.tensor(value, dtype=width, device=example.device)
    raise OperandError(
        f"kernel: {value!r:.60} of type {type(value).__name__} was given beside torch tensors; expected tensors and numbers; convert it "
        "with torch.as_tensor"
    )


class KernelModule(torch.nn.Module):
    """A module without parameters that calls a kernel on each element.

    Example:
        >>> import torch
        >>> from composit.kernels import register
        >>> @register
        ... def squared(x: float) -> float:
        ...     return x * x
        >>> torch.nn.Sequential(torch.nn.Identity(), squared.nnModule)(torch.tensor([2.0, 3.0]))
        tensor([4., 9.])
    """

    def __init__(self, kernel: Kernel) -> None:
        super().__init__()
        self.kernel = kernel

    def forward(self, *arguments: Any) -> Any:  # Any: as for the kernel
        """Return the kernel of the arguments."""
        return call_kernel(self.kernel, *arguments)

    def extra_repr(self) -> str:
        """The kernel's name."""
        return self.kernel.name


class KernelFunction:
    """What stands for a kernel's torch.autograd.Function: `apply` is differentiable, to any order."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def apply(self, *arguments: Any) -> Any:  # Any: as for the kernel
        """Return the kernel of the arguments."""
        return call_kernel(self.kernel, *arguments)

    __call__ = apply
