"""numpy is the oracle: the same words spoken to numpy and to composit give the same types, values and errors."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import composit as cnp
from composit.types import LazyTensor

# Spoken to numpy and to composit.numpy, hence Any.
Words = Callable[[Any], Any]


def assert_same(words: Words) -> None:
    """Both give the same values, dtype, shape, and a scalar where numpy gives one."""
    expected, lazy = words(np), words(cnp)
    several = isinstance(expected, list | tuple)
    expected_parts: Sequence[Any] = expected if several else [expected]
    lazy_parts: Sequence[Any] = lazy if several else [lazy]
    assert len(lazy_parts) == len(expected_parts)
    for part, tensor in zip(expected_parts, lazy_parts, strict=True):
        assert isinstance(tensor, LazyTensor)
        assert tensor.shape == np.shape(part)
        assert tensor.dtype == part.dtype
        assert tensor.type.is_scalar == isinstance(part, np.generic)
        value = cnp.evaluate(tensor)
        assert type(value) is type(part)
        assert value.dtype == part.dtype
        np.testing.assert_array_equal(value, part)


def assert_close(words: Words, relative: float = 1e-12) -> None:
    """As assert_same up to rounding: numpy may sum in another order."""
    expected, tensor = words(np), words(cnp)
    assert (tensor.shape, tensor.dtype) == (np.shape(expected), expected.dtype)
    assert tensor.type.is_scalar == isinstance(expected, np.generic)
    np.testing.assert_allclose(cnp.evaluate(tensor), expected, rtol=relative, atol=relative)


def assert_same_error(words: Words) -> None:
    """Both raise at the call: ours is of numpy's class, and its text begins with numpy's or contains it."""
    expected = _raised(words, np)
    ours = _raised(words, cnp)
    kinds = [kind for kind in type(expected).__mro__ if kind.__module__ in ("builtins", "numpy.exceptions")]
    assert isinstance(ours, kinds[0]), f"{type(ours)} is not a {kinds[0]}"
    assert str(expected).strip() in str(ours)


def _raised(words: Words, xp: Any) -> Exception:
    try:
        words(xp)
    except (ValueError, TypeError, IndexError) as error:
        return error
    raise AssertionError(f"{xp.__name__} did not raise")


def assert_derivative(function: Callable[..., Any], *arrays: np.ndarray) -> None:
    """The gradients agree with central differences along a random direction, and so do those of the gradients.

    Tolerance: differences of step 1e-5 in float64 are good to 1e-9 times the third derivative; 1e-6 leaves room.
    """
    generator = np.random.default_rng(0)
    shape = cnp.evaluate(function(*arrays)).shape
    weight = generator.normal(size=shape)
    for position, array in enumerate(arrays):
        direction = generator.normal(size=array.shape)
        inputs = [cnp.array(other) for other in arrays]
        cotangent = cnp.array(weight)
        (gradient,) = cnp.nn.chain_rule({function(*inputs): cotangent}, [inputs[position]])
        assert (gradient.shape, gradient.dtype) == (array.shape, array.dtype)
        along = float(np.sum(cnp.evaluate(gradient) * direction))
        assert np.isclose(along, _difference(function, arrays, position, direction, weight), rtol=1e-6, atol=1e-6)
        _assert_adjoint(gradient, cotangent, direction, along)


def _difference(
    function: Callable[..., Any], arrays: Sequence[np.ndarray], position: int, direction: np.ndarray, weight: np.ndarray
) -> float:
    step = 1e-5
    ends = []
    for sign in (1, -1):
        moved = [a + sign * step * direction if i == position else a for i, a in enumerate(arrays)]
        ends.append(float(np.sum(cnp.evaluate(function(*moved)) * weight)))
    return (ends[0] - ends[1]) / (2 * step)


def _assert_adjoint(gradient: Any, cotangent: Any, direction: np.ndarray, along: float) -> None:
    # The gradient is linear in the cotangent, so differentiating <gradient, direction> by it and pairing with the
    # cotangent again gives the same number: this runs the derivatives of the adjoint operations.
    (second,) = cnp.nn.chain_rule({cnp.sum(gradient * direction): 1.0}, [cotangent])
    again = float(np.sum(cnp.evaluate(second) * cnp.evaluate(cotangent)))
    assert np.isclose(again, along, rtol=1e-9, atol=1e-9)
