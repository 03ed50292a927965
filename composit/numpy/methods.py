"""`LazyTensor`: the handle with numpy's operators and methods. May import all families."""

from __future__ import annotations

from composit.handle import register_tensor_class
from composit.numpy.operators import Operators


@register_tensor_class
class LazyTensor(Operators):
    """A lazy numpy array."""

    __slots__ = ()
