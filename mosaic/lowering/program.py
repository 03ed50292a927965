"""Program -> IrProgram: lowers each instruction in order and settles where outputs live.

Precondition: operands come before their users. Postcondition: every output is a dense buffer of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from composit.operation import Input, Scalar, TensorType
from composit.program import Instruction, Program
from mosaic.ir.expressions import Uniform, literal
from mosaic.ir.islands import Island
from mosaic.ir.statements import IrProgram, Statement
from mosaic.ir.views import Buffer, BufferKind, View, dense_view
from mosaic.lowering.registry import (
    Context,
    Memory,
    NoLowering,
    Value,
    check_dtypes,
    compiled_dtypes,
    has_lowering,
    lower,
)

Known = dict[tuple[bytes, tuple[Value, ...], tuple[int, ...]], tuple[Value, ...]]


def lower_program(
    program: Program, constants: Mapping[int, np.ndarray], inputs: Sequence[int], memory: Memory
) -> IrProgram:
    """Return the intermediate form.

    constants: values of constant instructions, by position
    inputs:    the leaves whose values a run gets, in the order of its arguments
    """
    statements: list[Statement] = []
    buffers = {
        position: Buffer(BufferKind.INPUT, number, value_type.size, value_type.dtype)
        for number, position in enumerate(inputs)
        for value_type in program.instructions[position].types
    }
    constant_buffers: dict[Buffer, np.ndarray] = {}
    values: list[tuple[Value, ...]] = []
    known: Known = {}
    read = {*program.outputs, *(operand for each in program.instructions for operand in each.operands)}
    for position, instruction in enumerate(program.instructions):
        if isinstance(instruction.operation, Scalar):
            values.append((_scalar_value(instruction),))
        elif position in constants:
            values.append((_constant(constants[position], constant_buffers),))
        elif isinstance(instruction.operation, Input):
            values.append((dense_view(buffers[position], instruction.types[0].shape),))
        else:
            is_read = tuple([(position, index) in read for index in range(len(instruction.types))])
            values.append(_lower_once(program, position, is_read, values, memory, statements, known))
    outputs = _settle_outputs(program, values, memory, statements)
    return IrProgram(tuple(statements), tuple(buffers.values()), tuple(inputs), outputs, constant_buffers)


def _scalar_value(instruction: Instruction) -> Value:
    operation = instruction.operation
    assert isinstance(operation, Scalar)
    return Uniform(literal(operation.value, instruction.types[0].dtype), ())


def _constant(array: np.ndarray, buffers: dict[Buffer, np.ndarray]) -> View:
    """Return a view of a new constant buffer that keeps the array's own layout where it is dense."""
    buffer = Buffer(BufferKind.CONSTANT, len(buffers), array.size, array.dtype)
    buffers[buffer] = array
    return dense_view(buffer, array.shape)


def _lower_once(
    program: Program,
    position: int,
    is_read: tuple[bool, ...],
    values: list[tuple[Value, ...]],
    memory: Memory,
    statements: list[Statement],
    known: Known,
) -> tuple[Value, ...]:
    """Lower one node, or return the values of an earlier one with the same operation on the same operands."""
    instruction = program.instructions[position]
    operands = tuple(values[source][index] for source, index in instruction.operands)
    key = (instruction.operation.structure(), operands, (*map(id, _operand_types(program, position)), *is_read))
    if has_lowering(instruction.operation) and operands:
        if key not in known:
            known[key] = _lower_instruction(program, position, is_read, operands, memory, statements)
        return known[key]
    return _lower_instruction(program, position, is_read, operands, memory, statements)


def _operand_types(program: Program, position: int) -> tuple[TensorType, ...]:
    operands = program.instructions[position].operands
    return tuple(program.instructions[source].types[index] for source, index in operands)


def _lower_instruction(
    program: Program,
    position: int,
    is_read: tuple[bool, ...],
    operands: tuple[Value, ...],
    memory: Memory,
    statements: list[Statement],
) -> tuple[Value, ...]:
    """Lower one node; its statements are dropped again if it raises NoLowering."""
    instruction = program.instructions[position]
    types = _operand_types(program, position)
    own: list[Statement] = []
    context = Context(position, operands, types, instruction.types, memory, own, is_read)
    try:
        check_dtypes(*types, *instruction.types)
        results = tuple(lower(instruction.operation, context))
    except NoLowering as reason:
        own.clear()
        results = _island(context, str(reason), instruction.operation.updates_operand)
    statements.extend(own)
    return results


def _island(context: Context, reason: str, updates_operand: bool) -> tuple[Value, ...]:
    results = tuple(context.result(index) for index in range(len(context.types)))
    context.statements.append(Island(results, context.operands, (context.position,), reason, updates_operand))
    return results


def _is_own(view: View) -> bool:
    return view.buffer.kind is BufferKind.TEMPORARY and view.covers_buffer


def _settle_outputs(
    program: Program, values: list[tuple[Value, ...]], memory: Memory, statements: list[Statement]
) -> tuple[Value, ...]:
    """Return one dense temporary per output; other values are copied, but for dtypes without C."""
    outputs: list[Value] = []
    taken: set[Buffer] = set()
    for source, index in program.outputs:
        value = values[source][index]
        value_type = program.instructions[source].types[index]
        if value_type.dtype not in compiled_dtypes:
            outputs.append(value)
            continue
        if isinstance(value, View):
            value = replace(value, buffer=memory.behind_fence.get(value.buffer, value.buffer))
        if not (isinstance(value, View) and _is_own(value) and value.buffer not in taken):
            context = Context(source, (value,), (value_type,), (value_type,), memory, statements)
            value = context.copy(value, context.result())
        taken.add(value.buffer)
        outputs.append(dense_view(value.buffer, value_type.shape))
    return tuple(outputs)
