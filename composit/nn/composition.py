"""`Composition`: an operation that is defined by a formula in numpy's functions, and may have a faster `evaluate` and a closed `vjp`.

Softmax is one node in a graph. numpy computes it with few temporaries, its derivative is one formula and not that of
five steps, and mosaic compiles the formula (`mosaic/lowering/compositions.py`).
"""

from __future__ import annotations

from contextvars import Context
from functools import lru_cache
from typing import Any, TypeAlias

import composit.numpy as cnp
from composit.apply import placeholder
from composit.derivative_types import ArrayOrTensor, Namespace
from composit.eager_results import lazily
from composit.numpy.namespaces import values
from composit.operation import Array, Operation, OperationKind, Results, TensorType, tensor_type
from composit.program import Program, build_program
from composit.value import value_of

Value: TypeAlias = ArrayOrTensor


class Composition(Operation):
    """The base of operations that a formula defines. A subclass gives `compose`, `result_types` and `vjp`."""

    __slots__ = ()
    kind = OperationKind.FUNCTION

    def compose(self, xp: Namespace, *operands: Value) -> Value | tuple[Value, ...]:
        """Return the result, or the results, as a formula in functions of `xp`: numpy's (`values`) or composit.numpy."""
        raise TypeError(f"{type(self).__name__}: a composition must define compose(xp, *operands)")

    def evaluate(self, *operands: Array) -> Results:
        """Return the formula's value. A subclass may compute the same with fewer temporaries."""
        result: Any = self.compose(values, *operands)  # Any: arrays, as the operands are
        return result  # type: ignore[no-any-return]


class ElementwiseComposition(Composition):
    """A composition of one operand, each of whose elements gives the element at the same place."""

    __slots__ = ()
    kind = OperationKind.ELEMENTWISE

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (x,) = operand_types
        return (tensor_type(x.shape, x.dtype, is_scalar=not x.shape),)


def composed_program(operation: Composition, operand_types: tuple[TensorType, ...]) -> Program:
    """Return the program of the formula, with one input per operand that it reads, labelled by the operand's number.

    Raises:  what `compose` raises for such operands
    """
    # With the key, since equal operations may have parameters 0.0 and -0.0, or 1 and 1.0.
    return _known_program(operation, operand_types, operation.key())


@lru_cache(maxsize=1024)
def _known_program(operation: Composition, operand_types: tuple[TensorType, ...], key: bytes) -> Program:
    # In a new context: the errstate and the name scope of whoever compiles are not the formula's.
    return Context().run(_composed, operation, operand_types)


def _composed(operation: Composition, operand_types: tuple[TensorType, ...]) -> Program:
    with lazily():
        operands = [placeholder(each, str(number)) for number, each in enumerate(operand_types)]
        namespace: Any = cnp
        results: Any = operation.compose(namespace, *operands)  # Any: tensors, as the operands are
    several = results if isinstance(results, tuple) else (results,)
    return build_program([value_of(each) for each in several]).program
