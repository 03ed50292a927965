"""`Body`: one step of a scan as a program, with what each of its inputs and outputs means.

Inputs are operands of the scan: first the values that are carried, then slices of the arrays that it runs along, then what is the
same in each step. Outputs are first the new carried values, then the values that are stacked, one per step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from composit.apply import placeholder
from composit.handle import make_tensor
from composit.interpreter import PreparedSteps
from composit.keys import Key, digest, encode
from composit.multidigraph import merge_graphs
from composit.node import FlatOperands, new_node
from composit.operation import Input, TensorType
from composit.program import Instruction, Label, Program, Reference, Surroundings, surroundings_of

if TYPE_CHECKING:
    from composit.multidigraph import MultiDiGraph
    from composit.numpy.tensor.lazy_tensor import LazyTensor

_Part = TypeVar("_Part")
# How many restrictions of one body to some of its outputs are kept: a program reads few combinations of its results.
MOST_RESTRICTIONS = 16


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """One step. Two are equal if they compute the same; names and lines do not count.

    program:      its inputs are placeholders
    numbers:      for each input of the program, which operand of the scan it is
    num_carried:  how many of the outputs are carried to the next step
    names:        names of the scan's operands, for people
    has_errstate: whether each instruction runs under the errstate of the line that built it, else all under the scan's
    """

    program: Program
    numbers: tuple[int, ...]
    num_carried: int
    names: tuple[str, ...] = ()
    has_errstate: bool = True
    _kept: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)  # Any: what the properties below make

    def key(self) -> Key:
        """Return the identity: operations and how they are connected."""
        return self._made("key", self._digest)

    def _digest(self) -> Key:
        operations = [each.operation for each in self.program.instructions]
        keys = [each.structure() if isinstance(each, Input) else each.key() for each in operations]
        return digest(self.structure(), *keys)

    def structure(self) -> Key:
        """Return the part of the identity that is the same in every process."""
        return digest(self.program.digest, encode((self.numbers, self.num_carried)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Body) and self.key() == other.key()

    def __hash__(self) -> int:
        return hash(self.key())

    def __repr__(self) -> str:
        return f"<{len(self.program.instructions)} operations>"

    def __reduce__(self) -> tuple[Callable[..., Body], tuple[object, ...]]:
        return Body, (self.program, self.numbers, self.num_carried, self.names, self.has_errstate)

    @property
    def output_types(self) -> tuple[TensorType, ...]:
        """The types of the outputs in each step."""
        return tuple(self.program.instructions[source].types[index] for source, index in self.program.outputs)

    @property
    def dependencies(self) -> tuple[int, ...]:
        """For each output, the operands that it depends on, as bits of a number."""
        return self._made("dependencies", self._dependencies)

    def _dependencies(self) -> tuple[int, ...]:
        found: list[int] = []
        bits = {position: 1 << number for position, number in zip(self.program.inputs, self.numbers, strict=True)}
        for position, instruction in enumerate(self.program.instructions):
            mask = bits.get(position, 0)
            for source, _ in instruction.operands:
                mask |= found[source]
            found.append(mask)
        return tuple(found[source] for source, _ in self.program.outputs)

    @property
    def steps(self) -> PreparedSteps:
        """The steps by which numpy runs the program, prepared once."""
        return self._made("steps", lambda: PreparedSteps(self.program))

    @property
    def surroundings(self) -> Surroundings:
        """The lines and errstates of a run."""
        return self._made("surroundings", self._surroundings)

    def _surroundings(self) -> Surroundings:
        labels = self.program.labels
        return surroundings_of(labels) if self.has_errstate else Surroundings(labels, None, None)

    @property
    def graph(self) -> MultiDiGraph:
        """The step as a graph, as `tensor.graph` is one, from placeholders with the names of the operands."""
        return self._made("graph", self._graph)

    def _graph(self) -> MultiDiGraph:
        values = replayed(self.program, self.placeholders())
        return merge_graphs(*(values[source][index].graph for source, index in self.program.outputs))

    def placeholders(self) -> list[LazyTensor]:
        """Return a new placeholder for each input of the program."""
        types = [self.program.instructions[position].types[0] for position in self.program.inputs]
        return [
            placeholder(each, self.names[number] if self.names else None)
            for each, number in zip(types, self.numbers, strict=True)
        ]

    def restricted(self, outputs: tuple[int, ...]) -> Body:
        """Return the body with some of its outputs, by number, and with what they need; all carried ones must be among them."""
        if outputs == tuple(range(len(self.program.outputs))):
            return self
        known: Body | None = self._kept.get(outputs)
        if known is None:
            if len(self._kept) >= MOST_RESTRICTIONS:
                self._kept.clear()
            known = self._kept[outputs] = _restricted(self, outputs)
        return known

    def _made(self, name: str, make: Callable[[], _Part]) -> _Part:
        known: _Part | None = self._kept.get(name)
        if known is None:
            known = self._kept[name] = make()
        return known


def _restricted(body: Body, outputs: Sequence[int]) -> Body:
    program = body.program
    references = [program.outputs[number] for number in outputs]
    needed = _needed(program, references)
    place = {position: number for number, position in enumerate(needed)}

    def moved(reference: Reference) -> Reference:
        return place[reference[0]], reference[1]

    instructions = [program.instructions[position] for position in needed]
    inputs = [
        (place[position], n) for position, n in zip(program.inputs, body.numbers, strict=True) if position in place
    ]
    smaller = Program(
        tuple([replace(each, operands=tuple(map(moved, each.operands))) for each in instructions]),
        tuple([position for position, _ in inputs]),
        tuple(map(moved, references)),
        tuple([program.labels[position] for position in needed]),
    )
    return Body(smaller, tuple([n for _, n in inputs]), body.num_carried, body.names, body.has_errstate)


def _needed(program: Program, outputs: Sequence[Reference]) -> list[int]:
    """Return the positions of the instructions that outputs depend on, in order."""
    found = {source for source, _ in outputs}
    for position in reversed(range(len(program.instructions))):
        if position in found:
            found.update(source for source, _ in program.instructions[position].operands)
    return sorted(found)


def replayed(program: Program, inputs: Sequence[LazyTensor]) -> list[tuple[LazyTensor, ...]]:
    """Return the results of each instruction as tensors: the program's graph once more, from other inputs."""
    given = dict(zip(program.inputs, inputs, strict=True))
    values: list[tuple[LazyTensor, ...]] = []
    for position, (instruction, label) in enumerate(zip(program.instructions, program.labels, strict=True)):
        known = given.get(position)
        values.append(_made_again(instruction, label, values) if known is None else (known,))
    return values


def _made_again(
    instruction: Instruction, label: Label, values: Sequence[tuple[LazyTensor, ...]]
) -> tuple[LazyTensor, ...]:
    operands = [values[source][index] for source, index in instruction.operands]
    flat: FlatOperands = tuple(chain.from_iterable((each.node, each.output_index) for each in operands))
    node = new_node(instruction.operation, flat, instruction.types, label.source)
    node._scope = label.scope
    if label.errstate is not None:
        node._errstate = label.errstate
    return tuple([make_tensor(node, index) for index in range(len(instruction.types))])
