"""Requests for compilation, made of tensors: which program, which inputs, which values are constant. Checks what users give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from composit.errors import OperandError, ParameterError, UnreachedInputError
from composit.evaluation import bind, unreached_message
from composit.guards import Guard, guards_for, leaf_value
from composit.handle import TensorHandle, described
from composit.input_keys import check_traced, tensors_given
from composit.operation import Array, Input
from composit.program import BoundProgram, Program
from composit.value import value_of
from mosaic.algorithms.choosing import choose
from mosaic.algorithms.measuring import measured_seconds
from mosaic.algorithms.precisions import precision_of
from mosaic.passes.fold_constants import fold_constants
from mosaic.passes.pipeline import Options, Request
from mosaic.passes.tile_scheme import tile_scheme_of


def check_guards_word(function: str, guards: str) -> None:
    """Raise ParameterError unless `guards` is one of its two words."""
    """Raise ParameterError unless guards is one of two words."""
    if guards not in ("check", "ignore"):
        raise ParameterError(f"{function}: guards={guards!r} was given; expected 'check' or 'ignore'")


def given_tensors(function: str, outputs: Any, handles: Sequence[TensorHandle], inputs: Any) -> list[TensorHandle]:
    """Return the tensors that `inputs` stands for; raises OperandError where outputs or inputs are no tensors."""
    check_traced(function, outputs)
    if not handles:
        raise OperandError(
            f"{function}: {described(outputs):.80} of type {type(outputs).__name__} was given, which holds no tensor; expected a tensor or "
            "a container of tensors that were computed from the inputs"
        )
    if isinstance(inputs, Sequence) and not isinstance(inputs, str):
        return tensors_given(inputs, [value_of(handle) for handle in handles])
    raise OperandError(
        f"{function}: inputs={described(inputs):.80} of type {type(inputs).__name__} was given; expected a list of the tensors whose "
        "values a call gives, in order; for one write inputs=[x]"
    )


def request_for(
    handles: Sequence[TensorHandle],
    given: Sequence[TensorHandle],
    options: Options,
    tile_scheme: Any,
    guards: str,
    algorithms: Any,
    num_threads: int = 1,
) -> tuple[Request, list[Guard]]:
    """Return what is to be compiled, and the reads of values that a call compares; raises as `mosaic.compile`."""
    _check_inputs(given)
    bound, checked = _bound(handles, given, guards)
    program, constants = _without_values(bound, given)
    options = replace(options, tile_scheme=tile_scheme_of(tile_scheme, bound))
    known = fold_constants(program, constants)
    measure = partial(measured_seconds, target=options.target, num_threads=num_threads)
    choices = choose(algorithms, program, known, options.target, bound.nodes, measure, precision_of(options.target))
    return Request(program, known, options, tuple(_input_order(bound, given)), choices), checked


def _check_inputs(given: Sequence[TensorHandle]) -> None:
    seen = {value_of(handle).identity for handle in given}
    if len(seen) != len(given):
        raise ParameterError(
            f"compile: {len(given)} inputs were given, of which only {len(seen)} differ; expected each tensor once; "
            "pass the array for it once as well"
        )


def _bound(
    handles: Sequence[TensorHandle], given: Sequence[TensorHandle], guards: str
) -> tuple[BoundProgram, list[Guard]]:
    """Return the program of outputs and guards, with the inputs as leaves."""
    outputs = [value_of(handle) for handle in handles]
    cuts = [value_of(handle) for handle in given]
    bound, reached = bind(outputs, cuts)
    for handle, is_reached in zip(given, reached, strict=True):
        if not is_reached:
            raise UnreachedInputError(unreached_message(handle, outputs))
    checked = guards_for(outputs, cuts) if guards == "check" else []
    if checked:
        bound, _ = bind([*outputs, *(guard.read for guard in checked)], cuts)
    return bound, checked


def _input_order(bound: BoundProgram, given: Sequence[TensorHandle]) -> list[int]:
    """Return the instruction of each input, in the order in which they were given."""
    leaves = zip(bound.program.inputs, bound.leaves, strict=True)
    positions = {leaf.identity: position for position, leaf in leaves}
    return [positions.get(value_of(handle).identity, -1) for handle in given]


def _without_values(bound: BoundProgram, given: Sequence[TensorHandle]) -> tuple[Program, dict[int, Array]]:
    """Return the program with leaves that hold no arrays, and the values of those leaves that are constant.

    The program lives as long as the model: through it, the weights would be held a second time beside the packed ones.
    """
    order = set(_input_order(bound, given))
    constants: dict[int, Array] = {}
    instructions = list(bound.program.instructions)
    for position, leaf in zip(bound.program.inputs, bound.leaves, strict=True):
        value_type = instructions[position].types[0]
        if position not in order:
            constants[position] = np.asarray(leaf_value(leaf), dtype=value_type.dtype)
        instructions[position] = replace(instructions[position], operation=Input(None, value_type))
    return replace(bound.program, instructions=tuple(instructions)), constants
