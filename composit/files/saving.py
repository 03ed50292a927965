"""Graphs in files: named inputs, outputs in their containers, and arrays. `composit.save` and `composit.load` call this."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from composit.containers import flatten
from composit.errors import (
    CompositError,
    FileFormatError,
    OperandError,
    ParameterError,
    UnreachedInputError,
    UnsupportedOperationError,
)
from composit.evaluation import bind, unreached_message
from composit.files.blocks import read_blocks, write_blocks
from composit.files.instructions import Reader, Writer
from composit.files.values import Json, value_from, value_json
from composit.guards import guards_for, leaf_value
from composit.handle import TensorHandle, described, make_tensor
from composit.input_keys import check_traced, tensors_given
from composit.node import FlatOperands, Node, new_node
from composit.object_attributes import is_record
from composit.operation import Array, Input
from composit.program import BoundProgram, Program
from composit.source import describe_source, find_source
from composit.value import Value, value_of

VERSION = 1
_PROGRAM = "composit.program.json"


@dataclass(frozen=True, slots=True)
class LoadedProgram:
    """A graph from a file.

    outputs:  the tensors in the containers they were saved in: lists, tuples and dictionaries
    inputs:   the tensors whose values a run gives, by name, in order
    metadata: the texts that were saved beside them

    Example:
        program = composit.load("model.composit")
        composit.evaluate(program.outputs, inputs={program.inputs["x"]: array})
        mosaic.compile(program.outputs, inputs=list(program.inputs.values()))
    """

    outputs: Any  # Any: tensors in containers
    inputs: dict[str, Any]
    metadata: dict[str, str]

    def __repr__(self) -> str:
        given = ", ".join(f"{name}: {each.type}" for name, each in self.inputs.items())
        results = ", ".join(str(each.type) for each in flatten(self.outputs)[0])
        return f"<LoadedProgram: {given} -> {results}>"


def save_program(
    path: str | os.PathLike[str],
    outputs: Any,
    inputs: Sequence[Any] | Mapping[str, Any],
    guards: str = "check",
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write the graph of `outputs` to a file: see `save`."""
    if guards not in ("check", "ignore"):
        raise ParameterError(f"save: guards={guards!r} was given; expected 'check' or 'ignore'")
    check_traced("save", outputs)
    handles = flatten(outputs)[0]
    if not handles:
        raise OperandError(
            f"save: {described(outputs):.80} of type {type(outputs).__name__} was given, which holds no tensor; expected a tensor or"
            " a container of tensors"
        )
    values = [value_of(handle) for handle in handles]
    named = _named_inputs(inputs, values)
    cuts = [value_of(handle) for handle in named.values()]
    bound = _bound(values, list(named.values()), cuts)
    if guards == "check":
        _check_no_reads(values, cuts)
    _write(Path(path), outputs, handles, named, bound, dict(metadata or {}))


def _named_inputs(inputs: Any, outputs: Sequence[Value]) -> dict[str, TensorHandle]:
    if isinstance(inputs, str | bytes) or not isinstance(inputs, Sequence | Mapping):
        raise OperandError(
            f"save: inputs={described(inputs):.80} of type {type(inputs).__name__} was given; expected a list of tensors, or a"
            " dictionary of tensors by name; for one write inputs=[x]"
        )
    if isinstance(inputs, Mapping):
        for name in inputs:
            if not isinstance(name, str) or not name:
                raise ParameterError(
                    f"save: an input is called {name!r:.60}; expected a name that is a string, not empty"
                )
        return dict(zip(inputs, tensors_given(inputs.values(), outputs), strict=True))
    named: dict[str, TensorHandle] = {}
    for number, handle in enumerate(tensors_given(inputs, outputs)):
        label = handle.node.label
        named[label if label and label not in named else f"input_{number}"] = handle
    if len(named) != len(inputs):
        raise ParameterError(
            f"save: inputs have the names {', '.join(named)}, of which two are equal; expected one name each; give a dictionary"
        )
    return named


def _bound(values: Sequence[Value], given: Sequence[TensorHandle], cuts: Sequence[Value]) -> BoundProgram:
    if len({cut.identity for cut in cuts}) != len(cuts):
        raise ParameterError(
            f"save: {len(cuts)} inputs were given, of which two are one tensor; expected each tensor once"
        )
    bound, reached = bind(values, cuts)
    for handle, is_reached in zip(given, reached, strict=True):
        if not is_reached:
            raise UnreachedInputError(unreached_message(handle, values))
    return bound


def _check_no_reads(values: Sequence[Value], cuts: Sequence[Value]) -> None:
    found = guards_for(values, cuts)
    if found:
        raise UnsupportedOperationError(
            f"save: Python read values while this graph was built ({found[0].kind}), so it holds for inputs that give the same values,"
            " and a file does not compare them; expected a graph without such reads; pass guards='ignore' if the values do not matter."
            f" The first read:\n  {describe_source(found[0].source)}"
        )


def _write(
    path: Path,
    outputs: Any,
    handles: Sequence[TensorHandle],
    named: Mapping[str, TensorHandle],
    bound: BoundProgram,
    metadata: dict[str, str],
) -> None:
    for name, said in metadata.items():
        if {type(name), type(said)} != {str}:
            raise ParameterError(
                f"save: metadata has {name!r:.40}: {said!r:.40}; expected texts by name; write str(...) of it"
            )
    writer = Writer()
    program = _with_values(bound)
    try:
        columns = writer.program(program, has_values=True)
    except ParameterError as error:
        raise _located(error, program) from error
    positions = {leaf.identity: at for at, leaf in zip(program.inputs, bound.leaves, strict=True)}
    content = {
        "version": VERSION,
        "program": columns,
        "input_names": list(named),
        "input_positions": [positions[value_of(handle).identity] for handle in named.values()],
        "outputs": _container_json(outputs, iter(range(len(handles))), writer),
        "metadata": metadata,
        **writer.tables,
    }
    text = np.frombuffer(json.dumps(content, allow_nan=False, separators=(",", ":")).encode(), np.uint8)
    write_blocks(path, {**writer.blocks, _PROGRAM: text}, metadata)


def _with_values(bound: BoundProgram) -> Program:
    """Return the program in which the results of operations that ran at the call are inputs with those results."""
    instructions = list(bound.program.instructions)
    for position, leaf in zip(bound.program.inputs, bound.leaves, strict=True):
        given = instructions[position].operation
        if leaf.node.operation.runs_at_call and isinstance(given, Input) and not given.has_value:
            (value_type,) = instructions[position].types
            value = np.asarray(leaf_value(leaf), dtype=value_type.dtype)
            instructions[position] = replace(instructions[position], operation=Input(value, value_type))
    return replace(bound.program, instructions=tuple(instructions))


def _located(error: ParameterError, program: Program) -> ParameterError:
    """Return the error with the line of the first operation that a file cannot hold."""
    for instruction, label in zip(program.instructions, program.labels, strict=True):
        try:
            Writer().operation(instruction.operation, True)
        except ParameterError as found:
            return ParameterError(f"{found}; built at:\n  {describe_source(label.source)}")
    return error


def _container_json(value: Any, numbers: Any, writer: Writer) -> Json:
    # `type(value)` and not isinstance: lazy scalars are instances of numpy's classes too.
    if not issubclass(type(value), type | np.generic) and getattr(value, "__lazy_tensor__", None) is not None:
        return ["tensor", next(numbers)]
    if isinstance(value, Mapping):
        return [
            "dict",
            *([value_json(key, writer), _container_json(child, numbers, writer)] for key, child in value.items()),
        ]
    if is_record(value):
        fields = ((name, getattr(value, name)) for name, each in value.__dataclass_fields__.items() if each.init)
        return ["dict", *([name, _container_json(child, numbers, writer)] for name, child in fields)]
    if isinstance(value, list | tuple):
        word = "list" if isinstance(value, list) else "tuple"
        return [word, *(_container_json(child, numbers, writer) for child in value)]
    return ["value", value_json(value, writer)]


def load_program(path: str | os.PathLike[str]) -> LoadedProgram:
    """Return the program in a file: see `load`."""
    path = Path(path)
    blocks, _ = read_blocks(path)
    try:
        content = json.loads(blocks.pop(_PROGRAM).tobytes())
        if content["version"] != VERSION:
            raise FileFormatError(
                f"load: {path} has version {content['version']!r:.40} of the format, and this composit reads version {VERSION}; load"
                " it with the composit that wrote it, or a later one"
            )
        return _loaded(content, blocks)
    except FileFormatError:
        raise
    except _WRONG_CONTENT as error:
        raise FileFormatError(
            f"load: {path} holds no program that this composit can read ({type(error).__name__}: {error!s:.300}); save it again with"
            " this version"
        ) from error


# What constructors and checks raise when a file holds something that save never writes.
_WRONG_CONTENT = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    CompositError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)


def _loaded(content: Json, blocks: dict[str, Array]) -> LoadedProgram:
    reader = Reader(content, blocks)
    program = reader.program(content["program"])
    results = _nodes_of(program)
    outputs = [make_tensor(results[source], index) for source, index in program.outputs]
    inputs = {}
    for name, position in zip(content["input_names"], content["input_positions"], strict=True):
        if position not in program.inputs or not isinstance(name, str):
            raise ValueError(f"{name!r:.60} is instruction {position!r:.60}, which is no input")
        inputs[name] = make_tensor(results[position], 0)
    metadata = {str(name): str(text) for name, text in content["metadata"].items()}
    return LoadedProgram(_container_from(content["outputs"], outputs, reader), inputs, metadata)


def _nodes_of(program: Program) -> list[Node]:
    """Return a new node for each instruction."""
    source, nodes = find_source(), list[Node]()
    for instruction, label in zip(program.instructions, program.labels, strict=True):
        operation = instruction.operation
        flat: FlatOperands = tuple(chain.from_iterable((nodes[at], index) for at, index in instruction.operands))
        name = None if label.name == operation.name else label.name
        node = new_node(operation, flat, instruction.types, source, name)
        node._scope = label.scope
        if label.errstate is not None:
            node._errstate = label.errstate
        nodes.append(node)
    return nodes


def _container_from(content: Json, outputs: Sequence[Any], reader: Reader) -> Any:
    word, *parts = content
    match word:
        case "tensor":
            return outputs[parts[0]]
        case "value":
            return value_from(parts[0], reader)
        case "dict":
            return {value_from(key, reader): _container_from(child, outputs, reader) for key, child in parts}
        case "list" | "tuple":
            children = [_container_from(child, outputs, reader) for child in parts]
            return children if word == "list" else tuple(children)
    raise ValueError(f"{word!r:.60} is no container")
