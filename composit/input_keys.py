"""The keys of `inputs=`: tensors, tensors of other libraries, and names of inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import singledispatch
from typing import Any

import numpy as np

from composit.apply import as_tensor
from composit.containers import map_leaves
from composit.errors import OperandError, ParameterError, UnreachedInputError
from composit.handle import TensorHandle, described, is_foreign_array, make_tensor
from composit.node import Node
from composit.operation import Array, Input
from composit.program import ancestors_in_order
from composit.value import Value, identity_of, value_of


def tensors_given(keys: Iterable[Any], outputs: Sequence[Value]) -> list[TensorHandle]:
    """Return the tensors that keys of `inputs=` stand for in the graph of the outputs.

    A name stands for the input with that name. A tensor of another library may have been several values, as one that each of
    two traces wrote to: its `__lazy_inputs__` gives them, the latest first, and the latest that an output depends on is taken.

    Raises:  UnreachedInputError: no input has the name; ParameterError: several have; OperandError: a key is no tensor
    """
    graph = _Graph(outputs)
    return [_tensor_given(key, graph) for key in keys]


def _tensor_given(key: Any, graph: _Graph) -> TensorHandle:
    if isinstance(key, str):
        return graph.input_named(key)
    protocol = getattr(key, "__lazy_tensor__", None)
    starts: Callable[[], list[TensorHandle]] | None = getattr(protocol, "__lazy_inputs__", None)
    if starts is not None:
        candidates = starts()
        return candidates[0] if len(candidates) == 1 else graph.first_reached(candidates)
    if protocol is None and is_foreign_array(key):
        raise UnreachedInputError(f"inputs: {_untraced(key)}; no output depends on it")
    if not isinstance(key, TensorHandle) and isinstance(key, complex | float | int | np.generic):
        raise OperandError(
            f"inputs: {key!r} of type {type(key).__name__} was given as a key; expected a tensor or the name of an input; write "
            "inputs={tensor: array}"
        )
    return as_tensor(key)


class _Graph:
    """The nodes that the outputs depend on, found when first asked for."""

    def __init__(self, outputs: Sequence[Value]) -> None:
        self._outputs = outputs
        self._nodes: list[Node] | None = None

    def _all(self) -> list[Node]:
        if self._nodes is None:
            self._nodes = list(ancestors_in_order([output.node for output in self._outputs]))
        return self._nodes

    def input_named(self, name: str) -> TensorHandle:
        leaves = {id(node.operation): node for node in self._all() if isinstance(node.operation, Input) and node.label}
        found = [node for node in leaves.values() if node.label == name]
        if not found:
            names = ", ".join(sorted({repr(node.label) for node in leaves.values()})) or "none"
            raise UnreachedInputError(
                f"inputs: the name {name!r} was given, but no output depends on an input of that name; expected one of {names:.500}; "
                "or give the tensor itself"
            )
        if len(found) > 1:
            raise ParameterError(
                f"inputs: the name {name!r} was given, which {len(found)} inputs have; expected a name of one; give the tensors themselves"
            )
        return make_tensor(found[0])

    def first_reached(self, candidates: Sequence[TensorHandle]) -> TensorHandle:
        reached = {identity_of(node, index) for node in self._all() for index in range(len(node.types))}
        return next((each for each in candidates if value_of(each).identity in reached), candidates[0])


@singledispatch
def array_given(value: Any) -> Array:
    """Return what was given for an input as an array; other packages register their tensors that numpy cannot read."""
    return np.asarray(value)


def check_traced(function: str, outputs: Any) -> None:
    """Raise if there is a tensor of another library among the outputs that carries no graph.

    Raises:  OperandError
    """

    def check(leaf: Any) -> Any:
        if getattr(leaf, "__lazy_tensor__", None) is None and is_foreign_array(leaf):
            raise OperandError(
                f"{function}: {_untraced(leaf)}; expected a tensor that was computed or used inside flashlight.tracer.trace(); run the "
                "model inside a trace and give what it returns there"
            )
        return leaf

    map_leaves(outputs, check)


def _untraced(value: Any) -> str:
    return (
        f"got a {type(value).__module__}.{type(value).__qualname__} of shape {described(tuple(value.shape))} and dtype {value.dtype} "
        "that carries no graph"
    )
