"""Rows of torch's backward operations, and derivatives of rows that torch's kernels compute in a way of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

import composit as cnp
import flashlight
from composit.nn import chain_rule

Tensor = torch.Tensor
Program = Callable[..., Tensor]


def _check(program: Program, given: Sequence[Tensor], fresh: Sequence[Tensor], rtol: float = 1e-6) -> None:
    """Compare gradients: by autograd in a trace, evaluated on other inputs; by chain_rule; both with torch's."""
    with flashlight.tracer.trace():
        value = program(*given)
        inside = torch.autograd.grad(value, given)
    for found, expected in zip(cnp.evaluate(chain_rule({value: value}, given)), inside, strict=True):
        np.testing.assert_allclose(found, expected.numpy(), rtol=rtol, atol=rtol * 1e-3)
    outside = torch.autograd.grad(program(*fresh), fresh)
    # The loss is evaluated too, so that each input is one that something depends on.
    inputs = {old: new.detach().numpy() for old, new in zip(given, fresh, strict=True)}
    for found, expected in zip(cnp.evaluate([*inside, value], inputs=inputs), outside, strict=False):
        np.testing.assert_allclose(found, expected.numpy(), rtol=rtol, atol=rtol * 1e-3)


def _numbers(*shape: int, seed: int = 0) -> Tensor:
    values = np.random.default_rng(seed).normal(size=shape)
    return torch.tensor(values, requires_grad=True)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("zero_infinity", [False, True])
@pytest.mark.parametrize("blank", [0, 4])
@pytest.mark.parametrize("makes_lengths", [list, torch.tensor], ids=["lists", "tensors"])
def test_the_gradient_of_ctc_loss_by_any_scores_is_that_of_torchs_kernel(
    reduction: str, zero_infinity: bool, blank: int, makes_lengths: Callable[[list[int]], Any]
) -> None:
    targets = torch.tensor([[1, 2, 1], [3, 3, 2], [2, 1, 1]])
    # The second target is longer than its input if zeros are asked for, else the gradient would be NaN.
    lengths = makes_lengths([7, 2 if zero_infinity else 6, 5]), makes_lengths([3, 3, 1])

    def program(scores: Tensor) -> Tensor:
        how = {"blank": blank, "reduction": reduction, "zero_infinity": zero_infinity}
        return functional.ctc_loss(scores, targets, *lengths, **how).sum()

    _check(program, [_numbers(7, 3, 5)], [_numbers(7, 3, 5, seed=1)])


def test_an_infinite_ctc_loss_has_torchs_gradient_of_nan() -> None:
    scores = _numbers(4, 1, 3)
    with flashlight.tracer.trace():
        loss = functional.ctc_loss(scores, torch.tensor([[1, 1, 1]]), [3], [3])
        (gradient,) = torch.autograd.grad(loss, scores)
    assert np.isinf(cnp.evaluate(loss))
    np.testing.assert_array_equal(cnp.evaluate(gradient), gradient.numpy())
    assert np.isnan(cnp.evaluate(gradient)[:3]).all()


def test_rows_that_were_chosen_often_learn_slower_where_that_is_asked_for() -> None:
    indices = torch.tensor([1, 2, 1, 4, 1])

    def rows(weight: Tensor) -> Tensor:
        return functional.embedding(indices, weight, scale_grad_by_freq=True).square().sum()

    def bags(weight: Tensor) -> Tensor:
        offsets = torch.tensor([0, 2, 2])
        return functional.embedding_bag(indices, weight, offsets, mode="mean", scale_grad_by_freq=True).square().sum()

    for program in (rows, bags):
        _check(program, [_numbers(5, 3)], [_numbers(5, 3, seed=1)])


@pytest.mark.parametrize("mode", [0, 1, 2], ids=["sum", "mean", "max"])
@pytest.mark.parametrize("padding", [None, 1])
@pytest.mark.parametrize("has_last", [False, True])
def test_bags_of_embeddings_have_all_results_of_torch_and_their_gradients(
    mode: int, padding: int | None, has_last: bool
) -> None:
    indices, offsets = torch.tensor([1, 2, 1, 4, 0]), torch.tensor([0, 2, 2, *([5] if has_last else [])])

    def bags(weight: Tensor, factors: Tensor | None = None) -> tuple[Tensor, ...]:
        return torch.embedding_bag(weight, indices, offsets, False, mode, False, factors, has_last, padding)

    def program(weight: Tensor, factors: Tensor | None = None) -> Tensor:
        return bags(weight, factors)[0].square().sum()

    _check(program, [_numbers(5, 3)], [_numbers(5, 3, seed=1)])
    if mode == 0:
        _check(program, [_numbers(5, 3), _numbers(5)], [_numbers(5, 3, seed=1), _numbers(5, seed=2)])
    weight = _numbers(5, 3)
    with flashlight.tracer.trace():
        results = bags(weight)
    for found, expected in zip(cnp.evaluate(list(results)), results, strict=True):
        np.testing.assert_array_equal(found, expected.detach().numpy())


def test_equal_largest_differences_have_the_gradient_whole() -> None:
    ones = torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
    zeros = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)

    def between(x: Tensor, y: Tensor) -> Tensor:
        return torch.cdist(x, y, p=torch.inf).sum()

    def of_pairs(x: Tensor) -> Tensor:
        return functional.pdist(torch.cat([x, -x]), p=torch.inf).sum()

    _check(between, [ones, zeros], [_numbers(2, 3), _numbers(2, 3, seed=1)])
    _check(of_pairs, [ones], [_numbers(2, 3)])


def test_the_gradient_of_a_random_slope_is_the_slope_where_torch_draws_the_same() -> None:
    x = _numbers(20)
    with flashlight.tracer.trace():
        y = functional.rrelu(x, training=True)
        (gradient,) = torch.autograd.grad(y.sum(), x)
    new = 2 * x.detach().numpy()
    found, slopes = cnp.evaluate([y, gradient], inputs={x: new})
    np.testing.assert_allclose(found, new * slopes)
    with pytest.raises(cnp.errors.GuardError, match="rrelu"):
        cnp.evaluate([y, gradient], inputs={x: -new})


def _unpooled(x: Tensor) -> Tensor:
    indices = torch.tensor([[[0, 3, 3]]])
    return functional.max_unpool1d(x.reshape(1, 1, 3), indices, 2, output_size=[6])


def _next(x: Tensor) -> Tensor:
    return torch.nextafter(x, torch.cat([x.detach()[:1], x.detach()[1:] + 1]))


def _by_cholesky(x: Tensor) -> Tensor:
    factor = torch.tril(x.expand(3, 3)) + 3 * torch.eye(3, dtype=x.dtype)
    return torch.cholesky_solve(torch.eye(3, dtype=x.dtype), factor) + torch.cholesky_inverse(factor.mT, upper=True)


def _of_hermitian(x: Tensor) -> Tensor:
    return torch.linalg.pinv(torch.diag(x) + torch.outer(x, x), hermitian=True)


@pytest.mark.parametrize("function", [_unpooled, _next, _by_cholesky, _of_hermitian])
def test_where_torchs_gradient_is_its_own_chain_rule_gives_that(function: Callable[[Tensor], Tensor]) -> None:
    def program(x: Tensor) -> Tensor:
        values = function(x)
        return (values * torch.arange(1.0, values.numel() + 1).reshape(values.shape)).sum()

    _check(program, [_numbers(3)], [_numbers(3, seed=1)])


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_learned_scales_and_zero_points_have_torchs_gradients(axis: int | None) -> None:
    def program(x: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
        if axis is None:
            quantized = torch._fake_quantize_learnable_per_tensor_affine(x, scale[:1], zero_point[:1], -3, 4, 0.5)
        else:
            quantized = torch._fake_quantize_learnable_per_channel_affine(x, scale, zero_point, axis, -3, 4, 0.5)
        return (quantized * torch.arange(16.0).reshape(4, 4)).sum()

    # torch has these in float32 alone. The numbers reach beyond both ends of the range.
    pairs = [
        [
            each.detach().float().requires_grad_()
            for each in (2 * _numbers(4, 4, seed=seed), 0.3 + _numbers(4).abs(), torch.arange(4.0))
        ]
        for seed in (0, 1)
    ]
    _check(program, *pairs, rtol=1e-4)
