"""Cuts a program into regions: one program for each turn of a backend, and what each gives to the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from composit.mixed.partition import turns_of
from composit.mixed.placement import NOWHERE
from composit.operation import Input
from composit.program import Instruction, Program, Reference


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A part of a program that one backend runs.

    color:     the number of the backend
    program:   the part; what other regions compute are inputs of it
    positions: for each of its instructions, the one of the whole program
    given:     for each of its inputs, the value of the whole program
    made:      for each of its outputs, the value of the whole program
    num_nodes: how many instructions it computes, without numbers, inputs, and creations that each reader makes
    """

    color: int
    program: Program
    positions: tuple[int, ...]
    given: tuple[Reference, ...]
    made: tuple[Reference, ...]
    num_nodes: int

    @property
    def computed(self) -> list[int]:
        """For each of its instructions the one of the whole program, NOWHERE for inputs."""
        inputs = set(self.program.inputs)
        return [NOWHERE if place in inputs else position for place, position in enumerate(self.positions)]


def cut(program: Program, colors: Sequence[int]) -> list[Region]:
    """Return the regions in the order in which they run. colors: the backend of each instruction, NOWHERE for leaves."""
    turns = turns_of(program, colors)
    members: list[list[int]] = [[] for _ in range(max(turns, default=NOWHERE) + 1)]
    for position, turn in enumerate(turns):
        if turn != NOWHERE:
            members[turn].append(position)
    made = _made(program, turns)
    return [_region(program, colors[those[0]], those, turns, made.get(turn, ())) for turn, those in enumerate(members)]


def _made(program: Program, turns: Sequence[int]) -> dict[int, list[Reference]]:
    """Return for each turn the values that others read or that are outputs, each once, in the order of instructions."""
    handed = {reference for reference in program.outputs if turns[reference[0]] != NOWHERE}
    for position, instruction in enumerate(program.instructions):
        for reference in instruction.operands:
            if turns[reference[0]] not in (NOWHERE, turns[position]):
                handed.add(reference)
    made: dict[int, list[Reference]] = {}
    for reference in sorted(handed):
        made.setdefault(turns[reference[0]], []).append(reference)
    return made


def _region(
    program: Program, color: int, members: Sequence[int], turns: Sequence[int], made: Sequence[Reference]
) -> Region:
    turn = turns[members[0]]
    places: dict[Reference, Reference] = {}
    instructions: list[Instruction] = []
    positions: list[int] = []
    inputs: list[int] = []
    given: list[Reference] = []

    def take(reference: Reference) -> None:
        """Add the leaf, or an input in place of what another region computes."""
        source, index = reference
        original = program.instructions[source]
        if turns[source] != NOWHERE:
            value_type = original.types[index]
            original = Instruction(Input(None, value_type), (), (value_type,))
        if isinstance(original.operation, Input):
            inputs.append(len(instructions))
            given.append(reference)
        places[reference] = (len(instructions), 0)
        positions.append(source)
        instructions.append(original)

    for position in members:
        instruction = program.instructions[position]
        for reference in instruction.operands:
            if reference not in places and turns[reference[0]] != turn:
                take(reference)
        operands = tuple([places[reference] for reference in instruction.operands])
        for index in range(len(instruction.types)):
            places[position, index] = (len(instructions), index)
        positions.append(position)
        instructions.append(Instruction(instruction.operation, operands, instruction.types))
    labels = tuple([program.labels[position] for position in positions])
    part = Program(tuple(instructions), tuple(inputs), tuple([places[each] for each in made]), labels)
    return Region(color, part, tuple(positions), tuple(given), tuple(made), len(members))
