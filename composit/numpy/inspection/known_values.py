"""`known_value`: the value of an input, of a node that was read, or of a view of one. May import handle, operation."""

from __future__ import annotations

from typing import Any

from composit.handle import TensorHandle
from composit.operation import Input, Operation, Result


def known_value(tensor: TensorHandle) -> Result | None:
    """Return the value of a tensor if no operation but views has to run for it, else None."""
    node, index = tensor._node, tensor._output_index
    views: list[Operation] = []
    while (known := node._values.get(index)) is None:
        operation = node.operation
        if isinstance(operation, Input):
            return _seen_through(views, operation.read()) if operation.has_value else None
        if not operation.is_view:
            return None
        views.append(operation)
        node, index = node.operands[0]
    value: Result = _seen_through(views, known.value)
    return value


def _seen_through(views: list[Operation], value: Any) -> Any:
    for view in reversed(views):
        value = view.evaluate(value)
    return value
