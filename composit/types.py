"""`LazyTensor` and `visualize`, for annotations: `from composit.types import LazyTensor`."""

from composit.numpy.tensor.lazy_tensor import LazyTensor
from composit.visualize import visualize

__all__ = ["LazyTensor", "visualize"]
