"""Values at signed zeros, NaN and infinities, and gradients where a function has none: as torch's, by numpy and by mosaic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import composit.numpy as cnp
from composit import nn
from composit.nn import chain_rule
from flashlight.tracer import trace

# numpy warns of what these points are for.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
inf, nan = float("inf"), float("nan")
ELEMENTS = torch.tensor([-0.0, 0.0, nan, inf, -inf, 1.0, -1.0, 6.0, -6.0, 3.0, -3.0, 0.5, -0.5, 20.0, -20.0])
Function = Callable[..., torch.Tensor]

VALUES: dict[str, Function] = {
    **{
        each.__name__: each
        for each in (F.relu, F.relu6, F.elu, F.selu, F.celu, F.leaky_relu, F.silu, F.mish, F.softplus, F.softsign)
    },
    **{each.__name__: each for each in (F.hardtanh, F.hardsigmoid, F.hardswish, F.tanhshrink)},
    **{each.__name__: each for each in (F.hardshrink, torch.sigmoid, torch.tanh, torch.sign, torch.round, torch.trunc)},
    "elu of width 0": lambda x: F.elu(x, 0.0),
    "celu of another width": lambda x: F.celu(x, 0.5),
    "leaky relu without a slope": lambda x: F.leaky_relu(x, 0.0),
    "leaky relu of a negative slope": lambda x: F.leaky_relu(x, -0.5),
    "threshold": lambda x: F.threshold(x, 0.0, 0.0),
    "threshold at -1": lambda x: F.threshold(x, -1.0, 7.0),
    "hardtanh from 0": lambda x: F.hardtanh(x, 0.0, 6.0),
    "hardtanh from -0.0": lambda x: F.hardtanh(x, -0.0, 6.0),
    "hardtanh to 0": lambda x: F.hardtanh(x, -1.0, 0.0),
    "prelu": lambda x: F.prelu(x, torch.tensor([0.0])),
    "clamp": lambda x: x.clamp(0.0, 1.0),
    "clamp from 0": lambda x: x.clamp(min=0.0),
    "clamp to 0": lambda x: x.clamp(max=0.0),
    "clamp to -0.0": lambda x: x.clamp(max=-0.0),
    "clamp of exchanged bounds": lambda x: x.clamp(2.0, 1.0),
    "clamp from NaN": lambda x: x.clamp(min=nan),
    "clamp to NaN": lambda x: x.clamp(0.0, nan),
    "clamp from a tensor": lambda x: x.clamp(torch.zeros(1), torch.ones(1)),
    "clamp from a tensor of NaN": lambda x: x.clamp(torch.full((1,), nan)),
    "masked": lambda x: x.masked_fill(x < 0, -0.0),
    "remainder": lambda x: torch.remainder(x, 3.0),
    "remainder of a negative number": lambda x: torch.remainder(x, -3.0),
    "remainder of numbers": lambda x: torch.remainder(torch.tensor(-6.0), x),
    "remainder of infinity": lambda x: torch.remainder(x, inf),
    "rest": lambda x: torch.fmod(x, 3.0),
    "quantized": lambda x: torch.fake_quantize_per_tensor_affine(x, 0.25, 0, -128, 127),
    "x log y": lambda x: torch.xlogy(torch.zeros(()), x),
    "log odds": lambda x: torch.logit(x.abs() / 20),
    **{each.__name__: each for each in (torch.special.i0, torch.special.i1, torch.special.i1e, torch.special.entr)},
    "hardswish of large numbers": lambda x: F.hardswish(x * 1e37),
    "larger zero": lambda x: torch.fmax(torch.zeros(15), x) + torch.fmin(-torch.zeros(15), x),
    "running sum": lambda x: x[:2].cumsum(0).repeat(8)[:15],
    "running sum of a negative zero": lambda x: x[:1].cumsum(0).repeat(15),
    "largest distance": lambda x: torch.cdist(x.reshape(5, 3), x.reshape(5, 3).flip(0), p=inf).reshape(-1)[:15],
    "number of differences": lambda x: torch.cdist(x.reshape(5, 3), x.reshape(5, 3).flip(0), p=0.0).reshape(-1)[:15],
    "differences of pairs": lambda x: F.pdist(x.reshape(5, 3), 0.0).repeat(2)[:15],
    "most frequent": lambda x: torch.mode(x.repeat(3).reshape(15, 3))[0],
}


@pytest.mark.parametrize("backend", ["numpy", "mosaic"])
def test_values_at_special_elements_are_torchs_with_their_signs(backend: str) -> None:
    with torch.no_grad(), trace():
        results = {name: function(ELEMENTS) for name, function in VALUES.items()}
    found = cnp.evaluate(results, backend=backend)
    wrong = []
    for name, result in results.items():
        expected, value = result.numpy(), found[name]
        is_same = np.isclose(value, expected, rtol=1e-5, equal_nan=True)
        is_signed = (np.signbit(value) == np.signbit(expected)) | np.isnan(expected)
        wrong += [
            (name, each.item(), value[place], expected[place])
            for place, each in enumerate(ELEMENTS)
            if not (is_same & is_signed)[place]
        ]
    assert not wrong


_POINTS = torch.tensor([0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -2.0, 3.0, -3.0, 6.0], dtype=torch.float64)
_PAIRS = torch.cartesian_prod(*[torch.tensor([0.0, -0.0, 1.0, -1.0, 2.0, 0.5, inf, -inf], dtype=torch.float64)] * 2)
_ROWS = torch.tensor(
    [[0, 0, 0], [0, 1, 0], [0, 2, 3], [1, 1, 1], [2, 2, 1], [-0.0, 0, -1]], dtype=torch.float64, requires_grad=True
)
_MASK = torch.tensor([[True, True, True], [True, False, True]] * 3)
_LABELS = torch.tensor([0, 1, 2, 0, 1, 2])

OF_ELEMENTS: dict[str, Function] = {
    **{
        each.__name__: each
        for each in (
            *(torch.abs, torch.acos, torch.asin, torch.asinh, torch.atan, torch.atanh, torch.cosh, torch.erf),
            *(torch.erfc, torch.erfinv, torch.exp, torch.expm1, torch.lgamma, torch.log, torch.log1p, torch.log10),
            *(torch.log2, torch.reciprocal, torch.rsqrt, torch.sigmoid, torch.sign, torch.sinc, torch.sqrt, torch.tan),
            *(torch.tanh, torch.trunc, torch.frac, torch.special.ndtri, torch.special.log_ndtr, torch.special.erfcx),
            *(F.relu, F.relu6, F.elu, F.selu, F.celu, F.leaky_relu, F.gelu, F.silu, F.mish, F.softplus, F.softsign),
            *(F.hardtanh, F.hardsigmoid, F.hardswish, F.logsigmoid, F.softshrink, F.hardshrink),
        )
    },
    **{f"x ** {n}": lambda x, n=n: x**n for n in (0, 1, 2, 3, -1, -2, 0.5, 1.5, 1 / 3, 2.5)},
    **{f"{n} ** x": lambda x, n=n: n**x for n in (0.0, 1.0, 2.0, -2.0)},
    "clamp": lambda x: x.clamp(-1, 1),
    "log odds": lambda x: torch.logit(x.abs().clamp(0, 1)),
    "log odds of a middle": lambda x: torch.logit(x, 0.1),
    "root of a square": lambda x: (x * x).sqrt(),
    "root where positive": lambda x: torch.where(x > 0, x.sqrt(), x * 0),
    "log where positive": lambda x: torch.where(x > 0, x.log(), 0.0),
    "x log x": lambda x: torch.xlogy(x, x),
    "entr": lambda x: torch.special.entr(x + 0.0),
    "quotient of itself": lambda x: x / x,
}
OF_PAIRS: dict[str, Function] = {
    **{each.__name__: each for each in (torch.mul, torch.div, torch.pow, torch.atan2, torch.maximum, torch.minimum)},
    **{each.__name__: each for each in (torch.fmax, torch.fmin, torch.fmod, torch.special.xlog1py, torch.xlogy)},
    "kl_div": lambda x, y: F.kl_div(x, y, reduction="none"),
    "length": lambda x, y: (x * x + y * y).sqrt(),
    "hypot": torch.hypot,
    "clamp": lambda x, y: torch.clamp(x, y, None),
    "smooth_l1": lambda x, y: F.smooth_l1_loss(x, y, reduction="none"),
}
OF_ROWS: dict[str, Function] = {
    "angle": lambda x: torch.complex(x, x.flip(1)).angle(),
    "size": lambda x: torch.complex(x, x.flip(1)).abs(),
    "prod": lambda x: x.prod(1),
    "cumprod": lambda x: x.cumprod(1),
    "std": lambda x: x.std(1),
    "std of one": lambda x: x[:, :1].std(1, correction=0),
    **{f"norm {n}": lambda x, n=n: x.norm(n, dim=1) for n in (0, 0.5, 1, 1.5, 2, 3, inf, -inf, -1)},
    "normalize": lambda x: F.normalize(x, dim=1),
    "max": lambda x: x.max(1)[0],
    "amax": lambda x: x.amax(1),
    "max of all": lambda x: x.max(),
    "min of all": lambda x: x.min(),
    "median": lambda x: x.median(1)[0],
    "median of all": lambda x: x.median(),
    "median of all numbers": lambda x: x.nanmedian(),
    "sort": lambda x: x.sort(dim=1, stable=True)[0],
    "quantile": lambda x: x.quantile(0.3, 1),
    "cummax": lambda x: x.cummax(1)[0],
    "softmax of masked rows": lambda x: x.masked_fill(_MASK, -inf).softmax(1),
    "log_softmax of masked rows": lambda x: x.masked_fill(_MASK, -inf).log_softmax(1),
    "max of masked rows": lambda x: x.masked_fill(_MASK, -inf).amax(1),
    "max_pool": lambda x: F.max_pool1d(x[None], 3),
    "layer_norm": lambda x: F.layer_norm(x, (3,)),
    "cosine": lambda x: F.cosine_similarity(x, x * 0, dim=1),
    **{f"cdist {p}": lambda x, p=p: torch.cdist(x, x, p=p) for p in (0.0, 0.5, 1.0, 2.0, 3.0, inf)},
    **{f"pdist {p}": lambda x, p=p: torch.pdist(x, p) for p in (1.0, 2.0, 3.0, inf)},
    "dist": lambda x: torch.dist(x, x.detach()),
    "distance": lambda x: F.pairwise_distance(x, x.detach(), eps=0.0),
    "lp_pool": lambda x: F.lp_pool1d(x[None], 2.0, 3),
    "cross_entropy": lambda x: F.cross_entropy(x.masked_fill(x == 0, -inf), _LABELS, reduction="none"),
    "scattered product": lambda x: torch.ones(2, 3, dtype=x.dtype).scatter_reduce(
        0, torch.tensor([[0, 1, 0]] * 6), x, "prod"
    ),
    "scattered maximum": lambda x: torch.zeros(2, 3, dtype=x.dtype).scatter_reduce(
        0, torch.tensor([[0, 1, 0]] * 6), x, "amax"
    ),
}


def gradients_agree(function: Function, *inputs: torch.Tensor) -> None:
    given = [each.detach().clone().requires_grad_() for each in inputs]
    with trace():
        y = function(*given)
    weights = torch.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).reshape(y.shape)
    expected = torch.autograd.grad(y, given, weights, materialize_grads=True)
    found = cnp.evaluate(chain_rule({y: cnp.asarray(weights.numpy())}, given, unreached="zeros"))
    for value, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(value, other.numpy(force=True), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("name", OF_ELEMENTS)
def test_gradients_at_singular_points_are_torchs(name: str) -> None:
    gradients_agree(OF_ELEMENTS[name], _POINTS)


@pytest.mark.parametrize("name", OF_PAIRS)
def test_gradients_at_singular_pairs_are_torchs(name: str) -> None:
    gradients_agree(OF_PAIRS[name], *_PAIRS.T)


@pytest.mark.parametrize("name", OF_ROWS)
def test_gradients_of_rows_with_ties_and_zeros_are_torchs(name: str) -> None:
    gradients_agree(OF_ROWS[name], _ROWS)


@pytest.mark.parametrize("backend", ["numpy", "mosaic"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_functions_of_networks_keep_the_sign_of_zero(dtype: Any, backend: str) -> None:
    x = cnp.asarray(np.array([-0.0, 0.0, -1.0, np.nan, np.inf, -np.inf] * 7, dtype=dtype))
    functions = (nn.relu, nn.relu6, nn.elu, nn.selu, nn.celu, nn.leaky_relu, nn.hard_swish, nn.silu)
    results = cnp.evaluate([function(x) for function in functions], backend=backend)
    for result, function in zip(results, functions, strict=True):
        assert np.signbit(result[0]), function
        assert not np.signbit(result[1]), function
        assert np.isnan(result[3]), function
