"""Values that leave the graph because Python reads them, and values that enter it from outside.

A read is noted with the inputs that it depends on, so that a later run on other inputs notices when it would have gone another
way (composit's guards). May import conversion and composit's core.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import torch

from composit.guards import record_read
from composit.node import Node, root_origin
from composit.operation import Input
from composit.origins import Origin, joined
from flashlight.conversion import array_of

Lazy: TypeAlias = Any  # Any: LazyTensor


class ReadGuards:
    """The reads of one trace, and what each node that was asked about depends on."""

    __slots__ = ("_origins",)

    def __init__(self) -> None:
        # By object; the node is kept beside its origin, so that its id stays its own.
        self._origins: dict[int, tuple[Node, Origin | None]] = {}

    def mark(self, lazy: Lazy, kind: str, tensor: torch.Tensor) -> None:
        """Note that Python has seen the tensor's value, through a read of this kind."""
        origin = self._origin_of(lazy.node)
        if origin is not None:
            is_truth = tensor.dtype is torch.bool and tensor.numel() == 1
            record_read(lazy, "bool" if is_truth else kind, array_of(tensor), origin)

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
