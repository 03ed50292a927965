"""`Entry`: one function of an exported library, with its C, its constants, and inputs and outputs to test it on.

`entries_of` makes them of what a user gives. Another class of things that can be exported registers with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np

from composit.containers import Rebuild, flatten
from composit.errors import OperandError, ParameterError
from composit.evaluation import evaluate
from composit.files import LoadedProgram
from composit.handle import TensorHandle, described
from composit.nn.saving import named_arrays
from composit.operation import Array, TensorType
from composit.program import Program
from mosaic.api import CompiledModel
from mosaic.compiled import CompiledProgram, CompiledRegion
from mosaic.executable import Executable, constant_block
from mosaic.exporting.checks import check_no_reads, check_whole
from mosaic.exporting.naming import argument_names
from mosaic.ir.views import View
from mosaic.passes.pipeline import Options, compile_program
from mosaic.requests import check_guards_word, given_tensors, request_for
from mosaic.targets import Target, get_target


@dataclass(frozen=True, slots=True)
class Argument:
    """An array that a function takes: its name in C, its type, and its axes from the outermost in memory inward."""

    name: str
    type: TensorType
    order: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One function.

    constants: the block that the C reads; each entry has its own, since the form of a weight depends on who reads it
    given:     arrays to test the function on
    expected:  computes what it should return for them
    """

    name: str
    program: Program
    compiled: CompiledProgram
    constants: Array
    target: Target
    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]
    given: tuple[Array, ...]
    expected: Callable[[Sequence[Array]], Sequence[Array]]

    @property
    def region(self) -> CompiledRegion:
        """The only region."""
        (region,) = self.compiled.regions
        return region

    @property
    def arena_bytes(self) -> int:
        """Bytes of intermediate results on one thread."""
        return self.region.num_arena_bytes(1)


@dataclass(frozen=True, slots=True)
class Settings:
    """How things are exported: see `mosaic.export`."""

    inputs: Any
    target: Target | None
    guards: str
    algorithms: Any


@singledispatch
def entries_of(given: object, settings: Settings, name: str) -> list[Entry]:
    """Return the functions that something is exported as; `name` is that of the function, if it is one.

    Raises:  OperandError: it is nothing that can be exported
    """
    if isinstance(settings.inputs, Sequence | Mapping) and not isinstance(settings.inputs, str):
        return [_entry_of_tensors(name, given, settings.inputs, settings)]
    raise OperandError(
        f"export: {described(given):.80} of type {type(given).__name__} was given for {name} without inputs; expected a compiled model, a"
        " loaded program, or tensors with inputs=[...], the tensors whose values a call gives; or a dictionary of these by the names of"
        " their functions, in which tensors stand as (outputs, inputs)"
    )


@entries_of.register
def _(given: LoadedProgram, settings: Settings, name: str) -> list[Entry]:
    return [_entry_of_tensors(name, given.outputs, given.inputs, settings)]


@entries_of.register
def _(given: CompiledModel, settings: Settings, name: str) -> list[Entry]:
    return [_entry_of_model(name, given, settings)]


@entries_of.register(Mapping)
def _(given: Mapping[str, Any], settings: Settings, name: str) -> list[Entry]:
    if settings.inputs is not None:
        return [_entry_of_tensors(name, given, settings.inputs, settings)]
    return [entry for own, each in given.items() for entry in entries_of(each, settings, own)]


@entries_of.register(tuple)
def _(given: tuple[Any, ...], settings: Settings, name: str) -> list[Entry]:
    if settings.inputs is None and len(given) == 2 and isinstance(given[1], list | tuple | Mapping):
        return [_entry_of_tensors(name, given[0], given[1], settings)]
    if settings.inputs is None:
        return entries_of.dispatch(object)(given, settings, name)
    return [_entry_of_tensors(name, given, settings.inputs, settings)]


def _entry_of_tensors(name: str, outputs: Any, inputs: Any, settings: Settings) -> Entry:
    check_guards_word("export", settings.guards)
    handles, rebuild = flatten(outputs)
    named = isinstance(inputs, Mapping)
    given = given_tensors("export", outputs, handles, list(inputs.values()) if named else inputs)
    options = Options(get_target(settings.target))
    request, checked = request_for(handles, given, options, None, settings.guards, settings.algorithms)
    check_no_reads(checked)
    compiled = compile_program(request, lambda stage, fraction: None)
    check_whole(request.program, compiled)
    labels = list(inputs) if named else [handle.node.label or "" for handle in given]

    def expected(arrays: Sequence[Array]) -> Sequence[Array]:
        results = evaluate(list(handles), inputs=dict(zip(given, arrays, strict=True)))
        return [np.asarray(each) for each in results]

    arguments = _arguments(request.program, compiled, labels, _output_names(rebuild, len(handles)))
    block = constant_block(request.program, compiled, request.known)
    values = tuple(map(_value_or_sample, given, range(len(given))))
    return Entry(name, request.program, compiled, block, options.target, *arguments, values, expected)


def _entry_of_model(name: str, model: CompiledModel, settings: Settings) -> Entry:
    check_guards_word("export", settings.guards)
    executable = model._executable
    if settings.target is not None and settings.target != model.options.target:
        raise ParameterError(
            f"export: {name} was compiled for {model.options.target.name}, and target={settings.target.name!r} was asked for; expected the"
            " same, since its weights are packed for it; pass the tensors with inputs=[...], which are compiled for any target"
        )
    if not isinstance(executable, Executable):
        raise ParameterError(
            f"export: {name} runs through numpy since this machine has no C compiler; expected a model in C; pass the tensors with"
            " inputs=[...], for which none is needed"
        )
    if settings.guards == "check":
        check_no_reads(model._guards)
    elif model._guards:
        raise ParameterError(
            f"export: {name} computes the values that Python read, too; expected a model without; compile it with guards='ignore'"
        )
    program, compiled = executable.program, executable.compiled
    check_whole(program, compiled)
    types = [program.instructions[position].types[0] for position in compiled.input_positions]
    rebuild = model._rebuild

    def expected(arrays: Sequence[Array]) -> Sequence[Array]:
        return [np.asarray(each) for each in executable.run(tuple(arrays))]

    labels = list(executable.signature.input_names)
    arguments = _arguments(program, compiled, labels, _output_names(rebuild, len(program.outputs)))
    samples = tuple(map(_sample, types, range(len(types))))
    target = model.options.target
    return Entry(name, program, compiled, executable.constants, target, *arguments, samples, expected)


class _Place:
    """Stands for an output in its container. No dataclass, which would be a container itself."""

    def __init__(self, number: int) -> None:
        self.number = number


def _output_names(rebuild: Rebuild, count: int) -> list[str]:
    """Return the places of outputs in their container as names: "" for one alone."""
    places = [_Place(number) for number in range(count)]
    found = named_arrays(rebuild(places), "export", lambda part: isinstance(part, _Place))
    names = {place.number: name for name, place in found.items()}
    return ["" if names[number] == "value" and count == 1 else names[number] for number in range(count)]


def _arguments(
    program: Program, compiled: CompiledProgram, labels: Sequence[str], output_names: Sequence[str]
) -> tuple[tuple[Argument, ...], tuple[Argument, ...]]:
    input_types = [program.instructions[position].types[0] for position in compiled.input_positions]
    output_types = [program.instructions[source].types[index] for source, index in program.outputs]
    taken: set[str] = set()
    inputs = argument_names(labels, taken, "input")
    outputs = argument_names(output_names if len(output_names) > 1 else [output_names[0] or "output"], taken, "output")
    return (
        tuple(Argument(name, each, tuple(range(each.ndim))) for name, each in zip(inputs, input_types, strict=True)),
        tuple(
            Argument(name, each, _order(view, each))
            for name, each, view in zip(outputs, output_types, compiled.outputs, strict=True)
        ),
    )


def _order(value: object, value_type: TensorType) -> tuple[int, ...]:
    axes = range(value_type.ndim)
    if not isinstance(value, View) or value.is_contiguous:
        return tuple(axes)
    return tuple(sorted(axes, key=lambda axis: -value.strides[axis]))


def _value_or_sample(handle: TensorHandle, number: int) -> Array:
    """Return the value of an input, where it has one, else numbers drawn for its type."""
    operation = handle.node.operation
    value = getattr(operation, "read", None) if getattr(operation, "has_value", False) else None
    return _sample(handle.type, number) if value is None else np.array(value(), dtype=handle.dtype)


def _sample(value_type: TensorType, number: int) -> Array:
    """Return numbers to test with: normally distributed ones; zeros where they may be indices."""
    generator = np.random.default_rng(number)
    kind = value_type.dtype.kind
    if kind in "fc":
        return np.asarray(generator.normal(size=value_type.shape)).astype(value_type.dtype)
    if kind == "b":
        return np.asarray(generator.integers(0, 2, size=value_type.shape)).astype(value_type.dtype)
    return np.zeros(value_type.shape, value_type.dtype)
