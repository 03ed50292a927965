"""`to_module`: a graph, or a function of tensors, as a torch.nn.Module with parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any, TypeAlias

import numpy as np
import torch
from torch.utils import _pytree as pytree

from composit.apply import as_tensor, placeholder
from composit.backends import BackendChoice
from composit.containers import flatten
from composit.errors import OperandError, ParameterError, UnreachedInputError, UnsupportedOperationError
from composit.evaluation import bind, unreached_message
from composit.guards import guards_for, leaf_value
from composit.handle import TensorHandle, described, make_tensor
from composit.input_keys import check_traced, tensors_given
from composit.nn.transforms import Container, being_traced
from composit.operation import Input, TensorType, tensor_type
from composit.source import describe_source
from composit.types import LazyTensor
from composit.value import Value, value_of
from flashlight.conversion import tensor_of, type_of
from flashlight.export import operator
from flashlight.export.named_values import NamedValues
from flashlight.export.tensor_programs import TensorProgram, tensor_program
from flashlight.inputs import TorchInput

# What stands in a container, tensors by their numbers, and torch's description of the container.
Form: TypeAlias = tuple[list[tuple[bool, Any]], pytree.TreeSpec]


class ProgramModule(torch.nn.Module):
    """A composit program as a module: its parameters and buffers are those of the graph, by their names.

    torch's autograd, state_dict, copy, pickle, torch.compile and torch.export work with it as with any module.
    """

    def __init__(self, program: TensorProgram, stored: NamedValues, form: Form, input_names: Sequence[str]) -> None:
        super().__init__()
        self.program = program
        self.input_names = tuple(input_names)
        self._key = program.key
        self._leaves, self._spec = form
        self._paths = stored.add_to(self)
        # What errors call the tensors that the program takes.
        self._words = (
            *(f"input {name!r}" for name in self.input_names),
            *(f"the module's {'.'.join(each)}" for each in self._paths),
        )

    @property
    def num_inputs(self) -> int:
        """How many tensors a call takes."""
        return len(self.input_names)

    def are_parameters(self) -> list[bool]:
        """Return for each tensor that the module keeps whether it is a parameter."""
        return [isinstance(value, torch.nn.Parameter) for value in self._stored()]

    def _stored(self) -> list[torch.Tensor]:
        stored: list[torch.Tensor] = []
        for path in self._paths:
            value: Any = self
            for name in path:
                value = getattr(value, name)
            stored.append(value)
        return stored

    def forward(self, *inputs: torch.Tensor, **named: torch.Tensor) -> Container:
        """Return the outputs for one tensor per input, in order or by name, in the containers of the graph's outputs.

        Raises:  OperandError: inputs are missing, unknown, given twice or no tensors; ShapeError, DtypeError: others were expected
        """
        given = [*self._in_order(inputs, named), *self._stored()]
        if not torch.compiler.is_compiling():
            self.program.check(given, self._words, "to_module")
        outputs = operator.run(given, self._key)
        leaves = [outputs[place] if is_tensor else place for is_tensor, place in self._leaves]
        return pytree.tree_unflatten(leaves, self._spec)

    def _in_order(self, inputs: Sequence[torch.Tensor], named: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
        """Return the tensors of a call in the order of the program's inputs."""
        rest = self.input_names[len(inputs) :]
        if len(inputs) > len(self.input_names) or set(named) != set(rest):
            names = ", ".join(self.input_names) or "none"
            raise OperandError(
                f"to_module: the module takes {len(self.input_names)} tensors ({names}), and {len(inputs)} were given in order and "
                f"{', '.join(named) or 'none'} by name; expected each input once; give them in this order, or by these names"
            )
        return [*inputs, *(named[name] for name in rest)]

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for copy and pickle: torch's description of a container is not to be pickled, an example is."""
        state = self.__dict__.copy()
        state["_spec"] = pytree.tree_unflatten([None] * len(self._leaves), self._spec)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the state of copy and pickle."""
        spec = pytree.tree_structure(state["_spec"], is_leaf=lambda each: each is None)
        super().__setstate__({**state, "_spec": spec})  # type: ignore[no-untyped-call]  # torch's

    def extra_repr(self) -> str:
        """Return the types of the inputs and outputs, for torch's text of the module."""
        types = zip(self.input_names, self.program.input_types, strict=False)
        inputs = ", ".join(f"{name}: {each}" for name, each in types)
        return f"({inputs}) -> ({', '.join(map(str, self.program.output_types))})"


def to_module(
    outputs: Container | Callable[..., Container],
    inputs: Sequence[Any],  # Any: tensors of either kind, arrays, names
    *,
    parameters: Mapping[str, Any] | None = None,
    backend: BackendChoice = "mosaic",
    guards: str = "check",
) -> ProgramModule:
    """Return a torch.nn.Module that computes `outputs` from `inputs`, run by a backend of composit.

    The module has autograd of any order, state_dict, deepcopy and pickle, and works inside torch.compile and under torch.func. A call
    takes tensors of the shapes and dtypes of the inputs, in order or by name (`module.input_names`). The derivative computes the
    forward pass again. What was drawn while the graph was built stays as it was.

    outputs:    tensors in a container (torch tensors of a trace count), or a function of composit tensors that returns such
    inputs:     for tensors: those whose values a call gives, or their names; for a function: examples of its arguments
    parameters: tensors by their names in the state_dict; for a function they may be arrays in mappings, which are its first
                argument. By default these are torch's parameters in a graph of torch's, and otherwise all floating leaves
                besides the inputs. Leaves that are no parameters are buffers where they have names, else constants
    guards:     "check" raises if Python read values while the graph was built, "ignore" takes the path that was taken

    Raises:  UnreachedInputError: no output depends on an input; UnsupportedOperationError: Python read values; OperandError
    Example:
        >>> import composit.numpy as cnp, numpy as np, torch
        >>> x = cnp.asarray(np.ones((2, 3), "float32"))
        >>> w = cnp.asarray(np.ones((3, 1), "float32"), name="weight")
        >>> module = to_module(x @ w, [x], backend="numpy")
        >>> module(torch.ones(2, 3)).sum().backward()
        >>> list(module.state_dict()), module.weight.grad.flatten()
        (['weight'], tensor([2., 2., 2.]))
    """
    if guards not in ("check", "ignore"):
        raise ParameterError(f"to_module: guards={guards!r} was given; expected 'check' or 'ignore'")
    is_function = callable(outputs) and not hasattr(outputs, "__lazy_tensor__")
    graph = _called(outputs, inputs, parameters) if is_function else _taken(outputs, inputs, parameters)
    cuts = [value_of(each) for each in graph.inputs]
    bound, _ = bind([value_of(each) for each in graph.outputs], cuts)
    given = {cut.identity for cut in cuts}
    stored = _stored([leaf for leaf in bound.leaves if leaf.identity not in given], graph.parameters)
    variables = [*graph.inputs, *stored.tensors]
    if guards == "check":
        _check_no_reads(graph.outputs, variables)
    return ProgramModule(tensor_program(graph.outputs, variables, backend), stored, graph.form, graph.input_names())


@dataclass(frozen=True, slots=True)
class _Place:
    """Stands for the output of that number."""

    number: int


def _form_of(outputs: Container, places: Container, count: int) -> Form:
    leaves, spec = pytree.tree_flatten(places, is_leaf=lambda each: isinstance(each, _Place))
    form = [(True, leaf.number) if isinstance(leaf, _Place) else (False, leaf) for leaf in leaves]
    if sum(is_tensor for is_tensor, _ in form) != count:
        raise OperandError(
            f"to_module: {described(outputs):.80} holds tensors in a container that torch does not know; expected lists, tuples, mappings "
            "and what torch.utils._pytree knows; register the class there, or return a tuple"
        )
    return form, spec


class _Graph:
    """The outputs of a module and the tensors that they are computed from; parameters: None for the default ones."""

    def __init__(
        self, outputs: Container, inputs: Sequence[LazyTensor], parameters: Mapping[str, LazyTensor] | None
    ) -> None:
        check_traced("to_module", outputs)
        handles, rebuild = flatten(outputs)
        if not handles:
            raise OperandError(
                f"to_module: {described(outputs):.80} of type {type(outputs).__name__} holds no tensor; expected tensors that are "
                "computed from the inputs, or a function that returns such"
            )
        self.outputs: list[Any] = handles
        self.form = _form_of(outputs, rebuild([_Place(number) for number in range(len(handles))]), len(handles))
        self.inputs = inputs
        self.parameters = parameters

    def input_names(self) -> list[str]:
        """Return a name for each input: that of the graph where it has one, input_0 and so on elsewhere."""
        names: list[str] = []
        for position, each in enumerate(self.inputs):
            name = each.node.label
            names.append(f"input_{position}" if name is None or name in names else name)
        return names


def _taken(outputs: Container, inputs: Sequence[Any], parameters: Mapping[str, Any] | None) -> _Graph:
    if not isinstance(inputs, list | tuple):
        raise OperandError(
            f"to_module: inputs={described(inputs)!s:.60} of type {type(inputs).__name__} was given; expected a list of the tensors "
            "whose values a call gives; for one write inputs=[x]"
        )
    handles, _ = flatten(outputs)
    values = [value_of(each) for each in handles]
    given: list[Any] = tensors_given(inputs, values)
    named: dict[str, Any] | None = None
    if parameters is not None:
        named = {}
        named.update(zip(parameters, tensors_given(parameters.values(), values), strict=True))
    wanted = [*given, *(named or {}).values()]
    _, reached = bind(values, [value_of(each) for each in wanted])
    for handle, is_reached in zip(wanted, reached, strict=True):
        if not is_reached:
            raise UnreachedInputError(unreached_message(handle, values))
    return _Graph(outputs, given, named)


def _called(function: Callable[..., Any], inputs: Sequence[Any], parameters: Mapping[str, Any] | None) -> _Graph:
    """Return the graph of a call with placeholders; it has all inputs, whether the function uses them or not."""
    names = _names_of(function, len(inputs), has_parameters=parameters is not None)
    given = [placeholder(_type_of(each), name) for name, each in zip(names, inputs, strict=True)]
    first: list[Any] = []
    named: dict[str, Any] | None = None
    if parameters is not None:
        named = {}
        first = [_with_names(parameters, "", named)]
    # The function may write to its arguments; the values before are the inputs.
    before = [make_tensor(each.node, each.output_index) for each in given]
    with being_traced():
        outputs = function(*first, *given)
    return _Graph(outputs, before, named)


def _names_of(function: Callable[..., Any], count: int, has_parameters: bool) -> list[str]:
    """Return the names of the function's arguments, input_0 and so on where it has none."""
    try:
        taken = [each for each in signature(function).parameters.values() if each.kind in _IN_ORDER][
            int(has_parameters) :
        ]
    except (TypeError, ValueError):
        taken = []  # a function of C without a signature
    return [taken[position].name if position < len(taken) else f"input_{position}" for position in range(count)]


_IN_ORDER = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


def _with_names(container: Mapping[str, Any], path: str, named: dict[str, Any]) -> dict[str, Any]:
    """Return nested mappings with tensors in place of arrays, which are noted by their paths: "encoder.weight"."""
    made: dict[str, Any] = {}
    for key, value in container.items():
        name = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping):
            made[key] = _with_names(value, name, named)
        else:
            made[key] = named[name] = as_tensor(value)
    return made


def _type_of(example: Any) -> TensorType:  # Any: an array, or a tensor of either kind
    if isinstance(example, torch.Tensor):
        return type_of(example)
    tensor = as_tensor(example)
    return tensor_type(tensor.shape, tensor.dtype)


def _stored(leaves: Sequence[Value], parameters: Mapping[str, Any] | None) -> NamedValues:
    """Return parameters and buffers by name, from leaves that no input stands for."""
    stored = NamedValues()
    chosen = {value_of(each).identity: name for name, each in (parameters or {}).items()}
    is_of_torch = any(isinstance(leaf.node.operation, TorchInput) for leaf in leaves)
    for leaf in leaves:
        operation, name = leaf.node.operation, chosen.get(leaf.identity) or leaf.node.label
        handle = make_tensor(leaf.node, leaf.index)
        is_parameter = leaf.identity in chosen
        if parameters is None and isinstance(operation, Input) and handle.dtype.kind in "fc":
            is_parameter = not is_of_torch or (isinstance(operation, TorchInput) and operation.is_parameter)
        if is_parameter or (name is not None and isinstance(operation, Input)):
            stored.add(name, handle, tensor_of(np.array(leaf_value(leaf))), is_parameter)
    return stored


def _check_no_reads(outputs: Sequence[TensorHandle], variables: Sequence[TensorHandle]) -> None:
    """Raise where Python read values while the graph was built: the module would follow one path without looking."""
    reads = guards_for([value_of(each) for each in outputs], [value_of(each) for each in variables])
    if reads:
        more = f" and {len(reads) - 1} more" if len(reads) > 1 else ""
        raise UnsupportedOperationError(
            f"to_module: Python read values while this graph was built ({reads[0].kind}{more}), so it holds for inputs that give the "
            "same values, and a module does not compare them; expected a graph without such reads; use composit's where in place of "
            f"conditions, or pass guards='ignore' if the values do not matter. The first read:\n  {describe_source(reads[0].source)}"
        )
