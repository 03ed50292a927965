"""The torch operator composit::run_program: a program under torch's autograd, and inside torch.compile and torch.export.

torch gives operators that take lists no rules for torch.func. So under vmap, grad and jvp, and for dual numbers, the same program
is called by a torch.autograd.Function.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.autograd import forward_ad

from flashlight.export.tensor_programs import TensorFunction, program_of_key


@torch.library.custom_op("composit::run_program", mutates_args=(), schema="(Tensor[] tensors, str key) -> Tensor[]")
def run_program(tensors: list[torch.Tensor], key: str) -> list[torch.Tensor]:
    """Return the outputs of the program of that key."""
    return program_of_key(key)(tensors)


@run_program.register_fake
def _empty(tensors: list[torch.Tensor], key: str) -> list[torch.Tensor]:
    return program_of_key(key).empty_results(tensors)


def _keep_inputs(ctx: Any, inputs: tuple[Any, ...], output: list[torch.Tensor]) -> None:
    tensors, key = inputs
    ctx.save_for_backward(*tensors)
    ctx.key = key
    ctx.floating = _floating(output)


def _backward(ctx: Any, incoming: list[torch.Tensor]) -> tuple[list[torch.Tensor | None], None]:
    """Return the gradients: the operator again, on the program of the derivative, so that it has derivatives itself."""
    needed = ctx.needs_input_grad[0]
    pullback, tensors = _pulled_back(ctx, incoming, needed)
    gradients = iter(torch.ops.composit.run_program(tensors, pullback.key))
    return [next(gradients) if is_needed else None for is_needed in needed], None


run_program.register_autograd(_backward, setup_context=_keep_inputs)


def _floating(outputs: Sequence[torch.Tensor]) -> list[int]:
    """Return the positions of the outputs that have derivatives."""
    return [position for position, each in enumerate(outputs) if each.is_floating_point() or each.is_complex()]


def _pulled_back(
    ctx: Any, incoming: Sequence[torch.Tensor], needed: Sequence[bool]
) -> tuple[TensorFunction, list[torch.Tensor]]:
    """Return the program of the needed gradients, and the tensors that it takes."""
    tensors = ctx.saved_tensors
    wanted = [number for number, is_needed in enumerate(needed) if is_needed]
    pullback = program_of_key(ctx.key).pullback(wanted, len(tensors))
    return pullback, [*tensors, *(incoming[position] for position in ctx.floating)]


def run(tensors: list[torch.Tensor], key: str) -> Sequence[torch.Tensor]:
    """Return the outputs of the program of a key, by the operator where torch has rules for it."""
    if not torch.compiler.is_compiling() and _is_transformed():
        results: tuple[torch.Tensor, ...] = _Transformed.apply(key, *tensors)  # type: ignore[no-untyped-call]  # torch's
        return results
    outputs: list[torch.Tensor] = torch.ops.composit.run_program(tensors, key)
    return outputs


def _is_transformed() -> bool:
    """Return whether a transform of torch.func is being computed, or dual numbers."""
    return torch._C._functorch.peek_interpreter_stack() is not None or forward_ad._current_level >= 0


class _Transformed(torch.autograd.Function):
    """A program under torch.func, with derivatives of both modes, and a loop under vmap."""

    @staticmethod
    def forward(key: str, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the outputs."""
        return tuple(torch.ops.composit.run_program(list(tensors), key))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
        """Keep the inputs for derivatives."""
        key, *tensors = inputs
        ctx.key = key
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)
        ctx.floating = _floating(output)
        exact = set(range(len(output))) - set(ctx.floating)
        ctx.mark_non_differentiable(*(output[position] for position in exact))

    @staticmethod
    def backward(ctx: Any, *incoming: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients."""
        needed = ctx.needs_input_grad[1:]
        pullback, tensors = _pulled_back(ctx, incoming, needed)
        gradients = iter(_Transformed.apply(pullback.key, *tensors))  # type: ignore[no-untyped-call]  # torch's
        return (None, *(next(gradients) if is_needed else None for is_needed in needed))

    @staticmethod
    def jvp(ctx: Any, _: None, *tangents: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        """Return the tangents of the outputs: the pullback J'u is linear in u, and its own pullback by u gives J v for v."""
        tensors, program = list(ctx.saved_tensors), program_of_key(ctx.key)
        moved = [number for number, tangent in enumerate(tangents) if tangent is not None]
        pullback = program.pullback(moved, len(tensors))
        floating = ctx.floating
        count = len(tensors) + len(floating)
        pushforward = pullback.pullback(range(len(tensors), count), count)
        zeros = [torch.zeros_like(each) for each in program.empty_results(tensors)]
        given = [*tensors, *(zeros[position] for position in floating), *(tangents[number] for number in moved)]
        found = iter(_Transformed.apply(pushforward.key, *given))  # type: ignore[no-untyped-call]  # torch's
        return tuple(next(found) if position in floating else None for position in range(len(zeros)))

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], key: str, *tensors: torch.Tensor
    ) -> tuple[tuple[torch.Tensor, ...], tuple[int, ...]]:
        """Return the outputs for each of a batch, one after the other."""
        rows = []
        for position in range(info.batch_size):
            each = [
                tensor if axis is None else tensor.select(axis, position)
                for tensor, axis in zip(tensors, in_dims[1:], strict=True)
            ]
            rows.append(_Transformed.apply(key, *each))  # type: ignore[no-untyped-call]  # torch's
        outputs = tuple(torch.stack(column) for column in zip(*rows, strict=True))
        return outputs, (0,) * len(outputs)
