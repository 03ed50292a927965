"""Compositions: the formula of an operation of composit.nn, lowered instruction by instruction in its place.

Softmax of `x` gives the statements of max, subtract, exp, sum, divide, which then fuse like those of the user's own formula.
"""

from __future__ import annotations

from collections.abc import Sequence

from composit.nn.composition import Composition, composed_program
from composit.operation import Input, Scalar
from mosaic.ir.expressions import Uniform, literal
from mosaic.lowering.registry import Context, Value, check_dtypes, lower


@lower.register
def _(operation: Composition, context: Context) -> Sequence[Value]:
    program = composed_program(operation, context.operand_types)
    values: list[Sequence[Value]] = []
    for instruction, label in zip(program.instructions, program.labels, strict=True):
        if isinstance(instruction.operation, Input):
            values.append((context.operands[int(label.name)],))
        elif isinstance(instruction.operation, Scalar):
            values.append((Uniform(literal(instruction.operation.value, instruction.types[0].dtype), ()),))
        else:
            operands = tuple(values[source][index] for source, index in instruction.operands)
            operand_types = tuple(program.instructions[source].types[index] for source, index in instruction.operands)
            check_dtypes(*instruction.types)
            inner = Context(
                context.position, operands, operand_types, instruction.types, context.memory, context.statements
            )
            values.append(lower(instruction.operation, inner))
    return [values[source][index] for source, index in program.outputs]
