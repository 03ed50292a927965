"""The picture as data: boxes and arrows before any layout.

A sketch holds the boxes and their scopes; dot.py decides how they look. Boxes are in topological order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from composit.operation import OperationKind

Scope: TypeAlias = tuple[str, ...]


class Kind(Enum):
    """The kinds of boxes that do not stand for an operation."""

    NODE = "node"  # of a graph whose nodes have no operations
    OUTPUT = "output"
    BLOCK = "block"
    REST = "rest"


# Each kind has its own form and colour.
BoxKind: TypeAlias = Kind | OperationKind

SEVERAL = (Kind.BLOCK, Kind.REST)  # the kinds of boxes that stand for several


@dataclass(frozen=True, slots=True)
class Box:
    """One box: title, the user's label, lines below it, scope, and the number of operations it stands for."""

    kind: BoxKind
    title: str
    label: str = ""
    parameters: str = ""
    types: tuple[str, ...] = ()
    scope: Scope = ()
    tooltip: str = ""
    count: int = 1
    stays_visible: bool = False  # an input named outside its scope, which closing the scope must not hide


@dataclass(frozen=True, slots=True)
class Arrow:
    """An arrow between boxes, given by position; `again` marks one from a repetition of a block to the next."""

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
    """A sketch of these boxes, with the old arrows moved to the positions in `new_place` and equal arrows merged.

    Arrows from a box to itself are left out, and so are labels at boxes that stand for several.
    """
    arrows: dict[Arrow, None] = {}
    for arrow in sketch.arrows:
        source, sink = new_place[arrow.source], new_place[arrow.sink]
        if source != sink:
            source_output = "" if boxes[source].kind in SEVERAL else arrow.source_output
            sink_input = "" if boxes[sink].kind in SEVERAL else arrow.sink_input
            arrows[Arrow(source, sink, source_output, sink_input, arrow.again)] = None
    return Sketch(tuple(boxes), tuple(arrows), repeats)
