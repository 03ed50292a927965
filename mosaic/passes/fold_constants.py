"""Computes what depends on constants alone, once, with numpy.

Before:  m = (1 - mask) * -10000; y = x + m        mask constant
After:   y = x + c                                  c = the value of m

What only moves elements is left: it is a change of view; an array of one value stays a scalar in the code. Results
much larger than their operands are left too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from composit.numpy.broadcasting import BroadcastTo
from composit.numpy.creation import Full
from composit.numpy.indexing import BasicIndex
from composit.numpy.joining import Split
from composit.numpy.movement import ExpandDims, Reshape, Squeeze, Transpose
from composit.operation import Input, Scalar
from composit.program import Instruction, Program, Reference

movements = (BasicIndex, BroadcastTo, ExpandDims, Reshape, Split, Squeeze, Transpose)
always_folded_bytes = 1 << 20


def fold_constants(program: Program, constants: Mapping[int, np.ndarray]) -> dict[int, np.ndarray]:
    """Return the values of constant instructions by position: those given, and what is computed from them.

    An instruction that raises is left to raise when the program runs.
    """
    known: dict[int, tuple[np.ndarray, ...]] = {position: (array,) for position, array in constants.items()}
    folded = dict(constants)
    for position, instruction in enumerate(program.instructions):
        operation = instruction.operation
        if position in known or isinstance(operation, Input):
            continue
        if isinstance(operation, Scalar):
            known[position] = (operation.value,)  # type: ignore[assignment]  # weak, as evaluate expects it
            continue
        if isinstance(operation, Full):
            value_type = instruction.types[0]
            known[position] = (np.broadcast_to(np.asarray(operation.fill_value, value_type.dtype), value_type.shape),)
            continue
        if all(source in known for source, _ in instruction.operands) and _is_worth(instruction, known):
            values = _evaluate(program, instruction, known)
            if values is None:
                continue
            known[position] = values
            if len(values) == 1 and not isinstance(operation, movements):
                folded[position] = values[0]
    return folded


def _operand(program: Program, reference: Reference, known: Mapping[int, tuple[np.ndarray, ...]]) -> Any:
    """Return an operand as numpy would have it: a scalar where it has scalars."""
    source, index = reference
    is_scalar = program.instructions[source].types[index].is_scalar
    value = known[source][index]
    return value[()] if is_scalar and isinstance(value, np.ndarray) else value


def _is_worth(instruction: Instruction, known: Mapping[int, tuple[np.ndarray, ...]]) -> bool:
    if isinstance(instruction.operation, movements) or not instruction.operands:
        return True
    taken = sum(np.asarray(known[source][index]).nbytes for source, index in instruction.operands)
    given = sum(value_type.num_bytes for value_type in instruction.types)
    return given <= max(taken, always_folded_bytes)


def _evaluate(
    program: Program, instruction: Instruction, known: Mapping[int, tuple[np.ndarray, ...]]
) -> tuple[np.ndarray, ...] | None:
    operands = [_operand(program, reference, known) for reference in instruction.operands]
    try:
        with np.errstate(all="ignore"):
            results = instruction.operation.evaluator()(*operands)
    except (ValueError, TypeError, IndexError, ArithmeticError):
        return None
    return tuple(map(np.asarray, (results,) if instruction.operation.num_results == 1 else results))
