"""First values of parameters, drawn from a seed: numpy's generators, so the same numbers everywhere.

Shapes are torch's: (outputs, inputs) for linear layers, (outputs, inputs, *kernel) for convolutions; `in_axis` and `out_axis` name
the axes of other layouts, such as in_axis=0, out_axis=1 for x @ weight.
Reference: https://docs.pytorch.org/docs/stable/nn.init.html
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from composit.apply import input_of
from composit.errors import ParameterError, ShapeError
from composit.operation import Array, Shape

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

# A seed, or a generator that several parameters draw from in turn.
Seed: TypeAlias = "int | np.random.Generator | Sequence[int]"

__all__ = [
    "constant",
    "gain",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "normal",
    "orthogonal",
    "truncated_normal",
    "uniform",
    "xavier_normal",
    "xavier_uniform",
]

_GAINS = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}


def gain(nonlinearity: str, slope: float = 0.01) -> float:
    """Return the factor that keeps the variance behind a function: relu, tanh, selu, sigmoid, linear, leaky_relu.

    slope: of leaky_relu for negative elements

    Raises:  ParameterError: another function
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        raise ParameterError(
            f"gain: {nonlinearity!r} was given; expected one of {', '.join([*_GAINS, 'leaky_relu'])}; pass gain= as a number for "
            "another function"
        )
    return _GAINS[nonlinearity]


def constant(shape: Sequence[int], value: float = 0.0, *, dtype: DTypeLike = np.float32) -> LazyTensor:
    """Return a parameter filled with a number."""
    return input_of(np.full(tuple(shape), value, dtype))


def uniform(
    shape: Sequence[int], low: float = -1.0, high: float = 1.0, *, seed: Seed, dtype: DTypeLike = np.float32
) -> LazyTensor:
    """Return a parameter of uniform numbers from low to below high.

    Example:
        >>> uniform((2, 3), seed=0).shape
        (2, 3)
    """
    return _parameter(_generator(seed).uniform(low, high, tuple(shape)), dtype)


def normal(
    shape: Sequence[int], mean: float = 0.0, deviation: float = 1.0, *, seed: Seed, dtype: DTypeLike = np.float32
) -> LazyTensor:
    """Return a parameter of normal numbers."""
    return _parameter(_generator(seed).normal(mean, deviation, tuple(shape)), dtype)


def truncated_normal(
    shape: Sequence[int],
    mean: float = 0.0,
    deviation: float = 1.0,
    low: float = -2.0,
    high: float = 2.0,
    *,
    seed: Seed,
    dtype: DTypeLike = np.float32,
) -> LazyTensor:
    """Return a parameter of normal numbers from low to high; what falls outside is drawn again.

    Raises:  ParameterError: low is not below high, or less than one number in 10,000 would fall between them
    """
    generator = _generator(seed)
    share = _below(high, mean, deviation) - _below(low, mean, deviation)
    if not share > 1e-4:
        raise ParameterError(
            f"truncated_normal: low={low} and high={high} were given for mean {mean} and deviation {deviation}; expected bounds that "
            "hold more than one number in 10,000; move them towards the mean"
        )
    values = generator.normal(mean, deviation, tuple(shape))
    while (is_outside := (values < low) | (values > high)).any():
        values[is_outside] = generator.normal(mean, deviation, int(is_outside.sum()))
    return _parameter(values, dtype)


def xavier_uniform(
    shape: Sequence[int],
    *,
    seed: Seed,
    gain: float = 1.0,
    in_axis: int = 1,
    out_axis: int = 0,
    dtype: DTypeLike = np.float32,
) -> LazyTensor:
    """Return uniform numbers with the variance gain^2 * 2 / (inputs + outputs). Reference: Glorot and Bengio, 2010."""
    bound = gain * math.sqrt(6 / sum(_fans("xavier_uniform", shape, in_axis, out_axis)))
    return uniform(shape, -bound, bound, seed=seed, dtype=dtype)


def xavier_normal(
    shape: Sequence[int],
    *,
    seed: Seed,
    gain: float = 1.0,
    in_axis: int = 1,
    out_axis: int = 0,
    dtype: DTypeLike = np.float32,
) -> LazyTensor:
    """Return normal numbers with the variance gain^2 * 2 / (inputs + outputs). Reference: Glorot and Bengio, 2010."""
    fans = _fans("xavier_normal", shape, in_axis, out_axis)
    return normal(shape, 0.0, gain * math.sqrt(2 / sum(fans)), seed=seed, dtype=dtype)


def kaiming_uniform(
    shape: Sequence[int],
    *,
    seed: Seed,
    gain: float = math.sqrt(2),
    in_axis: int = 1,
    out_axis: int = 0,
    dtype: DTypeLike = np.float32,
) -> LazyTensor:
    """Return uniform numbers with the variance gain^2 / inputs; the gain is relu's. Reference: He et al., 2015."""
    bound = gain * math.sqrt(3 / _fans("kaiming_uniform", shape, in_axis, out_axis)[0])
    return uniform(shape, -bound, bound, seed=seed, dtype=dtype)


def kaiming_normal(
    shape: Sequence[int],
    *,
    seed: Seed,
    gain: float = math.sqrt(2),
    in_axis: int = 1,
    out_axis: int = 0,
    dtype: DTypeLike = np.float32,
) -> LazyTensor:
    """Return normal numbers with the variance gain^2 / inputs; the gain is relu's. Reference: He et al., 2015."""
    fan = _fans("kaiming_normal", shape, in_axis, out_axis)[0]
    return normal(shape, 0.0, gain / math.sqrt(fan), seed=seed, dtype=dtype)


def lecun_normal(
    shape: Sequence[int], *, seed: Seed, in_axis: int = 1, out_axis: int = 0, dtype: DTypeLike = np.float32
) -> LazyTensor:
    """Return normal numbers with the variance 1 / inputs, as selu wants them. Reference: LeCun et al., 1998."""
    fan = _fans("lecun_normal", shape, in_axis, out_axis)[0]
    return normal(shape, 0.0, 1 / math.sqrt(fan), seed=seed, dtype=dtype)


def orthogonal(shape: Sequence[int], *, seed: Seed, gain: float = 1.0, dtype: DTypeLike = np.float32) -> LazyTensor:
    """Return a matrix whose rows or columns, whichever are fewer, are orthogonal and of length gain; further axes are joined.

    Reference: Saxe, McClelland and Ganguli, Exact Solutions to the Nonlinear Dynamics of Learning, 2014
    """
    if len(shape) < 2:
        raise ShapeError(
            f"orthogonal: shape {tuple(shape)} was given; expected two axes or more; use normal for vectors"
        )
    rows, columns = shape[0], math.prod(shape[1:])
    values = _generator(seed).normal(size=(max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(values)
    # The signs make the distribution uniform over all orthogonal matrices (Mezzadri, 2007).
    q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
    return _parameter(gain * (q if rows >= columns else q.T).reshape(tuple(shape)), dtype)


def _generator(seed: Seed) -> np.random.Generator:
    return seed if isinstance(seed, np.random.Generator) else np.random.default_rng(seed)


def _parameter(values: Any, dtype: DTypeLike) -> LazyTensor:
    array: Array = np.asarray(values).astype(dtype)
    return input_of(array)


def _below(limit: float, mean: float, deviation: float) -> float:
    """The share of normal numbers below a limit."""
    return (1 + math.erf((limit - mean) / (deviation * math.sqrt(2)))) / 2


def _fans(asked: str, shape: Sequence[int], in_axis: int, out_axis: int) -> tuple[int, int]:
    """Return how many numbers one output is summed from, and how many outputs one input has a part in."""
    sizes: Shape = tuple(shape)
    if len(sizes) < 2 or not all(-len(sizes) <= axis < len(sizes) for axis in (in_axis, out_axis)) or 0 in sizes:
        raise ShapeError(
            f"{asked}: shape {sizes} with in_axis={in_axis} and out_axis={out_axis} was given; expected two axes or more without zeros, "
            "among them both; use normal or uniform for biases"
        )
    field = math.prod(sizes) // (sizes[in_axis] * sizes[out_axis])
    return sizes[in_axis] * field, sizes[out_axis] * field
