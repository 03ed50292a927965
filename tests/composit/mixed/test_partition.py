"""Cutting a program into regions: every order is one that runs, with few regions and few tensors between them."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from itertools import pairwise, permutations
from types import FrameType

import pytest

import composit as cnp
from composit.mixed.partition import turns_of
from composit.mixed.placement import NOWHERE
from composit.mixed.regions import Region, cut
from composit.operation import Input
from composit.program import Program, program_of
from tests.sampling import one_in


def random_graph(source: random.Random, count: int) -> Program:
    """Return a program of sums of earlier results."""
    made = [cnp.asarray([1.0]), cnp.asarray([2.0])]
    for _ in range(count):
        left, right = source.choice(made[-6:]), source.choice(made)
        made.append(cnp.add(left, right))
    return program_of(source.sample(made[2:], min(3, count)))


def colors_of(program: Program, source: random.Random, count: int) -> list[int]:
    return [NOWHERE if isinstance(each.operation, Input) else source.randrange(count) for each in program.instructions]


def check(program: Program, colors: list[int], regions: list[Region]) -> None:
    """Assert that the regions compute each node once, on its backend, from what is there by then."""
    known = {(position, 0) for position in program.inputs}
    computed: list[int] = []
    for region in regions:
        assert set(region.given) <= known
        members = [
            position
            for position, each in zip(region.positions, region.program.instructions, strict=True)
            if not isinstance(each.operation, Input)
        ]
        assert all(colors[position] == region.color for position in members)
        assert len(members) == region.num_nodes > 0
        assert len(region.given) == len(region.program.inputs) == len(set(region.given))
        computed += members
        known.update(region.made)
    assert sorted(computed) == [position for position, color in enumerate(colors) if color != NOWHERE]
    assert set(program.outputs) <= known


@pytest.mark.parametrize("seed", one_in(4, range(400)))
def test_random_partitions_of_random_graphs_can_run(seed: int) -> None:
    source = random.Random(seed)
    program = random_graph(source, source.randint(1, 40))
    colors = colors_of(program, source, source.randint(1, 4))
    regions = cut(program, colors)
    check(program, colors, regions)
    assert all(one.color != other.color for one, other in pairwise(regions))


def fewest_turns(program: Program, colors: list[int]) -> int:
    """Return the least number of turns in which two backends can run the program, by trying both beginnings."""
    best = len(colors)
    for order in permutations((0, 1)):
        done, turns = {position for position, color in enumerate(colors) if color == NOWHERE}, 0
        while len(done) < len(colors):
            before = len(done)
            color = order[turns % 2]
            for position, instruction in enumerate(program.instructions):
                if colors[position] == color and all(each in done for each, _ in instruction.operands):
                    done.add(position)
            turns += 1 if len(done) > before or turns else 0
            if len(done) == before and turns == 0:
                turns = len(colors)  # this color cannot begin
                break
        best = min(best, turns)
    return best


@pytest.mark.parametrize("seed", one_in(4, range(400)))
def test_two_backends_take_no_more_turns_than_any_order_needs(seed: int) -> None:
    source = random.Random(seed)
    program = random_graph(source, source.randint(2, 30))
    colors = colors_of(program, source, 2)
    assert len(cut(program, colors)) <= fewest_turns(program, colors)


def test_a_chain_has_a_turn_for_each_change_of_backend() -> None:
    x = cnp.asarray([1.0])
    program = program_of([cnp.exp(cnp.sin(cnp.cos(cnp.tanh(x))))])
    assert turns_of(program, [NOWHERE, 0, 0, 1, 0]) == [NOWHERE, 0, 0, 1, 2]


def test_branches_of_one_backend_share_a_turn() -> None:
    x = cnp.asarray([1.0])
    branches = [cnp.exp(cnp.tanh(x + number)) for number in range(4)]
    program = program_of([sum(branches[1:], branches[0])])
    colors = [{"tanh": 1, "add": 0, "exp": 0}.get(each.operation.name, NOWHERE) for each in program.instructions]
    regions = cut(program, colors)
    assert [region.color for region in regions] == [0, 1, 0]
    assert [len(region.made) for region in regions] == [4, 4, 1]


def test_a_result_that_one_later_turn_reads_is_computed_there() -> None:
    # The mask could run first; its 8 bytes for each byte of an input would then wait for the last turn.
    x, flags = cnp.asarray([[1.0] * 50]), cnp.asarray([True] * 50)
    mask = cnp.astype(flags, "float64")
    program = program_of([cnp.exp(cnp.tanh(cnp.cos(x))) * mask])
    colors = [{"tanh": 1}.get(each.operation.name, 0) if each.operands else NOWHERE for each in program.instructions]
    first, _, last = cut(program, colors)
    names = [[each.operation.name for each in region.program.instructions] for region in (first, last)]
    assert "astype" not in names[0]
    assert "astype" in names[1]
    assert [len(region.given) for region in (first, last)] == [1, 2]


def test_a_small_result_of_large_operands_stays_where_these_are() -> None:
    x = cnp.asarray([[1.0] * 50])
    large = cnp.cos(x)
    program = program_of([cnp.exp(cnp.tanh(large)) * cnp.sum(cnp.sqrt(large))])
    colors = [{"tanh": 1}.get(each.operation.name, 0) if each.operands else NOWHERE for each in program.instructions]
    first, _, last = cut(program, colors)
    assert "sum" in [each.operation.name for each in first.program.instructions]
    assert [program.instructions[place].types[index].num_bytes for place, index in last.given] == [400, 8]


def test_the_cost_of_cutting_grows_as_the_program() -> None:
    # Counted, not timed: each list of operands is looked at a fixed number of times.
    counts = []
    for count in (200, 400):
        program = random_graph(random.Random(1), count)
        colors = colors_of(program, random.Random(2), 3)
        looks = _count_lines(lambda program=program, colors=colors: turns_of(program, colors))
        counts.append(looks / len(program.instructions))
    assert counts[1] < 1.3 * counts[0]


def _count_lines(function: Callable[[], object]) -> int:
    lines = 0

    def trace(frame: FrameType, event: str, argument: object) -> object:
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return lines
