"""Losses that torch's dispatcher computes whole; the others reach the table in their parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import composit.numpy as cnp
from composit import nn
from composit.apply import apply
from composit.nn.arguments import counted_from_start
from composit.nn.gradient_flow import sloped, straight_through
from composit.nn.losses.binary import BinaryCrossEntropy
from composit.nn.losses.reductions import reduced
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, cast, pulled_back, typed
from flashlight.table import Call, Row, register

# torch's numbers of reductions.
_REDUCTIONS = ("none", "mean", "sum")
_MEAN = 1


def _of_nn(function: Callable[..., LazyTensor], *names: str) -> Row:
    """Return the row of a loss of x and target, whose further positional arguments have these names in composit.nn."""

    def row(call: Call, x: LazyTensor, target: LazyTensor, *how: Any) -> LazyTensor:
        named: dict[str, Any] = dict(zip(names, how, strict=False))
        reduction = _REDUCTIONS[named.pop("reduction", _MEAN)]
        return cast(function(x, target, reduction=reduction, **named), call.dtype)

    return row


def _binary_cross_entropy(
    call: Call, x: LazyTensor, target: LazyTensor, weight: LazyTensor | None = None, reduction: int = _MEAN
) -> LazyTensor:
    losses = apply(BinaryCrossEntropy(has_bounded_slope=False), x, target)
    losses = losses if weight is None else losses * weight
    return cast(reduced("bce", losses, _REDUCTIONS[reduction]), call.dtype)


_LOSSES: dict[Any, Row] = {  # Any: operations of torch
    aten.mse_loss: _of_nn(nn.losses.mse, "reduction"),
    aten.smooth_l1_loss: _of_nn(nn.losses.smooth_l1, "reduction", "beta"),
    aten.huber_loss: _of_nn(nn.losses.huber, "reduction", "delta"),
    aten.soft_margin_loss: _of_nn(nn.losses.soft_margin, "reduction"),
    aten.binary_cross_entropy: _binary_cross_entropy,
    aten.multi_margin_loss: _of_nn(nn.losses.multi_margin, "order", "margin", "weight", "reduction"),
}


def _derivative(forward: Row) -> Row:
    def row(call: Call, g: LazyTensor, x: LazyTensor, target: LazyTensor, *how: Any, **more: Any) -> LazyTensor:
        return pulled_back(lambda operand: forward(call, operand, target, *how, **more), (x,), g)[0]

    return row


for _operation, _row in _LOSSES.items():
    register(_operation)(_row)
register(aten.multi_margin_loss_backward)(_derivative(_LOSSES[aten.multi_margin_loss]))


@register(aten.binary_cross_entropy_with_logits)
def _cross_entropy_of_logits(
    call: Call,
    x: LazyTensor,
    target: LazyTensor,
    weight: LazyTensor | None = None,
    pos_weight: LazyTensor | None = None,
    reduction: int = _MEAN,
) -> LazyTensor:
    losses = nn.losses.bce_with_logits(x, target, weight=weight, positive_weight=pos_weight, reduction="none")
    if pos_weight is None:
        # An undefined loss has a gradient, and both parts of the graph go one way: the second is never NaN.
        is_undefined = cnp.broadcast_to(_undefined_as_in_torch(x, target), losses.shape)
        losses = straight_through(cnp.where(is_undefined, typed(np.nan, losses.dtype), losses), losses)
    losses = reduced("bce_with_logits", losses, _REDUCTIONS[reduction])
    return cast(losses, call.dtype)


def _undefined_as_in_torch(x: LazyTensor, target: LazyTensor) -> LazyTensor:
    """Return where torch's formula (1 - t) x - log(sigmoid(x)) is infinity minus infinity, or 0 times infinity."""
    return ((x == np.inf) & (target == 1)) | ((x == -np.inf) & (target <= 1))


@register(aten.nll_loss_forward, aten.nll_loss2d_forward)
def _negative_log_likelihood(
    call: Call, x: LazyTensor, target: LazyTensor, weight: LazyTensor | None, reduction: int, ignore_index: int
) -> list[LazyTensor]:
    loss = nn.losses.nll(x, target, weight=weight, ignore_index=ignore_index, reduction=_REDUCTIONS[reduction])
    return [cast(loss, call.dtype), _total_weight(call, target, weight, reduction, ignore_index)]


def _total_weight(
    call: Call, target: LazyTensor, weight: LazyTensor | None, reduction: int, ignore_index: int
) -> LazyTensor:
    """Return the sum of the targets' weights, by which the mean was divided; 0 where torch needs none."""
    if _REDUCTIONS[reduction] == "none":
        return cnp.zeros((), call.dtype)
    counts = target != ignore_index
    factors = cast(counts, call.dtype)
    if weight is not None:
        factors = factors * cnp.take(weight, cnp.where(counts, counted_from_start(target, weight.shape[0]), 0))
    return cnp.sum(factors)


@register(aten.nll_loss_backward, aten.nll_loss2d_backward)
def _negative_log_likelihood_backward(
    call: Call,
    g: LazyTensor,
    x: LazyTensor,
    target: LazyTensor,
    weight: LazyTensor | None,
    reduction: int,
    ignore_index: int,
    total_weight: LazyTensor,
) -> LazyTensor:
    def forward(x: LazyTensor) -> LazyTensor:
        return nn.losses.nll(x, target, weight=weight, ignore_index=ignore_index, reduction=_REDUCTIONS[reduction])

    return pulled_back(forward, (x,), g)[0]


@register(aten.multilabel_margin_loss_forward)
def _multilabel_margin(call: Call, x: LazyTensor, target: LazyTensor, reduction: int) -> list[LazyTensor]:
    loss = nn.losses.multilabel_margin(x, target, reduction=_REDUCTIONS[reduction])
    # Whether each class is among the targets, which end at the first negative number.
    counts = cnp.cumsum(cast(target < 0, np.dtype(np.int64)), axis=-1) == 0 if target.ndim else target >= 0
    labels = cnp.where(counts, target, -1)
    classes = cnp.reshape(cnp.arange(x.shape[-1] if x.ndim else 1), (-1, 1))
    found = cnp.any(cnp.expand_dims(labels, -2) == classes, axis=-1) if target.ndim else labels == 0
    return [loss, cnp.reshape(cast(found, x.dtype), target.shape)]


@register(aten.multilabel_margin_loss_backward)
def _multilabel_margin_backward(
    call: Call, g: LazyTensor, x: LazyTensor, target: LazyTensor, reduction: int, is_target: LazyTensor
) -> LazyTensor:
    def forward(x: LazyTensor) -> LazyTensor:
        return nn.losses.multilabel_margin(x, target, reduction=_REDUCTIONS[reduction])

    return pulled_back(forward, (x,), g)[0]


@register(aten._ctc_loss)
def _temporal_classification(
    call: Call,
    scores: LazyTensor,
    targets: LazyTensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    zero_infinity: bool = False,
) -> list[LazyTensor]:
    losses = _ctc(scores, targets, input_lengths, target_lengths, blank, zero_infinity)
    # The second result is for torch's backward pass.
    return [losses, *(cnp.zeros(shape, dtype) for dtype, shape in call.result_types[1:])]


def _ctc(
    scores: LazyTensor, targets: LazyTensor, input_lengths: Any, target_lengths: Any, blank: int, zero_infinity: bool
) -> LazyTensor:
    """Return the losses (n,), with torch's gradient: that of the loss itself and of the sum of the probabilities at each step.

    Where exp(scores) are no probabilities, torch's kernel still computes exp(scores) minus the probability of each class given the
    target, which is the gradient by what log_softmax was given.
    """
    lengths = [
        cnp.asarray(np.asarray(each, np.int64) if isinstance(each, list) else each)
        for each in (input_lengths, target_lengths)
    ]
    losses = nn.losses.ctc(scores, targets, *lengths, blank=blank, reduction="none")
    followed = nn.losses.ctc(
        scores, targets, *lengths, blank=blank, zero_infinity=zero_infinity, reduction="none"
    ) + _sums_of_probabilities(scores, lengths[0], losses == np.inf, zero_infinity)
    return straight_through(losses, followed)


def _sums_of_probabilities(
    scores: LazyTensor, lengths: LazyTensor, is_infinite: LazyTensor, zero_infinity: bool
) -> LazyTensor:
    """Return the sum of exp(scores) over the steps of each example and the classes.

    Its gradient is NaN where torch subtracts infinities: at classes of probability 0, and everywhere if the loss is infinite.
    """
    counts = cnp.expand_dims(np.arange(scores.shape[0]), 1) < lengths
    if zero_infinity:
        counts = counts & ~is_infinite
    counts = cnp.expand_dims(counts, 2)
    is_undefined = counts & (cnp.expand_dims(is_infinite, 1) | (scores == -np.inf))
    slopes = cast(cnp.where(is_undefined, np.nan, 1.0), scores.dtype)
    return cnp.sum(cnp.where(counts, cnp.exp(sloped(scores, slopes)), 0), axis=(0, 2))


@register(aten._ctc_loss_backward)
def _temporal_classification_backward(
    call: Call,
    g: LazyTensor,
    scores: LazyTensor,
    targets: LazyTensor,
    input_lengths: Any,
    target_lengths: Any,
    neg_log_likelihood: LazyTensor,
    log_alpha: LazyTensor,
    blank: int,
    zero_infinity: bool = False,
) -> LazyTensor:
    def forward(scores: LazyTensor) -> LazyTensor:
        return _ctc(scores, targets, input_lengths, target_lengths, blank, zero_infinity)

    return pulled_back(forward, (scores,), g)[0]
