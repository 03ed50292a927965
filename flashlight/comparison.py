"""`compare` finds the first node where a backend's value differs from torch's."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from composit.backends import BackendChoice
from composit.containers import flatten
from composit.errors import OperandError
from composit.evaluation import evaluate
from composit.handle import TensorHandle, described, make_tensor
from composit.node import Node
from composit.operation import Array
from composit.program import ancestors_in_order
from composit.source import describe_source
from composit.value import Value


class TorchValues:
    """The values that torch computed for nodes, kept while the nodes live."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        # Keyed by id, because hashing a node computes its digest. The weak reference removes the entry when the node dies.
        self._values: dict[int, tuple[weakref.ref[Node], dict[int, Array]]] = {}

    def keep(self, tensor: TensorHandle, value: Array) -> None:
        """Keep a copy of what torch computed for the tensor."""
        node = tensor.node
        if not node.operands:
            return
        entry = self._values.get(id(node))
        if entry is None:
            identity = id(node)
            reference = weakref.ref(node, lambda _: self._values.pop(identity, None))
            entry = self._values[identity] = (reference, {})
        entry[1].setdefault(tensor.output_index, np.array(value))

    def of(self, nodes: Sequence[Node]) -> list[tuple[Value, Array]]:
        """Return the kept values of these nodes, in their order."""
        found: list[tuple[Value, Array]] = []
        for node in nodes:
            entry = self._values.get(id(node))
            if entry is not None:
                found.extend((Value(node, index), value) for index, value in sorted(entry[1].items()))
        return found


kept_values = TorchValues()


@dataclass(frozen=True, slots=True)
class Difference:
    """A node whose value differs from torch's.

    error: the largest absolute difference; infinity where only one of the two is finite
    """

    tensor: TensorHandle
    scope: str
    torch_value: Array
    value: Array
    error: float

    def __str__(self) -> str:
        node = self.tensor.node
        where = f" in {self.scope}" if self.scope else ""
        return (
            f"{node.name}{where} ({self.tensor.dtype}{list(self.tensor.shape)}) differs from torch by {self.error:.3g}, built at\n"
            f"  {describe_source(node.source)}\n  torch: {short_text(self.torch_value)}\n  graph: {short_text(self.value)}"
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of `compare`. first: the first node, in order of computation, that differs; None if all agree."""

    num_compared: int
    largest_error: float
    first: Difference | None

    def __bool__(self) -> bool:
        """Whether everything agrees."""
        return self.first is None

    def __str__(self) -> str:
        if self.first is None:
            return f"{self.num_compared} values agree with torch, the largest error is {self.largest_error:.3g}"
        return f"of {self.num_compared} values, the first that differs: {self.first}"


def compare(
    output: Any,  # Any: torch tensors, lazy tensors and containers of them
    *,
    backend: BackendChoice = "numpy",
    atol: float = 1e-5,
    rtol: float = 1e-4,
) -> Comparison:
    """Return where a backend's values first differ from those torch computed within `trace(run_torch=True)`.

    A value differs when |value - torch's| > atol + rtol * (the largest |torch's|) for some element, or when only one of the
    two is finite. The default tolerances allow for float32's rounding over a few layers.

    Raises:  OperandError: the output was not traced, or not with run_torch=True
    """
    handles, _ = flatten(output)
    nodes = ancestors_in_order([handle.node for handle in handles])
    kept = kept_values.of(nodes)
    if not kept:
        raise OperandError(
            f"compare: {described(output):.80} has no torch values; expected the output of a model that ran inside "
            "flashlight.tracer.trace(run_torch=True)"
        )
    tensors = [make_tensor(value.node, value.index) for value, _ in kept]
    values = evaluate(tensors, backend=backend)
    first, largest = None, 0.0
    for tensor, (_, expected), value in zip(tensors, kept, values, strict=True):
        error, differs = _error(expected, np.asarray(value), atol, rtol)
        largest = max(largest, error)
        if differs and first is None:
            first = Difference(tensor, tensor.node.scope, expected, value, error)
    return Comparison(len(kept), largest, first)


def _error(expected: Array, value: Array, atol: float, rtol: float) -> tuple[float, bool]:
    if expected.size == 0:
        return 0.0, False
    if expected.dtype.kind not in "fc":
        return float(np.max(expected != value)), not np.array_equal(expected, value)
    same = (expected == value) | (np.isnan(expected) & np.isnan(value))
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.where(same, 0.0, np.abs(expected - value))
    distance = np.where(np.isnan(distance), np.inf, distance)
    largest = np.max(np.abs(expected), where=np.isfinite(expected), initial=0.0)
    return float(distance.max()), bool(distance.max() > atol + rtol * largest)


def short_text(value: Array) -> str:
    """Return the first and last elements of an array, on one line."""
    return np.array2string(np.asarray(value).reshape(-1), threshold=6, edgeitems=3, precision=6)
