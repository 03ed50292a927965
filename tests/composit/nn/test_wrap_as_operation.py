import warnings

import numpy as np
import pytest

import composit as cnp
from composit.errors import OperandError
from composit.nn import chain_rule
from composit.nn.core import wrap_as_operation
from composit.operation import tensor_type


@wrap_as_operation()
def relu(input_tensor: np.ndarray) -> np.ndarray:
    return np.maximum(input_tensor, 0)


def test_a_wrapped_function_is_one_node():
    y = relu(cnp.asarray([-1.0, 2.0]))
    assert len(y.graph) == 2
    assert y.name == "relu"
    np.testing.assert_array_equal(cnp.evaluate(y), [0, 2])


def test_types_are_learned_once_per_operand_types():
    calls = []

    @wrap_as_operation()
    def double(x):
        calls.append(x.shape)
        return x.astype("float32") * 2

    x = cnp.ones((3, 4))
    assert (double(x).shape, double(x).dtype) == ((3, 4), np.dtype("float32"))
    assert calls == [(3, 4)]
    double(cnp.ones((2,)))
    assert calls == [(3, 4), (2,)]


def test_where_ones_raise_or_warn_the_real_values_decide():
    @wrap_as_operation()
    def picky(x):
        if (x == 1).all():
            raise ValueError("ones are not accepted")
        return x[: int(x[0])]

    assert picky(cnp.asarray([2.0, 5.0, 6.0])).shape == (2,)

    @wrap_as_operation()
    def warns(x):
        if (x == 1).all():
            warnings.warn("ones", stacklevel=1)
        return x

    assert warns(cnp.asarray([2.0])).shape == (1,)


def test_an_error_on_the_real_values_too_is_the_functions_own():
    @wrap_as_operation()
    def broken(x):
        raise ZeroDivisionError("always")

    with pytest.raises(ZeroDivisionError, match="always"):
        broken(cnp.ones(2))


def test_several_results_and_keyword_arguments():
    @wrap_as_operation()
    def halves(x, *, at):
        return x[:at], x[at:]

    first, second = halves(cnp.asarray([1.0, 2.0, 3.0]), at=1)
    assert (first.shape, second.shape) == ((1,), (2,))
    a, b = cnp.evaluate(first, second)
    np.testing.assert_array_equal(a, [1])
    np.testing.assert_array_equal(b, [2, 3])


def test_result_types_and_vjp_may_be_given():
    @wrap_as_operation(
        result_types=lambda x, power: tensor_type(x.shape, x.dtype),
        vjp=lambda xp, g, operands, results, needs, power: [g[0] * power * operands[0] ** (power - 1)],
    )
    def raised(x, *, power):
        return x**power

    x = cnp.asarray([1.0, 2.0, 3.0])
    loss = cnp.sum(raised(x, power=3))
    np.testing.assert_allclose(cnp.evaluate(chain_rule({loss: loss}, [x])[0]), [3, 12, 27], rtol=1e-14)


def test_two_functions_of_one_name_are_told_apart():
    def make(factor):
        @wrap_as_operation()
        def scaled(x):
            return x * factor

        return scaled

    x = cnp.asarray([1.0])
    a, b = make(2)(x), make(3)(x)
    assert a.node != b.node
    assert [float(value[0]) for value in cnp.evaluate(a, b)] == [2, 3]


def test_the_program_of_a_wrapped_function_is_prepared_once():
    from composit.program import program_of

    assert program_of([relu(cnp.asarray([1.0]))]).digest == program_of([relu(cnp.asarray([2.0]))]).digest


def test_a_decorator_without_parentheses_says_what_to_write():
    with pytest.raises(OperandError, match="with parentheses"):

        @wrap_as_operation
        def forgot(x: np.ndarray) -> np.ndarray:
            return x


def test_a_function_that_returns_no_array_is_an_error():
    @wrap_as_operation()
    def text(x):
        return "text"

    with pytest.raises(OperandError, match="text: the function returned 'text'"):
        text(cnp.ones(2))


def test_a_function_without_annotations_is_not_taken_for_a_rule_of_types():
    with pytest.raises(OperandError, match="with parentheses"):

        @wrap_as_operation
        def double(x):
            return x * 2
