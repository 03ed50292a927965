"""Makes the body of a scan from the graph of one step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from composit.nn.scans.body import Body
from composit.numpy.elementwise.functions import Elementwise
from composit.numpy.elementwise.table import add, subtract
from composit.operation import OperationKind, Scalar
from composit.program import Instruction, Program, Reference, ancestors_in_order, build_program
from composit.value import Value

# Results of these cost much to compute once more, so a scan can keep them for its derivative.
_EXPENSIVE = frozenset((OperationKind.CONTRACTION, OperationKind.FUNCTION, OperationKind.USER))


@dataclass(frozen=True, slots=True)
class Step:
    """The graph of one step: values that stand for operands of the scan, and results.

    carried, along: placeholders of carried values and of slices
    constant:       values that are the same in each step
    following:      the new carried values
    stacked:        values to keep of each step
    """

    carried: Sequence[Value]
    along: Sequence[Value]
    constant: Sequence[Value]
    following: Sequence[Value]
    stacked: Sequence[Value]


@dataclass(frozen=True, slots=True)
class MadeBody:
    """A body, and which of the slices and constants it reads: these are the scan's operands behind the carried values."""

    body: Body
    along: tuple[int, ...]
    constant: tuple[int, ...]


def made_body(step: Step, names: Sequence[str] = (), has_errstate: bool = True) -> MadeBody:
    """Return the body of a step. Behind what is stacked it offers to stack what derivatives read.

    These are the carried values at the start of the step, and results of operations that cost much to run again.

    names: of all carried values, slices and constants, in order
    """
    given = [*step.carried, *step.along, *step.constant]
    bound = build_program([*step.following, *step.stacked, *step.carried], given)
    number_of = {value.identity: number for number, value in enumerate(given)}
    numbers = [number_of[leaf.identity] for leaf in bound.leaves]
    first, last = len(step.carried), len(step.carried) + len(step.along)
    used = sorted(set(numbers))
    along = [number for number in used if first <= number < last]
    constant = [number for number in used if number >= last]
    place = {number: place for place, number in enumerate([*range(first), *along, *constant])}
    body = Body(
        _with_tape(bound.program, len(step.following) + len(step.stacked)),
        tuple([place[number] for number in numbers]),
        first,
        tuple([names[number] for number in place]) if names else (),
        has_errstate,
    )
    return MadeBody(body, tuple([n - first for n in along]), tuple([n - last for n in constant]))


def _with_tape(program: Program, num_own: int) -> Program:
    """Return the program with the results of expensive operations as further outputs, and sums with these.

    The derivative reads the last of them on each way. The derivative of a sum reads none of its terms, so it reads the sum.
    """
    own, starts = program.outputs[:num_own], program.outputs[num_own:]
    tape: dict[Reference, None] = dict.fromkeys(starts)
    costly: set[Reference] = set()
    for position, instruction in enumerate(program.instructions):
        is_sum = _is_sum(instruction) and not costly.isdisjoint(instruction.operands)
        if is_sum or instruction.operation.kind in _EXPENSIVE:
            costly.update((position, index) for index in range(len(instruction.types)))
            tape.update(dict.fromkeys((position, index) for index in range(len(instruction.types))))
    return replace(program, outputs=(*own, *(each for each in tape if each not in own[len(starts) :])))


def _is_sum(instruction: Instruction) -> bool:
    operation = instruction.operation
    return isinstance(operation, Elementwise) and operation.function in (add, subtract)


def captured_values(results: Sequence[Value], placeholders: Sequence[Value]) -> list[Value]:
    """Return the values from outside that a step reads: the last ones that do not depend on its placeholders.

    What the step computes of these alone stands outside of the scan, and is computed once.
    """
    known = {value.identity for value in placeholders}
    oldest = min((value.node.serial for value in placeholders), default=0)
    depending: set[int] = set()
    found: dict[Value, None] = {}

    def depends(value: Value) -> bool:
        return value.identity in known or id(value.node) in depending

    for node in ancestors_in_order([value.node for value in results], placeholders, oldest):
        operands = [Value(*operand) for operand in node.operands]
        if any(map(depends, operands)):
            depending.add(id(node))
            found.update(dict.fromkeys(each for each in operands if not depends(each) and not _is_number(each)))
    found.update(dict.fromkeys(each for each in results if not depends(each) and not _is_number(each)))
    return list(found)


def _is_number(value: Value) -> bool:
    return isinstance(value.node.operation, Scalar)
