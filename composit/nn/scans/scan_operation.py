"""`Scan`: a loop over time as an operation that holds its step as a program."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from composit.errors import ShapeError
from composit.nn.scans.body import Body
from composit.nn.scans.derivative import Asked, Backward, Matrices, Origin, Product, Source, backward_of
from composit.nn.scans.running import run_scan
from composit.operation import Array, Operation, OperationKind, Results, TensorType, VjpContext, tensor_type
from composit.program import Label

if TYPE_CHECKING:
    from composit.multidigraph import MultiDiGraph


@dataclass(frozen=True, slots=True)
class Scan(Operation):
    """The last carried values of a loop, and values of each step, stacked.

    Operands: first values of what is carried, arrays to run along by their first axis, and what is the same in each step.
    Results behind those that a caller sees are stacked for derivatives, and only where one reads them: each carried value
    at the start of each step, and results of expensive operations.

    length:      how many steps
    num_along:   how many operands it runs along
    num_stacked: how many stacked values a caller sees
    is_reversed: from the last place along the axis to the first; what is stacked lies at the place of its step
    Derivative:  a scan in the other direction (`derivative.py`)
    Reference:   jax.lax.scan
    """

    body: Body
    length: int
    num_along: int
    num_stacked: int
    is_reversed: bool = False
    kind = OperationKind.FUNCTION
    keeps_c_order = True
    raises_by_value = True

    @property
    def name(self) -> str:
        return "scan"

    @property
    def num_results(self) -> int:
        return len(self.body.program.outputs)

    @property
    def num_shown(self) -> int:
        return self.body.num_carried + self.num_stacked

    @property
    def subgraph(self) -> MultiDiGraph:
        return self.body.graph

    @property
    def turns(self) -> range:
        """The places along the axis, in the order of the steps."""
        forwards = range(self.length)
        return forwards[::-1] if self.is_reversed else forwards

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        self._check(operand_types)
        types, count = self.body.output_types, self.body.num_carried
        last = [tensor_type(each.shape, each.dtype, is_scalar=not each.shape) for each in types[:count]]
        return (*last, *(tensor_type((self.length, *each.shape), each.dtype) for each in types[count:]))

    def _check(self, operand_types: Sequence[TensorType]) -> None:
        first, last = self.body.num_carried, self.body.num_carried + self.num_along
        instructions = self.body.program.instructions
        for position, number in zip(self.body.program.inputs, self.body.numbers, strict=True):
            (wanted,) = instructions[position].types
            shape = (self.length, *wanted.shape) if first <= number < last else wanted.shape
            given = operand_types[number]
            if (given.shape, given.dtype) != (shape, wanted.dtype):
                raise ShapeError(
                    f"scan: operand {number} is {given}; expected {tensor_type(shape, wanted.dtype)}, for which its step was built;"
                    " build the scan again for other types"
                )

    def cost(self, operand_types: Sequence[TensorType], result_types: Sequence[TensorType]) -> int:
        program = self.body.program
        costs = [
            each.operation.cost([program.instructions[p].types[i] for p, i in each.operands], each.types)
            for each in program.instructions
        ]
        return max(1, self.length * sum(costs))

    def may_raise(self, operand_types: Sequence[TensorType], are_known: Sequence[bool]) -> bool:
        return any(each.operation.raises_by_value for each in self.body.program.instructions)

    def evaluate(self, *operands: Array) -> Results:
        return self._run((True,) * self.num_results, *operands)

    def evaluator_of(self, is_read: tuple[bool, ...]) -> Callable[..., Results]:
        return partial(self._run, is_read)

    def _run(self, is_read: tuple[bool, ...], *operands: Array) -> Results:
        numbers = self.read_outputs(is_read)
        results = run_scan(self.body.restricted(numbers), self.num_along, self.turns, operands)
        found = dict(zip(numbers, results, strict=True))
        every = tuple([found.get(number) for number in range(self.num_results)])
        return every if len(every) != 1 else every[0]  # type: ignore[return-value]  # what is not read may be None

    def read_outputs(self, is_read: Sequence[bool]) -> tuple[int, ...]:
        """Return the outputs of the body that a run computes: what is carried, and what is read of the rest."""
        return tuple([n for n in range(self.num_results) if n < self.body.num_carried or is_read[n]])

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        is_given = tuple([each is not None for each in context.cotangents])
        asked = Asked(self.body, self.num_along, tuple(context.needs), is_given)
        backward = _known_backward(asked, self.body.program.labels)
        own = self._computed_backward(backward, context) if backward.body.program.outputs else ()
        sums = _Sums(self.length, context, own)
        return [sums.of(terms) for terms in backward.entries]

    def _computed_backward(self, backward: Backward, context: VjpContext) -> Sequence[Any]:
        num_stacked = backward.num_stacked
        scan = Scan(backward.body, self.length, backward.num_along, num_stacked, not self.is_reversed)
        results = context.xp.apply(scan, *[_found(source, context) for source in backward.operands])
        return results if isinstance(results, tuple) else (results,)


@lru_cache(maxsize=256)
def _known_backward(asked: Asked, labels: tuple[Label, ...]) -> Backward:
    """Return the derivative of a step, made once for all scans of it; labels are among the keys since errors show them."""
    return backward_of(asked)


def _found(source: Source, context: VjpContext) -> Any:
    xp = context.xp
    match source.origin:
        case Origin.OPERAND:
            return context.operands[source.number]
        case Origin.RESULT:
            return context.results[source.number]
        case Origin.ARRAY:
            return xp.asarray(source.array)
        case Origin.COTANGENT:
            cotangent = context.cotangents[source.number]
            return _zeros(xp, context.results[source.number]) if cotangent is None else cotangent
        case _:
            return _zeros(xp, context.operands[source.number])


def _zeros(xp: Any, like: Any) -> Any:
    zero = like.dtype.type(0)
    return xp.broadcast_to(zero, like.shape) if like.shape else zero


@dataclass(frozen=True, slots=True)
class _Sums:
    """Adds up the terms of cotangents. own: the results of the derivative's scan."""

    length: int
    context: VjpContext
    own: Sequence[Any]

    def of(self, terms: Sequence[Source | Product]) -> Any:
        """Return the sum of the terms, None if there is none."""
        found = [self._product(each) if isinstance(each, Product) else self._value(each) for each in terms]
        return sum(found[1:], found[0]) if found else None

    def _value(self, source: Source) -> Any:
        return self.own[source.number] if source.origin is Origin.OWN else _found(source, self.context)

    def _product(self, product: Product) -> Any:
        """Return the sum over all steps of left @ right as one product: its depth is that of all steps together."""
        xp = self.context.xp
        left, right = self._value(product.left.source), self._value(product.right.source)
        return xp.matmul(_wide(xp, left, product.left), _tall(xp, right, product.right))


def _wide(xp: Any, stack: Any, matrices: Matrices) -> Any:
    """Return the matrices of all steps side by side: (rows, steps * depth)."""
    if matrices.is_turned:
        return xp.transpose(_rows(xp, stack))
    rows = stack.shape[1]
    return xp.reshape(xp.transpose(stack, (1, 0, 2)), (rows, stack.shape[0] * stack.shape[2]))


def _tall(xp: Any, stack: Any, matrices: Matrices) -> Any:
    """Return the matrices of all steps below each other: (steps * depth, columns)."""
    return _rows(xp, xp.transpose(stack, (0, 2, 1)) if matrices.is_turned else stack)


def _rows(xp: Any, stack: Any) -> Any:
    return xp.reshape(stack, (math.prod(stack.shape[:2]), stack.shape[2]))
