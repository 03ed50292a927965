"""The tensor and its picture, under the name that annotations import them from."""

from composit.numpy.tensor.lazy_tensor import LazyTensor
from composit.visualize import visualize

__all__ = ["LazyTensor", "visualize"]
