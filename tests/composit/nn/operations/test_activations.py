"""Activation functions against torch's: values, first and second derivatives, kinks, ends of the range, C."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import composit as cnp
from composit.errors import AxisError, DtypeError, ParameterError, ShapeError
from composit.nn import chain_rule, operations
from tests.composit.nn.rows import Row, check_derivatives, check_in_c, check_values, identifier
from tests.operations.sample import between, given, normal

Function = Callable[..., Any]

# name, ours, torch's, smooth
ELEMENTWISE: list[tuple[str, Function, Function, bool]] = [
    ("relu", operations.relu, F.relu, False),
    ("relu6", operations.relu6, F.relu6, False),
    ("leaky_relu", operations.leaky_relu, F.leaky_relu, False),
    (
        "leaky_relu 0.3",
        partial(operations.leaky_relu, negative_slope=0.3),
        partial(F.leaky_relu, negative_slope=0.3),
        False,
    ),
    ("elu", operations.elu, F.elu, False),
    ("elu 0.7", partial(operations.elu, alpha=0.7), partial(F.elu, alpha=0.7), False),
    ("selu", operations.selu, F.selu, False),
    ("celu", operations.celu, F.celu, False),
    ("celu 0.7", partial(operations.celu, alpha=0.7), partial(F.celu, alpha=0.7), False),
    ("silu", operations.silu, F.silu, True),
    ("gelu", operations.gelu, F.gelu, True),
    ("gelu tanh", partial(operations.gelu, approximate="tanh"), partial(F.gelu, approximate="tanh"), True),
    ("sigmoid", operations.sigmoid, torch.sigmoid, True),
    ("log_sigmoid", operations.log_sigmoid, F.logsigmoid, True),
    ("hard_sigmoid", operations.hard_sigmoid, F.hardsigmoid, False),
    ("hard_swish", operations.hard_swish, F.hardswish, False),
    ("hard_tanh", operations.hard_tanh, F.hardtanh, False),
    (
        "hard_tanh of limits",
        partial(operations.hard_tanh, low=-2, high=0.5),
        partial(F.hardtanh, min_val=-2, max_val=0.5),
        False,
    ),
    ("softplus", operations.softplus, F.softplus, True),
    (
        "softplus beta",
        partial(operations.softplus, beta=2, threshold=3),
        partial(F.softplus, beta=2, threshold=3),
        True,
    ),
    ("softsign", operations.softsign, F.softsign, True),
    ("mish", operations.mish, F.mish, True),
    ("hard_shrink", operations.hard_shrink, F.hardshrink, False),
    ("soft_shrink", operations.soft_shrink, F.softshrink, False),
    ("tanh_shrink", operations.tanh_shrink, F.tanhshrink, True),
    (
        "threshold",
        partial(operations.threshold, threshold=0.2, value=7.0),
        partial(F.threshold, threshold=0.2, value=7.0),
        False,
    ),
]
# The kinks of all functions, ends of the range, and numbers between.
POINTS = np.array(
    [-1e3, -100.0, -40.0, -7.0, -3.0, -2.0, -1.0, -0.5, 0.0, 0.2, 0.5, 1.0, 3.0, 6.0, 7.0, 25.0, 40.0, 100.0, 1e3]
)
STRIDED = (np.arange(48.0).reshape(6, 8) / 7 - 3)[::-2, 1::3]

OF_SHAPES = [
    Row(f"{name} of {shape}", ours, theirs, (maker,), smooth)
    for name, ours, theirs, smooth in ELEMENTWISE
    for shape, maker in (
        ("an array", between(-4, 4, 3, 5)),
        ("rank 0", given(np.array(0.7))),
        ("none", normal(0, 3)),
        ("a strided array", given(STRIDED)),
    )
]
AT_POINTS = [
    Row(f"{name} at kinks and ends", ours, theirs, (given(POINTS),), False) for name, ours, theirs, _ in ELEMENTWISE
]


def _of_axis(ours: Function, theirs: Function, axis: int) -> tuple[Function, Function]:
    return partial(ours, axis=axis), partial(theirs, dim=axis)


def _swiglu(x: torch.Tensor, dim: int) -> torch.Tensor:
    gate, value = x.chunk(2, dim)
    return F.silu(gate) * value


def _along_two(function: Function, x: torch.Tensor) -> torch.Tensor:
    return function(x.flatten(1), dim=1).reshape(x.shape)


MASKED = np.where(np.eye(4, dtype=bool), -np.inf, np.arange(16.0).reshape(4, 4))
ALONG_AXES = [
    Row(f"{name} along {axis}", *_of_axis(ours, theirs, axis), (normal(4, 6, 8),))
    for name, ours, theirs in (
        ("softmax", operations.softmax, torch.softmax),
        ("log_softmax", operations.log_softmax, torch.log_softmax),
        ("softmin", operations.softmin, F.softmin),
        ("glu", operations.glu, F.glu),
        ("swiglu", operations.swiglu, _swiglu),
        ("logsumexp", operations.logsumexp, torch.logsumexp),
    )
    for axis in (-1, 0, 1)
] + [
    *(
        Row(f"{name} {case}", partial(ours, axis=-1), partial(theirs, dim=-1), (maker,))
        for name, ours, theirs in (
            ("softmax", operations.softmax, torch.softmax),
            ("log_softmax", operations.log_softmax, torch.log_softmax),
            ("logsumexp", operations.logsumexp, torch.logsumexp),
        )
        for case, maker in (
            ("of large numbers", given(np.array([[1e4, 1e4 - 1, -1e4], [3.0, -1e4, 5.0]]))),
            ("of a strided array", given(STRIDED)),
            ("with masked elements", given(MASKED)),
            ("of ties", given(np.array([[2.0, 2.0, 1.0], [0.0, 0.0, 0.0]]))),
            ("of no rows", normal(0, 3)),
        )
    ),
    Row("softmax of rank 0", operations.softmax, partial(torch.softmax, dim=0), (given(np.array(2.0)),)),
    Row("log_softmax of rank 0", operations.log_softmax, partial(torch.log_softmax, dim=0), (given(np.array(2.0)),)),
    Row("logsumexp of rank 0", operations.logsumexp, partial(torch.logsumexp, dim=0), (given(np.array(2.0)),)),
    Row("softmax of no elements", operations.softmax, partial(torch.softmax, dim=-1), (normal(3, 0),)),
    Row("log_softmax of no elements", operations.log_softmax, partial(torch.log_softmax, dim=-1), (normal(3, 0),)),
    Row(
        "softmax along two",
        partial(operations.softmax, axis=(1, 2)),
        partial(_along_two, torch.softmax),
        (normal(2, 3, 4),),
    ),
    Row(
        "log_softmax along two",
        partial(operations.log_softmax, axis=(-1, 1)),
        partial(_along_two, torch.log_softmax),
        (normal(2, 3, 4),),
    ),
    Row(
        "logsumexp along two",
        partial(operations.logsumexp, axis=(0, 2), keepdims=True),
        lambda x: torch.logsumexp(x, (0, 2), keepdim=True),
        (normal(2, 3, 4),),
    ),
    Row("logsumexp of all", operations.logsumexp, lambda x: torch.logsumexp(x, (0, 1)), (normal(3, 4),)),
    Row("prelu of one weight", operations.prelu, F.prelu, (normal(3, 4, 5), normal(1)), False),
    Row("prelu of channels", operations.prelu, F.prelu, (normal(3, 4, 5), normal(4)), False),
    Row("prelu of a vector", operations.prelu, F.prelu, (normal(4), normal(1)), False),
    Row("prelu at 0", operations.prelu, F.prelu, (given(np.zeros((2, 3))), normal(3)), False),
]
ROWS = [*OF_SHAPES, *AT_POINTS, *ALONG_AXES]
every_row = pytest.mark.parametrize("row", ROWS, ids=identifier)


@every_row
def test_values_are_torchs(row: Row) -> None:
    check_values(row)


@every_row
def test_derivatives_are_torchs(row: Row) -> None:
    check_derivatives(row)


@pytest.mark.parametrize("rows", [AT_POINTS, ALONG_AXES], ids=["at points", "along axes"])
def test_all_is_computed_in_c(rows: list[Row]) -> None:
    check_in_c(rows)


@pytest.mark.parametrize("function", [operations.sigmoid, operations.softplus, operations.log_sigmoid, operations.mish])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_derivative_is_nan_far_from_0(function: Function, dtype: type) -> None:
    x = cnp.asarray(np.array([-1e4, -1e3, -90.0, 90.0, 1e3, 1e4], dtype))
    y = function(x)
    (gradient,) = chain_rule({y: y}, [x])
    (second,) = chain_rule({gradient: gradient}, [x])
    for value in cnp.evaluate(y, gradient, second):
        assert np.isfinite(value).all()
        assert value.dtype == dtype


def test_gelu_in_float32_is_as_exact_as_the_dtype() -> None:
    x = np.linspace(-9, 9, 100_001, dtype=np.float32)
    given, exact = cnp.asarray(x), cnp.asarray(x.astype(np.float64))
    ones = {each.dtype: cnp.ones(x.shape, each.dtype) for each in (given, exact)}
    values = [operations.gelu(each) for each in (given, exact)]
    slopes = [chain_rule({y: ones[y.dtype]}, [each])[0] for y, each in zip(values, (given, exact), strict=True)]
    # Two or three roundings of numbers up to 1, times x; torch's gelu has twice as much.
    for (found, expected), limit in ((values, 1.4e-7), (slopes, 1.9e-7)):
        difference = np.abs(cnp.evaluate(found) - cnp.evaluate(expected))
        assert (difference / np.maximum(np.abs(x), 1)).max() < limit


def test_gelu_in_float32_has_torchs_values_at_the_ends() -> None:
    x = np.array([0.0, -0.0, np.inf, np.nan, 1e38, -1e38, 1e15, -1e15, 1e-38, -1e-38], np.float32)
    given, theirs = cnp.asarray(x), torch.tensor(x, requires_grad=True)
    y, their_y = operations.gelu(given), F.gelu(theirs)
    (slope,) = torch.autograd.grad(their_y.sum(), [theirs])
    expected = np.where(np.isinf(x), x, their_y.detach().numpy())  # torch's own is NaN at infinity
    np.testing.assert_allclose(cnp.evaluate(y), expected, rtol=1e-6)
    finite = np.isfinite(x)
    with np.errstate(invalid="ignore"):
        found = cnp.evaluate(chain_rule({y: cnp.ones(x.shape, x.dtype)}, [given])[0])
    np.testing.assert_allclose(found[finite], slope.numpy()[finite], rtol=1e-6, atol=1e-7)


def test_sigmoid_keeps_the_digits_of_small_results() -> None:
    x = np.array([-700.0, -50.0, 0.0, 30.0])
    np.testing.assert_allclose(cnp.evaluate(operations.sigmoid(x)), 1 / (1 + np.exp(-x)), rtol=1e-14)


def test_a_row_of_minus_infinities_has_logsumexp_minus_infinity_and_a_gradient_of_0() -> None:
    x = cnp.asarray(np.array([[-np.inf, -np.inf], [0.0, 0.0]]))
    y = operations.logsumexp(x, axis=1)
    (gradient,) = chain_rule({y: cnp.ones(2)}, [x])
    np.testing.assert_array_equal(cnp.evaluate(gradient), [[0, 0], [0.5, 0.5]])
    assert cnp.evaluate(y)[0] == -np.inf
    assert cnp.evaluate(operations.logsumexp(cnp.zeros((2, 0)), axis=1)).tolist() == [-np.inf, -np.inf]


def test_nan_stays_nan() -> None:
    for name, ours, _, _ in ELEMENTWISE:
        assert np.isnan(cnp.evaluate(ours(np.array([np.nan, 1.0])))).tolist() == [True, False], name


def test_integers_become_float64_and_float32_stays() -> None:
    for name, ours, _, _ in ELEMENTWISE:
        assert ours(np.array([1, 2])).dtype == np.float64, name
        assert ours(np.float32([1, 2])).dtype == np.float32, name


def test_softmax_and_its_derivative_are_one_node_each() -> None:
    x = cnp.asarray(np.ones((2, 3)))
    y = operations.softmax(x)
    (gradient,) = chain_rule({y: cnp.ones((2, 3))}, [x])
    assert (y.name, gradient.name) == ("softmax", "softmaxgradient")


def test_wrong_calls_say_what_to_do() -> None:
    x = cnp.asarray(np.ones((2, 3)))
    with pytest.raises(
        ShapeError, match=r"glu: axis 1 of x with shape \(2, 3\) cannot be halved; expected an even length"
    ):
        operations.glu(x)
    with pytest.raises(AxisError, match="axis 2 is out of bounds"):
        operations.softmax(x, axis=2)
    with pytest.raises(DtypeError, match="relu: x is .* with dtype complex128; expected real numbers"):
        operations.relu(np.array([1j]))
    with pytest.raises(ParameterError, match="gelu: approximate='erf' was given; expected one of 'none', 'tanh'"):
        operations.gelu(x, approximate="erf")
    with pytest.raises(ShapeError, match=r"prelu: weight has shape \(4,\) .* expected one weight, or 3"):
        operations.prelu(x, np.ones(4))
    with pytest.raises(ParameterError, match="hard_tanh: low=2 and high=1 were given; expected low <= high"):
        operations.hard_tanh(x, 2, 1)
    with pytest.raises(ParameterError, match="softplus: beta=0 was given"):
        operations.softplus(x, beta=0)
    with pytest.raises(ParameterError, match="celu: alpha=0 was given"):
        operations.celu(x, alpha=0)
    with pytest.raises(ParameterError, match=r"soft_shrink: threshold=-1 was given; expected 0 or more"):
        operations.soft_shrink(x, threshold=-1)
