"""Simplifies a Program before it is lowered: what is known is computed, what is said twice is said once."""

from __future__ import annotations

import numpy as np

from composit.operation import Input, Scalar
from composit.program import Program


def operandless_constants(program: Program) -> dict[int, np.ndarray]:
    """Return the values of instructions that create an array from parameters alone, by position."""
    return {
        position: np.asarray(instruction.operation.evaluate())
        for position, instruction in enumerate(program.instructions)
        if not instruction.operands and not isinstance(instruction.operation, Input | Scalar)
    }
