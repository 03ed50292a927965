"""`explain`: what `evaluate` would run where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from composit.backends import BackendChoice, get_backend
from composit.containers import flatten_results
from composit.evaluation import bind
from composit.input_keys import check_traced, tensors_given
from composit.mixed.explanations import Explanation
from composit.mixed.mixed_backend import MixedBackend, whole
from composit.value import value_of


def explain(
    *tensors: Any,  # Any: tensors, and containers of them
    inputs: Mapping[Any, Any] | Iterable[Any] = (),
    backend: BackendChoice = "numpy",
) -> Explanation:
    """Return which backend would compute what in `evaluate` of the same arguments, and what crosses; nothing is computed.

    inputs: the tensors, or names of inputs, for which `evaluate` is given values; their operands are not computed

    Raises:  what `evaluate` raises for a backend or a key
    Example:
        >>> import composit.numpy as cnp
        >>> x = cnp.ones((2, 3))
        >>> with cnp.name_scope("encoder"):
        ...     h = cnp.tanh(x)
        >>> plan = explain(cnp.sum(h), backend={"encoder": "mosaic"})
        >>> for region in plan.regions:
        ...     print(region)
        region 0 (mosaic): 2 nodes, chosen by 'encoder', in encoder
        region 1 (numpy): 1 node, chosen by no key
        >>> [(each.name, str(each.type), each.num_bytes) for each in plan.crossings]
        [('encoder/tanh', 'float64[2, 3]', 48)]
    """
    argument = tensors[0] if len(tensors) == 1 else tensors
    handles, _ = flatten_results(argument)
    check_traced("explain", argument)
    outputs = [value_of(handle) for handle in handles]
    given = tensors_given(list(inputs), outputs) if inputs else []
    bound, _ = bind(outputs, [value_of(handle) for handle in given])
    chosen = get_backend(backend)
    mixed = chosen if isinstance(chosen, MixedBackend) else whole(chosen)
    return mixed.explanation(bound.program, bound.nodes)
