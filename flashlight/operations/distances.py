"""Distances of the rows of matrices, and their derivatives as torch's kernels compute them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import composit.numpy as cnp
from composit import nn
from composit.nn.gradient_flow import sloped, straight_through
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, pulled_back, typed
from flashlight.table import Call, register


def _largest(difference: LazyTensor) -> LazyTensor:
    """Return the largest magnitudes along the last axis, with torch's gradient: all that are as large have it whole."""
    sizes = cnp.absolute(difference)
    largest = cnp.max(sizes, axis=-1)
    is_largest = sizes == cnp.expand_dims(largest, -1)
    return straight_through(largest, cnp.sum(cnp.where(is_largest, sizes, 0), axis=-1))


def _between(x: LazyTensor, y: LazyTensor, p: float) -> LazyTensor:
    if p in (0, math.inf) and x.shape[-1]:
        difference = cnp.expand_dims(x, -2) - cnp.expand_dims(y, -3)
        return _largest(_without_nan(difference)) if p else _unequal(difference)
    return nn.cdist(x, y, order=p)


def _without_nan(difference: LazyTensor) -> LazyTensor:
    """Return 0 for NaN: torch keeps the largest so far unless another one is larger, which NaN is not. The gradient is NaN."""
    is_nan = cnp.isnan(difference)
    slopes = cnp.where(is_nan, difference, typed(1, difference.dtype))
    return straight_through(cnp.where(is_nan, 0, difference), sloped(difference, slopes))


def _unequal(difference: LazyTensor) -> LazyTensor:
    """Return how many numbers along the last axis are not 0; NaN is none."""
    count = cnp.sum(cnp.minimum(cnp.ceil(cnp.absolute(difference)), 1), axis=-1)
    # Its derivative is 0, also by infinities and NaN.
    return straight_through(count, cnp.sum(0 * cnp.where(cnp.isfinite(difference), difference, 0), axis=-1))


def _of_pairs(x: LazyTensor, p: float) -> LazyTensor:
    if p in (0, math.inf) and x.shape[-1]:
        earlier, later = np.triu_indices(x.shape[0], k=1)
        return (_largest if p else _unequal)(cnp.take(x, earlier, axis=0) - cnp.take(x, later, axis=0))
    return nn.pdist(x, order=p)


@register(aten._cdist_forward)
def _distances(call: Call, x: LazyTensor, y: LazyTensor, p: float, compute_mode: int | None) -> LazyTensor:
    return _between(x, y, p)


@register(aten._euclidean_dist)
def _euclidean_distances(call: Call, x: LazyTensor, y: LazyTensor) -> LazyTensor:
    return nn.cdist(x, y)


@register(aten._pdist_forward)
def _distances_of_pairs(call: Call, x: LazyTensor, p: float = 2) -> LazyTensor:
    return _of_pairs(x, p)


@register(aten._cdist_backward)
def _distances_backward(call: Call, g: LazyTensor, x: LazyTensor, y: LazyTensor, p: float, *rest: Any) -> LazyTensor:
    # torch sums over the axes to which x was broadcast in an operation of its own.
    broadcast = cnp.broadcast_to(x, call.shape)
    return pulled_back(lambda operand: _between(operand, y, p), (broadcast,), g)[0]


@register(aten._pdist_backward)
def _distances_of_pairs_backward(call: Call, g: LazyTensor, x: LazyTensor, p: float, *rest: Any) -> LazyTensor:
    return pulled_back(lambda operand: _of_pairs(operand, p), (x,), g)[0]
