"""Guards of values that Python reads: `.item()`, `if tensor:`, `tensor.tolist()`.

A guard keeps the value that was read and the inputs it depends on. A later run on other inputs raises `GuardError` if the value
differs, since Python might have taken another branch (composit/guards.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch._ops import OpOverload

from composit.guards import Guard, record_read
from composit.node import Node, root_origin
from composit.operation import Array, Input
from composit.origins import Origin, joined
from composit.source import Source
from composit.types import LazyTensor
from flashlight.conversion import array_of

# Kinds of reads that torch has no name for.
DRAWING = "drawing"
UNSEEN_WRITE = "a write that the trace could not see"
# The names of other reads, where torch's name of the operation would not tell users anything.
_KINDS: dict[OpOverload[..., Any], str] = {
    torch.ops.aten._local_scalar_dense.default: "item",
    torch.ops.aten.item.default: "item",
}
# Looks the same as no value: its shape is that of no tensor that is written to.
_NOTHING = np.zeros((0, 0, 0, 0, 0, 0, 0, 0, 0))


def kind_of(operation: OpOverload[..., Any]) -> str:
    """Return what a read by an operation of torch's is called in guards."""
    return _KINDS.get(operation, str(operation))


def withdraw(guard: Guard) -> None:
    """Take back the guard of a read that has turned out to steer nothing."""
    assert guard.span is not None, "it was noted in a trace"
    guard.span.withdraw(guard)


class ReadGuards:
    """Adds the guards of one trace, and caches the inputs that nodes depend on. found: gets the guards"""

    __slots__ = ("_found", "_origins")

    def __init__(self, found: list[Guard]) -> None:
        self._found = found
        # Keyed by id of the node; the entry holds the node, so that no other node gets its id.
        self._origins: dict[int, tuple[Node, Origin | None]] = {}

    def mark(self, lazy: LazyTensor, kind: str, tensor: torch.Tensor) -> Guard | None:
        """Add a guard: Python has read the tensor's value by a read of this kind (`item`, `numpy`). Return it, if inputs matter."""
        is_truth = tensor.dtype is torch.bool and tensor.numel() == 1
        return self._note(lazy, "bool" if is_truth else kind, np.array(array_of(tensor)))

    def mark_answer(self, lazy: LazyTensor, answer: bool) -> None:
        """Add a guard: Python got this answer from an operation, such as `torch.equal`."""
        self._note(lazy, "bool", np.bool_(answer))

    def mark_unseen_write(self, lazy: LazyTensor) -> None:
        """Add a guard that allows no other value: something wrote to a tensor with this value, but not through torch's dispatcher.

        Nobody knows what it would have written for other inputs.
        """
        self._note(lazy, UNSEEN_WRITE, _NOTHING)

    def repeat(self, lazy: LazyTensor, kind: str, value: Array, source: Source | None) -> bool:
        """Add the guard of a read at this line, in a graph that is built again; return False if no input can change the value."""
        guard = self._note(lazy, kind, value)
        if guard is not None:
            guard.source = source
        return guard is not None

    def _note(self, lazy: LazyTensor, kind: str, value: Array | np.bool_) -> Guard | None:
        # An input is read as it is; what was computed of it may differ from torch's value by rounding.
        guard = record_read(lazy, kind, value, self._origin_of(lazy.node), is_rounded=bool(lazy.node.operands))
        if guard is not None:
            self._found.append(guard)
        return guard

    def _origin_of(self, root: Node) -> Origin | None:
        stack = [root]
        while stack:
            node = stack[-1]
            waiting = [operand for operand, _ in node.operands if id(operand) not in self._origins]
            if waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            self._origins[id(node)] = (node, self._joined(node))
        return self._origins[id(root)][1]

    def _joined(self, node: Node) -> Origin | None:
        if isinstance(node.operation, Input):
            return root_origin(node)
        return joined(self._origins[id(operand)][1] for operand, _ in node.operands)
