"""The torch operator composit::run_program: a program under torch's autograd, and inside torch.compile and torch.export."""

from __future__ import annotations

from typing import Any

import torch

from flashlight.export.tensor_programs import program_of_key


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


def _backward(ctx: Any, incoming: list[torch.Tensor]) -> tuple[list[torch.Tensor | None], None]:
    """Return the gradients: the operator again, on the program of the derivative, so that it has derivatives itself."""
    tensors = list(ctx.saved_tensors)
    needed = ctx.needs_input_grad[0]
    wanted = [number for number, is_needed in enumerate(needed) if is_needed]
    program = program_of_key(ctx.key)
    pullback = program.pullback(wanted)
    cotangents = [incoming[position] for position in program.floating_outputs]
    gradients = iter(torch.ops.composit.run_program([*tensors, *cotangents], pullback.key))
    return [next(gradients) if is_needed else None for is_needed in needed], None


run_program.register_autograd(_backward, setup_context=_keep_inputs)
