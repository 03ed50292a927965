"""The places of a program at which there is an algorithm to choose."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from composit.operation import Shape
from composit.program import Program
from composit.source import Source
from mosaic.algorithms.attention import NAME as ATTENTION
from mosaic.algorithms.attention import scores_of
from mosaic.algorithms.borders import from_outside, to_outside
from mosaic.algorithms.record import Case
from mosaic.algorithms.registry import family_of, those_that_can
from mosaic.ir.complex_parts import PART_DTYPES
from mosaic.targets import Target


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One instruction whose operation has algorithms, as functions given for `algorithms=` see it.

    number: which one it is among those of the same operation, from 0 on
    scope:  the path of the module or name scope that it was built in
    name:   the name that the user gave its result, or its operation's
    """

    position: int
    operation: str
    number: int
    scope: str
    name: str
    source: Source | None
    case: Case

    def __reduce__(self) -> tuple[Callable[..., Occurrence], tuple[object, ...]]:
        # A source holds a code object, which cannot be pickled.
        return Occurrence, (self.position, self.operation, self.number, self.scope, self.name, None, self.case)

    @property
    def key(self) -> tuple[int, str]:
        """What tells it from all others: a product may stand for itself and for an attention."""
        return self.position, self.operation

    @property
    def input_shape(self) -> Shape:
        """The shape of the first operand."""
        return self.case.operand_types[0].shape

    def can(self, name: str) -> bool:
        """Whether the algorithm of that name takes this operation's shapes."""
        return name in those_that_can(self.operation, self.case)

    def __str__(self) -> str:
        where = f" in {self.scope}" if self.scope else ""
        return f"{self.operation} of {', '.join(map(str, self.case.operand_types))}{where}"


def occurrences(program: Program, known: Collection[int], target: Target) -> Iterator[Occurrence]:
    """Yield the instructions whose operation has algorithms, in order; those that depend on constants alone have none.

    known: the positions of the instructions whose values are known before the program runs
    """
    counts: dict[str, int] = {}
    entering, leaving = from_outside(program), to_outside(program)
    is_constant: list[bool] = []
    for position, (instruction, label) in enumerate(zip(program.instructions, program.labels, strict=True)):
        constant = tuple([is_constant[source] for source, _ in instruction.operands])
        is_constant.append(position in known or (bool(constant) and all(constant)))
        families = () if is_constant[-1] else tuple(_families(program, position))
        if not families:
            continue
        operands = tuple(program.instructions[source].types[index] for source, index in instruction.operands)
        if any(each.dtype in PART_DTYPES for each in (*operands, *instruction.types)):
            continue
        is_entering = bool(instruction.operands) and instruction.operands[0][0] in entering
        places = (is_entering, position in leaving)
        case = Case(instruction.operation, operands, instruction.types, constant, target, *places)
        for family in families:
            number = counts.get(family, 0)
            counts[family] = number + 1
            yield Occurrence(position, family, number, label.scope, label.name, label.source, case)


def _families(program: Program, position: int) -> Iterator[str]:
    """Yield the names of what an instruction stands for, that have algorithms."""
    family = family_of(program.instructions[position].operation)
    if family:
        yield family
    if scores_of(program, position) is not None:
        yield ATTENTION
