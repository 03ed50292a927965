"""`LazyTensor`: the handle with numpy's operators and methods. May import all families."""

from __future__ import annotations

from composit.apply import apply
from composit.handle import TensorHandle, register_tensor_class


@register_tensor_class
class LazyTensor(TensorHandle):
    """A lazy numpy array."""

    __slots__ = ()
