"""Compositions: the formula of an operation of composit.nn, lowered instruction by instruction in its place.

Softmax of `x` gives the statements of max, subtract, exp, sum, divide, which then fuse like those of the user's own formula.
"""

from __future__ import annotations

from collections.abc import Sequence

from composit.nn.composition import Composition, composed_program
from mosaic.lowering.inner_programs import lower_real_inner
from mosaic.lowering.registry import Context, Value, lower


@lower.register
def _(operation: Composition, context: Context) -> Sequence[Value]:
    program = composed_program(operation, context.operand_types)
    inputs = [context.operands[int(program.labels[position].name)] for position in program.inputs]
    return lower_real_inner(program, inputs, context)
