"""`LazyTensor`: the handle with numpy's operators and methods. May import all families."""

from __future__ import annotations

from composit.handle import register_tensor_class
from composit.numpy.array_methods import ArrayMethods
from composit.numpy.operators import Operators
from composit.numpy.pickling import Pickling
from composit.numpy.protocols import Protocols
from composit.numpy.reads import Reads


@register_tensor_class
class LazyTensor(Operators, ArrayMethods, Reads, Protocols, Pickling):
    """A lazy numpy array: numpy's operators, methods and functions on it build a graph, and `evaluate` computes it."""

    __slots__ = ()
