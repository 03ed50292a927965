"""Derivatives of calls beyond the common forms against torch.autograd, where torch has the function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp

torch = pytest.importorskip("torch")

_SQUARE = np.random.default_rng(1).normal(size=(4, 4))
_TALL = np.random.default_rng(2).normal(size=(5, 3))
_VECTOR = np.random.default_rng(3).normal(size=7)
_WITH_NAN = np.where(np.arange(15).reshape(5, 3) == 4, np.nan, _TALL)

CASES: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[np.ndarray, ...]]] = {
    "maximum.accumulate": (
        lambda x: cnp.maximum.accumulate(x, axis=1),
        lambda x: torch.cummax(x, 1).values,
        (_SQUARE,),
    ),
    "minimum.accumulate": (lambda x: cnp.minimum.accumulate(x), lambda x: torch.cummin(x, 0).values, (_SQUARE,)),
    "logaddexp.accumulate": (lambda x: cnp.logaddexp.accumulate(x), lambda x: torch.logcumsumexp(x, 0), (_TALL,)),
    "logaddexp.reduce": (lambda x: cnp.logaddexp.reduce(x, axis=-1), lambda x: torch.logsumexp(x, -1), (_TALL,)),
    "hypot.reduce": (lambda x: cnp.hypot.reduce(x), lambda x: torch.linalg.vector_norm(x, dim=0), (_TALL,)),
    "lstsq": (
        lambda a, b: cnp.linalg.lstsq(a, b)[0],
        lambda a, b: torch.linalg.lstsq(a, b[:, None]).solution[:, 0],
        (_TALL, _VECTOR[:5]),
    ),
    "eig": (
        lambda x: cnp.abs(cnp.linalg.eig(x)[1]) * cnp.abs(cnp.linalg.eig(x)[0]),
        lambda x: torch.abs(torch.linalg.eig(x)[1]) * torch.abs(torch.linalg.eig(x)[0]),
        (_SQUARE,),
    ),
    "eigvals": (
        lambda x: cnp.sum(cnp.linalg.eigvals(x) ** 3).real,
        lambda x: torch.sum(torch.linalg.eigvals(x) ** 3).real,
        (_SQUARE,),
    ),
    "quantile": (
        lambda x, q: cnp.quantile(x, q, axis=0),
        lambda x, q: torch.quantile(x, q, dim=0),
        (_TALL, np.array([0.13, 0.57])),
    ),
    "nanquantile": (
        lambda x: cnp.nanquantile(x, 0.3, axis=0, method="lower"),
        lambda x: torch.nanquantile(x, 0.3, dim=0, interpolation="lower"),
        (_WITH_NAN,),
    ),
    "nanmean": (lambda x: cnp.nanmean(x, axis=1), lambda x: torch.nanmean(x, 1), (_WITH_NAN,)),
    "i0": (lambda x: cnp.i0(x), torch.special.i0, (_VECTOR * 5,)),
    "cov": (
        lambda x, w: cnp.cov(x, aweights=w),
        lambda x, w: torch.cov(x, aweights=w),
        (_TALL, np.array([0.5, 1.5, 2.0])),
    ),
    "view of pairs": (
        lambda x: cnp.abs(x.view(np.complex128)),
        lambda x: torch.abs(torch.view_as_complex(x.reshape(-1, 2))),
        (_VECTOR[:6],),
    ),
    "chebvander": (
        lambda x: cnp.polynomial.chebyshev.chebvander(x, 4)[..., 4],
        lambda x: 8 * x**4 - 8 * x**2 + 1,
        (_VECTOR,),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_torchs(name: str) -> None:
    ours, torchs, arrays = CASES[name]
    theirs = [torch.tensor(array, requires_grad=True) for array in arrays]
    tensors = [cnp.asarray(array) for array in arrays]
    expected, found = torchs(*theirs), ours(*tensors)
    weights = np.random.default_rng(0).normal(size=tuple(expected.shape))
    np.testing.assert_allclose(cnp.evaluate(found), expected.detach().numpy(), rtol=1e-10, atol=1e-12)
    gradients = torch.autograd.grad((expected * torch.tensor(weights)).sum(), theirs, allow_unused=True)
    for ours_now, torchs_now in zip(cnp.chain_rule({found: cnp.asarray(weights)}, tensors), gradients, strict=True):
        np.testing.assert_allclose(cnp.evaluate(ours_now), torchs_now.numpy(), rtol=1e-7, atol=1e-10)
