"""Sums over paths through a lattice of steps and states: what `ctc` computes, and the recursions of its derivatives.

From one step to the next a path stays in its state, or moves on by one, or by two where that is allowed. Both operations are
recursions over steps; each step is vectorised over examples and states. Neither knows of labels or blanks.

Reference: Graves et al., Connectionist Temporal Classification, 2006, section 4.1, in logarithms
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from composit.operation import Array, Operation, OperationKind, Results, TensorType, VjpContext

MOVES = (0, 1, 2)
"""By how many states a path may move on at a step."""


@dataclass(frozen=True, slots=True)
class PathSums(Operation):
    """log of the summed probability of all paths from the start to each state at each step.

    Operands are the scores of states (steps, n, states), and whether a path may come from two states before (n, states). The
    start lies before state 0: the first step leads to state 0, or to state 1 where that may be come to from two before.

    Derivative:  the probability of each way to a state, carried backwards: `PathRecurrence`
    """

    kind = OperationKind.FUNCTION

    @property
    def name(self) -> str:
        return "path_sums"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (operand_types[0],)

    def evaluate(self, *operands: Array) -> Results:
        scores, may_skip = operands
        result = np.empty_like(scores)
        before = start_of(scores.shape, scores.dtype)
        for step, own in enumerate(scores):
            after = np.full_like(before, -np.inf)
            ways = np.logaddexp(before[:, 2:], before[:, 1:-1])
            np.logaddexp(ways, np.where(may_skip, before[:, :-2], -np.inf), out=ways)
            np.add(own, ways, out=after[:, 2:])
            result[step], before = after[:, 2:], after
        return result

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (scores, may_skip), (sums,) = context.xp, context.cotangents, context.operands, context.results
        shape = xp.shape(scores)
        first = np.broadcast_to(start_of(shape, scores.dtype), (1, *shape[1:-1], shape[-1] + 2))
        # Two states in front of state 0, so that every way is a slice.
        earlier = xp.pad(sums, ((0, 0), (0, 0), (2, 0)), constant_values=-np.inf)
        before = xp.concatenate([first, earlier], axis=0)[:-1]
        ways = [before[:, :, 2 - move : shape[-1] + 2 - move] for move in MOVES]
        ways[2] = xp.where(may_skip, ways[2], -np.inf)
        total = xp.logaddexp(xp.logaddexp(ways[0], ways[1]), ways[2])
        # A state without a way has no probability to share.
        is_reached = total > -np.inf
        shares = [xp.where(is_reached, xp.exp(way - xp.where(is_reached, total, 0)), 0) for way in ways]
        return [xp.apply(PathRecurrence(True), g, *shares), None]


def start_of(shape: tuple[int, ...], dtype: Any) -> Array:
    """Return the logarithms before the first step, with two states in front: all are in the one before state 0."""
    start = np.full((shape[1], shape[2] + 2), -np.inf, dtype)
    start[:, 1] = 0
    return start


@dataclass(frozen=True, slots=True)
class PathRecurrence(Operation):
    """y[t, s] = x[t, s] + the sum over moves j of shares_j[t, s] * y[t - 1, s - j], with zeros beyond the ends.

    Operands are x and the shares of each move, all (steps, n, states). Backwards, the transposed map: y[t, s] = x[t, s] + the sum
    over moves j of shares_j[t + 1, s + j] * y[t + 1, s + j].

    Derivative:  by x the other direction, of g; by shares products of both
    """

    is_backward: bool
    kind = OperationKind.FUNCTION

    @property
    def name(self) -> str:
        return "path_recurrence"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (operand_types[0],)

    def evaluate(self, *operands: Array) -> Results:
        x, *shares = operands
        result = np.array(x)
        for step in range(1, len(x)):
            if self.is_backward:
                self._take_back(result, shares, len(x) - step)
            else:
                self._take_on(result, shares, step)
        return result

    def _take_on(self, result: Array, shares: Sequence[Array], step: int) -> None:
        count = result.shape[-1]
        for move, share in zip(MOVES, shares, strict=True):
            result[step][:, move:] += share[step][:, move:] * result[step - 1][:, : max(count - move, 0)]

    def _take_back(self, result: Array, shares: Sequence[Array], step: int) -> None:
        count = result.shape[-1]
        for move, share in zip(MOVES, shares, strict=True):
            result[step - 1][:, : max(count - move, 0)] += share[step][:, move:] * result[step][:, move:]

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (_, *shares), (y,) = context.xp, context.cotangents, context.operands, context.results
        by_x = xp.apply(PathRecurrence(not self.is_backward), g, *shares)
        # shares_j[t, s] is between the later value at (t, s) and the earlier one at (t - 1, s - j).
        later, earlier = (y, by_x) if self.is_backward else (by_x, y)
        steps, _, count = xp.shape(y)
        padded = xp.pad(earlier, ((1, 0), (0, 0), (2, 0)))[:steps]
        return [by_x, *[later * padded[:, :, 2 - move : count + 2 - move] for move in MOVES]]
