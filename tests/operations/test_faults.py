"""Faults of an earlier framework of this kind: each is a test, so that none comes back."""

import numpy as np
import pytest

import composit as cnp


def _gradients(loss, *inputs):
    return [cnp.evaluate(gradient) for gradient in cnp.nn.chain_rule({loss: loss}, list(inputs))]


def test_sums_along_different_axes_are_different_nodes():
    x = cnp.asarray(np.arange(9.0).reshape(3, 3))
    assert cnp.sum(x, axis=0).node != cnp.sum(x, axis=1).node
    rows, columns = cnp.evaluate(cnp.sum(x, axis=1), cnp.sum(x, axis=0))
    np.testing.assert_array_equal(rows, [3, 12, 21])
    np.testing.assert_array_equal(columns, [9, 12, 15])


@pytest.mark.parametrize("create", [cnp.zeros, cnp.ones, cnp.empty, lambda shape: cnp.full(shape, 2.0)])
def test_two_created_arrays_are_two_inputs_with_a_gradient_each(create):
    x, y = create((2,)), create((2,))
    assert x.node != y.node
    for_x, for_y = _gradients(cnp.sum(x * 2 + y * 3), x, y)
    np.testing.assert_array_equal(for_x, [2, 2])
    np.testing.assert_array_equal(for_y, [3, 3])


def test_two_random_arrays_are_two_nodes_of_different_numbers():
    x, y = cnp.random.normal(size=(3,)), cnp.random.normal(size=(3,))
    assert x.node != y.node
    assert not np.array_equal(*cnp.evaluate(x, y))


def test_integers_and_a_float_make_floats():
    x = cnp.asarray(np.array([1, 2])) + 0.5
    assert x.dtype == np.float64
    np.testing.assert_array_equal(cnp.evaluate(x), [1.5, 2.5])


def test_the_dtype_argument_changes_the_values_too():
    x = cnp.asarray(np.array([1.5, -2.5]))
    for tensor in (x.astype(np.int32), cnp.sum(x, dtype=np.float32), cnp.array([1.5], dtype=np.float16)):
        assert cnp.evaluate(tensor).dtype == tensor.dtype
    np.testing.assert_array_equal(cnp.evaluate(x.astype(np.int32)), [1, -2])


def test_a_mean_over_two_axes_divides_its_gradient_by_the_number_of_elements():
    x = cnp.asarray(np.ones((3, 4, 5)))
    (gradient,) = _gradients(cnp.sum(cnp.mean(x, axis=(0, 2))), x)
    np.testing.assert_allclose(gradient, np.full((3, 4, 5), 1 / 15), rtol=1e-15)


@pytest.mark.parametrize("is_left", [True, False])
@pytest.mark.parametrize("function", [cnp.add, cnp.subtract, cnp.multiply, cnp.divide, cnp.maximum, cnp.power])
def test_the_gradient_of_a_broadcast_operand_has_its_shape(function, is_left):
    wide, narrow = cnp.asarray(np.full((3, 4), 2.0)), cnp.asarray(np.full(4, 2.5))
    result = function(narrow, wide) if is_left else function(wide, narrow)
    for_wide, for_narrow = _gradients(cnp.sum(result), wide, narrow)
    assert for_wide.shape == (3, 4)
    assert for_narrow.shape == (4,)


def test_a_gradient_is_not_scaled_by_the_loss():
    x = cnp.asarray(np.array([3.0, 4.0]))
    (gradient,) = _gradients(cnp.sum(x * x) * 100, x)
    np.testing.assert_array_equal(gradient, [600, 800])


def test_no_operation_runs_while_a_graph_is_built():
    runs = []

    @cnp.wrap_as_operation(result_types=lambda x: x)
    def noisy(x):
        runs.append(1)
        return x

    y = cnp.exp(noisy(cnp.asarray(np.ones(3))))
    assert y.shape == (3,)
    assert runs == []


def test_a_large_softmax_is_finite_and_its_gradient_needs_no_jacobian():
    x = cnp.asarray(np.array([1000.0, 1001.0, -1000.0] * 500))
    exponentials = cnp.exp(x - cnp.max(x))
    result = exponentials / cnp.sum(exponentials)
    (gradient,) = cnp.nn.chain_rule({result[0]: 1.0}, [x])
    assert np.all(np.isfinite(cnp.evaluate(result)))
    assert np.all(np.isfinite(cnp.evaluate(gradient)))
    assert max(value_type.size for node in gradient.graph.nodes for value_type in node.types) == 1500


def test_a_chain_of_many_operations_needs_no_recursion():
    x = y = cnp.asarray(np.ones(2))
    for _ in range(10_000):
        y = y + x
    assert len(y.graph) == 10_001
    assert cnp.evaluate(y)[0] == 10_001
    (gradient,) = cnp.nn.chain_rule({y: y}, [x])
    np.testing.assert_array_equal(cnp.evaluate(gradient), [10_001, 10_001])
    assert hash(y.node) == hash(y.node)


def test_the_gradient_of_a_tied_maximum_is_given_once():
    x = cnp.asarray(np.zeros((2, 2)))
    (gradient,) = _gradients(cnp.max(x), x)
    assert gradient.sum() == 1.0


def test_arrays_are_not_copied_at_each_evaluation():
    values = np.ones(1_000_000)
    values.flags.writeable = False
    x = cnp.asarray(values)
    assert x.node.operation.read() is values or np.shares_memory(x.node.operation.read(), values)
