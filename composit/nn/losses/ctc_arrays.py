"""Connectionist temporal classification by numpy: the forward and backward variables of all examples at once.

Source: Graves et al., Connectionist Temporal Classification, ICML 2006, sections 4.1 and 4.2, in logarithms. A target
a b is read with blanks around its labels: _ a _ b _. Each step of time is a vectorised step over examples and labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from composit.operation import Array


@dataclass(frozen=True, slots=True)
class Lattice:
    """Where paths may go. labels: (n, s) with blanks; may_skip: whether a path may come from two labels before; ends: (n,)."""

    labels: Array
    may_skip: Array
    input_lengths: Array
    ends: Array


def lattice_of(targets: Array, input_lengths: Array, target_lengths: Array, blank: int) -> Lattice:
    """Return the lattice of targets (n, labels), of which `target_lengths` count."""
    number, longest = targets.shape
    labels = np.full((number, 2 * longest + 1), blank, np.intp)
    labels[:, 1::2] = np.where(np.arange(longest) < target_lengths[:, None], targets, blank)
    may_skip = np.zeros(labels.shape, bool)
    # A blank may be left out between two labels that differ.
    may_skip[:, 2:] = (labels[:, 2:] != blank) & (labels[:, 2:] != labels[:, :-2])
    return Lattice(labels, may_skip, input_lengths, 2 * target_lengths)


def forward(scores: Array, lattice: Lattice) -> Array:
    """Return log(alpha), (steps, n, s): the probability of all ways to a label at a step, its own score included."""
    own = _scores_of_labels(scores, lattice)
    result = np.full(own.shape, -np.inf, scores.dtype)
    if not len(own):
        return result
    result[0, :, :2] = own[0, :, :2]
    for step in range(1, len(own)):
        before = result[step - 1]
        result[step] = own[step] + _sum_of_ways(before, _moved(before, 1), _moved(before, 2), lattice.may_skip)
    return result


def backward(scores: Array, lattice: Lattice) -> Array:
    """Return log(beta), (steps, n, s): the probability of all ways from a label at a step to the end, without its own score."""
    own = _scores_of_labels(scores, lattice)
    result = np.full(own.shape, -np.inf, scores.dtype)
    positions = np.arange(own.shape[2])
    ends = (positions == lattice.ends[:, None]) | (positions == lattice.ends[:, None] - 1)
    may_skip = _moved(lattice.may_skip, -2, False)
    for step in reversed(range(len(own))):
        if step + 1 < len(own):
            after = own[step + 1] + result[step + 1]
            result[step] = _sum_of_ways(after, _moved(after, -1), _moved(after, -2), may_skip)
        is_last = np.equal(lattice.input_lengths - 1, step)[:, None]
        result[step] = np.where(is_last, np.where(ends, 0, -np.inf), result[step])
    return result


def losses_of(alpha: Array, lattice: Lattice) -> Array:
    """Return -log of the probability of each target, (n,)."""
    if not len(alpha):
        return np.where(lattice.ends == 0, 0, np.inf).astype(alpha.dtype)
    rows = np.arange(alpha.shape[1])
    last = alpha[np.maximum(lattice.input_lengths - 1, 0), rows]
    final = last[rows, lattice.ends]
    before = np.where(lattice.ends > 0, last[rows, np.maximum(lattice.ends - 1, 0)], -np.inf)
    found = -np.logaddexp(final, before)
    return np.where(lattice.input_lengths > 0, found, np.where(lattice.ends == 0, 0, np.inf)).astype(alpha.dtype)


def gradient(scores: Array, lattice: Lattice) -> Array:
    """Return the derivative of each loss by the scores, (steps, n, classes): minus the probability of each class at each step."""
    alpha, beta = forward(scores, lattice), backward(scores, lattice)
    losses = losses_of(alpha, lattice)
    steps = np.arange(scores.shape[0])[:, None, None]
    with np.errstate(invalid="ignore"):  # a target without a way has the loss inf: its gradient is NaN, as in torch
        occupied = np.exp(alpha + beta + losses[:, None])
    occupied = np.where(steps < lattice.input_lengths[:, None], occupied, 0)
    result = np.zeros(scores.shape, scores.dtype)
    np.subtract.at(result, (steps, np.arange(scores.shape[1])[:, None], lattice.labels), occupied)
    return result


def _scores_of_labels(scores: Array, lattice: Lattice) -> Array:
    return np.take_along_axis(scores, lattice.labels[None], axis=2)


def _moved(x: Array, step: int, fill: float | bool = -np.inf) -> Array:
    """Return x moved along the last axis by a step, with `fill` behind."""
    result = np.full_like(x, fill)
    if step > 0:
        result[:, step:] = x[:, :-step]
    else:
        result[:, :step] = x[:, -step:]
    return result


def _sum_of_ways(stay: Array, one: Array, two: Array, may_skip: Array) -> Array:
    result: Array = np.logaddexp(np.logaddexp(stay, one), np.where(may_skip, two, -np.inf))
    return result
