"""A lazy numpy that gives people a graph they can hold."""

from composit.evaluation import evaluate
from composit.handle import with_name
from composit.node import name_scope
from composit.numpy.methods import LazyTensor

__all__ = ["LazyTensor", "evaluate", "name_scope", "with_name"]
