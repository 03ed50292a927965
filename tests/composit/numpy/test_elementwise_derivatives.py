"""Derivatives where differences do not reach: at kinks and singular points, of complex numbers, on values."""

import numpy as np
import pytest

import composit as cnp
import composit.numpy
from composit.numpy.elementwise.table import ELEMENTWISE_FUNCTIONS
from composit.numpy.namespaces import values
from composit.operation import VjpContext
from composit.types import LazyTensor
from tests.operations.samples import SAMPLES


def _gradient(function, *arrays):
    tensors = [cnp.asarray(np.asarray(array)) for array in arrays]
    return cnp.evaluate(cnp.nn.chain_rule({cnp.sum(function(*tensors)): 1.0}, tensors))


def test_a_power_of_zero_has_no_slope_even_at_zero():
    with np.errstate(all="raise"):
        by_base, by_exponent = _gradient(cnp.power, [0.0, 0.0, 0.0, 3.0], [0.0, 1.0, 2.0, 0.0])
    np.testing.assert_array_equal(by_base, [0, 1, 0, 0])
    np.testing.assert_allclose(by_exponent, [0, 0, 0, np.log(3)], rtol=1e-15)


@pytest.mark.parametrize(("exponent", "expected"), [(0, [0, 0]), (1, [1, 1]), (2, [0, 4]), (3, [0, 12]), (2.0, [0, 4])])
def test_powers_by_python_numbers_are_simple(exponent, expected):
    (gradient,) = _gradient(lambda x: x**exponent, [0.0, 2.0])
    np.testing.assert_array_equal(gradient, expected)


def test_the_length_of_a_zero_vector_has_slope_zero():
    np.testing.assert_array_equal(_gradient(cnp.hypot, [0.0, 3.0], [0.0, 4.0]), [[0, 0.6], [0, 0.8]])


def test_sums_of_exponentials_are_right_at_infinities():
    inf = np.inf
    for function in (cnp.logaddexp, cnp.logaddexp2):
        gradients = _gradient(function, [inf, -inf, 2000.0, 0.0], [inf, -inf, 0.0, 0.0])
        np.testing.assert_array_equal(gradients, [[0.5, 0.5, 1, 0.5], [0.5, 0.5, 0, 0.5]])


def test_a_piecewise_constant_function_stops_an_infinite_gradient():
    x = cnp.asarray(np.array([1.5]))
    (gradient,) = cnp.nn.chain_rule({cnp.floor(x): np.array([np.inf])}, [x])
    np.testing.assert_array_equal(cnp.evaluate(gradient), [0.0])


def test_the_absolute_value_has_slope_zero_at_zero():
    np.testing.assert_array_equal(_gradient(cnp.abs, [-2.0, 0.0, 3.0]), [[-1, 0, 1]])


def test_the_slope_of_expm1_keeps_its_digits_far_below_zero():
    np.testing.assert_allclose(_gradient(cnp.expm1, [-40.0]), [[np.exp(-40.0)]], rtol=1e-15)


def test_a_clipped_element_at_the_border_passes_half():
    np.testing.assert_array_equal(
        _gradient(lambda x: cnp.clip(x, 0, 1), [-1.0, 0.0, 0.5, 1.0, 2.0]), [[0, 0.5, 1, 0.5, 0]]
    )


HOLOMORPHIC = [
    "exp",
    "log",
    "sqrt",
    "sin",
    "cos",
    "tan",
    "sinh",
    "cosh",
    "tanh",
    "arcsin",
    "arccos",
    "arctan",
    "arcsinh",
    "arccosh",
    "arctanh",
    "square",
    "reciprocal",
    "exp2",
    "expm1",
    "log2",
    "log10",
    "log1p",
]


@pytest.mark.parametrize("name", HOLOMORPHIC)
def test_the_derivative_of_a_holomorphic_function_is_its_complex_one(name):
    # Steps along both axes give the same complex derivative; 1e-6 is what central differences of step 1e-6 keep.
    x = np.array([0.3 + 0.4j, -0.5 + 0.7j])
    function, step = getattr(np, name), 1e-6
    (gradient,) = _gradient(getattr(cnp, name), x)
    for direction in (1, 1j):
        difference = (function(x + step * direction) - function(x - step * direction)) / (2 * step * direction)
        np.testing.assert_allclose(gradient, difference, rtol=1e-6)


def test_parts_of_complex_numbers_pair_linearly():
    x = np.array([1 + 2j, 3 - 4j])
    np.testing.assert_array_equal(_gradient(cnp.real, x), [[1, 1]])
    np.testing.assert_array_equal(_gradient(cnp.imag, x), [[-1j, -1j]])
    np.testing.assert_allclose(_gradient(cnp.abs, x), [np.conj(x) / np.abs(x)], rtol=1e-15)
    # |x|^2 = x conj(x), whose parts move by 2 a da + 2 b db.
    np.testing.assert_array_equal(_gradient(lambda x: cnp.real(x * cnp.conj(x)), x), [2 * np.conj(x)])


def test_every_function_has_a_rule_or_a_reason_for_each_operand():
    for function in ELEMENTWISE_FUNCTIONS:
        assert len(function.derivatives) == function.nin
        for rule in function.derivatives:
            assert callable(rule) or rule.startswith("none: ")


@pytest.mark.parametrize(
    "sample",
    [s for s in SAMPLES if s.differentiable and s.family in ("elementwise", "reductions") and "float" not in s.name],
    ids=lambda sample: sample.name,
)
def test_rules_compute_on_values_what_they_build_as_graphs(sample):
    tensors = [cnp.asarray(x) if isinstance(x, np.ndarray) else x for x in sample.operands()]
    result = sample.compute(cnp, *tensors)
    node = (result[0] if isinstance(result, tuple | list) else result).node
    operands = [LazyTensor(None, operand, index) for operand, index in node.operands]
    results = [LazyTensor(None, node, index) for index in range(len(node.types))]
    cotangents = [cnp.asarray(np.ones(t.shape, t.dtype)) if t.dtype.kind in "fc" else None for t in node.types]
    needs = [value_type.dtype == np.float64 for value_type in (operand.type for operand in operands)]
    built = node.operation.vjp(VjpContext(composit.numpy, cotangents, operands, results, needs))
    with np.errstate(all="ignore"):
        evaluated = map(_evaluated, (cotangents, operands, results))
        computed = node.operation.vjp(VjpContext(values, *evaluated, needs))
        for lazy, value in zip(built, computed, strict=True):
            assert (lazy is None) == (value is None)
            if lazy is not None:
                np.testing.assert_array_equal(cnp.evaluate(lazy), value)


def _evaluated(tensors):
    return [None if tensor is None else cnp.evaluate(tensor) for tensor in tensors]


def test_the_namespace_of_values_has_numpys_functions_and_ours():
    assert values.exp is np.exp
    assert values.erf(0.0) == 0
    np.testing.assert_array_equal(values.apply(cnp.add.operation, 1, 2), 3)
    with pytest.raises(AttributeError, match=r"values: numpy has no 'no_such_function', .* add the function"):
        values.no_such_function  # noqa: B018  # looking it up is what fails
