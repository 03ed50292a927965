"""`Tape`: the operations of a trace in order, with sizes among their arguments as expressions."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch._ops import OpOverload

from composit.errors import GuardError
from composit.operation import Array
from composit.source import Source, describe_source
from composit.types import LazyTensor
from flashlight.inputs import TorchInput
from flashlight.sizes.metadata import Metadata
from flashlight.sizes.symbols import Sizes, worded


@dataclass(frozen=True, slots=True)
class Reference:
    """A tensor of the tape, by its number."""

    index: int


@dataclass(frozen=True, slots=True)
class Repeated:
    """A value that Python read. operand: the tensor, None for the answer of an operation such as `torch.equal`"""

    operand: int | None
    kind: str
    value: Array
    source: Source | None


@dataclass(frozen=True, slots=True)
class Result:
    """A tensor that an operation returned. Its shape and strides are numbers and expressions of sizes."""

    index: int
    metadata: Metadata


@dataclass(frozen=True, slots=True)
class Step:
    """One operation.

    args:      with references to tensors; kwargs: likewise
    results:   the tensors among the leaves of the result, in order
    reads:     what Python read by it
    known:     the lazy tensors of results that do not depend on sizes and cannot be computed again: draws, and what values decide
    """

    operation: OpOverload[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: tuple[Result, ...]
    reads: tuple[Repeated, ...]
    known: tuple[LazyTensor, ...] | None
    scope: str
    source: Source | None


@dataclass(frozen=True, slots=True)
class DynamicInput:
    """A tensor that the user named sizes of. shape: lengths and names of sizes; order: its axes, the one with the longest stride first"""

    index: int
    shape: tuple[int | str, ...]
    order: tuple[int, ...]
    dtype: torch.dtype
    operation: weakref.ref[TorchInput]
    label: str | None = None

    def shape_at(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """Return the shape at these sizes."""
        return tuple(sizes[length] if isinstance(length, str) else length for length in self.shape)


@dataclass(slots=True)
class Tape:
    """What a trace did, so that it can be done again at other sizes.

    steps:     operations, and reads of values outside of operations
    leaves:    tensors from before the trace by number, with their lazy tensors when the trace met them
    strided:   the numbers of tensors whose strides somebody asked for
    obstacles: what cannot be done again, and where
    """

    sizes: Sizes
    steps: list[Step | Repeated] = field(default_factory=list)
    inputs: list[DynamicInput] = field(default_factory=list)
    leaves: dict[int, tuple[torch.Tensor, LazyTensor]] = field(default_factory=dict)
    strided: set[int] = field(default_factory=set)
    obstacles: list[tuple[str, Source | None]] = field(default_factory=list)
    num_tensors: int = 0

    def new_index(self) -> int:
        """Return the number of a further tensor."""
        self.num_tensors += 1
        return self.num_tensors - 1

    def check(self, sizes: Mapping[str, int]) -> None:
        """Raise GuardError if the trace cannot be repeated at these sizes."""
        for what, source in self.obstacles:
            raise refusal(sizes, self.sizes.values, what, source)
        self.sizes.check(sizes)


def refusal(sizes: Mapping[str, int], traced: Mapping[str, int], what: str, source: Source | None) -> GuardError:
    """Return the error for a graph that cannot be built at these sizes. what: a clause that says why"""
    return GuardError(
        f"guard: the graph was asked for at {worded(sizes)}, where it cannot be built from the trace at {worded(traced)}: {what}, at\n"
        f"  {describe_source(source)}\nexpected a program whose operations do not depend on these sizes; trace at these sizes, or use "
        "flashlight.capture, which traces again"
    )
