"""The tensor and its picture, under the name that annotations import them from."""

from composit.numpy.methods import LazyTensor
from composit.visualize import visualize

__all__ = ["LazyTensor", "visualize"]
