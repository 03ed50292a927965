"""Programs inside an operation, lowered instruction by instruction in its place: formulas, and steps of scans."""

from __future__ import annotations

from collections.abc import Sequence

from composit.operation import Scalar
from composit.program import Program
from mosaic.ir.expressions import literal
from mosaic.lowering.complex_registry import ComplexContext, lower_any
from mosaic.lowering.complex_values import AnyValue, ComplexValue, uniform
from mosaic.lowering.registry import Context, Value


def lower_inner(program: Program, inputs: Sequence[AnyValue], context: Context | ComplexContext) -> list[AnyValue]:
    """Return the values of a program's outputs; statements are appended to the context's, as the operation's own.

    inputs: the values of its inputs, in order

    Raises:  NoLowering: an instruction has none
    """
    given = dict(zip(program.inputs, inputs, strict=True))
    read = {*program.outputs, *(operand for each in program.instructions for operand in each.operands)}
    values: list[Sequence[AnyValue]] = []
    for position, instruction in enumerate(program.instructions):
        if position in given:
            values.append((given[position],))
        elif isinstance(instruction.operation, Scalar):
            values.append((uniform(literal(instruction.operation.value, instruction.types[0].dtype), ()),))
        else:
            operands = tuple(values[source][index] for source, index in instruction.operands)
            operand_types = tuple(program.instructions[source].types[index] for source, index in instruction.operands)
            is_read = tuple([(position, index) in read for index in range(len(instruction.types))])
            inner = ComplexContext(
                context.position,
                operands,
                operand_types,
                instruction.types,
                context.memory,
                context.statements,
                is_read,
            )
            values.append(lower_any(instruction.operation, inner))
    return [values[source][index] for source, index in program.outputs]


def lower_real_inner(program: Program, inputs: Sequence[Value], context: Context) -> list[Value]:
    """Return the values of the outputs, as `lower_inner` does, of a program whose outputs are real."""
    outputs: list[Value] = []
    for value in lower_inner(program, inputs, context):
        assert not isinstance(value, ComplexValue), "the outputs are real"
        outputs.append(value)
    return outputs
