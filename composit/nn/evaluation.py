"""`composit.nn.evaluate`: `composit.evaluate` with keywords for a tuple in any case, and for the values of all nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from composit.apply import as_tensor
from composit.containers import flatten
from composit.errors import OperandError
from composit.evaluation import evaluate as evaluate_tensors
from composit.handle import described, make_tensor
from composit.multidigraph import merge_graphs
from composit.node import Node
from composit.operation import Array


@dataclass(frozen=True, slots=True)
class Cache:
    """The values of all results of a graph, by tensor: `cache[hidden]`."""

    node_output_to_array: Mapping[tuple[Node, int], Array] = field(repr=False)

    def __getitem__(self, tensor: Any) -> Array:  # Any: a tensor of any kind that has __lazy_tensor__
        """Return the value of a tensor.

        Raises:  OperandError: the tensor is not part of the graph that was evaluated
        """
        handle = as_tensor(tensor)
        place = (handle.node, handle.output_index)
        if place not in self.node_output_to_array:
            raise OperandError(
                f"cache: the value of {described(tensor)!s:.60} was asked for; expected a tensor that the evaluated ones depend on; "
                "pass it to evaluate, too"
            )
        return self.node_output_to_array[place]

    def __len__(self) -> int:
        return len(self.node_output_to_array)


def evaluate(
    *tensors: Any,  # Any: tensors and containers of them; the values come back in the same containers
    inputs: Mapping[Any, Any] | None = None,
    backend: Any = "numpy",
    guards: str = "check",
    return_cache: bool = False,
    always_return_tuple: bool = False,
) -> Any:
    """Return the values of tensors, as `composit.evaluate` does.

    return_cache:        return (values, cache): the cache has the value of each tensor that these depend on
    always_return_tuple: return a tuple for a single tensor, too

    Example:
        >>> import composit.numpy as cnp
        >>> cnp.nn.evaluate(cnp.ones(2), always_return_tuple=True)
        (array([1., 1.]),)
        >>> hidden = cnp.sqrt(cnp.asarray([4.0, 9.0]))
        >>> total, cache = cnp.nn.evaluate(cnp.sum(hidden), return_cache=True)
        >>> total, cache[hidden]
        (np.float64(5.0), array([2., 3.]))
    """
    everything = _results_behind(tensors) if return_cache else []
    values, arrays = evaluate_tensors((tensors, everything), inputs=inputs, backend=backend, guards=guards)
    result = values if always_return_tuple or len(tensors) != 1 else values[0]
    if not return_cache:
        return result
    places = [(handle.node, handle.output_index) for handle in everything]
    return result, Cache(dict(zip(places, arrays, strict=True)))


def _results_behind(tensors: Any) -> list[Any]:  # Any: containers of tensors, and tensors
    handles, _ = flatten(tensors)
    if not handles:
        return []
    graph = merge_graphs(*(handle.graph for handle in handles))
    nodes = [node for node in graph if isinstance(node, Node)]
    return [make_tensor(node, index) for node in nodes for index in range(len(node.types))]
