"""NaN, infinities, zeros, tiny and huge numbers: what does not depend on such an element is not touched by it, and the rest is torch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import composit.numpy as cnp
import mosaic
from composit import nn
from composit.nn import chain_rule

Function = Callable[..., Any]
IMAGE = np.random.default_rng(0).normal(size=(2, 5, 7, 6))
GRID = np.random.default_rng(1).uniform(-1.6, 1.6, size=(2, 4, 4, 2))
SCORES = np.random.default_rng(2).normal(size=(4, 3))
CLASSES = np.array([0, 7, 2, 1])
TARGETS = np.array([0.0, 0.3, 1.0])

Case = tuple[Function, Function, np.ndarray]
CASES: dict[str, Case] = {
    "relu": (nn.relu, F.relu, np.array([np.nan, -np.inf, np.inf, 0.0, -0.0, 1e-300, -1e-300])),
    "prelu": (
        lambda x: nn.prelu(x, np.float64(0.5)),
        lambda x: F.prelu(x, torch.tensor([0.5], dtype=torch.float64)),
        np.array([np.inf, 1.0, -np.inf, -2.0]),
    ),
    "slopes of prelu": (
        lambda w: nn.prelu(np.array([[np.inf, -1.0, 2.0]]), w),
        lambda w: F.prelu(torch.tensor([[np.inf, -1.0, 2.0]], dtype=torch.float64), w),
        np.array([0.5, 0.25, np.inf]),
    ),
    "logsumexp of infinity": (
        lambda x: nn.logsumexp(x, -1),
        lambda x: torch.logsumexp(x, -1),
        np.array([[1.0, np.inf, 2.0], [1.0, np.nan, 2.0], [-np.inf, 0.0, 1.0]]),
    ),
    "bce of small probabilities": (
        lambda x: nn.bce(x, np.zeros(4), reduction="none"),
        lambda x: F.binary_cross_entropy(x, torch.zeros(4, dtype=torch.float64), reduction="none"),
        np.array([1e-300, 1e-20, 1e-9, 0.5]),
    ),
    "bce_with_logits far away": (
        lambda x: nn.bce_with_logits(x, TARGETS, reduction="none"),
        lambda x: F.binary_cross_entropy_with_logits(x, torch.tensor(TARGETS).expand(4, 3), reduction="none"),
        np.array([[1e300] * 3, [-1e300] * 3, [0.0] * 3, [-0.0] * 3]),
    ),
    "cross_entropy with an impossible class 0 and an ignored target": (
        lambda x: nn.cross_entropy(
            cnp.where(np.array([True, False, False]), -np.inf, x), CLASSES % 3 + 4 * (CLASSES > 6), ignore_index=5
        ),
        lambda x: F.cross_entropy(
            torch.where(torch.tensor([True, False, False]), -np.inf, x),
            torch.tensor(CLASSES % 3 + 4 * (CLASSES > 6)),
            ignore_index=5,
        ),
        SCORES,
    ),
    "local_response_norm": (
        lambda x: nn.local_response_norm(x, 3),
        lambda x: F.local_response_norm(x, 3),
        IMAGE,
    ),
    "adaptive_average_pool": (
        lambda x: nn.operations.adaptive_average_pool(x, (3, 3)),
        lambda x: F.adaptive_avg_pool2d(x, (3, 3)),
        IMAGE,
    ),
    "adaptive_average_pool of equal windows": (
        lambda x: nn.operations.adaptive_average_pool(x, (7, 2)),
        lambda x: F.adaptive_avg_pool2d(x, (7, 2)),
        IMAGE,
    ),
    "grid_sample beyond the borders": (
        lambda x: nn.operations.grid_sample(x, GRID),
        lambda x: F.grid_sample(x, torch.tensor(GRID), align_corners=False),
        IMAGE,
    ),
    "cdist of order 0": (
        lambda x: nn.operations.cdist(x, np.zeros((1, 3)), order=0.0),
        lambda x: torch.cdist(x, torch.zeros(1, 3, dtype=torch.float64), p=0.0),
        np.array([[1e300, 0.0, -1.0], [0.0, -0.0, 1e-300]]),
    ),
}
WITH_AN_INFINITE_CORNER = (
    "local_response_norm",
    "adaptive_average_pool",
    "adaptive_average_pool of equal windows",
    "grid_sample beyond the borders",
)


def _operand(name: str) -> np.ndarray:
    operand = CASES[name][2].copy()
    if name in WITH_AN_INFINITE_CORNER:
        operand[0, 0, 0, 0], operand[1, 4, -1, -1] = np.inf, np.nan
    return operand


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_torchs(name: str) -> None:
    ours, theirs, _ = CASES[name]
    operand = _operand(name)
    x, tensor = cnp.asarray(operand), torch.tensor(operand, requires_grad=True)
    with np.errstate(all="ignore"):
        y = ours(x)
        (gradient,) = chain_rule({y: cnp.ones(y.shape)}, [x])
        value, slope = cnp.evaluate(y, gradient)
    expected = theirs(tensor)
    (expected_slope,) = torch.autograd.grad(expected.sum(), tensor)
    np.testing.assert_allclose(value, expected.detach().numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(slope, expected_slope.numpy(), rtol=1e-10, atol=1e-12)


def test_c_agrees_at_the_ends() -> None:
    inputs = {name: cnp.asarray(_operand(name)) for name in CASES}
    with np.errstate(all="ignore"):
        outputs = {name: CASES[name][0](x) for name, x in inputs.items()}
        gradients = {
            name: chain_rule({outputs[name]: cnp.ones(outputs[name].shape)}, [x])[0] for name, x in inputs.items()
        }
        model = mosaic.compile([outputs, gradients], inputs=list(inputs.values()))
        found, expected = model(*map(_operand, CASES)), cnp.evaluate([outputs, gradients])
    assert "numpy island" not in model.explain()
    for one, other in zip(found, expected, strict=True):
        for name in CASES:
            np.testing.assert_allclose(one[name], other[name], rtol=1e-11, atol=1e-12, err_msg=name)


def test_logits_that_are_infinite_on_the_right_side_cost_nothing() -> None:
    x = cnp.asarray(np.array([np.inf, -np.inf, np.inf, -np.inf]))
    losses = nn.bce_with_logits(x, np.array([1.0, 0.0, 0.0, 1.0]), reduction="none")
    (gradient,) = chain_rule({losses: cnp.ones(4)}, [x])
    np.testing.assert_array_equal(cnp.evaluate(losses), [0.0, 0.0, np.inf, np.inf])
    np.testing.assert_array_equal(cnp.evaluate(gradient), [0.0, 0.0, 1.0, -1.0])


def test_an_infinite_weight_of_a_class_that_is_ignored_does_not_count() -> None:
    weight = np.array([np.inf, 1.0, 2.0])
    for loss in (nn.cross_entropy, nn.nll):
        value = loss(SCORES, np.array([1, -100, 2, -100]), weight=weight, reduction="sum")
        assert np.isfinite(cnp.evaluate(value))


def test_a_row_whose_norm_is_nan_is_not_scaled() -> None:
    rows = nn.embedding(np.array([0, 1]), np.array([[np.nan, 0.5], [3.0, 4.0]]), largest_norm=1.0)
    np.testing.assert_allclose(cnp.evaluate(rows), [[np.nan, 0.5], [0.6, 0.8]], rtol=1e-6)


def test_a_causal_mask_hides_infinite_scores() -> None:
    query, key = np.ones((3, 2)), np.ones((3, 2))
    key[2] = np.inf
    value = np.arange(6.0).reshape(3, 2)
    with np.errstate(all="ignore"):
        found = cnp.evaluate(nn.scaled_dot_product_attention(query, key, value, causal=True))
    np.testing.assert_allclose(found[:2], [[0.0, 1.0], [1.0, 2.0]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_empty_arrays_and_rank_0_keep_their_types(dtype: type) -> None:
    for shape in ((), (0,), (0, 3), (2, 0)):
        x = cnp.asarray(np.full(shape, -0.5, dtype))
        for name in ("relu", "silu", "gelu", "softplus", "mish", "rrelu", "hard_swish", "log_sigmoid"):
            y = getattr(nn, name)(x)
            (gradient,) = chain_rule({y: cnp.ones(shape, dtype)}, [x])
            assert (y.shape, y.dtype, gradient.shape, gradient.dtype) == (shape, dtype, shape, dtype)
            assert np.shape(cnp.evaluate(gradient)) == shape
