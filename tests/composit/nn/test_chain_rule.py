from collections import Counter
from dataclasses import FrozenInstanceError, dataclass

import numpy as np
import pytest

import composit as cnp
from composit.apply import apply
from composit.errors import (
    DerivativeError,
    MissingDerivativeError,
    OperandError,
    ParameterError,
    ShapeError,
    UnreachedInputError,
)
from composit.nn import chain_rule
from composit.operation import Operation, VjpContext
from composit.program import ancestors_in_order
from tests.sampling import only


def _gradient_by_differences(function, point, step=1e-6):
    slope = np.zeros_like(point)
    for index in np.ndindex(point.shape):
        moved = point.copy()
        moved[index] += step
        ahead = function(moved)
        moved[index] -= 2 * step
        slope[index] = (ahead - function(moved)) / (2 * step)
    return slope


def _sample(*shape):
    return np.random.default_rng(7).normal(size=shape)


def test_a_loss_maps_to_itself_with_derivative_one():
    x = cnp.asarray(_sample(3))
    np.testing.assert_array_equal(cnp.evaluate(chain_rule({x: x}, [x])[0]), np.ones(3))


def test_the_gradient_is_not_scaled_by_the_loss():
    x = cnp.asarray(np.array([3.0, 4.0]))
    loss = cnp.sum(x) * 10
    np.testing.assert_array_equal(cnp.evaluate(chain_rule({loss: loss}, [x])[0]), [10, 10])


def test_any_other_value_is_the_incoming_gradient():
    x = cnp.asarray(_sample(3))
    y = x * 2
    cotangent = np.array([1.0, 10.0, 100.0])
    np.testing.assert_array_equal(cnp.evaluate(chain_rule({y: cotangent}, [x])[0]), 2 * cotangent)


def test_gradients_come_in_the_order_of_the_inputs_with_their_shapes():
    x, b = cnp.asarray(_sample(3, 4)), cnp.asarray(_sample(4))
    loss = cnp.sum((x + b) * x)
    db, dx = chain_rule({loss: loss}, [b, x])
    assert (db.shape, dx.shape) == ((4,), (3, 4))
    values = cnp.evaluate(x)
    np.testing.assert_allclose(cnp.evaluate(db), values.sum(0), rtol=1e-12)
    np.testing.assert_allclose(cnp.evaluate(dx), 2 * values + cnp.evaluate(b), rtol=1e-12)


@pytest.mark.parametrize(
    ("left", "right"), [((3, 4), (4,)), ((4,), (3, 4)), ((3, 1), (1, 4)), ((), (2, 3)), ((1,), ())]
)
def test_either_operand_is_summed_over_the_axes_it_was_repeated_along(left, right):
    a, b = cnp.asarray(_sample(*left)), cnp.asarray(_sample(*right) + 3)
    loss = cnp.sum(a * b)
    da, db = cnp.evaluate(*chain_rule({loss: loss}, [a, b]))
    x, y = cnp.evaluate(a, b)
    assert np.shape(da) == left
    assert np.shape(db) == right
    np.testing.assert_allclose(
        da, _gradient_by_differences(lambda v: np.sum(v * y), np.asarray(x)), rtol=1e-6, atol=1e-8
    )
    np.testing.assert_allclose(
        db, _gradient_by_differences(lambda v: np.sum(x * v), np.asarray(y)), rtol=1e-6, atol=1e-8
    )


def test_a_value_used_several_times_gets_the_sum():
    x = cnp.asarray(_sample(3))
    loss = cnp.sum(x * x + x * 3 + cnp.exp(x))
    values = cnp.evaluate(x)
    np.testing.assert_allclose(
        cnp.evaluate(chain_rule({loss: loss}, [x])[0]), 2 * values + 3 + np.exp(values), rtol=1e-14
    )


def test_two_inputs_of_equal_value_keep_their_own_gradients():
    a, b = cnp.zeros((2,)), cnp.zeros((2,))
    loss = cnp.sum(a * 2 + b * 5)
    da, db = cnp.evaluate(*chain_rule({loss: loss}, [a, b]))
    np.testing.assert_array_equal(da, [2, 2])
    np.testing.assert_array_equal(db, [5, 5])


def test_an_inner_value_has_a_gradient_beside_the_leaf_behind_it():
    x = cnp.asarray(_sample(3))
    inner = cnp.exp(x)
    loss = cnp.sum(inner * inner)
    d_inner, dx = cnp.evaluate(*chain_rule({loss: loss}, [inner, x]))
    np.testing.assert_allclose(d_inner, 2 * np.exp(cnp.evaluate(x)), rtol=1e-14)
    np.testing.assert_allclose(dx, 2 * np.exp(2 * cnp.evaluate(x)), rtol=1e-14)


def test_several_outputs_add_up():
    x = cnp.asarray(_sample(3))
    a, b = cnp.sum(x), cnp.sum(x * x)
    (dx,) = chain_rule({a: a, b: b}, [x])
    np.testing.assert_allclose(cnp.evaluate(dx), 1 + 2 * cnp.evaluate(x), rtol=1e-14)


def test_a_renamed_input_is_the_same_input():
    x = cnp.asarray(_sample(3))
    loss = cnp.sum(cnp.with_name(x, "weight") * 2)
    np.testing.assert_array_equal(cnp.evaluate(chain_rule({loss: loss}, [x])[0]), [2, 2, 2])


def test_the_gradient_of_a_gradient():
    x = cnp.asarray(_sample(3))
    loss = cnp.sum(x**3)
    (first,) = chain_rule({loss: loss}, [x])
    total = cnp.sum(first)
    (second,) = chain_rule({total: total}, [x])
    np.testing.assert_allclose(cnp.evaluate(second), 6 * cnp.evaluate(x), rtol=1e-12)


def test_gradients_keep_the_inputs_dtype():
    x = cnp.asarray(_sample(3).astype("float32"))
    loss = cnp.sum(x.astype("float64") * 2)
    (dx,) = chain_rule({loss: loss}, [x])
    assert dx.dtype == np.float32
    np.testing.assert_array_equal(cnp.evaluate(dx), np.float32([2, 2, 2]))


def test_a_network_agrees_with_finite_differences():
    x, w1, w2 = _sample(5, 4), _sample(4, 6), _sample(6, 3)

    def loss_of(xp, first, second):
        hidden = xp.tanh(xp.matmul(x, first))
        logits = xp.matmul(hidden, second)
        shifted = logits - xp.max(logits, axis=-1, keepdims=True)
        return -xp.mean(shifted - xp.log(xp.sum(xp.exp(shifted), axis=-1, keepdims=True)))

    first, second = cnp.asarray(w1), cnp.asarray(w2)
    loss = loss_of(cnp, first, second)
    d1, d2 = cnp.evaluate(*chain_rule({loss: loss}, [first, second]))
    np.testing.assert_allclose(d1, _gradient_by_differences(lambda w: loss_of(np, w, w2), w1), rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(d2, _gradient_by_differences(lambda w: loss_of(np, w1, w), w2), rtol=1e-5, atol=1e-8)


def test_an_input_that_is_not_reached_raises_or_gives_zeros():
    x, z = cnp.asarray(_sample(3)), cnp.asarray(_sample(2))
    loss = cnp.sum(x)
    with pytest.raises(UnreachedInputError, match="no output depends on the input"):
        chain_rule({loss: loss}, [z])
    np.testing.assert_array_equal(cnp.evaluate(chain_rule({loss: loss}, [z], unreached="zeros")[0]), [0, 0])


def test_an_assignment_after_the_output_was_built_is_named():
    x = cnp.asarray(_sample(3))
    loss = cnp.sum(x)
    x += 1  # the assignment
    with pytest.raises(UnreachedInputError, match=r"assigned to after the output was built[\s\S]*# the assignment"):
        chain_rule({loss: loss}, [x])


def test_a_path_without_derivative_is_an_error_that_names_it():
    x = cnp.asarray(_sample(3))
    loss = cnp.sum(cnp.astype(cnp.argmax(x), "float64"))
    with pytest.raises(DerivativeError, match="only through operations that have no derivative"):
        chain_rule({loss: loss}, [x])


def test_integers_have_no_derivative():
    n = cnp.asarray([1, 2])
    loss = cnp.sum(n * 1.5)
    with pytest.raises(DerivativeError, match=r"has dtype int64; expected a floating"):
        chain_rule({loss: loss}, [n])
    with pytest.raises(DerivativeError, match="output"):
        chain_rule({n: n}, [cnp.ones(2)])


def test_a_missing_rule_names_the_function_and_the_line():
    @cnp.wrap_as_operation(result_types=lambda x: x)
    def custom(x):
        return x

    x = cnp.asarray(_sample(3))
    loss = cnp.sum(custom(x))  # the line
    with pytest.raises(MissingDerivativeError, match="custom: the function was wrapped without a derivative") as caught:
        chain_rule({loss: loss}, [x])
    assert "# the line" in "\n".join(caught.value.__notes__)


def test_an_incoming_gradient_of_another_shape_is_an_error():
    x = cnp.asarray(_sample(3))
    with pytest.raises(ShapeError, match=r"has shape \(2,\); expected \(3,\)"):
        chain_rule({x * 2: np.ones(2)}, [x])


def test_unreached_must_be_a_known_word():
    x = cnp.ones(2)
    with pytest.raises(ParameterError, match="expected 'raise' or 'zeros'"):
        chain_rule({x: x}, [x], unreached="maybe")


def test_a_long_chain_is_differentiated_without_recursion():
    x = cnp.asarray(np.ones(2))
    y = x
    for _ in range(3000):
        y = y + x
    loss = cnp.sum(y)
    np.testing.assert_array_equal(cnp.evaluate(chain_rule({loss: loss}, [x])[0]), [3001, 3001])


def _num_nodes_of_a_gradient(length):
    x = cnp.asarray(np.ones(2))
    y = x
    for place in range(length):
        y = cnp.sin(y) if place % 2 else y * 1.01
    loss = cnp.sum(y)
    (gradient,) = chain_rule({loss: loss}, [x])
    return len(ancestors_in_order([gradient.node]))


def test_the_graph_of_a_derivative_grows_linearly():
    # Per two functions: both, the product with 1.01, the cosine, and two products in the gradient. All share one 1.01.
    sizes = [_num_nodes_of_a_gradient(length) for length in (1000, 2000, 4000)]
    assert sizes[1] - sizes[0] == 2500
    assert sizes[2] - sizes[1] == 5000


@pytest.mark.parametrize("length", only([31_000], [31_000, 101_000]))
def test_a_long_chain_of_functions_is_differentiated(length: int):
    assert _num_nodes_of_a_gradient(length) == _num_nodes_of_a_gradient(1000) + (length - 1000) * 5 // 2


def _operations_behind(gradients, loss):
    """Return the operations that the gradients add to the loss, but for numbers."""
    known = set(loss.graph)
    found = {node for gradient in gradients for node in gradient.graph} - known
    return Counter(node.name for node in found if node.operands)


def test_the_gradient_of_a_network_has_no_needless_nodes():
    generator = np.random.default_rng(0)
    shapes = ((4, 3), (3, 5), (5,), (5, 2), (2,))
    x, first, bias, second, other_bias = (cnp.asarray(generator.normal(size=shape)) for shape in shapes)
    loss = cnp.sum((cnp.tanh(x @ first + bias) @ second + other_bias) * 3.0)
    gradients = chain_rule({loss: loss}, [first, bias, second, other_bias])
    # No product with ones, no sum whose axes are put back and taken out again, no reshape to the same shape.
    assert _operations_behind(gradients, loss) == {
        "broadcast_to": 1,
        "multiply": 3,
        "subtract": 1,
        "transpose": 3,
        "matmul": 3,
        "sum": 2,
    }


@pytest.mark.parametrize("shape", [(3, 4), (1, 4), (3, 1), (1, 1), (4,), (1,), ()])
def test_a_cotangent_of_a_broadcast_operand_is_summed_once(shape):
    x, y = cnp.asarray(np.ones(shape)), cnp.asarray(np.full((3, 4), 2.0))
    loss = cnp.sum(x * y)
    (gradient,) = chain_rule({loss: loss}, [x])
    assert gradient.shape == shape
    assert cnp.evaluate(gradient).ravel()[0] == 2.0 * 12 / max(x.size, 1)
    names = [node.name for node in gradient.graph if node.operands]
    assert names.count("sum") <= 1
    assert names.count("reshape") == (shape == (1,))


def test_gradient_nodes_stand_in_the_scope_of_what_they_differentiate():
    x = cnp.asarray(_sample(3))
    with cnp.name_scope("encoder"):
        y = cnp.tanh(x)
    loss = cnp.sum(y)
    (dx,) = chain_rule({loss: loss}, [x])
    assert any(node.scope == "encoder" and node.serial > loss.node.serial for node in dx.graph.nodes)


def test_arguments_of_another_form_are_refused_with_what_to_write():
    x = cnp.asarray([1.0, 2.0])
    loss = cnp.sum(x * x)
    with pytest.raises(OperandError, match=r"write \{loss: loss\}"):
        chain_rule(loss, [x])
    with pytest.raises(OperandError, match=r"for one write \[x\]"):
        chain_rule({loss: loss}, x)
    (gradient,) = chain_rule({loss: loss}, (each for each in [x]))
    np.testing.assert_array_equal(cnp.evaluate(gradient), [2.0, 4.0])


@dataclass(frozen=True, slots=True)
class _SumAndProduct(Operation):
    """Two results of two operands, whose derivative keeps what it was given."""

    given: list[VjpContext]

    @property
    def num_results(self):
        return 2

    def result_types(self, *operand_types):
        return operand_types

    def evaluate(self, x, y):
        return x + y, x * y

    def vjp(self, context):
        self.given.append(context)
        (_, g), (x, y) = context.cotangents, context.operands
        return [g * y, g * x]


def test_a_derivative_is_given_one_record_of_the_call_and_its_cotangents():
    x, y = cnp.asarray(_sample(3)), cnp.asarray(_sample(3) + 1)
    operation = _SumAndProduct([])
    _, product = apply(operation, x, y)
    (gradient,) = chain_rule({product: product}, [x])
    np.testing.assert_array_equal(cnp.evaluate(gradient), _sample(3) + 1)
    (context,) = operation.given
    assert context.xp is cnp.numpy
    assert context.cotangents[0] is None
    assert context.cotangents[1].shape == (3,)
    assert [operand.node for operand in context.operands] == [x.node, y.node]
    assert [result.output_index for result in context.results] == [0, 1]
    assert context.needs == [True, False]
    with pytest.raises(FrozenInstanceError):
        context.needs = [True, True]
