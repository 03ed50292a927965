"""Dispatch of operations with complex operands or results, and the context that their lowerings work in.

`lower_any` lowers every operation: those of real numbers by `lower`, the others by `lower_complex`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import singledispatch

from composit.operation import Operation, TensorType
from mosaic.ir.complex_parts import PART_DTYPES
from mosaic.ir.expressions import Expression, Uniform, literal
from mosaic.ir.statements import Statement
from mosaic.lowering.complex_values import (
    AnyValue,
    ComplexValue,
    Part,
    has_complex,
    imaginary_of,
    joined,
    part_type,
    real_of,
)
from mosaic.lowering.registry import Context, Memory, NoLowering, Value, check_dtypes, has_lowering, lower


@dataclass(slots=True)
class ComplexContext:
    """A node with complex operands or results, as its lowering sees it; the fields are those of Context."""

    position: int
    operands: tuple[AnyValue, ...]
    operand_types: tuple[TensorType, ...]
    types: tuple[TensorType, ...]
    memory: Memory
    statements: list[Statement]
    is_read: tuple[bool, ...] = ()

    def real(self, operands: Sequence[Value], types: Sequence[TensorType], results: Sequence[TensorType]) -> Context:
        """Return a context of real operands that appends to the same statements."""
        return Context(
            self.position, tuple(operands), tuple(types), tuple(results), self.memory, self.statements, self.is_read
        )

    def of_result(self, index: int = 0) -> Context:
        """Return a context for one part of a result."""
        return self.real((), (), (part_type(self.types[index]),))

    def part(self, index: int, part: Part) -> Value:
        """Return a part of an operand; the imaginary part of a real one is 0."""
        value = self.operands[index]
        if isinstance(value, ComplexValue):
            return part(value)
        if part is real_of:
            return value
        given = self.operand_types[index]
        return Uniform(literal(0, given.dtype), given.shape)

    def parts(self, part: Part, chosen: Sequence[int]) -> Context:
        """Return the context of the same operation on one part of the chosen operands; the others are real."""
        operands: list[Value] = []
        for index, value in enumerate(self.operands):
            if index in chosen:
                operands.append(self.part(index, part))
            elif isinstance(value, ComplexValue):
                raise NoLowering("complex numbers in the place of indices or conditions have no lowering to C")
            else:
                operands.append(value)
        return self.real(operands, [*map(part_type, self.operand_types)], [*map(part_type, self.types)])

    def computed(self, real: Expression, imaginary: Expression) -> ComplexValue:
        """Return the first result from expressions of its parts."""
        context = self.of_result()
        return ComplexValue(context.computed(real), context.computed(imaginary))

    def whole(self, index: int) -> Value:
        """Return an operand as numpy reads it: complex memory is a real view with pairs along the last axis."""
        value = self.operands[index]
        return joined(value, self.real((), (), ())) if isinstance(value, ComplexValue) else value


@singledispatch
def lower_complex(operation: Operation, context: ComplexContext) -> Sequence[AnyValue]:
    """Return the values of a node's results, some of them or of its operands complex."""
    dtype = next(each.dtype for each in (*context.operand_types, *context.types) if each.dtype in PART_DTYPES)
    raise NoLowering(f"{operation.name} of {dtype} has no lowering to C")


def has_any_lowering(operation: Operation, *types: TensorType) -> bool:
    """Whether some family registered the operation's class for operands and results of these types."""
    if has_complex(*types):
        return lower_complex.dispatch(type(operation)) is not lower_complex.dispatch(object)
    return has_lowering(operation)


def lower_any(
    operation: Operation, context: ComplexContext, lower_real: Callable[[Operation, Context], Sequence[Value]] = lower
) -> Sequence[AnyValue]:
    """Return the values of a node's results; operands and results may be complex.

    lower_real: what lowers operations of real numbers, an algorithm's or the function registered for the operation

    Raises:  NoLowering: it has none
    """
    types = (*context.operand_types, *context.types)
    check_dtypes(*map(part_type, types))
    if has_complex(*types):
        return lower_complex(operation, context)
    operands = [value for value in context.operands if not isinstance(value, ComplexValue)]
    return lower_real(operation, context.real(operands, context.operand_types, context.types))


def lower_by_parts(operation: Operation, context: ComplexContext, chosen: Sequence[int]) -> Sequence[AnyValue]:
    """Return the results of an operation that does to both parts of the chosen operands what it does to real numbers.

    Raises:  NoLowering: a result is real, so that the imaginary parts would be lost, or the operation on a part has none
    """
    if not all(has_complex(each) for each in context.types):
        raise NoLowering(f"{operation.name} of complex numbers into real ones has no lowering to C")
    real, imaginary = (lower(operation, context.parts(part, chosen)) for part in (real_of, imaginary_of))
    return [ComplexValue(*both) for both in zip(real, imaginary, strict=True)]
