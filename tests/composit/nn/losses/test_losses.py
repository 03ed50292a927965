"""Losses against torch's: values, first and second derivatives, reductions, ends of the range, C."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import composit as cnp
import mosaic
from composit.errors import DtypeError, ParameterError, ShapeError
from composit.nn import chain_rule, losses
from tests.composit.nn.rows import Row, check_derivatives, check_in_c, check_values, identifier
from tests.operations.sample import Maker, between, given, integers, normal

Function = Callable[..., Any]


def _with_weight(function: Function, name: str, **named: Any) -> Function:
    """The function with its third operand given by name."""
    return lambda x, target, weight, **others: function(x, target, **{name: weight}, **named, **others)


def _signs(*shape: int) -> Maker:
    return lambda generator: generator.integers(0, 2, shape) * 2.0 - 1


def _probabilities(*shape: int) -> Maker:
    return lambda generator: np.moveaxis(generator.dirichlet(np.ones(shape[1]), (shape[0], *shape[2:])), -1, 1)


def _in_all_reductions(name: str, ours: Function, theirs: Function, *makers: Maker, **options: Any) -> list[Row]:
    return [
        _one(
            f"{name} {reduction}",
            partial(ours, reduction=reduction),
            partial(theirs, reduction=reduction),
            *makers,
            **options,
        )
        for reduction in ("mean", "sum", "none")
    ]


def _one(name: str, ours: Function, theirs: Function, *makers: Maker, **options: Any) -> Row:
    return Row(name, ours, theirs, makers, **options)


def _torch_kl_div(*operands: torch.Tensor, **named: Any) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the mean is not the mathematical one
        return F.kl_div(*operands, **named)


IGNORING = given(np.array([[0, 2, -100], [-100, 1, 3]]))
REGRESSION = [
    *_in_all_reductions("mse", losses.mse, F.mse_loss, normal(3, 4), normal(3, 4)),
    *_in_all_reductions("l1", losses.l1, F.l1_loss, normal(3, 4), normal(3, 4), smooth=False),
    *_in_all_reductions("huber", losses.huber, F.huber_loss, normal(3, 4), normal(3, 4)),
    *_in_all_reductions("smooth_l1", losses.smooth_l1, F.smooth_l1_loss, normal(3, 4), normal(3, 4)),
    *_in_all_reductions("poisson_nll", losses.poisson_nll, F.poisson_nll_loss, normal(3, 4), between(0, 5, 3, 4)),
    *_in_all_reductions(
        "gaussian_nll", losses.gaussian_nll, F.gaussian_nll_loss, normal(3, 4), normal(3, 4), between(0.5, 2, 3, 4)
    ),
    *_in_all_reductions("kl_div", losses.kl_div, _torch_kl_div, normal(3, 4), between(0.1, 1, 3, 4)),
    _one("mse of rank 0", losses.mse, F.mse_loss, given(np.array(1.0)), given(np.array(3.0))),
    _one("mse of broadcast operands", losses.mse, lambda x, t: F.mse_loss(x, t.expand(3, 4)), normal(3, 4), normal(4)),
    _one(
        "mse of no elements",
        partial(losses.mse, reduction="sum"),
        partial(F.mse_loss, reduction="sum"),
        normal(0, 3),
        normal(0, 3),
    ),
    _one("l1 of ties", losses.l1, F.l1_loss, given(np.ones((2, 2))), given(np.ones((2, 2))), smooth=False),
    _one("huber delta", partial(losses.huber, delta=0.3), partial(F.huber_loss, delta=0.3), normal(9), normal(9)),
    _one(
        "huber far",
        losses.huber,
        F.huber_loss,
        given(np.array([1e8, -1e8, 1.0, -1.0, 0.0])),
        given(np.zeros(5)),
        smooth=False,
    ),
    _one(
        "smooth_l1 beta", partial(losses.smooth_l1, beta=0.3), partial(F.smooth_l1_loss, beta=0.3), normal(9), normal(9)
    ),
    _one(
        "smooth_l1 beta 0",
        partial(losses.smooth_l1, beta=0),
        partial(F.smooth_l1_loss, beta=0.0),
        normal(9),
        normal(9),
        smooth=False,
    ),
    _one(
        "poisson_nll of rates",
        partial(losses.poisson_nll, log_input=False, full=True),
        partial(F.poisson_nll_loss, log_input=False, full=True),
        between(0.5, 2, 9),
        given(np.arange(9.0)),
        smooth=False,
        differentiated=1,  # torch's derivative by a target of 0 is NaN
    ),
    _one(
        "gaussian_nll full",
        partial(losses.gaussian_nll, full=True),
        partial(F.gaussian_nll_loss, full=True),
        normal(3, 4),
        normal(3, 4),
        between(0.5, 2, 3),
    ),
    _one(
        "gaussian_nll of a small variance",
        losses.gaussian_nll,
        F.gaussian_nll_loss,
        normal(3),
        normal(3),
        given(np.array([0.0, 1e-9, 1.0])),
    ),
    _one(
        "kl_div of logarithms",
        partial(losses.kl_div, log_target=True),
        partial(_torch_kl_div, log_target=True),
        normal(3, 4),
        normal(3, 4),
    ),
    _one(
        "kl_div batchmean",
        partial(losses.kl_div, reduction="batchmean"),
        partial(_torch_kl_div, reduction="batchmean"),
        normal(3, 4),
        between(0.1, 1, 3, 4),
    ),
]
BINARY = [
    *_in_all_reductions("bce", losses.bce, F.binary_cross_entropy, between(0.05, 0.95, 3, 4), between(0, 1, 3, 4)),
    *_in_all_reductions(
        "bce_with_logits", losses.bce_with_logits, F.binary_cross_entropy_with_logits, normal(3, 4), between(0, 1, 3, 4)
    ),
    *_in_all_reductions(
        "soft_margin", losses.soft_margin, F.soft_margin_loss, normal(3, 4), _signs(3, 4), differentiated=1
    ),
    *_in_all_reductions(
        "multilabel_soft_margin",
        losses.multilabel_soft_margin,
        F.multilabel_soft_margin_loss,
        normal(3, 4),
        between(0, 1, 3, 4),
    ),
    *_in_all_reductions(
        "hinge_embedding", losses.hinge_embedding, F.hinge_embedding_loss, normal(3, 4), _signs(3, 4), smooth=False
    ),
    _one(
        "bce weight",
        _with_weight(losses.bce, "weight"),
        _with_weight(F.binary_cross_entropy, "weight"),
        between(0.05, 0.95, 3, 4),
        between(0, 1, 3, 4),
        given(np.arange(4.0)),
        differentiated=2,
    ),
    _one(
        "bce at 0 and 1",
        losses.bce,
        F.binary_cross_entropy,
        given(np.array([0.0, 1.0, 0.0, 1.0])),
        given(np.array([0.0, 1.0, 1.0, 0.0])),
        smooth=False,
        differentiated=1,  # torch's derivative by the target is infinite
    ),
    _one(
        "bce_with_logits far",
        losses.bce_with_logits,
        F.binary_cross_entropy_with_logits,
        given(np.array([1e4, -1e4, 1e4, -1e4])),
        given(np.array([0.0, 1.0, 1.0, 0.0])),
    ),
    Row(
        "bce_with_logits weights",
        lambda x, t, w, p: losses.bce_with_logits(x, t, weight=w, positive_weight=p),
        lambda x, t, w, p: F.binary_cross_entropy_with_logits(x, t, w, pos_weight=p),
        (normal(3, 4), between(0, 1, 3, 4), normal(3, 4), normal(4)),
        differentiated=2,
    ),
    _one(
        "soft_margin far",
        losses.soft_margin,
        F.soft_margin_loss,
        given(np.array([80.0, -80.0])),
        given(np.array([1.0, 1.0])),
        differentiated=1,
    ),
    _one(
        "multilabel_soft_margin weight",
        _with_weight(losses.multilabel_soft_margin, "weight"),
        _with_weight(F.multilabel_soft_margin_loss, "weight"),
        normal(3, 4),
        between(0, 1, 3, 4),
        normal(4),
        differentiated=2,
    ),
    _one("hinge", losses.hinge, lambda x, t: (1 - x * t).clamp(min=0).mean(), normal(3, 4), _signs(3, 4), smooth=False),
]
CLASSES = [
    *_in_all_reductions("nll", losses.nll, F.nll_loss, normal(5, 4), integers(0, 4, 5)),
    *_in_all_reductions("cross_entropy", losses.cross_entropy, F.cross_entropy, normal(5, 4), integers(0, 4, 5)),
    *_in_all_reductions(
        "cross_entropy probabilities", losses.cross_entropy, F.cross_entropy, normal(5, 4), _probabilities(5, 4)
    ),
    *(
        row
        for smoothing in (0.0, 0.3)
        for row in _in_all_reductions(
            f"cross_entropy weights ignoring {smoothing}",
            _with_weight(losses.cross_entropy, "weight", label_smoothing=smoothing),
            _with_weight(F.cross_entropy, "weight", label_smoothing=smoothing),
            normal(2, 4, 3),
            IGNORING,
            between(0.5, 2, 4),
            differentiated=1,
        )
    ),
    *_in_all_reductions(
        "cross_entropy probabilities weights smoothing",
        _with_weight(losses.cross_entropy, "weight", label_smoothing=0.2),
        _with_weight(F.cross_entropy, "weight", label_smoothing=0.2),
        normal(2, 4, 3),
        _probabilities(2, 4, 3),
        between(0.5, 2, 4),
        differentiated=2,
    ),
    *_in_all_reductions(
        "nll weights ignoring",
        _with_weight(losses.nll, "weight"),
        _with_weight(F.nll_loss, "weight"),
        normal(2, 4, 3),
        IGNORING,
        between(0.5, 2, 4),
        differentiated=1,
    ),
    _one("cross_entropy of one example", losses.cross_entropy, F.cross_entropy, normal(4), given(np.array(2))),
    _one(
        "cross_entropy of large scores",
        losses.cross_entropy,
        F.cross_entropy,
        given(np.array([[1e4, 0.0], [0.0, 1e4]])),
        given(np.array([1, 1])),
    ),
    _one(
        "cross_entropy of a smoothed example",
        partial(losses.cross_entropy, label_smoothing=0.1),
        partial(F.cross_entropy, label_smoothing=0.1),
        normal(4),
        given(np.array(2)),
    ),
    _one(
        "cross_entropy ignore_index",
        partial(losses.cross_entropy, ignore_index=1),
        partial(F.cross_entropy, ignore_index=1),
        normal(5, 4),
        integers(0, 4, 5),
    ),
    *_in_all_reductions(
        "multi_margin", losses.multi_margin, F.multi_margin_loss, normal(5, 4), integers(0, 4, 5), smooth=False
    ),
    _one(
        "multi_margin of order 2",
        _with_weight(partial(losses.multi_margin, order=2, margin=0.5), "weight"),
        lambda x, t, w: F.multi_margin_loss(x, t, 2, 0.5, w.detach()),
        normal(5, 4),
        integers(0, 4, 5),
        given(np.float64([1, 2, 3, 4])),
        smooth=False,
        differentiated=1,
    ),
    *_in_all_reductions(
        "multilabel_margin",
        losses.multilabel_margin,
        F.multilabel_margin_loss,
        normal(3, 4),
        given(np.array([[3, 0, -1, 1], [-1, 0, 1, 2], [0, 1, 2, 3]])),
        smooth=False,
    ),
]
VECTORS = [
    *_in_all_reductions(
        "margin_ranking", losses.margin_ranking, F.margin_ranking_loss, normal(9), normal(9), _signs(9), smooth=False
    ),
    _one(
        "margin_ranking of ties",
        losses.margin_ranking,
        F.margin_ranking_loss,
        given(np.ones(3)),
        given(np.ones(3)),
        given(np.array([1.0, -1.0, 1.0])),
        smooth=False,
    ),
    *_in_all_reductions(
        "cosine_embedding",
        losses.cosine_embedding,
        F.cosine_embedding_loss,
        normal(5, 3),
        normal(5, 3),
        _signs(5),
        smooth=False,
    ),
    _one(
        "cosine_embedding of zeros",
        losses.cosine_embedding,
        F.cosine_embedding_loss,
        given(np.zeros((2, 3))),
        normal(2, 3),
        given(np.array([1.0, -1.0])),
        smooth=False,
    ),
    *_in_all_reductions("triplet", losses.triplet, F.triplet_margin_loss, normal(5, 3), normal(5, 3), normal(5, 3)),
    _one(
        "triplet swap",
        partial(losses.triplet, swap=True, order=3),
        partial(F.triplet_margin_loss, swap=True, p=3),
        normal(5, 3),
        normal(5, 3),
        normal(5, 3),
    ),
    _one(
        "triplet of a distance",
        partial(losses.triplet, distance=lambda x, y: cnp.sum(cnp.square(x - y), axis=-1)),
        partial(F.triplet_margin_with_distance_loss, distance_function=lambda x, y: ((x - y) ** 2).sum(-1)),
        normal(5, 3),
        normal(5, 3),
        normal(5, 3),
    ),
]
ROWS = [*REGRESSION, *BINARY, *CLASSES, *VECTORS]
every_row = pytest.mark.parametrize("row", ROWS, ids=identifier)


@every_row
def test_values_are_torchs(row: Row) -> None:
    check_values(row)


@every_row
def test_derivatives_are_torchs(row: Row) -> None:
    check_derivatives(row)


@pytest.mark.parametrize(
    "rows", [[*REGRESSION, *BINARY], [*CLASSES, *VECTORS]], ids=["of numbers", "of classes and vectors"]
)
def test_all_is_computed_in_c(rows: list[Row]) -> None:
    check_in_c(rows)


def test_second_derivatives_are_finite_at_the_ends() -> None:
    x = cnp.asarray(np.array([0.0, 1.0, 0.5]))
    loss = losses.bce(x, np.array([1.0, 0.0, 0.0]), reduction="sum")
    (gradient,) = chain_rule({loss: loss}, [x])
    (second,) = chain_rule({gradient: gradient}, [x])
    assert all(np.isfinite(value).all() for value in cnp.evaluate(loss, gradient, second))


def test_the_divergence_of_a_target_of_zeros_is_0_and_its_derivative_finite() -> None:
    x, target = cnp.asarray(np.zeros(2)), cnp.asarray(np.array([0.0, 1.0]))
    loss = losses.kl_div(x, target, reduction="sum")
    gradients = cnp.evaluate(chain_rule({loss: loss}, [x, target]))
    assert cnp.evaluate(loss) == 0
    assert np.isfinite(gradients).all()


# Scores of 7 steps, 3 examples, 5 classes; the second target repeats a label, the third is empty.
TARGETS, TARGET_LENGTHS = np.array([[1, 2, 3], [2, 2, 0], [0, 0, 0]]), np.array([3, 2, 0])
INPUT_LENGTHS = np.array([7, 5, 6])


def _scores(dtype: type = np.float64) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(7, 3, 5)).astype(dtype)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("blank", [0, 4])
def test_ctc_and_its_derivative_are_torchs(reduction: str, blank: int) -> None:
    targets = TARGETS if blank == 0 else TARGETS % 4
    x = cnp.asarray(_scores())
    tensor = torch.tensor(cnp.evaluate(x), requires_grad=True)
    ours = losses.ctc(cnp.nn.log_softmax(x), targets, INPUT_LENGTHS, TARGET_LENGTHS, blank=blank, reduction=reduction)
    lengths = (torch.tensor(INPUT_LENGTHS), torch.tensor(TARGET_LENGTHS))
    theirs = F.ctc_loss(tensor.log_softmax(-1), torch.tensor(targets), *lengths, blank, reduction)
    np.testing.assert_allclose(cnp.evaluate(ours), theirs.detach().numpy(), rtol=1e-10)
    (gradient,) = chain_rule({ours: cnp.ones(ours.shape)}, [x])
    (expected,) = torch.autograd.grad(theirs, tensor, torch.ones_like(theirs))
    np.testing.assert_allclose(cnp.evaluate(gradient), expected.numpy(), rtol=1e-7, atol=1e-9)


def test_ctc_takes_targets_in_one_row_and_single_examples() -> None:
    x = cnp.nn.log_softmax(_scores())
    expected = cnp.evaluate(losses.ctc(x, TARGETS, INPUT_LENGTHS, TARGET_LENGTHS, reduction="none"))
    row = np.concatenate([target[:length] for target, length in zip(TARGETS, TARGET_LENGTHS, strict=True)])
    found = losses.ctc(x, row, INPUT_LENGTHS, TARGET_LENGTHS, reduction="none")
    np.testing.assert_allclose(cnp.evaluate(found), expected, rtol=1e-12)
    single = losses.ctc(x[:, 0], TARGETS[0], INPUT_LENGTHS[0], TARGET_LENGTHS[0], reduction="none")
    np.testing.assert_allclose(cnp.evaluate(single), expected[0], rtol=1e-12)


def test_ctc_of_an_input_that_is_too_short_is_infinite_or_0() -> None:
    x = cnp.asarray(_scores())
    scores = cnp.nn.log_softmax(x)
    arguments = (TARGETS, np.array([2, 5, 6]), TARGET_LENGTHS)
    assert cnp.evaluate(losses.ctc(scores, *arguments, reduction="none"))[0] == np.inf
    loss = losses.ctc(scores, *arguments, reduction="sum", zero_infinity=True)
    (gradient,) = cnp.evaluate(chain_rule({loss: loss}, [x]))
    assert np.isfinite(gradient).all()
    assert not gradient[:, 0].any()


def test_ctc_keeps_float32() -> None:
    x = cnp.asarray(_scores(np.float32))
    loss = losses.ctc(cnp.nn.log_softmax(x), TARGETS, INPUT_LENGTHS, TARGET_LENGTHS)
    (gradient,) = chain_rule({loss: loss}, [x])
    assert (loss.dtype, cnp.evaluate(loss).dtype, cnp.evaluate(gradient).dtype) == (np.float32,) * 3


@pytest.mark.parametrize("loss", [losses.nll, losses.cross_entropy, losses.multi_margin])
@pytest.mark.parametrize("weight", [None, np.ones(3)])
@pytest.mark.parametrize("target", [-1, 3])
def test_a_target_that_is_no_class_is_out_of_bounds(loss: Function, weight: np.ndarray | None, target: int) -> None:
    x = cnp.asarray(np.arange(6.0).reshape(2, 3))
    classes = cnp.asarray(np.array([0, target]))
    value = loss(x, classes, weight=weight)
    with pytest.raises(IndexError, match="out of bounds"):
        cnp.evaluate(value)
    with pytest.raises(IndexError, match="out of bounds"):
        mosaic.compile(value, inputs=[classes])(np.array([target, 1]))
    assert np.isfinite(mosaic.compile(value, inputs=[classes])(np.array([2, 1])))


def test_wrong_calls_say_what_to_do() -> None:
    x = np.ones((2, 3))
    with pytest.raises(
        ParameterError, match="mse: reduction='average' was given; expected one of 'mean', 'sum', 'none'"
    ):
        losses.mse(x, x, reduction="average")
    with pytest.raises(ShapeError, match=r"cross_entropy: target has shape \(3,\); expected \(2,\), that of x"):
        losses.cross_entropy(x, np.zeros(3, int))
    with pytest.raises(
        ShapeError, match=r"cross_entropy: target has shape \(2,\); expected \(2, 3\), that of x, for prob"
    ):
        losses.cross_entropy(x, np.zeros(2))
    with pytest.raises(DtypeError, match="nll: target is .* expected integers"):
        losses.nll(x, np.zeros(2))
    with pytest.raises(ShapeError, match=r"nll: weight has shape \(2,\); expected \(3,\), one number for each class"):
        losses.nll(x, np.zeros(2, int), weight=np.ones(2))
    with pytest.raises(ParameterError, match="huber: delta=0 was given; expected a positive number"):
        losses.huber(x, x, delta=0)
    with pytest.raises(ShapeError, match=r"gaussian_nll: variance has shape \(3,\) for x with shape \(2, 3\)"):
        losses.gaussian_nll(x, x, np.ones(3))
    with pytest.raises(ParameterError, match="multi_margin: order=3 was given; expected 1 or 2"):
        losses.multi_margin(x, np.zeros(2, int), order=3)
    with pytest.raises(ParameterError, match="ctc: blank=5 was given for 5 classes"):
        losses.ctc(_scores(), TARGETS, INPUT_LENGTHS, TARGET_LENGTHS, blank=5)
