"""Gradients at ties, bounds and kinks: what torch gives there, by chain_rule and by autograd inside a trace."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional

import composit as cnp
import flashlight
from composit.nn import chain_rule

Tensor = torch.Tensor
Numbers = Sequence[float]


def _places(lengths: Tensor) -> Tensor:
    """Return a grid with places inside, at the border and beyond."""
    columns, rows = torch.tensor([-1.5, -1.0, -0.2, 1.0, 2.0]), torch.tensor([-1.0, 0.3, 1.0])
    return torch.cartesian_prod(columns, rows).reshape(1, 5, 3, 2).to(lengths.dtype) * lengths


def _sampled(lengths: Tensor, *, padding: str, corners: bool) -> Tensor:
    image = torch.arange(9.0, dtype=lengths.dtype).sin().reshape(1, 1, 3, 3)
    return functional.grid_sample(image, _places(lengths), "bilinear", padding, corners)


def _scattered(x: Tensor, source: Tensor, *, reduce: str, include_self: bool) -> Tensor:
    return x.scatter_reduce(0, torch.tensor([0, 0, 1, 2, 2]), source, reduce, include_self=include_self)


def _margins(x: Tensor, loss: Callable[..., Tensor], target: list[list[int]] | list[int]) -> Tensor:
    return loss(x.reshape(2, 2), torch.tensor(target))


_BOTH: list[Numbers] = [[0.0, 1.0, math.nan, 2.0, 3.0], [0.0, 2.0, 1.0, math.nan, 3.0]]
CASES: dict[str, tuple[Callable[..., Tensor], list[Numbers]]] = {
    "fmax": (torch.fmax, _BOTH),
    "fmin": (torch.fmin, _BOTH),
    "atan2": (torch.atan2, [[0.0, 0.0, 1.0, -0.0], [0.0, 1.0, 0.0, -0.0]]),
    "copysign": (torch.copysign, [[0.0, 0.0, 1.0, -2.0], [1.0, -1.0, 0.0, -0.0]]),
    "div": (partial(torch.div, rounding_mode="trunc"), [[0.0, 1.0, 4.0, -4.0], [0.0, 0.0, 2.0, 3.0]]),
    "clamp": (torch.clamp, [[0.0, 1.0, 2.0, 3.0], [1.0, 1.0, 3.0, 5.0], [2.0, 1.0, 3.0, 4.0]]),
    "multi_margin": (partial(_margins, loss=functional.multi_margin_loss, target=[0, 1]), [[1.0, 0.0, 2.0, 1.0]]),
    "multilabel_margin": (
        partial(_margins, loss=functional.multilabel_margin_loss, target=[[0, -1], [1, -1]]),
        [[1.0, 0.0, 2.0, 1.0]],
    ),
    **{
        f"scatter {reduce} {include_self}": (
            partial(_scattered, reduce=reduce, include_self=include_self),
            [[0.0, 5.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0, -1.0]],
        )
        for reduce in ("amax", "amin")
        for include_self in (True, False)
    },
    **{
        f"grid {padding} {corners}": (partial(_sampled, padding=padding, corners=corners), [[1.0, 1.0]])
        for padding in ("zeros", "border", "reflection")
        for corners in (True, False)
    },
}


@pytest.mark.parametrize("name", CASES)
def test_gradients_at_ties_and_kinks_are_torchs(name: str) -> None:
    function, numbers = CASES[name]
    given = [torch.tensor(each, dtype=torch.float64, requires_grad=True) for each in numbers]
    with flashlight.tracer.trace():
        values = function(*given)
        weights = torch.arange(1.0, values.numel() + 1, dtype=torch.float64).reshape(values.shape)
        inside = torch.autograd.grad(values, given, weights)
    expected = torch.autograd.grad(function(*given), given, weights)
    cotangents = {values: cnp.asarray(weights.numpy())}
    for found in (inside, chain_rule(cotangents, given)):
        for own, theirs in zip(cnp.evaluate(list(found)), expected, strict=True):
            np.testing.assert_allclose(own, theirs.numpy(), rtol=1e-10, atol=1e-12)
