"""Where values come into a program and leave it: there arrays lie as numpy lays them out, an image's channels before its lines.

Between, convolutions keep channels last. So what an algorithm pays for another order depends on where its operation stands.
"""

from __future__ import annotations

from collections.abc import Collection

from composit.numpy.rearranging.padding import Pad
from composit.operation import Operation, OperationKind
from composit.program import Program


def from_outside(program: Program) -> frozenset[int]:
    """Return the positions whose values are inputs, or inputs with a border or changed element by element."""
    found = set(program.inputs)
    for position, instruction in enumerate(program.instructions):
        if instruction.operands and _keeps_order(instruction.operation):
            largest = max(
                instruction.operands, key=lambda source: program.instructions[source[0]].types[source[1]].size
            )
            if largest[0] in found:
                found.add(position)
    return frozenset(found)


def to_outside(program: Program) -> frozenset[int]:
    """Return the positions whose values leave the program, all as they are or changed element by element."""
    users: dict[int, list[int]] = {}
    for position, instruction in enumerate(program.instructions):
        for source, _ in instruction.operands:
            users.setdefault(source, []).append(position)
    found = {position for position, _ in program.outputs}
    for position in reversed(range(len(program.instructions))):
        if position in users and _all_leave(program, users[position], found):
            found.add(position)
    return frozenset(found)


def _all_leave(program: Program, users: Collection[int], found: Collection[int]) -> bool:
    return all(user in found and _keeps_order(program.instructions[user].operation) for user in users)


def _keeps_order(operation: Operation) -> bool:
    """Whether the result lies as the operand does."""
    return operation.kind is OperationKind.ELEMENTWISE or isinstance(operation, Pad)
