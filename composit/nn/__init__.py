"""Derivatives and training: chain_rule, optimizers, and wrap_as_operation for a user's own operations."""

from composit.nn.core import wrap_as_operation
from composit.nn.differentiate import chain_rule
from composit.nn.evaluation import evaluate
from composit.nn.optimize import optimize, optimize_step
from composit.nn.optimizer import Optimizer, sgd_optimizer

__all__ = [
    "Optimizer",
    "chain_rule",
    "evaluate",
    "optimize",
    "optimize_step",
    "sgd_optimizer",
    "wrap_as_operation",
]
