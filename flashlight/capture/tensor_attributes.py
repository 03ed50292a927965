"""Attaches an object to a torch tensor as instance attributes that copy and pickle ignore.

`tensor.__lazy_tensor__()`, composit's protocol, calls the object. Copied and unpickled tensors are ordinary tensors, and a
file of torch.save names nothing of flashlight.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

_PROTOCOL = "__lazy_tensor__"
_ATTRIBUTES = (_PROTOCOL, "__reduce_ex__", "__deepcopy__")


class TensorAttribute:
    """Base class of the attached object. It refers to its tensor weakly, so that both die together, without a cycle."""

    __slots__ = ("tensor",)

    def __init__(self, tensor: torch.Tensor) -> None:
        self.take(tensor)

    def take(self, tensor: torch.Tensor) -> None:
        """Become the object of this tensor."""
        self.tensor: Callable[[], torch.Tensor | None] = weakref.ref(tensor)

    def let_go(self) -> None:
        """Refer to no tensor for a while."""
        self.tensor = _no_tensor

    def __call__(self) -> Any:  # Any: LazyTensor
        """Return the tensor's lazy tensor (composit's protocol `__lazy_tensor__`)."""
        raise TypeError(f"{type(self).__name__}: a subclass must define __call__()")

    def reduce_ex(self, protocol: int) -> Any:  # Any: what pickle takes
        """Pickle the tensor without the attributes."""
        tensor = self._owner()
        with _bare(tensor):
            return type(tensor).__reduce_ex__(tensor, protocol)

    def deepcopy(self, memo: dict[int, Any]) -> torch.Tensor:
        """Copy the tensor without the attributes."""
        tensor = self._owner()
        with _bare(tensor):
            return type(tensor).__deepcopy__(tensor, memo)  # type: ignore[no-any-return]

    def _owner(self) -> torch.Tensor:
        tensor = self.tensor()
        assert tensor is not None, "the attached object is reached through its tensor"
        return tensor


def _no_tensor() -> None:
    return None


def attach(tensor: torch.Tensor, attribute: TensorAttribute) -> None:
    """Attach the object to the tensor."""
    tensor.__dict__.update(
        {_PROTOCOL: attribute, "__reduce_ex__": attribute.reduce_ex, "__deepcopy__": attribute.deepcopy}
    )


def attribute_of(tensor: torch.Tensor) -> Any:  # Any: a TensorAttribute of the caller's class, or None
    """Return the object attached to the tensor, None if there is none."""
    return tensor.__dict__.get(_PROTOCOL)


def forget(tensor: torch.Tensor) -> None:
    """Remove the object from the tensor, which has become another one: it got other memory."""
    attribute = attribute_of(tensor)
    if attribute is not None:
        attribute.let_go()
        for name in _ATTRIBUTES:
            tensor.__dict__.pop(name, None)


@contextmanager
def _bare(tensor: torch.Tensor) -> Iterator[None]:
    attributes = tensor.__dict__
    kept = {name: attributes.pop(name) for name in _ATTRIBUTES if name in attributes}
    try:
        yield
    finally:
        attributes.update(kept)
