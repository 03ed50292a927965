"""The turns in which backends run a program: each instruction gets the number of a turn, and a turn has one backend.

A turn takes all instructions of its backend that can run, also those that only others of the turn make possible. Among the backends
that have something to run, the one goes first from which most changes of backend still follow: with two backends no order has fewer
turns. Then results that only a later turn of the same backend reads move there, where fewer bytes cross because of it. Both take
time linear in the number of operands.
"""

from __future__ import annotations

from collections.abc import Sequence

from composit.mixed.placement import NOWHERE
from composit.program import Program


def turns_of(program: Program, colors: Sequence[int]) -> list[int]:
    """Return the turn of each instruction, NOWHERE for those without a color. colors: the backend of each instruction, by number.

    Example: colors 0 0 1 0 of a chain give the turns 0 0 1 2.
    """
    readers: list[list[int]] = [[] for _ in colors]
    for position, instruction in enumerate(program.instructions):
        if colors[position] != NOWHERE:
            for source, _ in instruction.operands:
                if colors[source] != NOWHERE:
                    readers[source].append(position)
    turns, color_of_turn = _earliest(program, colors, readers)
    _move_to_readers(program, colors, readers, turns)
    return _renumbered(turns, color_of_turn)


def _changes_below(colors: Sequence[int], readers: Sequence[Sequence[int]]) -> list[int]:
    """Return for each instruction the most changes of color on a path from it to an output."""
    changes = [0] * len(colors)
    for position in range(len(colors) - 1, -1, -1):
        changes[position] = max(
            (changes[reader] + (colors[reader] != colors[position]) for reader in readers[position]), default=0
        )
    return changes


def _earliest(program: Program, colors: Sequence[int], readers: Sequence[Sequence[int]]) -> tuple[list[int], list[int]]:
    """Return each instruction's turn when all run as early as they can, and the color of each turn."""
    changes = _changes_below(colors, readers)
    waiting = [0] * len(colors)
    for those in readers:
        for reader in those:
            waiting[reader] += 1
    num_colors = max(colors, default=NOWHERE) + 1
    ready: list[list[int]] = [[] for _ in range(num_colors)]
    most_changes = [-1] * num_colors

    def add(position: int) -> None:
        color = colors[position]
        ready[color].append(position)
        most_changes[color] = max(most_changes[color], changes[position])

    for position, color in enumerate(colors):
        if color != NOWHERE and not waiting[position]:
            add(position)
    turns = [NOWHERE] * len(colors)
    color_of_turn: list[int] = []
    while num_colors and max(most_changes) >= 0:
        color = most_changes.index(max(most_changes))
        while ready[color]:
            position = ready[color].pop()
            turns[position] = len(color_of_turn)
            for reader in readers[position]:
                waiting[reader] -= 1
                if not waiting[reader]:
                    add(reader)
        most_changes[color] = -1
        color_of_turn.append(color)
    return turns, color_of_turn


def _move_to_readers(
    program: Program, colors: Sequence[int], readers: Sequence[Sequence[int]], turns: list[int]
) -> None:
    """Move instructions to the later turn that alone reads them, where that adds no more bytes than it saves; changes `turns`."""
    outside = [sum(turns[reader] != turns[position] for reader in those) for position, those in enumerate(readers)]
    instructions = program.instructions
    pinned = {source for source, _ in program.outputs}
    for position in range(len(turns) - 1, -1, -1):
        those = readers[position]
        if not those or position in pinned or not outside[position]:
            continue
        target = turns[those[0]]
        if colors[those[0]] != colors[position] or any(turns[reader] != target for reader in those):
            continue
        sources = {source for source, _ in instructions[position].operands if turns[source] != NOWHERE}
        newly = [source for source in sources if not outside[source] and source not in pinned]
        added = sum(value_type.num_bytes for source in newly for value_type in instructions[source].types)
        if added > sum(value_type.num_bytes for value_type in instructions[position].types):
            continue
        for source, _ in instructions[position].operands:
            # All operands are of earlier turns than the target.
            if turns[source] == turns[position]:
                outside[source] += 1
        turns[position], outside[position] = target, 0


def _renumbered(turns: Sequence[int], color_of_turn: Sequence[int]) -> list[int]:
    """Return the turns without empty ones; neighbours of one color are one turn."""
    number_of: dict[int, int] = {NOWHERE: NOWHERE}
    used = set(turns)
    last, count = NOWHERE, 0
    for turn, color in enumerate(color_of_turn):
        if turn in used:
            count += color != last
            last, number_of[turn] = color, count - 1
    return [number_of[turn] for turn in turns]
