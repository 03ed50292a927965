"""`report`: what a captured graph consists of, what it holds for, and what of it has no machine code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import torch

from composit.backends import BackendChoice, MakesCode, get_backend
from composit.containers import tensors_in
from composit.errors import OperandError, ParameterError
from composit.guards import reads_behind
from composit.handle import described
from composit.input_keys import check_traced
from composit.operation import Input, Scalar, TensorType
from composit.program import Program, build_program
from composit.read_spans import SeenRead, Span
from composit.source import describe_source
from composit.value import Identity, Value, value_of
from flashlight.capture.read_guards import UNSEEN_WRITE
from flashlight.capture.tensor_attributes import attribute_of
from flashlight.capture.torch_modes import LEAVING_KINDS
from flashlight.capture.traced_tensors import TracedTensor
from flashlight.captured.captured import Captured
from flashlight.comparison import short_text
from flashlight.export.exported_programs import ExportedGraph
from flashlight.export.modules import ProgramModule
from flashlight.inputs import TorchInput

MOST_SHOWN = 12  # rows of one part of the text; the fields have all


@dataclass(frozen=True, slots=True)
class OperationCount:
    """The operations of one kind. num_bytes: of their results together"""

    name: str
    count: int
    num_bytes: int

    def __str__(self) -> str:
        return f"{self.count:6,}  {self.name}, {self.num_bytes:,} bytes of results"


@dataclass(frozen=True, slots=True)
class NamedArray:
    """An array that the graph begins with: a parameter, an input or a constant."""

    name: str
    type: TensorType

    @property
    def num_bytes(self) -> int:
        """How much memory it takes."""
        return self.type.num_bytes

    def __str__(self) -> str:
        return f"{self.name} {self.type}, {self.num_bytes:,} bytes"


@dataclass(frozen=True, slots=True)
class ReadValue:
    """A value that Python has read at one line while the graph was built.

    kind:     the form of the read: `bool` of a condition, `item`, `numpy`
    scope:    the module whose operation computed the value
    value:    what was read, the first time; nothing for a write that the trace could not see
    times:    how often this line has read
    line:     file, line, function and text of the line
    """

    kind: str
    type: TensorType
    scope: str
    value: str
    times: int
    line: str

    def __str__(self) -> str:
        often = f", {self.times} times" if self.times > 1 else ""
        where = f" in {self.scope}" if self.scope else ""
        value = f": {self.value}" if self.value else ""
        return f"{self.line}\n    {self.kind} of {self.type}{where}{often}{value}"


@dataclass(frozen=True, slots=True)
class WithoutCode:
    """An operation that a compiled program leaves to numpy, and why."""

    name: str
    types: tuple[TensorType, ...]
    scope: str
    reason: str
    line: str

    def __str__(self) -> str:
        where = f" in {self.scope}" if self.scope else ""
        return f"{self.line}\n    {self.name} -> {', '.join(map(str, self.types))}{where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Report:
    """What a captured graph consists of; its text shows the first rows of each part.

    operations:   by kind, the most frequent first
    parameters:   the largest first; inputs, constants: in the order in which they are used
    guards:       values that Python has read: other inputs must give the same
    left_graph:   those of them that left for numpy or a list, or steered a draw: what was computed from them is constant
    without_code: what the backend leaves to numpy
    """

    operations: tuple[OperationCount, ...]
    parameters: tuple[NamedArray, ...]
    inputs: tuple[NamedArray, ...]
    constants: tuple[NamedArray, ...]
    guards: tuple[ReadValue, ...]
    left_graph: tuple[ReadValue, ...]
    without_code: tuple[WithoutCode, ...]

    def __str__(self) -> str:
        num_operations = sum(each.count for each in self.operations)
        arrays = f"{_total(self.parameters)} of parameters, {_total(self.inputs)} of inputs, {_total(self.constants)} of constants"
        parts = [f"{num_operations:,} operations of {len(self.operations)} kinds; {arrays}"]
        parts += _part("operations", self.operations)
        parts += _part("parameters, the largest first", self.parameters)
        parts += _part("inputs", self.inputs)
        parts += _part("constants", self.constants)
        staying = [guard for guard in self.guards if guard not in self.left_graph]
        parts += _part("values that Python read; GuardError where other inputs change them", staying)
        parts += _part(
            "values that left the graph: the same, and what was computed from them is constant", self.left_graph
        )
        parts += _part("without machine code; numpy computes them", self.without_code)
        if not self.without_code:
            parts.append("all operations have machine code")
        return "\n".join(parts)


def report(captured: Any, *, backend: BackendChoice = "mosaic") -> Report:  # Any: tensors in containers of any kind
    """Return what a captured graph consists of, as fields and as text.

    captured: what a trace computed: torch tensors, lazy tensors, containers and objects with such; a graph of `from_export`; a
              function of `capture`, of whose programs the one used last is told of; a module of `to_module`
    backend:  the compiler that is asked which operations have no machine code

    Raises:  OperandError: no trace saw a tensor in it; ParameterError: the backend is no compiler
    Example:
        >>> import torch, flashlight
        >>> model = torch.nn.Linear(3, 2)
        >>> with torch.no_grad(), flashlight.tracer.trace():
        ...     y = model(torch.ones(1, 3))
        >>> print(flashlight.report(y).parameters[0])
        weight float32[2, 3], 24 bytes
    """
    compiler = get_backend(backend)
    if not isinstance(compiler, MakesCode):
        raise ParameterError(
            f"report: backend={backend!r} was given, which compiles nothing; expected one that can say which operations have no "
            "machine code, by its method without_code(program); leave it out for mosaic"
        )
    found = _graph_of(captured)
    program, guards = found.program, tuple(map(_read, found.reads))
    return Report(
        _operations(program),
        tuple(sorted(found.arrays(_PARAMETER), key=lambda each: -each.num_bytes)),
        found.arrays(_INPUT),
        found.arrays(_CONSTANT),
        guards,
        tuple(guard for guard in guards if guard.kind in LEAVING_KINDS),
        tuple(_without_code(program, compiler.without_code(program))),
    )


_PARAMETER, _INPUT, _CONSTANT = "parameter", "input", "constant"


@dataclass(frozen=True, slots=True)
class _Graph:
    """A program, whether each of its inputs is a parameter, an input or a constant, and what Python read for it."""

    program: Program
    kinds: Sequence[str]
    reads: Iterable[SeenRead]

    def arrays(self, kind: str) -> tuple[NamedArray, ...]:
        places = [at for at, found in zip(self.program.inputs, self.kinds, strict=True) if found == kind]
        return tuple(NamedArray(self.program.labels[at].name, self.program.instructions[at].types[0]) for at in places)


@singledispatch
def _graph_of(captured: Any) -> _Graph:
    check_traced("report", captured)
    tensors = tensors_in(captured)
    if not tensors:
        raise OperandError(
            f"report: {described(captured)!s:.60} of type {type(captured).__name__} holds no tensor with a graph; expected what a trace "
            "computed, in a container of any kind, a graph of flashlight.from_export, or what capture and to_module return"
        )
    outputs = [value_of(tensor.__lazy_tensor__()) for tensor in tensors]
    bound, named = build_program(outputs), _named_parameters(captured)
    return _Graph(
        bound.program, [_kind_of(leaf, named) for leaf in bound.leaves], reads_behind(outputs, _spans(tensors))
    )


@_graph_of.register
def _(captured: ProgramModule) -> _Graph:
    # A module compares no reads: where Python read values, to_module refuses, or was told to ignore them.
    given = [_INPUT] * captured.num_inputs + [
        _PARAMETER if is_parameter else _INPUT for is_parameter in captured.are_parameters()
    ]
    sources = captured.program.sources
    return _Graph(
        captured.program.program, [given[each] if isinstance(each, int) else _CONSTANT for each in sources], ()
    )


@_graph_of.register
def _(captured: Captured) -> _Graph:
    path = captured.latest_path
    if path is None:
        raise OperandError(
            f"report: a captured function without a program was given; expected one that was called, and whose calls can be evaluated "
            f"again; call it first. What it says of itself:\n{captured.explain()}"
        )
    kinds = [
        _PARAMETER
        if isinstance(source, torch.nn.Parameter)
        else _INPUT
        if isinstance(source, int | torch.Tensor)
        else _CONSTANT
        for source in path.sources
    ]
    # Reads of one kind at one line are told of once.
    by_line: dict[tuple[int, str], SeenRead] = {}
    for read in path.seen_reads():
        known = by_line.setdefault((id(read.source), read.kind), read)
        known.times += known is not read
    return _Graph(path.program, kinds, by_line.values())


def _spans(tensors: Sequence[Any]) -> list[Span]:
    """Return the spans of the traces that made these tensors: a read of a mask that the outputs do not depend on is a guard too."""
    traced = [attribute_of(tensor) for tensor in tensors if isinstance(tensor, torch.Tensor)]
    made_in = [each.made_in for each in traced if isinstance(each, TracedTensor)]
    return list(dict.fromkeys(record.span for record in made_in if record is not None))


def _named_parameters(captured: Any) -> set[Identity]:
    """Return the leaves that an exported program calls parameters; those of a trace are known by their torch tensors."""
    known = captured.parameters.values() if isinstance(captured, ExportedGraph) else ()
    return {value_of(each).identity for each in known}


def _kind_of(leaf: Value, named: set[Identity]) -> str:
    operation = leaf.node.operation
    if leaf.identity in named or (isinstance(operation, TorchInput) and operation.is_parameter):
        return _PARAMETER
    return _INPUT if isinstance(operation, TorchInput) or leaf.node.label is not None else _CONSTANT


def _operations(program: Program) -> tuple[OperationCount, ...]:
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for instruction in program.instructions:
        if not isinstance(instruction.operation, Input | Scalar):
            counts[instruction.operation.name] += 1
            sizes[instruction.operation.name] += sum(each.num_bytes for each in instruction.types)
    return tuple(OperationCount(name, count, sizes[name]) for name, count in sorted(counts.items(), key=_most_first))


def _most_first(counted: tuple[str, int]) -> tuple[int, str]:
    return -counted[1], counted[0]


def _read(seen: SeenRead) -> ReadValue:
    value = "" if seen.kind == UNSEEN_WRITE else short_text(seen.value)
    return ReadValue(seen.kind, seen.type, seen.scope, value, seen.times, describe_source(seen.source))


def _without_code(program: Program, found: Iterable[tuple[int, str]]) -> Iterator[WithoutCode]:
    for at, reason in found:
        instruction, label = program.instructions[at], program.labels[at]
        yield WithoutCode(
            instruction.operation.name, instruction.types, label.scope, reason, describe_source(label.source)
        )


def _total(arrays: Sequence[NamedArray]) -> str:
    return f"{sum(each.num_bytes for each in arrays):,} bytes"


def _part(title: str, rows: Sequence[object]) -> list[str]:
    if not rows:
        return []
    shown = [f"  {row}".replace("\n", "\n  ") for row in rows[:MOST_SHOWN]]
    more = [f"  and {len(rows) - MOST_SHOWN:,} more"] if len(rows) > MOST_SHOWN else []
    return [f"{title}:", *shown, *more]
