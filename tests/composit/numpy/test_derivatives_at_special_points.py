"""First, second and third derivatives at points where a formula of its own is easily wrong, although the function is smooth.

Such points are 0, equal operands, NaN beside numbers, elements that a mask leaves out, overflowing squares, complex
values on an axis. Each row is a function of one vector; derivatives along a direction are compared with differences of
high order of numpy's values. At kinks (abs at 0, equal extrema) rules choose a slope: test_elementwise_derivatives.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import composit as cnp

Function = Callable[[Any, Any], Any]  # (xp, x) -> a number
NAN = np.nan
SECOND_TO_LAST = np.array([False, True, True, True])
EVERY_OTHER = np.array([True, False, True, False])


def _masked(name: str) -> Function:
    def compute(xp: Any, x: Any) -> Any:
        return xp.sum(getattr(xp, name)(x, where=EVERY_OTHER, out=xp.zeros(4)) ** 3)

    return compute


ROWS: dict[str, tuple[Function, Sequence[float]]] = {
    "sinc": (lambda xp, x: xp.sum(xp.sinc(x)), [0.0, 0.5, 1.0, -2.0, 1e-9, 1e-3, -1.0 + 1e-9]),
    "sinc of complex": (lambda xp, x: xp.real(xp.sum(xp.sinc(x * (1 + 0.5j)) * (1 - 2j))), [0.0, 0.5, 1.0, 1e-6]),
    "sinc in a product": (lambda xp, x: xp.sum(xp.sinc(x) ** 2 * xp.exp(x)), [0.0, 0.5, 0.0, -2.0]),
    "powers by numbers": (lambda xp, x: xp.sum(x**2 + x**3.0 + x**4), [0.0, 1.0]),
    "powers by floats": (lambda xp, x: xp.sum(xp.power(x, np.arange(5.0))), [0.0] * 5),
    "powers by integers": (lambda xp, x: xp.sum(xp.power(x, np.arange(5))), [0.0] * 5),
    "float powers": (lambda xp, x: xp.sum(xp.float_power(x, np.arange(5))), [0.0] * 5),
    "powers of a negative base": (lambda xp, x: xp.sum(xp.power(x, np.array([0.0, 1, 2, 3, -2]))), [-1.0] * 5),
    "powers in the exponent": (lambda xp, x: xp.sum(xp.power(np.array([2.0, 1.0, 0.5]), x)), [0.0, 1.0, 0.0]),
    "powers of zero": (lambda xp, x: xp.sum(xp.power(np.array([0.0, 0.0, 2.0]), x)), [2.0, 1.5, 0.0]),
    "powers in both": (lambda xp, x: xp.sum(xp.power(x[:3], x[3:])), [1.0, 2.0, 0.5, 0.0, 1.0, 2.0]),
    "hypot on an axis": (lambda xp, x: xp.hypot(x[0], x[1]) + xp.hypot(x[1], x[0]), [0.0, 2.0]),
    "hypot and a number": (lambda xp, x: xp.sum(xp.hypot(x, 3.0)), [0.0, -2.0]),
    "norm": (lambda xp, x: xp.linalg.norm(x), [0.0, 2.0, 0.0]),
    "norm of order 3": (lambda xp, x: xp.linalg.norm(x, 3), [1.0, 2.0, -3.0]),
    "norm of order 4": (lambda xp, x: xp.linalg.norm(x, 4), [0.0, 2.0, -3.0]),
    "norms of rows": (lambda xp, x: xp.sum(xp.linalg.norm(xp.reshape(x, (2, 2)), axis=1)), [0.0, 2.0, 1.0, 0.0]),
    "norm of complex": (lambda xp, x: xp.linalg.norm(x + 1j * x[::-1] ** 2, 3), [1.0, 2.0, -3.0]),
    "logaddexp of equal": (lambda xp, x: xp.sum(xp.logaddexp(x, np.array([0.0, 1.0, 3.0]))), [0.0, 1.0, 3.0]),
    "logaddexp of both": (lambda xp, x: xp.logaddexp(x[0], x[1]) ** 2, [1.0, 1.0]),
    "logaddexp2 of equal": (lambda xp, x: xp.sum(xp.logaddexp2(x, np.array([0.0, 1.0, 3.0]))), [0.0, 1.0, 3.0]),
    "logaddexp of far": (lambda xp, x: xp.sum(xp.logaddexp(x, np.array([-1e3, 40.0, -np.inf]))), [0.0, 1.0, 3.0]),
    "logarithm of a sum": (lambda xp, x: xp.log(xp.sum(xp.exp(x - xp.max(x)))) + xp.max(x), [1.0, 1.0, 1.0]),
    "nanstd": (lambda xp, x: xp.nanstd(x), [NAN, 1.0, 2.0, 4.0]),
    "nanvar": (lambda xp, x: xp.nanvar(x, ddof=1), [NAN, 1.0, 2.0, 4.0]),
    "nanvar of complex": (lambda xp, x: xp.nanvar(x * (1 + 2j)), [NAN, 1.0, 2.0, 4.0]),
    "nanmean": (lambda xp, x: xp.nanmean(x) ** 3, [NAN, 1.0, 2.0, 4.0]),
    "nansum": (lambda xp, x: xp.exp(xp.nansum(x)), [NAN, 1.0, 2.0, 0.4]),
    "nanprod": (lambda xp, x: xp.nanprod(x) ** 2, [NAN, 0.0, 2.0, 0.0]),
    "nancumsum": (lambda xp, x: xp.sum(xp.nancumsum(x) ** 3), [NAN, 0.0, 2.0, 0.4]),
    "nancumprod": (lambda xp, x: xp.sum(xp.nancumprod(x) ** 2), [NAN, 0.0, 2.0, 0.4]),
    "nanmax": (lambda xp, x: xp.nanmax(x) ** 3, [NAN, 0.0, 2.0, 0.4]),
    "nan_to_num": (lambda xp, x: xp.sum(xp.nan_to_num(x) ** 3), [NAN, 1.0, 2.0]),
    "prod": (lambda xp, x: xp.prod(x), [0.0, 0.0, 2.0, 0.4]),
    "prod from a start": (lambda xp, x: xp.prod(x, initial=3.0) ** 2, [0.0, 0.0, 2.0, 4.0]),
    "cumprod": (lambda xp, x: xp.sum(xp.cumprod(x) * np.arange(1.0, 5.0)), [0.0, 0.0, 2.0, 0.4]),
    "std": (lambda xp, x: xp.std(x, ddof=1), [0.0, 1.0, 2.0]),
    "std with half degrees": (lambda xp, x: xp.std(x, ddof=1.5), [0.0, 1.0, 2.0]),
    "var of equal": (lambda xp, x: xp.var(x), [1.0, 1.0, 1.0]),
    "var beside NaN": (lambda xp, x: xp.var(x, where=SECOND_TO_LAST), [NAN, 1.0, 2.0, 4.0]),
    "std beside NaN": (lambda xp, x: xp.std(x, where=SECOND_TO_LAST), [NAN, 1.0, 2.0, 4.0]),
    "mean beside NaN": (lambda xp, x: xp.mean(x, where=SECOND_TO_LAST) ** 3, [NAN, 1.0, 2.0, 4.0]),
    "sum beside NaN": (lambda xp, x: xp.sum(x, where=SECOND_TO_LAST) ** 3, [NAN, 1.0, 2.0, 4.0]),
    "prod beside NaN": (lambda xp, x: xp.prod(x, where=SECOND_TO_LAST), [NAN, 0.0, 2.0, 4.0]),
    "max beside NaN": (lambda xp, x: xp.max(x, where=SECOND_TO_LAST, initial=-1.0) ** 3, [NAN, 1.0, 2.0, 4.0]),
    "sqrt under a mask": (_masked("sqrt"), [1.0, 0.0, 2.0, -1.0]),
    "log under a mask": (_masked("log"), [1.0, 0.0, 2.0, -1.0]),
    "cbrt under a mask": (_masked("cbrt"), [1.0, 0.0, 2.0, 0.0]),
    "reciprocal under a mask": (_masked("reciprocal"), [1.0, 0.0, 2.0, 0.0]),
    "arcsin under a mask": (_masked("arcsin"), [0.2, 1.0, 0.4, -1.0]),
    "quotient under a mask": (
        lambda xp, x: xp.sum(xp.divide(x, x * x, where=EVERY_OTHER, out=xp.zeros(4)) ** 3),
        [1.0, 0.0, 2.0, 0.0],
    ),
    "sqrt of what is chosen": (
        lambda xp, x: xp.sum(xp.where(EVERY_OTHER, xp.sqrt(xp.where(EVERY_OTHER, x, 1)), 0)),
        [1.0, 0.0, 2.0, -1.0],
    ),
    "arctan2 on an axis": (lambda xp, x: xp.arctan2(x[0], x[1]) + xp.arctan2(x[1], x[0]), [0.0, 2.0]),
    "arctan2 of tiny": (lambda xp, x: xp.sum(xp.arctan2(x * 1e-200, np.array([1e-200, 2e-200]))), [0.0, 1.0]),
    "arctan2 of huge": (lambda xp, x: xp.sum(xp.arctan2(x * 1e200, np.array([1e200, 2e200]))), [0.0, 1.0]),
    "angle": (lambda xp, x: xp.sum(xp.angle(x + 1j * x[::-1] ** 2)), [0.5, 1.0]),
    "abs of complex": (lambda xp, x: xp.sum(xp.abs(x + 2j * x**2)), [0.3, -0.7, 1.1]),
    "abs on the imaginary axis": (lambda xp, x: xp.sum(xp.abs(x + 1j * np.array([1.0, 0.5]))), [0.0, 0.0]),
    "sign of complex": (lambda xp, x: xp.real(xp.sum(xp.sign(x + 1j * np.array([1.0, 0.5])) * (2 + 1j))), [0.0, 1.0]),
    "conjugate": (lambda xp, x: xp.real(xp.sum(xp.conj(x + 1j * x**2) * (x + 2j) ** 2)), [0.0, 1.0]),
    "abs of a spectrum": (lambda xp, x: xp.sum(xp.abs(xp.fft.fft(x))), [0.5, 2.2, 1.0]),
    "square of zero": (lambda xp, x: xp.sum(xp.square(x) * x), [0.0, 1.0]),
    "expm1": (lambda xp, x: xp.sum(xp.expm1(x)), [0.0, 1e-9]),
    "log1p": (lambda xp, x: xp.sum(xp.log1p(x)), [0.0, 1e-9]),
    "tanh": (lambda xp, x: xp.sum(xp.tanh(x)), [0.0, 20.0]),
    "arctan": (lambda xp, x: xp.sum(xp.arctan(x)), [0.0, 3.0]),
    "arcsinh": (lambda xp, x: xp.sum(xp.arcsinh(x)), [0.0, 3.0]),
    "arcsin": (lambda xp, x: xp.sum(xp.arcsin(x)), [0.0, 0.3]),
    "arctanh": (lambda xp, x: xp.sum(xp.arctanh(x)), [0.0, 0.3]),
    "cosh": (lambda xp, x: xp.sum(xp.cosh(x)), [0.0, 3.0]),
    "cbrt": (lambda xp, x: xp.sum(xp.cbrt(x)), [-1.0, 3.0]),
    "copysign": (lambda xp, x: xp.sum(xp.copysign(x, np.array([-1.0, 1.0])) ** 3), [-1.0, 3.0]),
    "clip": (lambda xp, x: xp.sum(xp.clip(x, -1, 1) ** 3), [-2.0, 0.0, 0.5, 3.0]),
    "quantile": (lambda xp, x: xp.quantile(x, 0.3) ** 3, [0.5, 1.5, 0.0, 3.0]),
    "quantile of a rank": (
        lambda xp, x: xp.quantile(np.array([0.5, 1.5, 0.0, 3.0]), x[0]) ** 3 + x[0] ** 2,
        [0.4],
    ),
    "average with a weight of zero": (lambda xp, x: xp.average(x[:2], weights=x[2:]) ** 2, [1.0, 2.0, 0.0, 1.0]),
    "solve": (lambda xp, x: xp.sum(xp.linalg.solve(xp.reshape(x, (2, 2)), np.ones(2))), [1.0, 0.0, 0.0, 1.0]),
    "matrix_power": (lambda xp, x: xp.sum(xp.linalg.matrix_power(xp.reshape(x, (2, 2)), 3)), [0.0, 0.0, 0.0, 1.0]),
    "select": (lambda xp, x: xp.sum(xp.select([x > 1, x <= 1], [xp.log(xp.abs(x)), x * x])), [2.0, -1.0]),
    "convolve": (lambda xp, x: xp.sum(xp.convolve(x, x) ** 2), [0.0, -1.0, 2.0]),
    "einsum": (lambda xp, x: xp.einsum("i,i,j->", x, x, x), [0.0, 1.0]),
}


def _by_chain_rule(function: Function, point: np.ndarray, direction: np.ndarray) -> list[float]:
    x = cnp.asarray(point)
    value, found = function(cnp, x), []
    for _ in range(3):
        (gradient,) = cnp.nn.chain_rule({value: value}, [x], unreached="zeros")
        value = cnp.sum(gradient * direction)
        found.append(float(cnp.evaluate(value)))
    return found


def _by_differences(function: Function, point: np.ndarray, direction: np.ndarray) -> list[float]:
    def at(step: float) -> float:
        return float(function(np, point + step * direction))

    h = 1e-3
    first = (at(-2 * h) - 8 * at(-h) + 8 * at(h) - at(2 * h)) / (12 * h)
    h = 3e-3
    second = (-at(-2 * h) + 16 * at(-h) - 30 * at(0) + 16 * at(h) - at(2 * h)) / (12 * h**2)
    h = 1e-2
    third = (at(-3 * h) - 8 * at(-2 * h) + 13 * at(-h) - 13 * at(h) + 8 * at(2 * h) - at(3 * h)) / (8 * h**3)
    return [first, second, third]


@pytest.mark.parametrize("name", ROWS)
def test_derivatives_up_to_the_third_are_right(name: str) -> None:
    function, given = ROWS[name]
    point = np.array(given)
    # Elements that are NaN stay; steps of 0.3 keep the third difference within its domain.
    direction = np.where(np.isnan(point), 0, np.random.default_rng(3).normal(size=point.shape) * 0.3)
    with np.errstate(all="ignore"):
        found = _by_chain_rule(function, point, direction)
        expected = _by_differences(function, point, direction)
    # Errors of differences of order h ** 4, and rounding by h ** k.
    for order, (analytic, numeric) in enumerate(zip(found, expected, strict=True)):
        np.testing.assert_allclose(analytic, numeric, rtol=2e-5, atol=(1e-8, 1e-7, 1e-5)[order])


def test_sinc_has_its_series_of_derivatives_at_zero() -> None:
    # The coefficients of sin(pi x) / (pi x): (-1) ** k pi ** (2 k) / (2 k + 1).
    x = cnp.asarray(np.array([0.0]))
    value, found = cnp.sum(cnp.sinc(x)), []
    for _ in range(8):
        (gradient,) = cnp.nn.chain_rule({value: value}, [x])
        value = cnp.sum(gradient)
        found.append(float(cnp.evaluate(value)))
    expected = [0.0 if n % 2 else (-1) ** (n // 2) * np.pi**n / (n + 1) for n in range(1, 9)]
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_derivatives_of_sinc_keep_dtype_and_precision() -> None:
    x = np.linspace(-3, 3, 601)
    for dtype, tolerance in ((np.float32, 1e-6), (np.float64, 1e-13)):
        tensor = cnp.asarray(x.astype(dtype))
        (gradient,) = cnp.nn.chain_rule({cnp.sinc(tensor): np.ones(x.shape, dtype)}, [tensor])
        assert gradient.dtype == dtype
        wide = x.astype(dtype).astype(np.longdouble)
        far = np.abs(wide) > 1e-2
        exact = (np.cos(np.pi * wide[far]) - np.sinc(wide[far])) / wide[far]
        np.testing.assert_allclose(cnp.evaluate(gradient)[far], exact.astype(float), rtol=0, atol=tolerance)


def test_the_direction_of_zero_has_no_slope() -> None:
    z = cnp.asarray(np.array([0j, 3 + 4j]))
    (gradient,) = cnp.nn.chain_rule({cnp.sign(z): np.array([1.0, 1.0])}, [z])
    # (g - Re(g y) conj(y)) / r with y = 0.6 + 0.8i: (1 - 0.6 (0.6 - 0.8i)) / 5
    np.testing.assert_allclose(cnp.evaluate(gradient), [0, (0.64 + 0.48j) / 5], rtol=1e-15)


def test_a_row_of_nan_only_has_a_gradient_of_zeros() -> None:
    x = cnp.asarray(np.array([[NAN, NAN], [1.0, 3.0]]))
    with np.errstate(all="ignore"):
        mean = cnp.nanmean(x, axis=1)
        (first,) = cnp.nn.chain_rule({mean[1] ** 2: 1.0}, [x])
        (second,) = cnp.nn.chain_rule({cnp.sum(first * np.array([[1.0, 1.0], [1.0, 0.0]])): 1.0}, [x])
        np.testing.assert_array_equal(cnp.evaluate(second), [[0, 0], [0.5, 0.5]])
