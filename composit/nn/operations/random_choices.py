"""What is drawn: dropout in its forms, Bernoulli and multinomial draws.

`seed` is an integer, or a generator of numpy's or of composit.numpy.random, from which the next numbers are taken. The drawn
numbers are inputs of the graph: a compiled training step fills them anew, and the graph shows them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

import composit.numpy as cnp
from composit.errors import ParameterError, ShapeError
from composit.nn.arguments import floating
from composit.nn.operations.uniform_numbers import uniform
from composit.numpy.arguments.normalizing import TensorLike, handle_of
from composit.operation import Shape

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = [
    "alpha_dropout",
    "bernoulli",
    "dropout",
    "dropout_mask",
    "feature_alpha_dropout",
    "feature_dropout",
    "multinomial",
]

# The value that selu gives to minus infinity: Klambauer et al., Self-Normalizing Neural Networks, 2017.
_SATURATED = -1.6732632423543772 * 1.0507009873554805


def _check_rate(function: str, rate: float) -> None:
    if not 0 <= rate <= 1:
        raise ParameterError(f"{function}: rate={rate!r} was given; expected a probability from 0 to 1")


def dropout_mask(shape: Shape, rate: float, *, seed: Any, dtype: Any = np.float64) -> LazyTensor:
    """Return booleans, drawn now: false with the probability `rate`, for `dropout(x, rate, mask=mask)`.

    dtype: that of the numbers drawn: use that of x

    Raises:      ParameterError: rate is no probability
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(dropout_mask((2, 3), 0.0, seed=0)).all()
        np.True_
    """
    _check_rate("dropout_mask", rate)
    return uniform("dropout", seed, tuple(shape), np.dtype(dtype)) >= rate


def _mask_for(
    function: str, x: LazyTensor, shape: Shape, rate: float, seed: Any, mask: TensorLike | None
) -> LazyTensor:
    _check_rate(function, rate)
    if mask is None:
        return dropout_mask(shape, rate, seed=seed, dtype=x.dtype)
    given = handle_of(mask)
    if given.shape != shape or given.dtype != np.bool:
        raise ShapeError(
            f"{function}: mask has shape {given.shape} and dtype {given.dtype}; expected booleans of shape {shape}; draw one with"
            " dropout_mask"
        )
    return given


def dropout(x: TensorLike, rate: float = 0.5, *, seed: Any = None, mask: TensorLike | None = None) -> LazyTensor:
    """Return x with elements set to 0 with the probability `rate`, and the others divided by 1 - rate.

    seed: an integer or a generator; None draws anew in each process
    mask: booleans to use in place of a draw, true where elements stay

    Shapes:      the shape of x, which is the mask's, too
    Dtype:       that of x; integers become float64
    Derivative:  g where elements stay, divided by 1 - rate
    Raises:      ParameterError: rate is no probability; ShapeError: the mask does not fit
    Reference:   torch.nn.functional.dropout in training; Srivastava et al., Dropout, 2014
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(dropout([1.0, 2.0, 3.0], 0.5, mask=[True, False, True]))
        array([2., 0., 6.])
    """
    tensor = floating("dropout", x)
    return _dropped(tensor, _mask_for("dropout", tensor, tensor.shape, rate, seed, mask), rate)


def _dropped(x: LazyTensor, mask: LazyTensor, rate: float) -> LazyTensor:
    # With rate 1 nothing stays, and the scale is never used.
    return cnp.where(mask, x * (1 / (1 - rate) if rate < 1 else 0.0), 0)


def _of_features(function: str, x: LazyTensor) -> Shape:
    if x.ndim < 2:
        raise ShapeError(f"{function}: x has shape {x.shape}; expected (n, channels, ...); expand_dims it first")
    return (*x.shape[:2], *(1,) * (x.ndim - 2))


def feature_dropout(
    x: TensorLike, rate: float = 0.5, *, seed: Any = None, mask: TensorLike | None = None
) -> LazyTensor:
    """Return x with whole channels set to 0 with the probability `rate`, and the others divided by 1 - rate.

    Shapes:      x (n, channels, ...), mask (n, channels, 1, ...) -> the shape of x
    Derivative:  g where channels stay, divided by 1 - rate
    Raises:      ParameterError: rate is no probability; ShapeError: there are no channels, or the mask does not fit
    Reference:   torch.nn.functional.dropout1d, dropout2d, dropout3d in training; Tompson et al., 2014
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(feature_dropout([[[1.0, 2.0], [3.0, 4.0]]], mask=[[[True], [False]]]))
        array([[[2., 4.],
                [0., 0.]]])
    """
    tensor = floating("feature_dropout", x)
    shape = _of_features("feature_dropout", tensor)
    return _dropped(tensor, _mask_for("feature_dropout", tensor, shape, rate, seed, mask), rate)


def alpha_dropout(x: TensorLike, rate: float = 0.5, *, seed: Any = None, mask: TensorLike | None = None) -> LazyTensor:
    """Return x with elements set to selu's lowest value, scaled and moved so that mean 0 and variance 1 stay.

    Shapes:      the shape of x, which is the mask's, too
    Derivative:  g times the scale, where elements stay
    Raises:      ParameterError: rate is no probability; ShapeError: the mask does not fit
    Reference:   torch.nn.functional.alpha_dropout in training; Klambauer et al., Self-Normalizing Neural Networks, 2017
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(alpha_dropout([1.0, 2.0], 0.0))
        array([1., 2.])
    """
    tensor = floating("alpha_dropout", x)
    return _saturated(tensor, _mask_for("alpha_dropout", tensor, tensor.shape, rate, seed, mask), rate)


def feature_alpha_dropout(
    x: TensorLike, rate: float = 0.5, *, seed: Any = None, mask: TensorLike | None = None
) -> LazyTensor:
    """Return alpha_dropout of whole channels.

    Shapes:      x (n, channels, ...), mask (n, channels, 1, ...) -> the shape of x
    Derivative:  g times the scale, where channels stay
    Raises:      ParameterError: rate is no probability; ShapeError: there are no channels, or the mask does not fit
    Reference:   torch.nn.functional.feature_alpha_dropout in training
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(feature_alpha_dropout([[[1.0, 2.0]]], 0.0))
        array([[[1., 2.]]])
    """
    tensor = floating("feature_alpha_dropout", x)
    shape = _of_features("feature_alpha_dropout", tensor)
    return _saturated(tensor, _mask_for("feature_alpha_dropout", tensor, shape, rate, seed, mask), rate)


def _saturated(x: LazyTensor, mask: LazyTensor, rate: float) -> LazyTensor:
    if rate == 1:
        return x * 0
    scale = 1 / math.sqrt((1 - rate) * (1 + rate * _SATURATED**2))
    return cnp.where(mask, x, _SATURATED) * scale - scale * rate * _SATURATED


def bernoulli(probabilities: TensorLike, *, seed: Any) -> LazyTensor:
    """Return 1 with the given probabilities, else 0, drawn now.

    Shapes:      the shape of probabilities
    Dtype:       that of probabilities; integers become float64
    Derivative:  none: the result is a step
    Reference:   torch.bernoulli
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(bernoulli([0.0, 1.0], seed=0))
        array([0., 1.])
    """
    chances = floating("bernoulli", probabilities, "probabilities")
    drawn: LazyTensor = (uniform("bernoulli", seed, chances.shape, chances.dtype) < chances).astype(chances.dtype)
    return drawn


def multinomial(probabilities: TensorLike, num_samples: int, *, seed: Any, replacement: bool = False) -> LazyTensor:
    """Return positions along the last axis, drawn now with chances in proportion to the probabilities.

    replacement: whether one position may be drawn several times

    Shapes:      (..., n) -> (..., num_samples)
    Dtype:       int64
    Derivative:  none: a position is an integer
    Raises:      ParameterError: without replacement, more samples than positions; ShapeError: rank 0
    Reference:   torch.multinomial; without replacement: Efraimidis and Spirakis, Weighted Random Sampling, 2006
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(multinomial([0.0, 1.0, 0.0], 2, seed=0, replacement=True))
        array([1, 1])
    """
    chances = floating("multinomial", probabilities, "probabilities")
    if not chances.ndim:
        raise ShapeError("multinomial: probabilities have shape (); expected (..., n), one for each position")
    length = chances.shape[-1]
    if num_samples < 1 or (num_samples > length and not replacement):
        raise ParameterError(
            f"multinomial: num_samples={num_samples} was given for {length} positions; expected 1 to {length}, or"
            " replacement=True"
        )
    if replacement:
        limits = cnp.cumsum(chances, axis=-1)
        numbers = uniform("multinomial", seed, (*chances.shape[:-1], num_samples), chances.dtype) * limits[..., -1:]
        # The position is the number of limits below the number; a position of probability 0 has an empty interval.
        return cnp.sum(cnp.expand_dims(limits, -2) <= cnp.expand_dims(numbers, -1), axis=-1)
    # The k smallest waiting times of independent processes with these rates.
    waiting = -cnp.log1p(-uniform("multinomial", seed, chances.shape, chances.dtype))
    is_possible = chances > 0
    times = cnp.where(is_possible, waiting / cnp.where(is_possible, chances, 1), np.inf)
    order: LazyTensor = cnp.argsort(times, axis=-1, stable=True)[..., :num_samples]
    return order
