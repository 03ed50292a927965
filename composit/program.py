"""`Program`, the input of backends: a frozen tuple of instructions in topological order, with a digest of its structure.

Passes are Program -> Program. Users look at the persistent MultiDiGraph instead.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from composit.errstates import DEFAULT_ERRSTATE, current_errstate, reporting, set_errstate
from composit.keys import Key, digest
from composit.node import Node
from composit.operation import Input, Operation, TensorType
from composit.source import Source
from composit.value import Identity, Value, identity_of, value_of

Reference: TypeAlias = tuple[int, int]  # (instruction, output index)


@dataclass(frozen=True, slots=True)
class Instruction:
    """One operation on earlier results."""

    operation: Operation
    operands: tuple[Reference, ...]
    types: tuple[TensorType, ...]


@dataclass(frozen=True, slots=True)
class Label:
    """An instruction's name, its scope, the line that built it, and numpy's errstate at that line.

    errstate: None for a leaf, which computes nothing
    """

    name: str
    scope: str
    source: Source | None
    errstate: object = None

    def __reduce__(self) -> tuple[Callable[..., Label], tuple[object, ...]]:
        # A source holds a code object, which cannot be pickled.
        return Label, (self.name, self.scope, None)


@dataclass(frozen=True, slots=True)
class Program:
    """Instructions in topological order; Input and Scalar leaves are instructions without operands.

    inputs:  the positions of the Input instructions, in the order in which values are passed
    outputs: what a run returns, as references
    labels:  one per instruction; no part of the digest
    """

    instructions: tuple[Instruction, ...]
    inputs: tuple[int, ...]
    outputs: tuple[Reference, ...]
    labels: tuple[Label, ...] = field(compare=False, repr=False)
    _digest: list[Key] = field(default_factory=list, init=False, compare=False, repr=False)

    @property
    def digest(self) -> Key:
        """Structure, types and positions as bytes; equal in every process, blind to serials and input identities."""
        if not self._digest:
            self._digest.append(_digest_of(self))
        return self._digest[0]

    def __str__(self) -> str:
        lines = [_describe(position, instruction) for position, instruction in enumerate(self.instructions)]
        returned = ", ".join(f"%{position}.{index}" for position, index in self.outputs)
        return "\n".join([*lines, f"return {returned}"])


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Labels and errstates of a run, taken from the calls that built its nodes.

    errstate:  numpy's state under which the run starts
    errstates: the state of each instruction where they differ, else None
    """

    labels: tuple[Label, ...]
    errstate: object
    errstates: tuple[object, ...] | None


def surroundings_of(labels: tuple[Label, ...]) -> Surroundings:
    """Return the surroundings of a run with these labels."""
    states = [label.errstate for label in labels if label.errstate is not None]
    if not states or all(state is states[0] for state in states):
        return Surroundings(labels, states[0] if states else DEFAULT_ERRSTATE, None)
    every = tuple([DEFAULT_ERRSTATE if label.errstate is None else label.errstate for label in labels])
    return Surroundings(labels, DEFAULT_ERRSTATE, every)


_running: ContextVar[Surroundings | None] = ContextVar("composit_running", default=None)


def run_in(surroundings: Surroundings, run: Callable[[Any], Any], values: Any) -> Any:  # Any: arrays, as prepared
    """Return the results of a prepared program; its errors name these labels, through `labels_of`."""
    count_run()
    token = _running.set(surroundings)
    before, state = current_errstate(), reporting(surroundings.errstate)
    try:
        if before is not state:
            set_errstate(state)
        return run(values)
    finally:
        if before is not current_errstate():
            set_errstate(before)
        _running.reset(token)


@contextmanager
def running_in(surroundings: Surroundings) -> Iterator[None]:
    """Name these labels in errors inside: for a program that an operation of another program runs.

    A state of None leaves numpy's errstate as the outer program has it.
    """
    token = _running.set(surroundings)
    before = current_errstate()
    try:
        if surroundings.errstate is not None:
            set_errstate(reporting(surroundings.errstate))
        yield
    finally:
        if before is not current_errstate():
            set_errstate(before)
        _running.reset(token)


def labels_of(program: Program) -> tuple[Label, ...]:
    """Return the labels of the current run: one prepared program serves all programs of its structure, from other lines too."""
    running = _running.get()
    return running.labels if running is not None and _fits(running, program) else program.labels


def errstates_of(program: Program) -> tuple[object, ...] | None:
    """Return the errstate of each instruction in the current run, None where all have the run's."""
    running = _running.get()
    return running.errstates if running is not None and _fits(running, program) else None


def running_surroundings(program: Program) -> Surroundings | None:
    """Return the surroundings of the current run, None outside of a run of this program."""
    running = _running.get()
    return running if running is not None and _fits(running, program) else None


def _fits(running: Surroundings, program: Program) -> bool:
    return len(running.labels) == len(program.instructions)


class EvaluationCount:
    """How many programs have been run since counting began: evaluations, and reads of values that Python needed."""

    __slots__ = ("runs",)

    def __init__(self) -> None:
        self.runs = 0


_counts: ContextVar[tuple[EvaluationCount, ...]] = ContextVar("composit_evaluation_counts", default=())


@contextmanager
def count_evaluations() -> Iterator[EvaluationCount]:
    """Count the programs that are run inside, by `evaluate` and by reads of values; `.runs` is the number so far.

    Example:
        >>> import composit.numpy as cnp
        >>> with count_evaluations() as count:
        ...     x = cnp.ones(3) + 1
        ...     before = count.runs
        ...     total = float(x.sum())
        >>> before, count.runs
        (0, 1)
    """
    count = EvaluationCount()
    token = _counts.set((*_counts.get(), count))
    try:
        yield count
    finally:
        _counts.reset(token)


def count_run() -> None:
    """Note that a program is run, for `count_evaluations`."""
    for count in _counts.get():
        count.runs += 1


def _describe(position: int, instruction: Instruction) -> str:
    operands = ", ".join(f"%{source}" if index == 0 else f"%{source}.{index}" for source, index in instruction.operands)
    types = ", ".join(map(str, instruction.types))
    return f"%{position} = {instruction.operation.name}({operands}) : {types}"


def _digest_of(program: Program) -> Key:
    # One structure per operation object: thousands of instructions share one elementwise operation.
    structures: dict[int, Key] = {}
    parts: list[bytes] = []
    for instruction in program.instructions:
        operation = instruction.operation
        structure = structures.get(id(operation))
        if structure is None:
            structure = structures[id(operation)] = operation.structure()
        parts.append(structure)
        parts.append(_pack_references(instruction.operands))
        parts.extend(value_type.key() for value_type in instruction.types if not instruction.operands)
    parts.append(struct.pack(f"<{len(program.inputs)}q", *program.inputs))
    parts.append(_pack_references(program.outputs))
    return digest(*parts)


def _pack_references(references: Sequence[Reference]) -> bytes:
    return struct.pack(f"<{2 * len(references)}q", *(number for reference in references for number in reference))


def ancestors_in_order(roots: Iterable[Node], cuts: Collection[Value] = (), oldest: int = 0) -> list[Node]:
    """Return the roots and all they depend on, operands first, each object once; the walk stops at cuts.

    oldest: operands with a smaller serial are left out; a node that depends on another has a larger serial
    """
    seen: set[int] = set()
    order: list[Node] = []
    is_cut = {cut.identity for cut in cuts}
    stack: list[tuple[Node, bool]] = [(root, False) for root in reversed(list(roots))]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
            continue
        if id(node) in seen:
            continue
        seen.add(id(node))
        stack.append((node, True))
        for operand, index in reversed(node.operands):
            if operand._serial < oldest or id(operand) in seen:
                continue
            if not is_cut or identity_of(operand, index) not in is_cut:
                stack.append((operand, False))
    return order


@dataclass(frozen=True, slots=True)
class BoundProgram:
    """A program with the leaves its inputs come from: `leaves[i]` is the value that is passed as input i.

    nodes: the node of each instruction; None for the placeholder of a cut
    """

    program: Program
    leaves: tuple[Value, ...]
    nodes: tuple[Node | None, ...]


class _Builder:
    """Collects instructions; one Input operation is one instruction however many nodes carry it."""

    def __init__(self) -> None:
        self.instructions: list[Instruction] = []
        self.labels: list[Label] = []
        self.nodes: list[Node | None] = []
        self.inputs: list[int] = []
        self.leaves: list[Value] = []
        self.references: dict[Identity, Reference] = {}

    def add_cut(self, cut: Value) -> None:
        value_type = cut.node.types[cut.index]
        self._add_input(Instruction(Input(None, value_type), (), (value_type,)), cut, None)
        self.references[cut.identity] = (len(self.instructions) - 1, 0)

    def add_node(self, node: Node) -> None:
        if not node.operands and identity_of(node, 0) in self.references:
            return  # the same leaf, carried by another node
        position = len(self.instructions)
        self._add_instruction(node)
        for index in range(len(node.types)):
            self.references.setdefault(identity_of(node, index), (position, index))

    def _add_instruction(self, node: Node) -> None:
        operands = tuple(self.references[identity_of(*operand)] for operand in node.operands)
        instruction = Instruction(node.operation, operands, node.types)
        if isinstance(node.operation, Input):
            self._add_input(instruction, Value(node), node)
            return
        self._append(instruction, node, node)

    def _add_input(self, instruction: Instruction, leaf: Value, node: Node | None) -> None:
        self.inputs.append(len(self.instructions))
        self.leaves.append(leaf)
        self._append(instruction, leaf.node, node)

    def _append(self, instruction: Instruction, labelled: Node, node: Node | None) -> None:
        self.instructions.append(instruction)
        # A leaf computes nothing, and nodes of numbers are shared by calls under other errstates.
        errstate = labelled.errstate if instruction.operands else None
        self.labels.append(Label(labelled.name, labelled.scope, labelled.source, errstate))
        self.nodes.append(node)


def build_program(outputs: Sequence[Value], cuts: Collection[Value] = ()) -> BoundProgram:
    """Return the program that computes the outputs, with the values in `cuts` as inputs.

    Cuts that an output needs come first, in the order given; then the input leaves, in topological order.
    """
    is_cut = {cut.identity for cut in cuts}
    roots = [output.node for output in outputs if output.identity not in is_cut]
    order = ancestors_in_order(roots, cuts)
    needed = _values_read(order, outputs) if cuts else ()
    builder = _Builder()
    for cut in cuts:
        if cut.identity in needed:
            builder.add_cut(cut)
    for node in order:
        builder.add_node(node)
    references = tuple(builder.references[output.identity] for output in outputs)
    program = Program(tuple(builder.instructions), tuple(builder.inputs), references, tuple(builder.labels))
    return BoundProgram(program, tuple(builder.leaves), tuple(builder.nodes))


def _values_read(order: Sequence[Node], outputs: Sequence[Value]) -> set[Identity]:
    read = {output.identity for output in outputs}
    for node in order:
        read.update(identity_of(*operand) for operand in node.operands)
    return read


def program_of(outputs: Sequence[object]) -> Program:
    """Return the program of tensors, as `evaluate(*outputs)` gives it to a backend.

    Example:
        >>> import composit.numpy as cnp
        >>> print(program_of([cnp.ones((2,)) + 1]))
        %0 = full() : float64[2]
        %1 = 1() : int64[]
        %2 = add(%0, %1) : float64[2]
        return %2.0
    """
    handles = [output.__lazy_tensor__() for output in outputs]  # type: ignore[attr-defined]
    return build_program([value_of(handle) for handle in handles]).program


def without_values(program: Program) -> Program:
    """Return the program with placeholders for inputs, for caches: it keeps no arrays alive, nor graphs through guards."""
    instructions = tuple(
        replace(instruction, operation=Input(None, instruction.types[0]))
        if isinstance(instruction.operation, Input)
        else instruction
        for instruction in program.instructions
    )
    return replace(program, instructions=instructions)
