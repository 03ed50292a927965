"""The numpy backend: runs a program one instruction at a time. It is the oracle; every other backend is tested against it.

May import program, operation, source.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from composit.backends import PreparedProgram
from composit.operation import Array, Input
from composit.program import Program, Reference, labels_of
from composit.source import describe_source

# (function, operand slots, result slot or slots, slots that are dead afterwards, position for errors)
_Step: TypeAlias = tuple[Callable[..., Any], tuple[int, ...], "int | tuple[int, ...]", tuple[int, ...], int]


class NumpyBackend:
    """Evaluates with numpy itself; intermediate arrays are freed as soon as nothing reads them."""

    name = "numpy"

    def prepare(self, program: Program) -> PreparedProgram:
        """Return a function that runs the program on arrays."""
        slots = _number_slots(program)
        input_slots = tuple(slots[position, 0] for position in program.inputs)
        output_slots = tuple(slots[reference] for reference in program.outputs)
        steps = _steps(program, slots)
        num_slots = len(slots)

        def run(values: Sequence[Array]) -> list[Array]:
            memory: list[Any] = [None] * num_slots
            for slot, value in zip(input_slots, values, strict=True):
                memory[slot] = value
            _run_steps(steps, memory, program)
            return [memory[slot] for slot in output_slots]

        return run


def _number_slots(program: Program) -> dict[Reference, int]:
    references = (
        (position, index)
        for position, instruction in enumerate(program.instructions)
        for index in range(len(instruction.types))
    )
    return {reference: slot for slot, reference in enumerate(references)}


def _steps(program: Program, slots: dict[Reference, int]) -> list[_Step]:
    last_use: dict[int, int] = {}
    for position, instruction in enumerate(program.instructions):
        for reference in instruction.operands:
            last_use[slots[reference]] = position
    kept = {slots[reference] for reference in program.outputs}
    dying: dict[int, list[int]] = {}
    for slot, position in last_use.items():
        if slot not in kept:
            dying.setdefault(position, []).append(slot)
    return [
        _step(program, position, slots, tuple(dying.get(position, ())))
        for position, instruction in enumerate(program.instructions)
        if not isinstance(instruction.operation, Input)
    ]


def _step(program: Program, position: int, slots: dict[Reference, int], dying: tuple[int, ...]) -> _Step:
    instruction = program.instructions[position]
    operands = tuple(slots[reference] for reference in instruction.operands)
    results: int | tuple[int, ...] = slots[position, 0]
    if instruction.operation.num_results != 1:
        results = tuple(slots[position, index] for index in range(len(instruction.types)))
    return instruction.operation.evaluator(), operands, results, dying, position


def _run_steps(steps: Sequence[_Step], memory: list[Any], program: Program) -> None:
    try:
        for function, operands, results, dying, position in steps:  # noqa: B007  # position is read by the except
            value = function(*[memory[slot] for slot in operands])
            if results.__class__ is int:
                memory[results] = value
            else:
                for slot, part in zip(results, value, strict=True):  # type: ignore[arg-type]  # a tuple here
                    memory[slot] = part
            for slot in dying:
                memory[slot] = None
            value = None
    except BaseException as error:
        # The error keeps its class and text, as numpy raised it; the note adds the user's line.
        error.add_note(_where(program, position))
        raise


def _where(program: Program, position: int) -> str:
    instruction, label = program.instructions[position], labels_of(program)[position]
    operands = ", ".join(str(program.instructions[source].types[index]) for source, index in instruction.operands)
    scope = f" in {label.scope}" if label.scope else ""
    return f"while evaluating {instruction.operation.name}({operands}){scope}, built at:\n  {describe_source(label.source)}"
