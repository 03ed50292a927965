"""`SizedTensor`: an ordinary tensor whose shape Python and torch see as expressions of named sizes, while its trace is open."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch
from torch._ops import OpOverload
from torch.utils import _pytree as pytree

from composit.errors import UnsupportedOperationError
from composit.types import LazyTensor
from flashlight.capture.shown_texts import is_shown
from flashlight.sizes.metadata import Metadata

if TYPE_CHECKING:
    from flashlight.sizes.recording import SizedMode


@dataclass(slots=True)
class Sizing:
    """What a sized tensor is made of. One attribute, since torch.Tensor has methods of most short names.

    ordinary: the tensor that has the values and the lazy tensor; both are on one memory
    shape_of: its shape and strides as expressions
    index:    the number on the tape; mode: of the trace
    """

    ordinary: torch.Tensor
    shape_of: Metadata
    index: int
    mode: SizedMode


class SizedTensor(torch.Tensor):
    """A tensor on the memory of an ordinary one."""

    sizing: Sizing

    # Functions of torch see an ordinary tensor: some take other paths for subclasses.
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]  # of any signature

    @staticmethod
    def make(sizing: Sizing) -> SizedTensor:
        """Return the sized tensor of an ordinary one."""
        # Of the base class, since a trace replaces that of torch.Tensor. Any: the stubs know fewer parameters.
        make: Any = torch._C.TensorBase._make_subclass
        made: SizedTensor = make(SizedTensor, sizing.ordinary, False, dispatch_sizes_strides_policy="sizes")
        made.sizing = sizing
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # the base class takes anything
        cls, func: OpOverload[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        """Run an operation outside of the trace, on ordinary tensors."""
        args, kwargs = plain((args, kwargs or {}))
        return func(*args, **kwargs)

    def __lazy_tensor__(self) -> LazyTensor:
        """Return the lazy tensor (composit's protocol)."""
        return self.sizing.ordinary.__lazy_tensor__()  # type: ignore[attr-defined, no-any-return]  # a trace attached it

    def numpy(self, *args: Any, **kwargs: Any) -> Any:
        """Return the values as torch does; inside the trace the read is guarded, and the shape becomes a number."""
        return self.sizing.mode.leave(self, lambda ordinary: ordinary.numpy(*args, **kwargs))

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        """Do what `numpy` does."""
        return self.sizing.mode.leave(self, lambda ordinary: ordinary.__array__(*args, **kwargs))

    def tolist(self) -> list[Any]:
        """Do what `numpy` does, with lists."""
        values: Any = self.sizing.mode.leave(self, lambda ordinary: ordinary.tolist())
        return values  # type: ignore[no-any-return]  # a number for a tensor without axes

    def __dlpack__(self, *args: Any, **kwargs: Any) -> object:
        """Do what `numpy` does, for other libraries."""
        return self.sizing.mode.leave(self, lambda ordinary: ordinary.__dlpack__(*args, **kwargs))

    def __repr__(self, *args: Any, **kwargs: Any) -> str:  # type: ignore[override]
        """Return torch's text of the values, which is a read unless the text is only shown."""
        return self._text(repr, sys._getframe(1))

    def __format__(self, format_spec: str) -> str:
        """Return what torch makes of a number, else as `__repr__`."""
        return self._text(lambda ordinary: format(ordinary, format_spec), sys._getframe(1))

    def _text(self, make: Callable[[torch.Tensor], str], frame: FrameType) -> str:
        return make(self.sizing.ordinary) if is_shown(frame) else str(self.sizing.mode.leave(self, make))

    def __deepcopy__(self, memo: dict[int, Any]) -> torch.Tensor:
        """Return a copy with memory of its own."""
        copy = self.detach().clone().requires_grad_(self.requires_grad)
        memo[id(self)] = copy
        return copy

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle an ordinary tensor."""
        return self.sizing.ordinary.__reduce_ex__(protocol)

    @property
    def data(self) -> torch.Tensor:
        """The same memory, without autograd."""
        return self.detach()

    @data.setter
    def data(self, other: torch.Tensor) -> None:
        raise UnsupportedOperationError(
            f"trace: tensor.data of a tensor of shape {tuple(self.sizing.ordinary.shape)} was assigned to in a trace with dynamic sizes; "
            "expected writes into tensors; write tensor.copy_(other), or trace without dynamic="
        )


def plain(values: Any) -> Any:  # Any: nested containers of tensors
    """Return the values with ordinary tensors in place of sized ones."""
    return pytree.tree_map_only(SizedTensor, _ordinary_of, values)


def _ordinary_of(tensor: SizedTensor) -> torch.Tensor:
    return tensor.sizing.ordinary
