"""Normalising layers against torch's: values, first and second derivatives, running statistics, C."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import composit as cnp
from composit.errors import ParameterError, ShapeError
from composit.nn import chain_rule, layers
from composit.nn.layers import affine_arrays, normalized
from tests.composit.nn.rows import Row, check_derivatives, check_in_c, check_values, identifier
from tests.operations.sample import Maker, between, given, normal

Tensor = Any
STRIDED: Maker = given(np.random.default_rng(3).normal(size=(6, 4, 10))[::2, :, ::-2])


def _torch_layer_norm(x: Tensor, *parameters: Tensor, axes: int = 1, epsilon: float = 1e-5) -> Tensor:
    return F.layer_norm(x, x.shape[-axes:], *parameters, eps=epsilon)


def _torch_rms_norm(x: Tensor, *parameters: Tensor, axes: int = 1) -> Tensor:
    return F.rms_norm(x, x.shape[-axes:], *parameters)


def _last(function: Callable[..., Tensor], axis: int = -1) -> Callable[..., Tensor]:
    """torch's function of channels on the second axis, for channels along another."""

    def moved(x: Tensor, *others: Tensor) -> Tensor:
        return function(x.movedim(axis, 1), *others).movedim(1, axis)

    return moved


def _torch_inference(x: Tensor, mean: Tensor, variance: Tensor, *parameters: Tensor) -> Tensor:
    # Not F.batch_norm, which has no derivative by the statistics.
    shape = (-1, *(1,) * (x.ndim - 2))
    y = (x - mean.reshape(shape)) / torch.sqrt(variance.reshape(shape) + 1e-5)
    return y * parameters[0].reshape(shape) + parameters[1].reshape(shape) if parameters else y


def _torch_training(x: Tensor, *others: Tensor, momentum: float = 0.1) -> tuple[Tensor, Tensor, Tensor]:
    running = [each.detach().clone() for each in others[:2]]
    y = F.batch_norm(x, *running, *others[2:], training=True, momentum=momentum)
    return y, *running


def _ours_training(x: Tensor, mean: Tensor, variance: Tensor, *others: Tensor, **named: Any) -> Tensor:
    # torch's running statistics carry no gradient.
    y, _, _ = layers.batch_norm_training(x, mean, variance, *others, **named)
    return y


def _torch_instance_norm(x: Tensor, *parameters: Tensor) -> Tensor:
    return F.instance_norm(x, None, None, *parameters)


def _torch_group_norm(x: Tensor, *parameters: Tensor, groups: int) -> Tensor:
    return F.group_norm(x, groups, *parameters)


ROWS = [
    Row("layer_norm", layers.layer_norm, _torch_layer_norm, (normal(3, 4, 6), normal(6), normal(6))),
    Row("layer_norm without parameters", layers.layer_norm, _torch_layer_norm, (normal(3, 6),)),
    Row("layer_norm of a weight", layers.layer_norm, _torch_layer_norm, (normal(3, 6), normal(6))),
    Row("layer_norm of one axis", layers.layer_norm, _torch_layer_norm, (normal(6), normal(6), normal(6))),
    Row("layer_norm of a strided array", layers.layer_norm, _torch_layer_norm, (STRIDED, normal(5), normal(5))),
    Row("layer_norm of no rows", layers.layer_norm, _torch_layer_norm, (normal(0, 6), normal(6), normal(6))),
    Row("layer_norm of equal numbers", layers.layer_norm, _torch_layer_norm, (given(np.ones((2, 3))),)),
    Row(
        "layer_norm of two axes",
        partial(layers.layer_norm, axis=(1, -1), epsilon=1e-3),
        partial(_torch_layer_norm, axes=2, epsilon=1e-3),
        (normal(3, 4, 6), normal(4, 6), normal(4, 6)),
    ),
    Row(
        "layer_norm of an axis in the middle",
        partial(layers.layer_norm, axis=-2),
        lambda x: F.layer_norm(x.movedim(1, -1), x.shape[1:2]).movedim(-1, 1),
        (normal(3, 4, 6),),
    ),
    Row("rms_norm", layers.rms_norm, _torch_rms_norm, (normal(3, 4, 6), normal(6))),
    Row("rms_norm without weight", layers.rms_norm, _torch_rms_norm, (normal(3, 6),)),
    Row(
        "rms_norm of two axes",
        partial(layers.rms_norm, axis=(-2, -1)),
        partial(_torch_rms_norm, axes=2),
        (normal(3, 4, 6), normal(4, 6)),
    ),
    Row(
        "batch_norm",
        layers.batch_norm,
        _torch_inference,
        (normal(3, 4, 5), normal(4), between(0.5, 2, 4), normal(4), normal(4)),
    ),
    Row("batch_norm of rows", layers.batch_norm, _torch_inference, (normal(3, 4), normal(4), between(0.5, 2, 4))),
    Row(
        "batch_norm of channels last",
        partial(layers.batch_norm, channel_axis=-1),
        _last(_torch_inference),
        (normal(2, 3, 5, 4), normal(4), between(0.5, 2, 4), normal(4), normal(4)),
    ),
    Row(
        "batch_norm_training",
        _ours_training,
        lambda *operands: _torch_training(*operands)[0],
        (normal(3, 4, 5, 2), normal(4), between(0.5, 2, 4), normal(4), normal(4)),
    ),
    Row(
        "batch_norm_training of rows",
        _ours_training,
        lambda *operands: _torch_training(*operands)[0],
        (normal(6, 4), normal(4), between(0.5, 2, 4)),
    ),
    Row(
        "batch_norm_training of channels last",
        partial(_ours_training, channel_axis=-1),
        _last(lambda *operands: _torch_training(*operands)[0]),
        (normal(2, 3, 5, 4), normal(4), between(0.5, 2, 4), normal(4), normal(4)),
    ),
    Row(
        "group_norm",
        partial(layers.group_norm, num_groups=3),
        partial(_torch_group_norm, groups=3),
        (normal(2, 6, 4, 3), normal(6), normal(6)),
    ),
    Row(
        "group_norm of channels last",
        partial(layers.group_norm, num_groups=2, channel_axis=-1),
        _last(partial(_torch_group_norm, groups=2)),
        (normal(2, 4, 3, 6), normal(6), normal(6)),
    ),
    Row(
        "group_norm of rows",
        partial(layers.group_norm, num_groups=2),
        partial(_torch_group_norm, groups=2),
        (normal(3, 6),),
    ),
    Row("instance_norm", layers.instance_norm, _torch_instance_norm, (normal(2, 3, 4, 5), normal(3), normal(3))),
    Row(
        "instance_norm of channels last",
        partial(layers.instance_norm, channel_axis=2),
        _last(_torch_instance_norm),
        (normal(2, 5, 3),),
    ),
    *(
        Row(
            f"local_response_norm of {size}",
            partial(layers.local_response_norm, size=size, alpha=0.3, k=2.0),
            partial(F.local_response_norm, size=size, alpha=0.3, k=2.0),
            (normal(2, 6, 3),),
        )
        for size in (1, 2, 5)
    ),
    Row(
        "local_response_norm of channels last",
        partial(layers.local_response_norm, size=3, alpha=0.3, channel_axis=-1),
        _last(partial(F.local_response_norm, size=3, alpha=0.3)),
        (normal(2, 3, 6),),
    ),
]
every_row = pytest.mark.parametrize("row", ROWS, ids=identifier)


@every_row
def test_values_are_torchs(row: Row) -> None:
    check_values(row)


@every_row
def test_derivatives_are_torchs(row: Row) -> None:
    check_derivatives(row)


def test_all_is_computed_in_c() -> None:
    check_in_c(ROWS)


@pytest.mark.parametrize("momentum", [0.1, 0.9])
def test_running_statistics_are_torchs_and_no_operand_changes(momentum: float) -> None:
    generator = np.random.default_rng(0)
    x, mean, variance = generator.normal(size=(3, 4, 5)), generator.normal(size=4), generator.uniform(1, 2, 4)
    before = mean.copy()
    ours = layers.batch_norm_training(x, mean, variance, momentum=momentum)
    theirs = _torch_training(*map(torch.tensor, (x, mean, variance)), momentum=momentum)
    for one, other in zip(cnp.evaluate(ours), theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10)
    np.testing.assert_array_equal(mean, before)


def test_batch_norm_in_inference_is_torchs() -> None:
    generator = np.random.default_rng(0)
    operands = [generator.normal(size=(3, 4, 5)), *generator.uniform(0.5, 2, (4, 4))]
    expected = F.batch_norm(*map(torch.tensor, operands), eps=1e-3).numpy()
    np.testing.assert_allclose(cnp.evaluate(layers.batch_norm(*operands, epsilon=1e-3)), expected, rtol=1e-12)


def test_without_running_statistics_those_of_the_batch_are_returned() -> None:
    x = np.random.default_rng(0).normal(size=(6, 2))
    _, mean, variance = cnp.evaluate(layers.batch_norm_training(x))
    np.testing.assert_allclose(mean, x.mean(0), rtol=1e-12)
    np.testing.assert_allclose(variance, x.var(0, ddof=1), rtol=1e-12)


def test_the_statistics_have_derivatives_of_every_order() -> None:
    x = cnp.asarray(np.random.default_rng(0).normal(size=(6, 2)))
    tensor = torch.tensor(cnp.evaluate(x), requires_grad=True)
    _, mean, variance = layers.batch_norm_training(x)
    ours, theirs = cnp.sum(mean * variance * variance), (tensor.mean(0) * tensor.var(0) ** 2).sum()
    for _ in range(2):
        (ours,) = chain_rule({ours: cnp.ones(ours.shape)}, [x])
        (theirs,) = torch.autograd.grad(theirs, tensor, torch.ones_like(theirs), create_graph=True)
        np.testing.assert_allclose(cnp.evaluate(ours), theirs.detach().numpy(), rtol=1e-9, atol=1e-12)


def test_statistics_and_results_have_derivatives_together() -> None:
    # A loss of all three results, whose derivative goes through the mean and the variance too.
    arrays = [np.random.default_rng(0).normal(size=shape) for shape in ((6, 2), (2,), (2,), (6, 2))]
    *ours, ours_by = map(cnp.asarray, arrays)
    *theirs, theirs_by = (torch.tensor(each, requires_grad=True) for each in arrays)
    y, mean, variance = layers.batch_norm_training(ours[0], None, None, *ours[1:])
    loss = cnp.sum(y * y * ours_by) + cnp.sum(mean * variance)
    statistics = (theirs[0].mean(0) * theirs[0].var(0)).sum()
    their_y = F.batch_norm(theirs[0], None, None, *theirs[1:], training=True)
    their_loss = (their_y * their_y * theirs_by).sum() + statistics
    for _ in range(2):
        found = chain_rule({loss: 1.0}, ours)
        expected = torch.autograd.grad(their_loss, theirs, create_graph=True)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(cnp.evaluate(one), other.detach().numpy(), rtol=1e-9, atol=1e-10)
        loss = sum((cnp.sum(each * each) for each in found), cnp.asarray(0.0))
        their_loss = sum(((each * each).sum() for each in expected), torch.tensor(0.0, dtype=torch.float64))


def test_normalising_is_one_node_forward_and_one_backward() -> None:
    x = cnp.asarray(np.ones((2, 3)))
    y = layers.layer_norm(x)
    (gradient,) = chain_rule({y: cnp.ones((2, 3))}, [x])
    assert (y.name, gradient.name) == ("normalize", "normalizegradient")
    weight, bias = cnp.asarray(np.ones(3)), cnp.asarray(np.zeros(3))
    y = layers.layer_norm(x, weight, bias)
    gradients = chain_rule({y: cnp.ones((2, 3))}, [x, weight, bias])
    assert y.name == "normalizeaffine"
    assert len({each.node for each in gradients}) == 1


def test_large_means_cost_no_digits() -> None:
    x = np.array([[1e8 + 1, 1e8 + 2, 1e8 + 3]])
    np.testing.assert_allclose(
        cnp.evaluate(layers.layer_norm(x, epsilon=0.0)), [[-1.22474487, 0, 1.22474487]], rtol=1e-8
    )


def _rows_of(kind: str, dtype: type, shape: tuple[int, int]) -> np.ndarray[Any, Any]:
    generator = np.random.default_rng(0)
    x = generator.normal(size=shape)
    if kind == "some far from 0":
        x[::3] += 300
    elif kind == "at the limit":
        x += np.linspace(0, 2, len(x))[:, None]
    elif kind == "some constant":
        x[5:9] = 0.1
        x[20:24] = 0
    elif kind == "tiny and huge":
        x *= 10.0 ** generator.integers(-15, 15, (len(x), 1))
    return x.astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["near 0", "some far from 0", "at the limit", "some constant", "tiny and huge"])
def test_large_rows_are_normalised_as_exactly_as_by_deviations(kind: str, dtype: type) -> None:
    """Rows of 600 KB take the sums of their squares where these lose no digits."""
    x, epsilon = _rows_of(kind, dtype, (600, 250)), 1e-5
    weight, bias = (np.random.default_rng(number).normal(size=250).astype(dtype) for number in (1, 2))
    exact = x.astype(np.longdouble)
    deviation = exact - exact.mean(1, keepdims=True)
    expected = deviation / np.sqrt((deviation**2).mean(1, keepdims=True) + np.longdouble(epsilon))
    found = cnp.evaluate(layers.layer_norm(x, weight, bias, epsilon=epsilon))
    # The mean is rounded, which moves all elements of a row by that many roundings of its size.
    rounding = np.finfo(dtype).eps * (
        1 + np.abs(expected) + np.abs(exact.mean(1, keepdims=True)) / np.maximum(x.std(1, keepdims=True), epsilon**0.5)
    )
    assert (
        np.abs(found - (expected * weight + bias)) / (rounding * np.abs(weight) + np.finfo(dtype).eps * np.abs(bias))
    ).max() < 4


def test_large_rows_that_are_not_finite_are_reported_and_cost_the_others_nothing() -> None:
    x = _rows_of("near 0", np.float32, (600, 250))
    weight, bias = np.ones(250, np.float32), np.zeros(250, np.float32)
    expected = cnp.evaluate(layers.layer_norm(x, weight, bias))
    x[3, 5], x[300, 7], x[400, 8] = np.nan, np.inf, 3e38
    with pytest.warns(RuntimeWarning) as noted:
        found = cnp.evaluate(layers.layer_norm(x, weight, bias))
    assert {str(each.message).split(" encountered")[0] for each in noted} == {"invalid value", "overflow"}
    others = np.delete(np.arange(600), [3, 300, 400])
    np.testing.assert_allclose(found[others], expected[others], rtol=1e-5, atol=1e-6)
    assert np.isnan(found[3]).all()
    assert np.isnan(found[300]).any()
    np.testing.assert_array_equal(found[400], 0)  # the variance has overflowed


def test_an_infinite_weight_makes_infinities_also_of_large_rows() -> None:
    x = _rows_of("near 0", np.float32, (600, 250))
    weight, bias = np.ones(250, np.float32), np.zeros(250, np.float32)
    weight[4], bias[6] = np.inf, -np.inf
    found = cnp.evaluate(layers.layer_norm(x, weight, bias))
    assert np.isinf(found[:, [4, 6]]).all()
    assert np.isfinite(np.delete(found, [4, 6], axis=1)).all()


def test_large_rows_near_0_are_not_written_before_they_are_scaled(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def counted(*args: Any) -> Any:
        calls.append(1)
        return normalized.deviate(*args)

    monkeypatch.setattr(affine_arrays, "deviate", counted)
    parameters = np.ones(250, np.float32), np.zeros(250, np.float32)
    cnp.evaluate(layers.layer_norm(_rows_of("near 0", np.float32, (600, 250)), *parameters))
    assert not calls
    cnp.evaluate(layers.layer_norm(_rows_of("some far from 0", np.float32, (600, 250)), *parameters))
    assert calls


def test_wrong_calls_say_what_to_do() -> None:
    x = np.ones((2, 3, 4))
    with pytest.raises(
        ShapeError, match=r"batch_norm: mean has shape \(4,\); expected \(3,\), one number for each channel"
    ):
        layers.batch_norm(x, np.ones(4), np.ones(4))
    with pytest.raises(ShapeError, match=r"layer_norm: weight has shape \(3,\) for x with shape \(2, 3, 4\)"):
        layers.layer_norm(x, np.ones(3))
    with pytest.raises(ShapeError, match="has one value per channel, along axis 1, whose variance is 0"):
        layers.batch_norm_training(np.ones((1, 3)))
    with pytest.raises(ParameterError, match="group_norm: num_groups=2 was given for 3 channels"):
        layers.group_norm(x, num_groups=2)
    with pytest.raises(ParameterError, match="local_response_norm: size=0 was given"):
        layers.local_response_norm(x, 0)
