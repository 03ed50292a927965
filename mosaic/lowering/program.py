"""Program -> IrProgram: lowers each instruction in order and settles where outputs live.

Precondition: operands come before their users. Postcondition: every output is a dense buffer of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from composit.operation import Input, Operation, Scalar, TensorType, tensor_type
from composit.program import Instruction, Program
from mosaic.ir.complex_parts import PART_DTYPES, as_stored, stored_count, stored_dtype
from mosaic.ir.expressions import literal
from mosaic.ir.islands import Island
from mosaic.ir.statements import IrProgram, Statement
from mosaic.ir.views import Buffer, BufferKind, View, dense_view
from mosaic.lowering.complex_registry import ComplexContext, has_any_lowering, lower_any
from mosaic.lowering.complex_values import AnyValue, ComplexValue, joined, split, uniform
from mosaic.lowering.registry import Context, Memory, NoLowering, Value, compiled_dtypes, lower

Known = dict[tuple[object, ...], tuple[AnyValue, ...]]
Lowering = Callable[[Operation, Context], Sequence[Value]]


def lower_program(
    program: Program,
    constants: Mapping[int, np.ndarray],
    inputs: Sequence[int],
    memory: Memory,
    chosen: Mapping[int, Lowering] = MappingProxyType({}),
) -> IrProgram:
    """Return the intermediate form.

    constants: values of constant instructions, by position
    inputs:    the leaves whose values a run gets, in the order of its arguments
    chosen:    what lowers an instruction, where that is not the function registered for its operation
    """
    statements: list[Statement] = []
    buffers = {
        position: Buffer(
            BufferKind.INPUT, number, stored_count(value_type.size, value_type.dtype), stored_dtype(value_type.dtype)
        )
        for number, position in enumerate(inputs)
        for value_type in program.instructions[position].types
    }
    constant_buffers: dict[Buffer, np.ndarray] = {}
    values: list[tuple[AnyValue, ...]] = []
    known: Known = {}
    read = {*program.outputs, *(operand for each in program.instructions for operand in each.operands)}
    for position, instruction in enumerate(program.instructions):
        if isinstance(instruction.operation, Scalar):
            values.append((_scalar_value(instruction),))
        elif position in constants:
            values.append((_constant(constants[position], constant_buffers),))
        elif isinstance(instruction.operation, Input):
            values.append((_seen(buffers[position], instruction.types[0]),))
        else:
            is_read = tuple([(position, index) in read for index in range(len(instruction.types))])
            state = (memory, statements, known)
            values.append(_lower_once(program, position, is_read, values, *state, chosen.get(position)))
    outputs = _settle_outputs(program, values, memory, statements)
    return IrProgram(tuple(statements), tuple(buffers.values()), tuple(inputs), outputs, constant_buffers)


def _scalar_value(instruction: Instruction) -> AnyValue:
    operation = instruction.operation
    assert isinstance(operation, Scalar)
    return uniform(literal(operation.value, instruction.types[0].dtype), ())


def _constant(array: np.ndarray, buffers: dict[Buffer, np.ndarray]) -> AnyValue:
    """Return a view of a new constant buffer that keeps the array's own layout where it is dense."""
    content = as_stored(array) if array.dtype in PART_DTYPES else array
    buffer = Buffer(BufferKind.CONSTANT, len(buffers), content.size, content.dtype)
    buffers[buffer] = content
    return _seen(buffer, tensor_type(array.shape, array.dtype))


def _seen(buffer: Buffer, value_type: TensorType) -> AnyValue:
    """Return the whole of a buffer as a value of that type."""
    if value_type.dtype in PART_DTYPES:
        return split(dense_view(buffer, (*value_type.shape, 2)))
    return dense_view(buffer, value_type.shape)


def _lower_once(
    program: Program,
    position: int,
    is_read: tuple[bool, ...],
    values: list[tuple[AnyValue, ...]],
    memory: Memory,
    statements: list[Statement],
    known: Known,
    chosen: Lowering | None,
) -> tuple[AnyValue, ...]:
    """Lower one node, or return the values of an earlier one with the same operation on the same operands."""
    instruction = program.instructions[position]
    operands = tuple(values[source][index] for source, index in instruction.operands)
    types = _operand_types(program, position)
    key = (instruction.operation.structure(), operands, (*map(id, types), *is_read), chosen)
    if operands and has_any_lowering(instruction.operation, *types, *instruction.types):
        if key not in known:
            known[key] = _lower_instruction(program, position, is_read, operands, memory, statements, chosen)
        return known[key]
    return _lower_instruction(program, position, is_read, operands, memory, statements, chosen)


def _operand_types(program: Program, position: int) -> tuple[TensorType, ...]:
    operands = program.instructions[position].operands
    return tuple(program.instructions[source].types[index] for source, index in operands)


def _lower_instruction(
    program: Program,
    position: int,
    is_read: tuple[bool, ...],
    operands: tuple[AnyValue, ...],
    memory: Memory,
    statements: list[Statement],
    chosen: Lowering | None,
) -> tuple[AnyValue, ...]:
    """Lower one node; its statements are dropped again if it raises NoLowering."""
    instruction = program.instructions[position]
    types = _operand_types(program, position)
    own: list[Statement] = []
    context = ComplexContext(position, operands, types, instruction.types, memory, own, is_read)
    try:
        results = tuple(lower_any(instruction.operation, context, chosen or lower))
    except NoLowering as reason:
        own.clear()
        results = _island(context, str(reason), instruction.operation.updates_operand)
    statements.extend(own)
    return results


def _island(context: ComplexContext, reason: str, updates_operand: bool) -> tuple[AnyValue, ...]:
    operands = tuple([context.whole(index) for index in range(len(context.operands))])
    results = tuple([_memory_of(each, context.memory) for each in context.types])
    context.statements.append(Island(results, operands, (context.position,), reason, updates_operand))
    types = zip(results, context.types, strict=True)
    return tuple([split(result) if each.dtype in PART_DTYPES else result for result, each in types])


def _memory_of(value_type: TensorType, memory: Memory) -> View:
    """Return a new dense array for a value as numpy has it; complex numbers are pairs along the last axis."""
    if value_type.dtype in PART_DTYPES:
        return memory.temporary((*value_type.shape, 2), PART_DTYPES[value_type.dtype])
    return memory.temporary(value_type.shape, value_type.dtype)


def _is_own(view: View) -> bool:
    return view.buffer.kind is BufferKind.TEMPORARY and view.covers_buffer


def _settle_outputs(
    program: Program, values: list[tuple[AnyValue, ...]], memory: Memory, statements: list[Statement]
) -> tuple[Value, ...]:
    """Return one dense temporary per output; other values are copied, but for dtypes without C."""
    outputs: list[Value] = []
    taken: set[Buffer] = set()
    for source, index in program.outputs:
        value = values[source][index]
        value_type = program.instructions[source].types[index]
        if isinstance(value, ComplexValue):
            value_type, value = _as_pairs(value, value_type, Context(source, (), (), (), memory, statements))
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


def _as_pairs(value: ComplexValue, value_type: TensorType, context: Context) -> tuple[TensorType, Value]:
    """Return a complex output as the real array that its memory is, and the type of that array."""
    stored = tensor_type((*value_type.shape, 2), PART_DTYPES[value_type.dtype])
    pairs = joined(value, context)
    if isinstance(pairs, View):
        return stored, pairs
    result = _memory_of(value_type, context.memory)
    parts = split(result)
    for part, target in ((value.real, parts.real), (value.imaginary, parts.imaginary)):
        assert isinstance(target, View), "a part of memory"
        context.copy(part, target)
    return stored, result
