"""Computes what depends on constants alone, once, with numpy.

Before:  m = (1 - mask) * -10000; y = x + m        mask constant
After:   y = x + c                                  c = the value of m

An operation whose cost is 0 stays in the program: C sees its result as a view, or one value, without storing it. Results
much larger than their operands stay too, unless each element costs more to compute than to load.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from composit.operation import Input, Scalar
from composit.program import Instruction, Program, Reference
from mosaic.lowering.complex_registry import has_any_lowering

always_folded_bytes = 1 << 20
steps_per_load = 64
"""Loading an element is faster than computing it in so many steps: some 4 ns of vector code against 8 bytes from memory."""


def fold_constants(program: Program, constants: Mapping[int, np.ndarray]) -> dict[int, np.ndarray]:
    """Return the values of constant instructions by position: those given, and what is computed from them.

    An instruction that raises stays in the program and raises at run time.
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
        if not all(source in known for source, _ in instruction.operands):
            continue
        operand_types = [program.instructions[p].types[i] for p, i in instruction.operands]
        cost = operation.cost(operand_types, instruction.types)
        # An operation without a lowering would call numpy at each run, even if it is only a view.
        is_stored = cost > 0 or not has_any_lowering(operation, *operand_types, *instruction.types)
        if is_stored and not _is_worth(instruction, cost, known):
            continue
        values = _evaluate(program, instruction, known)
        if values is None:
            continue
        known[position] = values
        if len(values) == 1 and is_stored:
            folded[position] = values[0]
    return folded


def _operand(program: Program, reference: Reference, known: Mapping[int, tuple[np.ndarray, ...]]) -> Any:
    """Return an operand as numpy has it: a scalar where numpy has scalars."""
    source, index = reference
    is_scalar = program.instructions[source].types[index].is_scalar
    value = known[source][index]
    return value[()] if is_scalar and isinstance(value, np.ndarray) else value


def _is_worth(instruction: Instruction, cost: int, known: Mapping[int, tuple[np.ndarray, ...]]) -> bool:
    if not instruction.operands:
        return True
    taken = sum(np.asarray(known[source][index]).nbytes for source, index in instruction.operands)
    given = sum(value_type.num_bytes for value_type in instruction.types)
    num_elements = sum(value_type.size for value_type in instruction.types)
    return given <= max(taken, always_folded_bytes) or cost >= steps_per_load * num_elements


def _evaluate(
    program: Program, instruction: Instruction, known: Mapping[int, tuple[np.ndarray, ...]]
) -> tuple[np.ndarray, ...] | None:
    operands = [_operand(program, reference, known) for reference in instruction.operands]
    try:
        with np.errstate(all="ignore"):
            results: Any = instruction.operation.evaluate_for_reading(*operands)
    except (ValueError, TypeError, IndexError, ArithmeticError):
        return None
    return tuple(map(np.asarray, (results,) if instruction.operation.num_results == 1 else results))
