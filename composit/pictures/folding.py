"""Folds repeated blocks: scopes that differ only in a number and hold the same graph are drawn once, as "x12".

Each box gets a signature of its title, parameters, types, scope and the signatures of its operands. Two blocks hold
the same graph if the multisets of their signatures are equal. This is no isomorphism test: it confuses blocks that
differ only in which equal subexpressions they share. Nested blocks are folded from the outside in.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from composit.operation import OperationKind
from composit.pictures.sketch import Arrow, Repeat, Scope, Sketch

Signature: TypeAlias = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A scope, the positions of its boxes ordered by signature, and these signatures."""

    scope: Scope
    members: tuple[int, ...]
    signature: tuple[int, ...]


class Numbering:
    """Numbers signatures, so that comparing and hashing a deep one costs no more than a shallow one."""

    def __init__(self) -> None:
        self._numbers: dict[Signature, int] = {}

    def number(self, signature: Signature) -> int:
        return self._numbers.setdefault(signature, len(self._numbers))


def folded(sketch: Sketch) -> Sketch:
    """The sketch with each run of equal blocks drawn once.

    Before:      x -> [layer.0: matmul -> tanh] -> [layer.1: matmul -> tanh] -> [layer.2: matmul -> tanh] -> output
    After:       x -> [layer.0 ... layer.2 x3: matmul -> tanh] -> output, and an arrow `again` from tanh to matmul
    """
    while True:
        arrows_in = _arrows_in(sketch)
        groups = _groups(sketch, arrows_in)
        if not groups:
            return sketch
        sketch = _merged(_with_common_inputs(sketch, groups, arrows_in), groups)


def _arrows_in(sketch: Sketch) -> dict[int, list[Arrow]]:
    arrows_in: dict[int, list[Arrow]] = defaultdict(list)
    for arrow in sketch.arrows:
        if not arrow.again:
            arrows_in[arrow.sink].append(arrow)
    return arrows_in


def _groups(sketch: Sketch, arrows_in: Mapping[int, Sequence[Arrow]]) -> list[list[Block]]:
    """The groups of equal blocks at the outermost level that has any."""
    members = _members_by_scope(sketch)
    for length in sorted({len(scope) for scope in members}):
        numbering = Numbering()
        alike: dict[Signature, list[Block]] = defaultdict(list)
        for scope, places in members.items():
            if len(scope) == length and re.search(r"\d", scope[-1]):
                block = _block(sketch, scope, places, arrows_in, numbering)
                alike[(scope[:-1], re.sub(r"\d+", "#", scope[-1]), block.signature)].append(block)
        groups = [blocks for blocks in alike.values() if len(blocks) > 1 and len(blocks[0].members) > 1]
        if groups:
            return groups
    return []


def _members_by_scope(sketch: Sketch) -> dict[Scope, list[int]]:
    """The boxes in each scope, with those of the scopes inside it, without inputs."""
    members: dict[Scope, list[int]] = {}
    for place, box in enumerate(sketch.boxes):
        for length in range(1, len(box.scope) + 1):
            if box.kind is not OperationKind.INPUT:
                members.setdefault(box.scope[:length], []).append(place)
    return members


def _block(
    sketch: Sketch,
    scope: Scope,
    places: Sequence[int],
    arrows_in: Mapping[int, Sequence[Arrow]],
    numbering: Numbering,
) -> Block:
    numbers: dict[int, int] = {}
    for place in places:
        box = sketch.boxes[place]
        operands = tuple(
            (numbers.get(arrow.source, -1), arrow.source_output, arrow.sink_input) for arrow in arrows_in[place]
        )
        own = (box.kind, box.title, box.parameters, box.types, box.scope[len(scope) :], box.count)
        numbers[place] = numbering.number((own, operands))
    members = tuple(sorted(places, key=lambda place: (numbers[place], place)))
    return Block(scope, members, tuple(numbers[place] for place in members))


def _with_common_inputs(
    sketch: Sketch, groups: Sequence[list[Block]], arrows_in: Mapping[int, Sequence[Arrow]]
) -> Sketch:
    """Moves inputs that only some blocks of a group have out of the block; the others join the blocks in `groups`.

    For example the first layer's `x` is an input, the second layer's is the first's result: `x` is drawn before the
    block. Each layer has a `weight`: it is drawn inside.
    """
    boxes = list(sketch.boxes)
    for group in groups:
        rows = [_own_inputs(sketch, block, arrows_in) for block in group]
        columns = dict.fromkeys(zip(*rows, strict=True))
        uses = Counter(place for column in columns for place in column)
        matched = [column for column in columns if all(place is not None and uses[place] == 1 for place in column)]
        for number, block in enumerate(group):
            inputs = tuple(column[number] for column in matched)
            group[number] = Block(block.scope, (*block.members, *inputs), block.signature)
        for place in uses.keys() - {None} - {place for column in matched for place in column}:
            boxes[place] = replace(boxes[place], scope=group[0].scope[:-1])
    return replace(sketch, boxes=tuple(boxes))


def _own_inputs(sketch: Sketch, block: Block, arrows_in: Mapping[int, Sequence[Arrow]]) -> list[int | None]:
    """For each operand of each member its position, if it is an input drawn in the block, else None."""
    length = len(block.scope)
    return [
        arrow.source
        if sketch.boxes[arrow.source].kind is OperationKind.INPUT
        and sketch.boxes[arrow.source].scope[:length] == block.scope
        else None
        for member in block.members
        for arrow in arrows_in[member]
    ]


def _merged(sketch: Sketch, groups: Sequence[Sequence[Block]]) -> Sketch:
    """The sketch with each group's later blocks merged into its first."""
    stands_for: dict[int, int] = {}
    repetition: dict[int, tuple[Scope, int]] = {}
    repeats = dict(sketch.repeats)
    for first, *others in groups:
        repeats[first.scope] = Repeat(1 + len(others), others[-1].scope[-1])
        for number, block in enumerate((first, *others)):
            for place, kept in zip(block.members, first.members, strict=True):
                repetition[place] = first.scope, number
                stands_for[place] = kept
    kept_places = [place for place in range(len(sketch.boxes)) if stands_for.get(place, place) == place]
    position = {place: new for new, place in enumerate(kept_places)}
    arrows: dict[Arrow, None] = {}
    ways_back: dict[tuple[int, Scope], Arrow] = {}  # one from each box, to the first box of the next repetition
    for arrow in sketch.arrows:
        before, after = repetition.get(arrow.source), repetition.get(arrow.sink)
        again = before is not None and after is not None and before[0] == after[0] and before[1] != after[1]
        source = position[stands_for.get(arrow.source, arrow.source)]
        sink = position[stands_for.get(arrow.sink, arrow.sink)]
        if again and before is not None:
            known = ways_back.get((source, before[0]))
            ways_back[source, before[0]] = Arrow(source, min(sink, known.sink if known else sink), again=True)
        else:
            arrows[Arrow(source, sink, arrow.source_output, arrow.sink_input, arrow.again)] = None
    boxes = tuple(sketch.boxes[place] for place in kept_places)
    return Sketch(boxes, (*arrows, *ways_back.values()), repeats)
