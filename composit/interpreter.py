"""The numpy backend: runs a program one instruction at a time. It is the oracle; every other backend is tested against it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, TypeAlias

import numpy as np

from composit.backends import PreparedProgram
from composit.direct import references_of_a_name
from composit.errstates import reporting, set_errstate
from composit.operation import Array, Input, Results
from composit.program import Instruction, Program, Reference, errstates_of, labels_of
from composit.source import Source, describe_source

# (function or _Update, getter of the operands from memory, result slot or slots, slots to clear afterwards, position)
_Step: TypeAlias = tuple[Any, Callable[[list[Any]], Any], int | list[int], list[int], int]


class NumpyBackend:
    """Evaluates with numpy itself; intermediate arrays are freed as soon as nothing reads them."""

    name = "numpy"

    def prepare(self, program: Program) -> PreparedProgram:
        """Return a function that runs the program on arrays."""
        steps = PreparedSteps(program)
        input_slots, output_slots, num_slots = steps.input_slots, steps.output_slots, steps.num_slots

        def run(values: Sequence[Array]) -> list[Array]:
            memory: list[Any] = [None] * num_slots
            for slot, position in zip(input_slots, range(len(values)), strict=True):
                memory[slot] = values[position]
            steps.run(memory)
            return [memory[slot] for slot in output_slots]

        return run


class PreparedSteps:
    """The steps of a program, on a memory of slots that the caller provides: a loop runs the same steps again and again.

    input_slots, output_slots: where inputs lie before a run, and outputs after it
    num_slots:                 the length of the memory
    """

    __slots__ = ("_program", "_steps", "_updates", "input_slots", "num_slots", "output_slots")

    def __init__(self, program: Program) -> None:
        slots = _Slots(program)
        self.input_slots = tuple(slots.of[position, 0] for position in program.inputs)
        self._program = program
        self._steps = [
            _step(program, position, slots)
            for position, instruction in enumerate(program.instructions)
            if not isinstance(instruction.operation, Input)
        ]
        self.output_slots = tuple(slots.of[reference] for reference in program.outputs)
        self.num_slots = slots.count
        self._updates = any(step[0].__class__ is _Update for step in self._steps)

    def run(self, memory: list[Any]) -> None:
        """Run the steps; an array that no later step reads is replaced, or updated in place if only its slot holds it."""
        errstates = errstates_of(self._program)
        if self._updates or errstates is not None:
            _run_with_care(self._steps, memory, self._program, errstates)
        else:
            _run_steps(self._steps, memory, self._program)


class _Slots:
    """Where values lie while a program runs: a result takes the place of an operand that nothing reads later.

    of:    the slot of each reference, from the time its instruction was placed
    count: how many there are
    """

    def __init__(self, program: Program) -> None:
        self.of: dict[Reference, int] = {(position, 0): slot for slot, position in enumerate(program.inputs)}
        self.count = len(self.of)
        self._free: list[int] = []
        self._last_use: dict[Reference, int] = {}
        for position, instruction in enumerate(program.instructions):
            for reference in instruction.operands:
                self._last_use[reference] = position
        self._last_use |= dict.fromkeys(program.outputs, len(program.instructions))

    def place(self, instruction: Instruction, position: int) -> tuple[list[int], list[int], list[int]]:
        """Return the slots of an instruction's operands, those of them that nothing reads later, and those of its results."""
        of, free, last_use = self.of, self._free, self._last_use
        operands, ending, results = [], [], []
        for reference in instruction.operands:
            operands.append(slot := of[reference])
            if last_use[reference] == position and slot not in ending:
                ending.append(slot)
        free += ending
        for index in range(len(instruction.types)):
            if free:
                slot = free.pop()
            else:
                slot = self.count
                self.count += 1
            of[position, index] = slot
            results.append(slot)
        return operands, ending, results

    def is_read(self, position: int, num_results: int) -> tuple[bool, ...]:
        """Return which of an instruction's results something reads."""
        return tuple([(position, index) in self._last_use for index in range(num_results)])

    def unread(self, position: int, results: list[int]) -> list[int]:
        """Return those of an instruction's results that nothing reads, free for others from now on."""
        slots = [slot for index, slot in enumerate(results) if (position, index) not in self._last_use]
        self._free += slots
        return slots


def _one_or_none(places: list[int]) -> slice:
    return slice(places[0], places[0] + 1) if places else slice(0)


def _step(program: Program, position: int, slots: _Slots) -> _Step:
    instruction = program.instructions[position]
    operation = instruction.operation
    operands, ending, results = slots.place(instruction, position)
    function: Any = (
        operation.evaluator()
        if operation.num_results == 1
        else operation.evaluator_of(slots.is_read(position, len(instruction.types)))
    )
    if operation.updates_operand and operands[0] in ending and operands.count(operands[0]) == 1:
        function = _Update(function, operation.update_in_place, operands[0], operands[1:])
    # itemgetter with one slot gives the value itself; with a slice it gives a sequence.
    taken: Callable[[list[Any]], Any] = (
        itemgetter(*operands) if len(operands) > 1 else itemgetter(_one_or_none(operands))
    )
    if operation.num_results == 1:
        # The result reuses the slot of the last operand that died here, so that slot must not be cleared.
        return function, taken, results[0], ending[:-1], position
    cleared = ending[: -len(results)] + slots.unread(position, results)
    return function, taken, results, cleared, position


# The count of an array that only a local name in `_Update.run` holds.
_OWN_REFERENCES = references_of_a_name()


@dataclass(frozen=True, slots=True)
class _Update:
    """A write to a value that no later instruction reads: done in place, if nothing else holds the array either."""

    evaluate: Callable[..., Results]
    update: Callable[..., Results]
    target: int
    others: list[int]

    def run(self, memory: list[Any]) -> Results:
        target = memory[self.target]
        memory[self.target] = None
        others = [memory[slot] for slot in self.others]
        # Each other holder (a view of the array, the caller, the cache of a read) would be one more reference.
        if (
            sys.getrefcount(target) == _OWN_REFERENCES
            and target.__class__ is np.ndarray
            and target.flags.owndata
            and target.flags.writeable
        ):
            return self.update(target, *others)
        return self.evaluate(target, *others)


def _run_steps(steps: Sequence[_Step], memory: list[Any], program: Program) -> None:
    try:
        for function, operands, results, dying, position in steps:  # noqa: B007  # position is read by the except
            value = function(*operands(memory))
            if results.__class__ is int:
                memory[results] = value
            else:
                for slot, part in zip(results, value, strict=True):  # type: ignore[arg-type]  # a tuple here
                    memory[slot] = part
                part = None
            for slot in dying:
                memory[slot] = None
            value = None
    except BaseException as error:
        # The error keeps its class and text, as numpy raised it; the note adds the user's line.
        error.add_note(_where(program, position))
        raise


def _run_with_care(
    steps: Sequence[_Step], memory: list[Any], program: Program, errstates: Sequence[object] | None
) -> None:
    """Run steps, some of which update an operand in place or have an errstate of their own."""
    for step in steps:
        function, _, results, dying, position = step
        if errstates is not None:
            set_errstate(reporting(errstates[position]))
        if function.__class__ is not _Update:
            _run_steps((step,), memory, program)
            continue
        try:
            memory[results] = function.run(memory)  # type: ignore[index]  # a write has one result
        except BaseException as error:
            error.add_note(_where(program, position))
            raise
        for slot in dying:
            memory[slot] = None


def _source_in(names: Mapping[str, Any]) -> Source | None:
    program: Program = names["program"]
    position: int = names["position"]
    return labels_of(program)[position].source


# The functions that run operations, and how to find the user's line in their local names.
CODE_TO_SOURCE = {_run_steps.__code__: _source_in, _run_with_care.__code__: _source_in}


def _where(program: Program, position: int) -> str:
    instruction, label = program.instructions[position], labels_of(program)[position]
    operands = ", ".join(str(program.instructions[source].types[index]) for source, index in instruction.operands)
    scope = f" in {label.scope}" if label.scope else ""
    return f"while evaluating {instruction.operation.name}({operands}){scope}, built at:\n  {describe_source(label.source)}"
