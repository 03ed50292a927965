"""What `explain` returns: which backend runs what, and which tensors go from one to another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from composit.mixed.placement import NOWHERE
from composit.mixed.regions import Region
from composit.mixed.selectors import full_name
from composit.operation import OperationKind, TensorType
from composit.program import Label, Program, Reference
from composit.source import describe_source

_MOST_SHOWN = 4


@dataclass(frozen=True, slots=True)
class RegionReport:
    """A part of a program that one backend runs in one go.

    keys:      the keys of the mapping that chose the backend; "no key" where none matched
    scopes:    the name scopes and modules of its nodes, in order
    num_nodes: how many nodes it computes, without inputs and numbers
    """

    number: int
    backend: str
    keys: tuple[str, ...]
    scopes: tuple[str, ...]
    num_nodes: int

    def __str__(self) -> str:
        chosen = f", chosen by {_few(self.keys)}" if self.keys else ""
        where = f", in {_few(self.scopes)}" if self.scopes else ""
        return (
            f"region {self.number} ({self.backend}): {self.num_nodes} node{'s' * (self.num_nodes != 1)}{chosen}{where}"
        )


@dataclass(frozen=True, slots=True)
class Crossing:
    """A tensor that one region hands to others.

    name:    scope and name of its node, as in "encoder/add"
    source:  the user's line that built it
    origin:  the number of the region that computes it; `readers`: of those that read it
    """

    position: int
    name: str
    type: TensorType
    source: str
    origin: int
    readers: tuple[int, ...]

    @property
    def num_bytes(self) -> int:
        """The bytes of the tensor."""
        return self.type.num_bytes


@dataclass(frozen=True, slots=True)
class Explanation:
    """The regions of a program in the order in which they run, and what crosses; printed, a line for each.

    nodes: a line per node: the region that computes it
    """

    regions: tuple[RegionReport, ...]
    crossings: tuple[Crossing, ...]
    nodes: tuple[str, ...]

    @property
    def num_bytes(self) -> int:
        """The bytes of all tensors that cross, each counted once."""
        return sum(each.num_bytes for each in self.crossings)

    def __str__(self) -> str:
        lines = []
        for region in self.regions:
            lines.append(str(region))
            lines.extend(self._crossing(each) for each in self.crossings if each.origin == region.number)
        count = len(self.crossings)
        return "\n".join(
            [*lines, f"{count} tensor{'s' * (count != 1)} cross{'es' * (count == 1)}: {self.num_bytes} bytes"]
        )

    def _crossing(self, crossing: Crossing) -> str:
        readers = _few([f"region {number} ({self.regions[number].backend})" for number in crossing.readers])
        return (
            f"%{crossing.position} {crossing.name} {crossing.type}: {crossing.num_bytes} bytes to {readers}, built at\n"
            f"  {crossing.source}"
        )


def explanation_of(
    program: Program, regions: Sequence[Region], places: Sequence[int], keys: Sequence[str], names: Sequence[str]
) -> Explanation:
    """Return the explanation of a program that was cut into regions.

    places: for each instruction the number of its key; keys: their texts; names: of the backend of each region
    """
    reports = tuple(_report(number, region, places, keys, names[number]) for number, region in enumerate(regions))
    return Explanation(reports, tuple(_crossings(program, regions)), tuple(_lines(program, regions, reports)))


def _report(number: int, region: Region, places: Sequence[int], keys: Sequence[str], name: str) -> RegionReport:
    computed = list(_computed(region))
    # A creation that each of its readers makes has no key of its own.
    chosen = dict.fromkeys(keys[places[position]] for position, _ in computed if places[position] != NOWHERE)
    scopes = dict.fromkeys(label.scope for _, label in computed if label.scope)
    return RegionReport(number, name, tuple(filter(None, chosen)), tuple(scopes), len(computed))


def _computed(region: Region) -> Iterator[tuple[int, Label]]:
    """Yield the nodes that a region computes, by position in the whole program, with their labels."""
    for position, instruction, label in zip(
        region.positions, region.program.instructions, region.program.labels, strict=True
    ):
        if instruction.operands or instruction.operation.kind is OperationKind.CREATION:
            yield position, label


def _crossings(program: Program, regions: Sequence[Region]) -> Iterator[Crossing]:
    readers: dict[Reference, list[int]] = {}
    for number, region in enumerate(regions):
        for reference in region.given:
            readers.setdefault(reference, []).append(number)
    for number, region in enumerate(regions):
        for position, index in region.made:
            reading = readers.get((position, index))
            if reading:
                label, value_type = program.labels[position], program.instructions[position].types[index]
                several = len(program.instructions[position].types) > 1
                name = f"{full_name(label)}.{index}" if several else full_name(label)
                source = describe_source(label.source)
                yield Crossing(position, name, value_type, source, number, tuple(reading))


def _lines(program: Program, regions: Sequence[Region], reports: Sequence[RegionReport]) -> Iterator[str]:
    found: dict[int, list[int]] = {}
    for number, region in enumerate(regions):
        for position, _ in _computed(region):
            found.setdefault(position, []).append(number)
    for position, (instruction, label) in enumerate(zip(program.instructions, program.labels, strict=True)):
        words = [f"region {number} ({reports[number].backend})" for number in found.get(position, ())]
        types = ", ".join(map(str, instruction.types))
        leaf = "input" if position in program.inputs else "a number"
        yield f"%{position} {full_name(label)} {types}: {' and '.join(words) or leaf}"


def _few(words: Sequence[str]) -> str:
    more = f" and {len(words) - _MOST_SHOWN} more" if len(words) > _MOST_SHOWN else ""
    return ", ".join(words[:_MOST_SHOWN]) + more
