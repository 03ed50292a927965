"""Operators of torch that take functions (`torch.cond`, `while_loop`, flex_attention): their functions run, and are recorded.

torch has a kernel in Python for each. Some kernels refuse to run within a mode, and stand here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch._C import DispatchKey
from torch._ops import HigherOrderOperator

from composit.errors import UnsupportedOperationError
from composit.source import describe_source, find_source


def _cond(predicate: Any, true_fn: Callable[..., Any], false_fn: Callable[..., Any], operands: Sequence[Any]) -> Any:
    # The truth of a tensor is a read, which guards the branch.
    return (true_fn if predicate else false_fn)(*operands)


def _scan(combine_fn: Callable[..., Any], init: Any, xs: Any, additional_inputs: Any) -> Any:
    from torch._higher_order_ops.scan import generic_scan

    return generic_scan(combine_fn, init, xs, additional_inputs=additional_inputs)


def _call(function: Callable[..., Any], operands: Sequence[Any]) -> Any:
    return function(*operands)


def _subgraph(function: Any, identifier: str | None, *operands: Any) -> Any:
    return function(list(operands)) if getattr(function, "_boxed_call", False) else function(*operands)


# By torch's names, since importing the operators imports torch's compiler.
_OWN: Mapping[str, Callable[..., Any]] = {
    "cond": _cond,
    "scan": _scan,
    "strict_mode": _call,
    "invoke_subgraph": _subgraph,
}
# All that these kernels compute goes through torch's dispatcher.
_BY_KERNEL = frozenset(
    (
        *("while_loop", "while_loop_stack_output", "map_impl", "associative_scan", "foreach_map"),
        *("flex_attention", "flex_attention_backward", "out_dtype", "hints_wrapper"),
    )
)


def call_higher_order(operator: HigherOrderOperator, args: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
    """Return the results of the operator, whose functions run where this is called.

    Raises:  UnsupportedOperationError: nobody knows whether all that the operator does can be recorded
    """
    name = operator.name()
    kernel = _OWN.get(name)
    if kernel is None and name in _BY_KERNEL:
        kernel = operator.py_kernels.get(DispatchKey.CompositeExplicitAutograd)
    if kernel is None:
        raise UnsupportedOperationError(
            f"trace: torch called {name}, which takes functions, at\n  {describe_source(find_source())}\nNobody has said how it is "
            f"recorded; expected one of {', '.join(sorted((*_OWN, *_BY_KERNEL)))}; add it in flashlight/capture/higher_order.py, "
            "or run this part of the model before the trace and give it the result"
        )
    return kernel(*args, **keywords)
