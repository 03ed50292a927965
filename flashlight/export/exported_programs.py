"""`from_export`: a program of torch.export as a composit graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.export import ExportedProgram
from torch.export.graph_signature import ConstantArgument, InputKind, InputSpec, OutputKind
from torch.utils import _pytree as pytree

from composit.apply import input_of
from composit.errors import OperandError, UnsupportedOperationError
from composit.handle import described
from composit.nn.transforms import Container
from composit.types import LazyTensor
from flashlight.conversion import array_of
from flashlight.export.fx_graphs import GraphTensor, build_graph

_ASKED = "from_export"


@dataclass(frozen=True, slots=True)
class ExportedGraph:
    """The graph of a torch.export program.

    outputs:    lazy tensors in the containers that the program returns
    inputs:     what a call gives, by name, with the values of the program's example
    parameters: parameters, buffers and constants, by the names of the state_dict
    updated:    the new values of the buffers and inputs that the program writes to, by name
    """

    outputs: Container
    inputs: Mapping[str, LazyTensor]
    parameters: Mapping[str, LazyTensor]
    updated: Mapping[str, LazyTensor]


def from_export(program: ExportedProgram) -> ExportedGraph:
    """Return the graph of a program that torch.export made, for the sizes of its example; no kernel of torch runs.

    Values are copied: `composit.evaluate(graph.outputs)` computes the example, `inputs={"x": array}` other data.

    Raises:  OperandError: no exported program, or one without an example; UnsupportedOperationError: names an operation that
             has no row, or that draws
    Example:
        >>> import composit, torch
        >>> graph = from_export(torch.export.export(torch.nn.Linear(3, 2), (torch.ones(1, 3),)))
        >>> sorted(graph.parameters), graph.outputs.shape
        (['bias', 'weight'], (1, 2))
    """
    if not isinstance(program, ExportedProgram):
        raise OperandError(
            f"from_export: {described(program)!s:.60} of type {type(program).__name__} was given; expected a program of torch.export; "
            "make one with torch.export.export(model, args)"
        )
    with catch_warnings():
        simplefilter("ignore", FutureWarning)  # torch warns of a class of its own, which it copies
        functional = program.run_decompositions({})
    given = _given(functional)
    mode = FakeTensorMode()
    args = [_argument(value, name, mode) for name, value in given.values()]
    outputs, _, draws = build_graph(functional.graph_module, args, mode, _ASKED)
    if draws:
        raise UnsupportedOperationError(
            f"from_export: the program draws ({draws[0].operation}); expected one without random numbers, which a graph would repeat; "
            "export the model after model.eval(), or give the drawn tensors as inputs"
        )
    tensors = {
        name: each.lazy for (name, _), each in zip(given.values(), args, strict=True) if isinstance(each, GraphTensor)
    }
    users = {spec.arg.name for spec in functional.graph_signature.input_specs if spec.kind is InputKind.USER_INPUT}
    return ExportedGraph(
        _returned(functional, outputs),
        {name: tensor for name, tensor in tensors.items() if name in users},
        {name: tensor for name, tensor in tensors.items() if name not in users},
        _updated(functional, outputs),
    )


def _given(program: ExportedProgram) -> dict[str, tuple[str, Any]]:
    """Return the name and the value of each input of the graph, by the name of its placeholder."""
    specs = program.graph_signature.input_specs
    if program.example_inputs is None:
        raise OperandError(
            "from_export: a program without example inputs was given; expected one with the example that it was exported from, whose "
            "sizes the graph has; export it again"
        )
    examples = iter(pytree.tree_leaves(program.example_inputs))
    return {spec.arg.name: _value(program, spec, examples) for spec in specs}


def _value(program: ExportedProgram, spec: InputSpec, examples: Any) -> tuple[str, Any]:
    if spec.kind is InputKind.USER_INPUT:
        example = next(examples)
        return spec.arg.name, spec.arg.value if isinstance(spec.arg, ConstantArgument) else example
    name = spec.target or spec.arg.name
    known = program.state_dict.get(name)
    return name, program.constants[name] if known is None else known


def _argument(value: Any, name: str, mode: FakeTensorMode) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    lazy = input_of(np.array(array_of(value, _ASKED)), name)
    return GraphTensor(mode.from_tensor(value, static_shapes=True), lazy)


def _returned(program: ExportedProgram, outputs: Any) -> Container:
    specs = zip(program.graph_signature.output_specs, outputs, strict=True)
    leaves = [_lazy(value) for spec, value in specs if spec.kind is OutputKind.USER_OUTPUT]
    return pytree.tree_unflatten(leaves, program.call_spec.out_spec)


def _updated(program: ExportedProgram, outputs: Any) -> dict[str, LazyTensor]:
    kinds = (OutputKind.BUFFER_MUTATION, OutputKind.USER_INPUT_MUTATION)
    specs = zip(program.graph_signature.output_specs, outputs, strict=True)
    return {str(spec.target): value.lazy for spec, value in specs if spec.kind in kinds}


def _lazy(value: Any) -> Any:
    return value.lazy if isinstance(value, GraphTensor) else value
