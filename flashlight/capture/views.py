"""Views of torch tensors: the value of a view from its base, and of a base from a view that shows it under another dtype."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import torch
from torch._ops import OpOverload

import composit.numpy as cnp
from composit import nn
from composit.types import LazyTensor
from flashlight.capture.layouts import Layout, picked

Inverse: TypeAlias = Callable[[LazyTensor, LazyTensor], LazyTensor]


class View(Protocol):
    """A view of a base tensor.

    inverse: for a view whose elements are no elements of the base (a conjugate, the real parts of complex numbers): the
             function from the base's old value and the view's new one to the base's new one; else None
    """

    @property
    def inverse(self) -> Inverse | None: ...

    def of(self, base: LazyTensor) -> LazyTensor:
        """Return the view's value, given its base's."""
        ...


@dataclass(frozen=True, slots=True)
class SameView:
    """A second tensor object on the same elements, as nn.Parameter(t) makes one."""

    inverse: Inverse | None = None

    def of(self, base: LazyTensor) -> LazyTensor:
        """Return the base itself."""
        return base


@dataclass(frozen=True, slots=True)
class DetachedView:
    """A second tensor object on the same elements, which autograd does not follow: `tensor.data`."""

    inverse: Inverse | None = None

    def of(self, base: LazyTensor) -> LazyTensor:
        """Return the base as a constant."""
        constant: LazyTensor = nn.stop_gradient(base)
        return constant


@dataclass(frozen=True, slots=True)
class LayoutView:
    """A tensor found on another's memory, all of whose elements are elements of the other."""

    layout: Layout
    base: Layout
    inverse: Inverse | None = None

    def of(self, base: LazyTensor) -> LazyTensor:
        """Return the base's elements at the addresses of the view's."""
        return picked(base, self.layout.positions_in(self.base))


@dataclass(frozen=True, slots=True)
class OperationView:
    """A view that a torch operation made; `on_graph` repeats the operation on another base."""

    on_graph: Callable[[LazyTensor], LazyTensor]
    inverse: Inverse | None = None

    def of(self, base: LazyTensor) -> LazyTensor:
        """Return the operation's result on the base."""
        return self.on_graph(base)


def inverse_of(operation: OpOverload[..., Any]) -> Inverse | None:
    """Return the inverse of a view operation that shows elements under another dtype or sign, None for other views."""
    return _INVERSES.get(operation)


def _conjugate(base: LazyTensor, value: LazyTensor) -> LazyTensor:
    return cnp.conjugate(value)


def _negative(base: LazyTensor, value: LazyTensor) -> LazyTensor:
    return cnp.negative(value)


def _same_bytes(base: LazyTensor, value: LazyTensor) -> LazyTensor:
    # complex numbers from pairs of floats, or back, or any numbers from others of the same bytes.
    return cnp.reshape(cnp.reshape(value, (-1,)).view(base.dtype), base.shape)


aten = torch.ops.aten
_INVERSES: dict[OpOverload[..., Any], Inverse] = {
    aten._conj.default: _conjugate,
    aten._neg_view.default: _negative,
    aten.view_as_real.default: _same_bytes,
    aten.view_as_complex.default: _same_bytes,
    aten.view.dtype: _same_bytes,
}
