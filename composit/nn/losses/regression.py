"""Losses of numbers against numbers: squared, absolute, Huber's, and negative logarithms of Poisson's and Gauss's densities.

Shared facts, said here and not at each function:

    Shapes:      x and target broadcast; reduction="mean" or "sum" -> (), "none" -> the broadcast shape
    Dtype:       numpy promotion of x and target; integers become float64
    Raises:      ParameterError: an unknown reduction, or a parameter out of its range; DtypeError: complex numbers
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import composit.numpy as cnp
from composit.apply import apply
from composit.errors import ParameterError, ShapeError
from composit.nn.arguments import floating
from composit.nn.distances import LOG_2_PI, log_or_zero
from composit.nn.gradient_flow import stop_gradient
from composit.nn.losses.reductions import REDUCTIONS, reduced
from composit.nn.operations.logistic import Clamp
from composit.numpy.arguments.normalizing import TensorLike

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["gaussian_nll", "huber", "kl_div", "l1", "mse", "poisson_nll", "smooth_l1"]


def _pair(function: str, x: TensorLike, target: TensorLike) -> tuple[LazyTensor, LazyTensor]:
    return floating(function, x), floating(function, target, "target")


def mse(x: TensorLike, target: TensorLike, *, reduction: str = "mean") -> LazyTensor:
    """Return (x - target) ** 2.

    Derivative:  2 g (x - target)
    Reference:   torch.nn.functional.mse_loss
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(mse([1.0, 4.0], [1.0, 2.0]))
        np.float64(2.0)
    """
    prediction, goal = _pair("mse", x, target)
    return reduced("mse", cnp.square(prediction - goal), reduction)


def l1(x: TensorLike, target: TensorLike, *, reduction: str = "mean") -> LazyTensor:
    """Return |x - target|.

    Derivative:  g sign(x - target), 0 where they are equal
    Reference:   torch.nn.functional.l1_loss
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(l1([1.0, 4.0], [1.0, 2.0]))
        np.float64(1.0)
    """
    prediction, goal = _pair("l1", x, target)
    return reduced("l1", cnp.absolute(prediction - goal), reduction)


def _bent(distance: LazyTensor, limit: float) -> LazyTensor:
    """Return distance ** 2 / 2 within the limit, and limit * (|distance| - limit / 2) beyond, without squares that overflow."""
    near = apply(Clamp(-float(limit), float(limit)), distance)
    return near * (distance - 0.5 * near)


def huber(x: TensorLike, target: TensorLike, *, delta: float = 1.0, reduction: str = "mean") -> LazyTensor:
    """Return d ** 2 / 2 where d = |x - target| is below delta, else delta * (d - delta / 2).

    Derivative:  g (x - target), limited to -delta and delta
    Reference:   torch.nn.functional.huber_loss; Huber, Robust Estimation of a Location Parameter, 1964
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(huber([0.5, 3.0], [0.0, 0.0], reduction="none"))
        array([0.125, 2.5  ])
    """
    if not delta > 0:
        raise ParameterError(
            f"huber: delta={delta!r} was given; expected a positive number; use l1 for a loss without bend"
        )
    prediction, goal = _pair("huber", x, target)
    return reduced("huber", _bent(prediction - goal, delta), reduction)


def smooth_l1(x: TensorLike, target: TensorLike, *, beta: float = 1.0, reduction: str = "mean") -> LazyTensor:
    """Return d ** 2 / (2 beta) where d = |x - target| is below beta, else d - beta / 2. beta=0 is l1.

    Derivative:  g (x - target) / beta, limited to -1 and 1
    Reference:   torch.nn.functional.smooth_l1_loss
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(smooth_l1([0.5, 3.0], [0.0, 0.0], reduction="none"))
        array([0.125, 2.5  ])
    """
    if beta == 0:
        return l1(x, target, reduction=reduction)
    if not beta > 0:
        raise ParameterError(f"smooth_l1: beta={beta!r} was given; expected 0 or more")
    prediction, goal = _pair("smooth_l1", x, target)
    return reduced("smooth_l1", _bent(prediction - goal, beta) / beta, reduction)


def poisson_nll(
    x: TensorLike,
    target: TensorLike,
    *,
    log_input: bool = True,
    full: bool = False,
    epsilon: float = 1e-8,
    reduction: str = "mean",
) -> LazyTensor:
    """Return exp(x) - target * x: the negative logarithm of Poisson's probability of the target, up to a constant.

    log_input: False takes x itself as the rate: x - target * log(x + epsilon)
    full:      add Stirling's approximation of log(target!), where the target exceeds 1

    Derivative:  g (exp(x) - target), or g (1 - target / (x + epsilon))
    Reference:   torch.nn.functional.poisson_nll_loss
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(poisson_nll([0.0, 0.0], [1.0, 3.0]))
        np.float64(1.0)
    """
    prediction, goal = _pair("poisson_nll", x, target)
    if log_input:
        losses = cnp.exp(prediction) - goal * prediction
    else:
        losses = prediction - goal * cnp.log(prediction + epsilon)
    if full:
        is_large = goal > 1
        safe = cnp.where(is_large, goal, 1)
        losses = losses + cnp.where(is_large, safe * cnp.log(safe) - safe + 0.5 * cnp.log(2 * math.pi * safe), 0)
    return reduced("poisson_nll", losses, reduction)


def gaussian_nll(
    x: TensorLike,
    target: TensorLike,
    variance: TensorLike,
    *,
    full: bool = False,
    epsilon: float = 1e-6,
    reduction: str = "mean",
) -> LazyTensor:
    """Return (log(variance) + (x - target) ** 2 / variance) / 2: the negative logarithm of Gauss's density, up to a constant.

    epsilon: the smallest variance; smaller ones count as this, and their derivative is that at this one
    full:    add log(2 pi) / 2

    Shapes:      variance broadcasts to x, or lacks the last axis
    Derivative:  by x, target and variance
    Raises:      ShapeError: the variance does not fit
    Reference:   torch.nn.functional.gaussian_nll_loss
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(gaussian_nll([1.0, 3.0], [1.0, 1.0], [1.0, 1.0]))
        np.float64(1.0)
    """
    prediction, goal = _pair("gaussian_nll", x, target)
    spread = _spread_of(floating("gaussian_nll", variance, "variance"), prediction)
    spread = spread + stop_gradient(cnp.maximum(epsilon - spread, 0))
    losses = 0.5 * (cnp.log(spread) + cnp.square(prediction - goal) / spread)
    return reduced("gaussian_nll", losses + 0.5 * LOG_2_PI if full else losses, reduction)


def _spread_of(variance: LazyTensor, x: LazyTensor) -> LazyTensor:
    fits = variance.ndim == x.ndim and all(a in (1, b) for a, b in zip(variance.shape, x.shape, strict=True))
    if fits or not variance.ndim:
        return variance
    if variance.shape == x.shape[:-1]:
        return cnp.expand_dims(variance, -1)
    raise ShapeError(
        f"gaussian_nll: variance has shape {variance.shape} for x with shape {x.shape}; expected the same, 1 in place of some"
        " lengths, or the shape without the last axis; reshape it first"
    )


def _batch_mean(losses: LazyTensor) -> LazyTensor:
    return cnp.sum(losses) / (losses.shape[0] if losses.ndim else 1)


def kl_div(x: TensorLike, target: TensorLike, *, log_target: bool = False, reduction: str = "mean") -> LazyTensor:
    """Return target * (log(target) - x), 0 where the target is 0: x holds logarithms of probabilities.

    log_target: the target holds logarithms, too
    reduction:  "batchmean" divides the sum by the length of the first axis, which is the mathematical divergence

    Derivative:  by x: -g target; by the target: g (log(target) + 1 - x), and -g x where it is 0
    Reference:   torch.nn.functional.kl_div; Kullback and Leibler, On Information and Sufficiency, 1951
    Example:
        >>> import composit.numpy as cnp
        >>> import numpy as np
        >>> cnp.evaluate(kl_div(np.log([[0.5, 0.5]]), [[1.0, 0.0]], reduction="batchmean"))
        np.float64(0.6931471805599453)
    """
    prediction, goal = _pair("kl_div", x, target)
    losses = cnp.exp(goal) * (goal - prediction) if log_target else goal * (log_or_zero(goal) - prediction)
    if reduction in REDUCTIONS:
        return reduced("kl_div", losses, reduction)
    if reduction != "batchmean":
        raise ParameterError(
            f"kl_div: reduction={reduction!r:.60} was given; expected one of 'mean', 'sum', 'none', 'batchmean'; choose one of these"
        )
    return _batch_mean(losses)
