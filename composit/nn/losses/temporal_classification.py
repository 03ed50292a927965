"""Connectionist temporal classification: the loss of a sequence of labels whose times are unknown.

Known weakness: the recursion over time runs in numpy, one step after the other, so mosaic leaves it to numpy; the second
derivative is not written yet, as in torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import composit.numpy as cnp
from composit.apply import apply
from composit.errors import ParameterError, ShapeError
from composit.nn.arguments import check_shape, floating, integral
from composit.nn.composition import Value
from composit.nn.losses import ctc_arrays
from composit.nn.losses.reductions import reduced
from composit.numpy.arguments.normalizing import TensorLike
from composit.operation import Array, Operation, OperationKind, Results, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["ctc"]


@dataclass(frozen=True, slots=True)
class TemporalClassification(Operation):
    """-log of the probability of each target. Operands: scores (steps, n, classes), targets (n, labels), and both lengths (n,).

    Derivative:  by the scores: `TemporalClassificationGradient`
    Reference:   torch.nn.functional.ctc_loss
    """

    blank: int
    kind = OperationKind.FUNCTION

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type(operand_types[0].shape[1:2], operand_types[0].dtype),)

    def evaluate(self, *operands: Array) -> Results:
        scores, targets, input_lengths, target_lengths = operands
        lattice = ctc_arrays.lattice_of(targets, input_lengths, target_lengths, self.blank)
        return ctc_arrays.losses_of(ctc_arrays.forward(scores, lattice), lattice)

    def vjp(self, context: VjpContext) -> Sequence[Value | None]:
        xp, (g,) = context.xp, context.cotangents
        by_scores = xp.apply(TemporalClassificationGradient(self.blank), *context.operands)
        along = xp.expand_dims(g, (0, 2))
        # An infinite loss has the derivative NaN, which must not pass where the loss was replaced by 0.
        return [xp.where(along == 0, 0, along * by_scores), None, None, None]


@dataclass(frozen=True, slots=True)
class TemporalClassificationGradient(Operation):
    """The derivative of each loss by the scores, of the operands of `TemporalClassification`.

    Derivative:  not written yet
    """

    blank: int
    kind = OperationKind.FUNCTION

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (operand_types[0],)

    def evaluate(self, *operands: Array) -> Results:
        scores, targets, input_lengths, target_lengths = operands
        return ctc_arrays.gradient(scores, ctc_arrays.lattice_of(targets, input_lengths, target_lengths, self.blank))


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
    losses = apply(TemporalClassification(int(blank)), scores, goal, *lengths)
    if zero_infinity:
        losses = cnp.where(losses == np.inf, 0, losses)
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
