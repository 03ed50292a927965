"""How an ordinary torch tensor carries its record: instance attributes that copying and pickling do not see.

`tensor.__lazy_tensor__()` is composit's protocol. Copies of the tensor are ordinary: a copied or unpickled tensor has no
record, and a file written by torch.save names nothing of flashlight. May import torch only.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

_PROTOCOL = "__lazy_tensor__"
_ATTRIBUTES = (_PROTOCOL, "__reduce_ex__", "__deepcopy__")


class TensorAttribute:
    """The base of what a tensor carries. It knows its tensor weakly, so it makes no cycle and dies with the tensor."""

    __slots__ = ("tensor",)

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = weakref.ref(tensor)

    def __call__(self) -> Any:  # Any: LazyTensor
        """Return the lazy tensor that stands for the torch tensor; the protocol of composit."""
        raise TypeError(f"{type(self).__name__}: a subclass must define __call__()")

    def reduce_ex(self, protocol: int) -> Any:  # Any: what pickle takes
        """Pickle the tensor as if it carried nothing."""
        tensor = self._owner()
        with _bare(tensor):
            return type(tensor).__reduce_ex__(tensor, protocol)

    def deepcopy(self, memo: dict[int, Any]) -> torch.Tensor:
        """Copy the tensor as if it carried nothing."""
        tensor = self._owner()
        with _bare(tensor):
            return type(tensor).__deepcopy__(tensor, memo)  # type: ignore[no-any-return]

    def _owner(self) -> torch.Tensor:
        tensor = self.tensor()
        assert tensor is not None, "a record is reached through its tensor"
        return tensor


def attach(tensor: torch.Tensor, attribute: TensorAttribute) -> None:
    """Let the tensor carry the record from now on."""
    tensor.__dict__.update(
        {_PROTOCOL: attribute, "__reduce_ex__": attribute.reduce_ex, "__deepcopy__": attribute.deepcopy}
    )


def attribute_of(tensor: torch.Tensor) -> Any:  # Any: a TensorAttribute of the caller's class, or None
    """Return what the tensor carries, None if nothing."""
    return tensor.__dict__.get(_PROTOCOL)


@contextmanager
def _bare(tensor: torch.Tensor) -> Iterator[None]:
    attributes = tensor.__dict__
    kept = {name: attributes.pop(name) for name in _ATTRIBUTES if name in attributes}
    try:
        yield
    finally:
        attributes.update(kept)
