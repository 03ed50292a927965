"""Activation functions: relu and its kin, sigmoids, shrinking functions, gates. softmax and its kin are in exponentials.py.

Each takes a tensor or what numpy takes for an array, keeps its shape (gates halve one axis) and its floating dtype;
integers become float64. At a kink the derivative is torch's. Shared facts are said here and not at each function:

    Shapes:      the shape of x
    Dtype:       that of x; integers become float64
    Raises:      DtypeError: x is complex, or no numbers
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import composit.numpy as cnp
from composit.apply import apply
from composit.errors import ParameterError, ShapeError
from composit.nn.arguments import check_shape, floating, one_of
from composit.nn.operations.gaussian_error import Gelu
from composit.nn.operations.logistic import Clamp, Elu, HardSwish, LeakyRelu, Relu, Sigmoid, Silu, Softplus
from composit.nn.operations.uniform_numbers import uniform
from composit.numpy.arguments.normalizing import AxisLike, TensorLike, handle_of, normalize_axis

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "log_sigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "rrelu",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softplus",
    "softsign",
    "swiglu",
    "tanh_shrink",
    "threshold",
]

# The fixed point of mean 0 and variance 1: Klambauer et al., Self-Normalizing Neural Networks, 2017.
_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def relu(x: TensorLike) -> LazyTensor:
    """Return max(x, 0).

    Derivative:  g where x > 0, else 0
    Reference:   torch.nn.functional.relu
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(relu([-1.0, 2.0]))
        array([0., 2.])
    """
    return apply(Relu(), floating("relu", x))


def relu6(x: TensorLike) -> LazyTensor:
    """Return min(max(x, 0), 6).

    Derivative:  g where 0 < x < 6, else 0
    Reference:   torch.nn.functional.relu6
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(relu6([-1.0, 2.0, 7.0]))
        array([0., 2., 6.])
    """
    return apply(Clamp(0, 6), floating("relu6", x))


def leaky_relu(x: TensorLike, negative_slope: float = 0.01) -> LazyTensor:
    """Return x where x > 0, else negative_slope * x.

    Derivative:  g where x > 0, else negative_slope * g
    Reference:   torch.nn.functional.leaky_relu
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(leaky_relu([-1.0, 2.0], negative_slope=0.5))
        array([-0.5,  2. ])
    """
    return apply(LeakyRelu(float(negative_slope)), floating("leaky_relu", x))


def prelu(x: TensorLike, weight: TensorLike, *, channel_axis: AxisLike = 1) -> LazyTensor:
    """Return x where x > 0, else weight * x, with one learned weight, or one per channel.

    Shapes:      x (n, channels, ...), weight () or (1,) or (channels,) -> the shape of x
    Derivative:  by x: g where x > 0, else weight * g; by weight: the sum of g x where x <= 0
    Raises:      ShapeError: the number of weights is neither 1 nor the number of channels
    Reference:   torch.nn.functional.prelu
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(prelu([[-1.0, 2.0], [3.0, -4.0]], [0.5, 0.25]))
        array([[-0.5,  2. ],
               [ 3. , -1. ]])
    """
    tensor, slopes = floating("prelu", x), floating("prelu", weight, "weight")
    if slopes.size == 1:
        slopes = cnp.reshape(slopes, ())
    else:
        axis = normalize_axis(channel_axis, tensor.ndim)
        channels = tensor.shape[axis]
        if slopes.shape != (channels,):
            raise ShapeError(
                f"prelu: weight has shape {slopes.shape} for x with shape {tensor.shape}; expected one weight, or {channels},"
                f" the length of axis {axis}; pass channel_axis= if another axis holds the channels"
            )
        slopes = cnp.reshape(slopes, (channels, *(1,) * (tensor.ndim - axis - 1)))
    return _with_slopes(tensor, slopes)


def _with_slopes(x: LazyTensor, slopes: LazyTensor) -> LazyTensor:
    # An infinite x has no part in the derivative by its slope where x > 0: 0 times infinity would be NaN.
    is_positive = x > 0
    return cnp.where(is_positive, x, cnp.where(is_positive, 0, x) * slopes)


def rrelu(
    x: TensorLike,
    low: float = 1 / 8,
    high: float = 1 / 3,
    *,
    training: bool = False,
    seed: Any = None,
    slopes: TensorLike | None = None,
) -> LazyTensor:
    """Return x where x > 0, else x times a slope: one drawn for each element in training, else the mean of low and high.

    training: draw slopes from low to high, now; the graph holds them as an input, so value and derivative see the same
    seed:     an integer or a generator for the draw; None draws anew in each process
    slopes:   slopes to use in place of a draw

    Derivative:  g where x > 0, else g times the slope
    Raises:      ParameterError: low is larger than high; ShapeError: slopes do not have the shape of x
    Reference:   torch.nn.functional.rrelu; Xu et al., Empirical Evaluation of Rectified Activations, 2015
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(rrelu([-8.0, 2.0], 0.25, 0.75))
        array([-4.,  2.])
    """
    tensor = floating("rrelu", x)
    if not low <= high:
        raise ParameterError(f"rrelu: low={low!r} and high={high!r} were given; expected low <= high; exchange them")
    if slopes is not None:
        given = floating("rrelu", slopes, "slopes")
        check_shape("rrelu", "slopes", given, tensor.shape, "one slope for each element of x")
        return _with_slopes(tensor, given.astype(tensor.dtype))
    if not training:
        return leaky_relu(tensor, (low + high) / 2)
    drawn = uniform("rrelu", seed, tensor.shape, tensor.dtype).astype(tensor.dtype)
    return _with_slopes(tensor, drawn * (high - low) + low)


def elu(x: TensorLike, alpha: float = 1.0) -> LazyTensor:
    """Return x where x > 0, else alpha * (exp(x) - 1).

    Derivative:  g where x > 0, else g alpha exp(x)
    Reference:   torch.nn.functional.elu
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(elu([0.0, 2.0, -1e4]))
        array([ 0.,  2., -1.])
    """
    return apply(Elu(float(alpha), 1.0), floating("elu", x))


def selu(x: TensorLike) -> LazyTensor:
    """Return a scaled elu, with the constants that keep mean 0 and variance 1.

    Derivative:  scale g where x > 0, else scale g alpha exp(x)
    Reference:   torch.nn.functional.selu; Klambauer et al., Self-Normalizing Neural Networks, 2017
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(selu([0.0, 1.0]))
        array([0.        , 1.05070099])
    """
    return _SELU_SCALE * elu(floating("selu", x), _SELU_ALPHA)


def celu(x: TensorLike, alpha: float = 1.0) -> LazyTensor:
    """Return x where x > 0, else alpha * (exp(x / alpha) - 1).

    Derivative:  g where x > 0, else g exp(x / alpha)
    Raises:      ParameterError: alpha is 0
    Reference:   torch.nn.functional.celu
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(celu([0.0, 2.0, -1e4], alpha=2.0))
        array([ 0.,  2., -2.])
    """
    if alpha == 0:
        raise ParameterError(
            "celu: alpha=0 was given, by which x is divided; expected another number; use relu for its limit"
        )
    return apply(Elu(float(alpha), float(alpha)), floating("celu", x))


def sigmoid(x: TensorLike) -> LazyTensor:
    """Return 1 / (1 + exp(-x)).

    Derivative:  g y (1 - y)
    Reference:   torch.sigmoid
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(sigmoid([-1e3, 0.0, 1e3]))
        array([0. , 0.5, 1. ])
    """
    return apply(Sigmoid(), floating("sigmoid", x))


def log_sigmoid(x: TensorLike) -> LazyTensor:
    """Return log(sigmoid(x)), right where the sigmoid itself is 0.

    Derivative:  g sigmoid(-x)
    Reference:   torch.nn.functional.logsigmoid
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(log_sigmoid([-1e3, 0.0]))
        array([-1.00000000e+03, -6.93147181e-01])
    """
    # Not a change of sign, so that no zero is negative.
    return 0 - apply(Softplus(), -floating("log_sigmoid", x))


def hard_sigmoid(x: TensorLike) -> LazyTensor:
    """Return min(max(x + 3, 0), 6) / 6.

    Derivative:  g / 6 where -3 < x < 3, else 0
    Reference:   torch.nn.functional.hardsigmoid
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(hard_sigmoid([-4.0, 0.0, 4.0]))
        array([0. , 0.5, 1. ])
    """
    return relu6(floating("hard_sigmoid", x) + 3) / 6


def hard_swish(x: TensorLike) -> LazyTensor:
    """Return x * hard_sigmoid(x).

    Derivative:  g (x / 3 + 1 / 2) where -3 < x < 3, g above, 0 below
    Reference:   torch.nn.functional.hardswish
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(hard_swish([-4.0, 3.0, 4.0]))
        array([-0.,  3.,  4.])
    """
    return apply(HardSwish(), floating("hard_swish", x))


def hard_tanh(x: TensorLike, low: float = -1.0, high: float = 1.0) -> LazyTensor:
    """Return min(max(x, low), high).

    Derivative:  g where low < x < high, else 0
    Raises:      ParameterError: low is greater than high
    Reference:   torch.nn.functional.hardtanh
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(hard_tanh([-2.0, 0.5, 2.0]))
        array([-1. ,  0.5,  1. ])
    """
    if low > high:
        raise ParameterError(
            f"hard_tanh: low={low!r} and high={high!r} were given; expected low <= high; exchange them"
        )
    return apply(Clamp(float(low), float(high)), floating("hard_tanh", x))


def softplus(x: TensorLike, beta: float = 1.0, threshold: float = 20.0) -> LazyTensor:
    """Return log(1 + exp(beta x)) / beta; x itself where beta x exceeds the threshold, as in torch.

    Derivative:  g sigmoid(beta x), and g above the threshold
    Raises:      ParameterError: beta is 0
    Reference:   torch.nn.functional.softplus
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(softplus([-1e3, 0.0, 1e3]))
        array([0.00000000e+00, 6.93147181e-01, 1.00000000e+03])
    """
    if beta == 0:
        raise ParameterError("softplus: beta=0 was given, by which the result is divided; expected another number")
    tensor = floating("softplus", x)
    scaled = tensor if beta == 1 else tensor * beta
    soft = apply(Softplus(), scaled)
    return cnp.where(scaled > threshold, tensor, soft if beta == 1 else soft / beta)


def softsign(x: TensorLike) -> LazyTensor:
    """Return x / (1 + |x|).

    Derivative:  g / (1 + |x|) ** 2
    Reference:   torch.nn.functional.softsign
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(softsign([-1.0, 0.0, 3.0]))
        array([-0.5 ,  0.  ,  0.75])
    """
    tensor = floating("softsign", x)
    return tensor / (1 + cnp.absolute(tensor))


def silu(x: TensorLike) -> LazyTensor:
    """Return x * sigmoid(x), also called swish; x may be complex.

    Derivative:  g s (1 + x (1 - s)) with s = sigmoid(x)
    Reference:   torch.nn.functional.silu
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(silu([0.0, 1e3]))
        array([   0., 1000.])
    """
    tensor = handle_of(x)
    return _complex_silu(tensor) if tensor.dtype.kind == "c" else apply(Silu(), floating("silu", tensor))


def _complex_silu(x: LazyTensor) -> LazyTensor:
    # Of exp(x) and exp(-x) the one that does not overflow.
    is_left = cnp.real(x) < 0
    power = cnp.exp(cnp.where(is_left, x, -x))
    return x * (cnp.where(is_left, power, 1) / (1 + power))


def mish(x: TensorLike) -> LazyTensor:
    """Return x * tanh(log(1 + exp(x))).

    Derivative:  that of its parts, without overflow
    Reference:   torch.nn.functional.mish; Misra, Mish, 2019
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(mish([0.0, 1e3]))
        array([   0., 1000.])
    """
    tensor = floating("mish", x)
    return tensor * cnp.tanh(apply(Softplus(), tensor))


def _gelu(x: LazyTensor) -> LazyTensor:
    return apply(Gelu(), x)


def _gelu_by_tanh(x: LazyTensor) -> LazyTensor:
    return x * 0.5 * (1 + cnp.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))))


_GELUS = {"none": _gelu, "tanh": _gelu_by_tanh}


def gelu(x: TensorLike, approximate: str = "none") -> LazyTensor:
    """Return x times the normal distribution function of x.

    approximate: "none" for the function itself, by erf; "tanh" for the approximation by tanh of a cubic polynomial

    Derivative:  that of the formula chosen
    Raises:      ParameterError: approximate is neither
    Reference:   torch.nn.functional.gelu; Hendrycks and Gimpel, Gaussian Error Linear Units, 2016
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(gelu([-1.0, 0.0, 1.0]))
        array([-0.15865525,  0.        ,  0.84134475])
    """
    formula = one_of("gelu", "approximate", approximate, _GELUS)
    return formula(floating("gelu", x))


def hard_shrink(x: TensorLike, threshold: float = 0.5) -> LazyTensor:
    """Return x where |x| exceeds the threshold, else 0.

    Derivative:  g where |x| exceeds the threshold, else 0
    Reference:   torch.nn.functional.hardshrink
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(hard_shrink([-1.0, 0.25]))
        array([-1.,  0.])
    """
    tensor = floating("hard_shrink", x)
    is_small = (tensor >= -threshold) & (tensor <= threshold)  # false for NaN, which stays
    return cnp.where(is_small, 0, tensor)


def soft_shrink(x: TensorLike, threshold: float = 0.5) -> LazyTensor:
    """Return x moved towards 0 by the threshold, and 0 where |x| does not exceed it.

    Derivative:  g where |x| exceeds the threshold, else 0
    Raises:      ParameterError: the threshold is negative
    Reference:   torch.nn.functional.softshrink
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(soft_shrink([-1.0, 0.25, 2.0]))
        array([-0.5,  0. ,  1.5])
    """
    if threshold < 0:
        raise ParameterError(
            f"soft_shrink: threshold={threshold!r} was given; expected 0 or more; pass its absolute value"
        )
    tensor = floating("soft_shrink", x)
    is_small = (tensor >= -threshold) & (tensor <= threshold)
    return cnp.where(is_small, 0, tensor - cnp.copysign(threshold, tensor))


def tanh_shrink(x: TensorLike) -> LazyTensor:
    """Return x - tanh(x).

    Derivative:  g tanh(x) ** 2
    Reference:   torch.nn.functional.tanhshrink
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(tanh_shrink([0.0, 1.0]))
        array([0.        , 0.23840584])
    """
    tensor = floating("tanh_shrink", x)
    return tensor - cnp.tanh(tensor)


def threshold(x: TensorLike, threshold: float, value: float) -> LazyTensor:
    """Return x where it exceeds the threshold, else the value.

    Derivative:  g where x exceeds the threshold, else 0
    Reference:   torch.nn.functional.threshold
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(threshold([0.5, 2.0], 1.0, -1.0))
        array([-1.,  2.])
    """
    tensor = floating("threshold", x)
    return cnp.where(tensor <= threshold, value, tensor)


def _halves(function: str, x: TensorLike, axis: AxisLike) -> tuple[LazyTensor, LazyTensor]:
    tensor = floating(function, x)
    position = normalize_axis(axis, tensor.ndim)
    if tensor.shape[position] % 2:
        raise ShapeError(
            f"{function}: axis {position} of x with shape {tensor.shape} cannot be halved; expected an even length; a gate"
            " needs as many elements as the values that it lets through"
        )
    first, second = cnp.split(tensor, 2, axis=position)
    return first, second


def glu(x: TensorLike, axis: AxisLike = -1) -> LazyTensor:
    """Return the first half along an axis, times the sigmoid of the second.

    Shapes:      (..., 2 n) -> (..., n)
    Derivative:  that of the product
    Raises:      ShapeError: the axis has an odd length; AxisError: there is no such axis
    Reference:   torch.nn.functional.glu
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(glu([4.0, 0.0]))
        array([2.])
    """
    value, gate = _halves("glu", x, axis)
    return value * sigmoid(gate)


def swiglu(x: TensorLike, axis: AxisLike = -1) -> LazyTensor:
    """Return silu of the first half along an axis, times the second.

    Shapes:      (..., 2 n) -> (..., n)
    Derivative:  that of the product
    Raises:      ShapeError: the axis has an odd length; AxisError: there is no such axis
    Reference:   Shazeer, GLU Variants Improve Transformer, 2020
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(swiglu([1e3, 2.0]))
        array([2000.])
    """
    gate, value = _halves("swiglu", x, axis)
    return silu(gate) * value
