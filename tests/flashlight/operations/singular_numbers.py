"""Torch's functions at NaN, infinities, zeros of both signs, large and tiny numbers, to be compared with their captured graphs.

`CASES` has every elementwise function, function of two operands and reduction of torch's OpInfo database, and losses, norms,
pools and normalisations. `difference` says how values or gradients differ from torch's; `ALLOWED` lists what may, with the reason.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

import composit as cnp
import flashlight
from composit.nn import chain_rule
from tests.composit.nn.opinfo import entries
from tests.flashlight.opinfo import evaluated, numpy_of, tensors_in

Tensor = torch.Tensor
Function = Callable[..., Any]  # of tensors; returns tensors, or containers of them
Inputs = tuple[Tensor, ...]
inf, nan = float("inf"), float("nan")

_NUMBERS = [nan, inf, -inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.5, 6.0, -6.0, 20.0, -20.0, 90.0, -90.0]
_ELEMENTS = [*_NUMBERS, 750.0, -750.0, 1e15, -1e15, 1e200, -1e200, 1e-300, -1e-300, 1e-310, -1e-310, 1e-9, -1e-9, 7.0]
_OF_ROWS = [nan, inf, -inf, 0.0, 1.0, -2.0]
_OF_PAIRS = [nan, inf, -inf, 0.0, 1.0, -1.0, 2.0, -2.5, 1e30, 1e-30]


# Without a default for an argument, without a result of their own, or without a kernel on the CPU.
_WITHOUT_CASE = frozenset(
    (
        *("positive", "conj", "conj_physical", "real", "double", "fill", "chalf", "nn.functional.prelu"),
        *("nn.functional.threshold", *(f"mvlgamma|mvlgamma_p_{p}" for p in (1, 3, 5))),
        *(f"polygamma|polygamma_n_{n}" for n in range(5)),
        *("special.polygamma|special_polygamma_n_0", "jiterator_unary"),
        *("jiterator_binary", "jiterator_binary_return_by_ref"),
    )
)


def _tensor(numbers: Sequence[float]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


ELEMENTS = (_tensor(_ELEMENTS),)
PAIRS = tuple(part.contiguous() for part in torch.cartesian_prod(*[_tensor(_OF_PAIRS)] * 2).T)
PROBABILITIES = tuple(
    part.contiguous() for part in torch.cartesian_prod(*[_tensor([0.0, 1.0, 0.5, 1e-30, 1 - 1e-7])] * 2).T
)
ROWS = (torch.cartesian_prod(*[_tensor(_OF_ROWS)] * 3),)
LABELS = torch.arange(len(ROWS[0])) % 3


def _opinfo(kind: str, inputs: Inputs, adapt: Callable[[Function], Function]) -> dict[str, tuple[Function, Inputs]]:
    """Return the cases of a class of torch's records."""
    entries("")  # makes the import below possible
    from torch.testing._internal.opinfo import core

    # Those with further arguments are among the samples of test_opinfo.py.
    records = {name: record for name, record in entries("").items() if isinstance(record, getattr(core, kind))}
    return {
        f"{kind} {name}": (adapt(record.op), inputs)
        for name, record in records.items()
        if torch.float64 in record.supported_dtypes("cpu") and name not in _WITHOUT_CASE
    }


def _as_it_is(function: Function) -> Function:
    return function


def _along_rows(function: Function) -> Function:
    return lambda x: function(x, dim=1)


_LOSSES: dict[str, Function] = {
    **{each.__name__: each for each in (F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss, F.kl_div)},
    **{
        each.__name__: each for each in (F.hinge_embedding_loss, F.poisson_nll_loss, F.binary_cross_entropy_with_logits)
    },
    "kl_div of logarithms": lambda x, y, reduction: F.kl_div(x, y, log_target=True, reduction=reduction),
    "smooth_l1 without a bend": lambda x, y, reduction: F.smooth_l1_loss(x, y, beta=0.0, reduction=reduction),
    "margin_ranking": lambda x, y, reduction: F.margin_ranking_loss(x, y, torch.ones_like(x), reduction=reduction),
}
_OF_ROWS_TO_LOSSES: dict[str, Function] = {
    "cross_entropy": lambda x: F.cross_entropy(x, LABELS, reduction="none"),
    "nll": lambda x: F.nll_loss(x, LABELS, reduction="none"),
    "multi_margin": lambda x: F.multi_margin_loss(x, LABELS, reduction="none"),
    "cross_entropy of soft labels": lambda x: F.cross_entropy(x, torch.full_like(x, 1 / 3), reduction="none"),
    "multilabel_soft_margin": lambda x: F.multilabel_soft_margin_loss(x, torch.ones_like(x), reduction="none"),
}
_OF_ROWS_TO_ROWS: dict[str, Function] = {
    **{f"norm {p}": lambda x, p=p: x.norm(p, dim=1) for p in (0, 1, 2, inf, -inf)},
    **{f"value of norm {p}": lambda x, p=p: x.norm(p, dim=1).detach() for p in (0.5, 1.5, 3, -1)},
    **{f"normalize {p}": lambda x, p=p: F.normalize(x, p=p, dim=1) for p in (1, 2, 3)},
    **{f"cdist {p}": lambda x, p=p: torch.cdist(x[::17], x[::11], p=p) for p in (0.0, 2.0, 3.0, inf)},
    **{f"pdist {p}": lambda x, p=p: F.pdist(x[::17], p) for p in (0.0, 2.0, 3.0, inf)},
    "renorm": lambda x: x.renorm(2, 0, 1.0),
    "layer_norm": lambda x: F.layer_norm(x, (3,)),
    "native_layer_norm": lambda x: torch.native_layer_norm(x, (3,), None, None, 1e-5),
    "native_group_norm": lambda x: torch.native_group_norm(x[:, :, None], None, None, len(x), 3, 1, 1, 1e-5),
    "rms_norm": lambda x: F.rms_norm(x, (3,)),
    "batch_norm": lambda x: F.batch_norm(x[:8].T.contiguous(), None, None, training=True),
    "softmax": lambda x: x.softmax(1),
    "log_softmax": lambda x: x.log_softmax(1),
    "logsumexp": lambda x: x.logsumexp(1),
    "logcumsumexp": lambda x: x.logcumsumexp(1),
    **{name: lambda x, name=name: getattr(x, name)(1) for name in ("cumsum", "cummax", "cummin", "max", "min")},
    **{name: lambda x, name=name: getattr(x, name)(1) for name in ("median", "nanmedian", "argmax", "argmin", "mean")},
    "sort": lambda x: x.sort(dim=1, stable=True),
    "cdist 1": lambda x: torch.cdist(x[::17], x[::11], p=1.0).detach(),
    "topk": lambda x: x.topk(2, 1)[0],
    "kthvalue": lambda x: x.kthvalue(2, 1)[0],
    "quantile": lambda x: x.quantile(0.3, 1),
    "max_pool1d": lambda x: F.max_pool1d(x[None], 2, return_indices=True),
    "max_pool2d": lambda x: F.max_pool2d(x[None], 2, 1, 1),
    "avg_pool2d": lambda x: F.avg_pool2d(x[None], 2, 1, 1),
    **{f"lp_pool {p}": lambda x, p=p: F.lp_pool1d(x[None], p, 3) for p in (1.0, 2.0, 3.0)},
    "adaptive_max_pool1d": lambda x: F.adaptive_max_pool1d(x[None], 2),
    "adaptive_avg_pool1d": lambda x: F.adaptive_avg_pool1d(x[None], 2),
    "embedding_bag": lambda x: F.embedding_bag(torch.arange(200).reshape(50, 4), x, mode="max"),
    "native_dropout_backward": lambda x: torch.ops.aten.native_dropout_backward(x, x > 0, 2.0),
    "prelu": lambda x: F.prelu(x, x[0].detach().nan_to_num()),
    **{
        f"grid_sample {mode} {padding}": lambda x, mode=mode, padding=padding: F.grid_sample(
            torch.arange(9.0, dtype=x.dtype).reshape(1, 1, 3, 3), x[None, None, :, :2], mode, padding, False
        ).detach()
        for mode in ("bilinear", "nearest", "bicubic")
        for padding in ("zeros", "border", "reflection")
    },
}
CASES: dict[str, tuple[Function, Inputs]] = {
    **_opinfo("UnaryUfuncInfo", ELEMENTS, _as_it_is),
    **_opinfo("BinaryUfuncInfo", PAIRS, _as_it_is),
    **_opinfo("ReductionOpInfo", ROWS, _along_rows),
    **{
        f"{reduction} of {name}": (lambda x, y, each=each, reduction=reduction: each(x, y, reduction=reduction), PAIRS)
        for name, each in _LOSSES.items()
        for reduction in ("none", "sum")
    },
    "binary_cross_entropy": (lambda x, y: F.binary_cross_entropy(x, y.detach(), reduction="none"), PROBABILITIES),
    "targets of binary_cross_entropy": (
        lambda x, y: F.binary_cross_entropy(x.detach(), y, reduction="none"),
        PROBABILITIES,
    ),
    **{name: (function, ROWS) for name, function in {**_OF_ROWS_TO_LOSSES, **_OF_ROWS_TO_ROWS}.items()},
}


_NAN = "where the value is NaN, torch's gradient is another number or none"
_OWN = "torch's number is that of its formula, and wrong"
ALLOWED: dict[str, str] = {
    **dict.fromkeys(
        (
            *(f"UnaryUfuncInfo {name}" for name in ("acosh", "special.i1", "special.i1e")),
            *(f"BinaryUfuncInfo {name}" for name in ("remainder", "__rmod__", "polar")),
            *(f"ReductionOpInfo {name}" for name in ("amax", "amin", "masked.amax", "masked.amin", "nanmean")),
            *("ReductionOpInfo var", "ReductionOpInfo var|unbiased", "normalize 3", "pdist inf"),
        ),
        _NAN,
    ),
    **dict.fromkeys(
        (
            *(f"UnaryUfuncInfo {name}" for name in ("frexp", "digamma", "special.log_ndtr", "special.airy_ai")),
            *(f"BinaryUfuncInfo {name}" for name in ("igamma", "igammac", "special.zeta")),
            *(f"BinaryUfuncInfo special.{name}" for name in ("laguerre_polynomial_l", "legendre_polynomial_p")),
            *(f"BinaryUfuncInfo special.{kind}chebyshev_polynomial_{n}" for kind in ("", "shifted_") for n in "uw"),
            "UnaryUfuncInfo special.bessel_y1",
        ),
        _OWN,
    ),
}


def difference(function: Function, inputs: Inputs) -> str:
    """Return how the values or the gradients of a captured function differ from torch's; "" for not at all."""
    given = [each.clone().requires_grad_() for each in inputs]
    expected = tensors_in(function(*given))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        with flashlight.tracer.trace():
            outputs = tensors_in(function(*given))
        said = _compared("value", evaluated(outputs), [numpy_of(each) for each in expected], inputs)
        return said or _gradients(given, outputs, expected)


def _gradients(given: Sequence[Tensor], outputs: Sequence[Tensor], expected: Sequence[Tensor]) -> str:
    followed = [place for place, each in enumerate(expected) if each.requires_grad]
    if not followed:
        return ""
    weights = [torch.linspace(0.5, 1.5, each.numel()).to(each).reshape(each.shape).detach() for each in expected]
    try:
        theirs = torch.autograd.grad(
            [expected[place] for place in followed],
            given,
            [weights[place] for place in followed],
            materialize_grads=True,
            allow_unused=True,
        )
    except RuntimeError as error:
        if "is not implemented" in str(error):
            return ""  # torch has no gradient
        raise
    cotangents: Mapping[Any, Any] = {outputs[place]: cnp.asarray(numpy_of(weights[place])) for place in followed}
    found = cnp.evaluate(chain_rule(cotangents, given, unreached="zeros"))
    return _compared("gradient", found, [numpy_of(each) for each in theirs], given)


def _compared(what: str, found: Sequence[Any], expected: Sequence[Any], inputs: Sequence[Tensor]) -> str:
    for value, part in zip(found, expected, strict=True):
        if value.shape != part.shape:
            return f"{what} of shape {value.shape} for {part.shape}"
        precision = 1e-4 if part.dtype.char in "fF" else 1e-7
        is_same = np.isclose(value, part, rtol=precision, atol=precision, equal_nan=True).reshape(-1)
        if not is_same.all():
            place = int(np.argmin(is_same))
            at = [numpy_of(each).reshape(-1)[place] for each in inputs if each.shape == part.shape]
            return f"{what} {value.reshape(-1)[place]} for {part.reshape(-1)[place]} at {at}"
    return ""
