"""The picture as data: boxes and arrows before any layout. Imports nothing of ours.

A sketch says what is drawn and in which scope; how it looks is `dot`'s matter. Boxes stand in topological order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

Scope: TypeAlias = tuple[str, ...]


class Kind(Enum):
    """What a box stands for; each kind has its own form and colour."""

    INPUT = "input"
    SCALAR = "scalar"
    OUTPUT = "output"
    OPERATION = "operation"
    CONTRACTION = "contraction"
    REDUCTION = "reduction"
    MOVEMENT = "movement"
    CREATION = "creation"
    USER = "user function"
    BLOCK = "block"
    REST = "rest"


@dataclass(frozen=True, slots=True)
class Box:
    """One box: its title, the label that the user gave, lines below it, and the scope it is drawn in."""

    kind: Kind
    title: str
    label: str = ""
    parameters: str = ""
    types: tuple[str, ...] = ()
    scope: Scope = ()
    tooltip: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Arrow:
    """From one box to another, by their places; `again` marks the way from one repetition of a block to the next."""

    source: int
    sink: int
    source_output: str = ""
    sink_input: str = ""
    again: bool = False


@dataclass(frozen=True, slots=True)
class Repeat:
    """A scope that stands for several: their number and the name of the last."""

    count: int
    last: str


@dataclass(frozen=True, slots=True)
class Sketch:
    """Boxes, arrows between them, and the scopes that stand for several."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    repeats: Mapping[Scope, Repeat] = field(default_factory=dict)


def mapped(
    sketch: Sketch, boxes: Sequence[Box], new_place: Mapping[int, int], repeats: Mapping[Scope, Repeat]
) -> Sketch:
    """A sketch of the given boxes, with the old arrows between the places that `new_place` maps; equal arrows are one.

    An arrow that a mapping would bend back to its own box is left out.
    """
    arrows: dict[Arrow, None] = {}
    for arrow in sketch.arrows:
        source, sink = new_place.get(arrow.source), new_place.get(arrow.sink)
        if source is not None and sink is not None and source != sink:
            arrows[Arrow(source, sink, arrow.source_output, arrow.sink_input, arrow.again)] = None
    return Sketch(tuple(boxes), tuple(arrows), repeats)
