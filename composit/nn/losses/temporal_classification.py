"""Connectionist temporal classification: the loss of a sequence of labels whose times are unknown.

A target a b is read with blanks around its labels: _ a _ b _. Its loss is minus the logarithm of the summed probability of all
paths through these states (`lattices.PathSums`); everything else is numpy's functions, so there are derivatives of any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import composit.numpy as cnp
from composit.apply import apply
from composit.errors import ParameterError, ShapeError
from composit.nn.arguments import check_shape, floating, integral
from composit.nn.gradient_flow import sloped
from composit.nn.losses.lattices import PathSums
from composit.nn.losses.reductions import reduced
from composit.numpy.arguments.normalizing import TensorLike

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["ctc"]


def ctc(
    log_probabilities: TensorLike,
    targets: TensorLike,
    input_lengths: TensorLike,
    target_lengths: TensorLike,
    *,
    blank: int = 0,
    zero_infinity: bool = False,
    reduction: str = "mean",
) -> LazyTensor:
    """Return -log of the probability that a sequence of labels is read off, repeated labels and blanks left out.

    targets:       labels of each example in a row, or those of all examples one after the other, whose lengths then are known
    blank:         the class that stands for no label
    zero_infinity: losses and derivatives are 0 where the input is too short for its target, not inf and NaN
    reduction:     "mean" divides each loss by its target's length first

    Shapes:      log_probabilities (steps, n, classes), targets (n, labels) or (sum of lengths,), lengths (n,); or without n
    Dtype:       that of log_probabilities
    Derivative:  by log_probabilities: minus the probability of each class at each step
    Raises:      ShapeError: shapes do not fit; ParameterError: there is no class of the number `blank`; DtypeError
    Reference:   torch.nn.functional.ctc_loss (whose derivative counts on normalised probabilities); Graves et al., 2006
    Example:
        >>> import composit.numpy as cnp
        >>> import numpy as np
        >>> scores = np.log(np.full((2, 1, 2), 0.5))
        >>> cnp.evaluate(ctc(scores, [[1]], [2], [1], reduction="none")).round(4)
        array([0.2877])
    """
    scores = floating("ctc", log_probabilities, "log_probabilities")
    goal = integral("ctc", targets, "targets")
    lengths = [
        integral("ctc", each, what)
        for each, what in ((input_lengths, "input_lengths"), (target_lengths, "target_lengths"))
    ]
    is_single = scores.ndim == 2
    if is_single:
        scores = cnp.expand_dims(scores, 1)
        lengths = [cnp.reshape(each, (1,)) for each in lengths]
        goal = cnp.reshape(goal, (1, -1))
    _check("ctc", scores, goal, lengths, blank)
    if goal.ndim == 1:
        goal = _in_rows(goal, lengths[1])
    losses = _losses(scores, goal, lengths, int(blank))
    is_infinite = losses == np.inf
    # As in torch: the derivative of an infinite loss is NaN, but 0 where it is replaced.
    losses = cnp.where(is_infinite, 0, losses) if zero_infinity else sloped(losses, _slopes(is_infinite, losses))
    if reduction == "mean":
        losses = losses / cnp.maximum(lengths[1], 1).astype(losses.dtype)
    return reduced("ctc", losses[0] if is_single and reduction == "none" else losses, reduction)


def _check(function: str, scores: LazyTensor, goal: LazyTensor, lengths: Sequence[LazyTensor], blank: int) -> None:
    fits = scores.ndim == 3 and (goal.ndim == 1 or (goal.ndim == 2 and goal.shape[0] == scores.shape[1]))
    if not fits:
        raise ShapeError(
            f"ctc: log_probabilities and targets have shapes {scores.shape} and {goal.shape}; expected (steps, n, classes) and"
            " (n, labels), or targets one after the other; transpose or reshape them first"
        )
    for name, each in zip(("input_lengths", "target_lengths"), lengths, strict=True):
        check_shape(function, name, each, (scores.shape[1],), "one length for each example")
    if not 0 <= blank < scores.shape[2]:
        raise ParameterError(f"ctc: blank={blank!r} was given for {scores.shape[2]} classes; expected one of them")


def _in_rows(goal: LazyTensor, lengths: LazyTensor) -> LazyTensor:
    """Return targets that lie one after the other as rows, as long as all of them together: the longest that one can be."""
    starts = cnp.cumsum(lengths) - lengths
    places = cnp.expand_dims(starts, 1) + np.arange(goal.shape[0])
    return cnp.take(goal, places, mode="clip") if goal.shape[0] else cnp.reshape(goal, (lengths.shape[0], 0))


def _losses(scores: LazyTensor, goal: LazyTensor, lengths: Sequence[LazyTensor], blank: int) -> LazyTensor:
    """Return -log of the probability of each target: that of all paths that end in its last label, or in the blank behind it."""
    input_lengths, ends = lengths[0], 2 * lengths[1]
    of_nothing: LazyTensor = cnp.where(ends == 0, 0.0, np.inf).astype(scores.dtype)
    if not scores.shape[0]:
        return of_nothing
    labels, may_skip = _states(goal, lengths[1], blank)
    sums = apply(PathSums(), cnp.take_along_axis(scores, cnp.expand_dims(labels, 0), 2), may_skip)
    last = sums[cnp.maximum(input_lengths - 1, 0), np.arange(scores.shape[1])]
    in_blank = _at(last, ends)
    in_label = cnp.where(ends > 0, _at(last, cnp.maximum(ends - 1, 0)), -np.inf)
    return cnp.where(input_lengths > 0, -cnp.logaddexp(in_blank, in_label), of_nothing)


def _slopes(is_infinite: LazyTensor, losses: LazyTensor) -> LazyTensor:
    slopes: LazyTensor = cnp.where(is_infinite, np.nan, 1.0).astype(losses.dtype)
    return slopes


def _at(last: LazyTensor, states: LazyTensor) -> LazyTensor:
    return cnp.squeeze(cnp.take_along_axis(last, cnp.expand_dims(states, 1), 1), 1)


def _states(goal: LazyTensor, lengths: LazyTensor, blank: int) -> tuple[LazyTensor, LazyTensor]:
    """Return the labels of the states (n, 2 * labels + 1), and whether a path may come to each from two states before."""
    number, longest = goal.shape
    known = cnp.where(np.arange(longest) < cnp.expand_dims(lengths, 1), goal, blank)
    blanks = cnp.full((number, longest), blank, known.dtype)
    pairs = cnp.reshape(cnp.stack([blanks, known], axis=2), (number, 2 * longest))
    labels = cnp.concatenate([pairs, cnp.full((number, 1), blank, known.dtype)], axis=1)
    # A blank may be left out between two labels that differ, and in front of the first one.
    differs = (labels[:, 2:] != blank) & (labels[:, 2:] != labels[:, :-2])
    may_start = np.broadcast_to(np.array([False, True])[: labels.shape[1]], (number, min(2, labels.shape[1])))
    return labels, cnp.concatenate([may_start, differs], axis=1)
