"""Values that leave the graph because Python reads them, and values that enter it from outside.

A read marks the inputs that it depends on, so that a later run on other inputs notices when it would have gone another
way (composit's guards). May import conversion and composit's core.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import torch

from composit.apply import input_of
from composit.guards import record_read
from composit.node import Node
from composit.operation import Input
from flashlight.conversion import array_of

Lazy: TypeAlias = Any  # Any: LazyTensor


def drawn(tensor: torch.Tensor) -> Lazy:
    """Return a fresh input with the tensor's value as it is now: what was drawn, or came back from outside."""
    return input_of(np.array(array_of(tensor)))


class Reads:
    """The reads of one trace, and from which inputs each node that was asked about is computed."""

    __slots__ = ("_dependencies",)

    def __init__(self) -> None:
        # By object; the node is kept beside its inputs, so that its id stays its own.
        self._dependencies: dict[int, tuple[Node, frozenset[Input]]] = {}

    def mark(self, lazy: Lazy, kind: str, tensor: torch.Tensor) -> None:
        """Note that Python has seen the tensor's value, through a read of this kind."""
        inputs = self._inputs_of(lazy.node)
        if inputs:
            is_truth = tensor.dtype is torch.bool and tensor.numel() == 1
            record_read(lazy, "bool" if is_truth else kind, array_of(tensor), inputs)

    def _inputs_of(self, root: Node) -> frozenset[Input]:
        stack = [root]
        while stack:
            node = stack[-1]
            waiting = [operand for operand, _ in node.operands if id(operand) not in self._dependencies]
            if waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            self._dependencies[id(node)] = (node, self._union(node))
        return self._dependencies[id(root)][1]

    def _union(self, node: Node) -> frozenset[Input]:
        if isinstance(node.operation, Input):
            return frozenset([node.operation])
        parts = [self._dependencies[id(operand)][1] for operand, _ in node.operands]
        largest = max(parts, key=len, default=frozenset[Input]())
        # One shared set where all agree: a long chain then holds one set, not one per node.
        return largest if all(part <= largest for part in parts) else largest.union(*parts)
