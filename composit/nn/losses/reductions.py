"""How a loss becomes one number: the mean, the sum, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import composit.numpy as cnp
from composit.nn.arguments import one_of

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor


def _all(losses: LazyTensor) -> LazyTensor:
    return losses


def _mean(losses: LazyTensor) -> LazyTensor:
    # Not cnp.mean, which warns of an empty array when the graph is built. The mean of nothing is NaN, as in torch.
    return cnp.sum(losses) / losses.size


def _sum(losses: LazyTensor) -> LazyTensor:
    return cnp.sum(losses)


REDUCTIONS = {"mean": _mean, "sum": _sum, "none": _all}


def reduced(function: str, losses: LazyTensor, reduction: str) -> LazyTensor:
    """Return the mean or the sum of the losses, or the losses themselves.

    Raises:  ParameterError: reduction is none of "mean", "sum", "none"
    """
    return one_of(function, "reduction", reduction, REDUCTIONS)(losses)
