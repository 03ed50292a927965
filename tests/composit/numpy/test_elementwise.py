"""Elementwise functions where they are more than their rows in the samples: promotion, errors, options, identity."""

import copy
import pickle
import re

import numpy as np
import pytest

import composit as cnp
from composit.errors import ShapeError
from composit.numpy.elementwise import table
from composit.numpy.elementwise.functions import Elementwise
from tests.composit.numpy.comparison import Words, assert_same, assert_same_error

UINT8 = np.array([1, 200], dtype=np.uint8)
INT8 = np.array([1, -5], dtype=np.int8)
FLOAT32 = np.array([1.5, -2.0], dtype=np.float32)
INTEGERS = np.array([1, 2])


def test_every_ufunc_of_numpy_has_a_row_or_a_family_of_its_own():
    ufuncs = {value for value in vars(np).values() if isinstance(value, np.ufunc)}
    generalized = {ufunc for ufunc in ufuncs if ufunc.signature is not None}
    assert ufuncs - generalized <= set(table.UFUNC_TO_FUNCTION)
    assert {ufunc.__name__ for ufunc in generalized} <= set(vars(cnp))


def test_aliases_are_the_functions_they_stand_for():
    assert cnp.abs is cnp.absolute
    assert cnp.true_divide is cnp.divide
    assert cnp.mod is cnp.remainder
    assert cnp.asin is cnp.arcsin


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: xp.add(xp.asarray(INTEGERS), 0.5),
        lambda xp: xp.add(xp.asarray(FLOAT32), 1),
        lambda xp: xp.add(xp.asarray(FLOAT32), np.float64(1)),
        lambda xp: xp.add(xp.asarray(FLOAT32), np.int64(1)),
        lambda xp: xp.add(xp.asarray(INT8), True),
        lambda xp: xp.add(xp.asarray(UINT8), xp.asarray(INT8)),
        lambda xp: xp.multiply(xp.asarray(FLOAT32), 1j),
        lambda xp: xp.divide(xp.asarray(INTEGERS), 2),
        lambda xp: xp.power(xp.asarray(INTEGERS), 2),
        lambda xp: xp.power(2, xp.asarray(FLOAT32)),
        lambda xp: xp.exp(2),
        lambda xp: xp.add(1, 2),
        lambda xp: xp.add(xp.asarray(UINT8), 55),
        lambda xp: xp.equal(xp.asarray(UINT8), 300),
        lambda xp: xp.less(xp.asarray(UINT8), -1),
        lambda xp: xp.sqrt(xp.asarray(np.float16(2))),
        lambda xp: xp.add(xp.asarray(np.array(1)), xp.asarray(np.array(2))),
        lambda xp: xp.add([1, 2], (3.0, 4.0)),
        lambda xp: xp.add(xp.asarray(FLOAT32), FLOAT32, dtype=np.float64),
        lambda xp: xp.add(xp.asarray(INTEGERS), 1, dtype="float32"),
        lambda xp: xp.add(xp.asarray(FLOAT32), 1, dtype=np.int32, casting="unsafe"),
        lambda xp: xp.divmod(xp.asarray(FLOAT32), 2),
        lambda xp: xp.frexp(xp.asarray(FLOAT32)),
        lambda xp: xp.add.reduce(xp.asarray(UINT8)),
        lambda xp: xp.multiply.reduce(xp.asarray(np.ones((2, 3))), axis=None, keepdims=True),
        lambda xp: xp.add.accumulate(np.arange(6).reshape(2, 3), axis=1),
        lambda xp: xp.maximum.accumulate(xp.asarray(FLOAT32)),
        lambda xp: xp.subtract.outer(xp.asarray(FLOAT32), np.arange(3)),
    ],
)
def test_promotion_is_numpys(words: Words) -> None:
    assert_same(words)


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: xp.add(xp.asarray(UINT8), 300),
        lambda xp: xp.add(xp.asarray(UINT8), -1),
        lambda xp: xp.left_shift(xp.asarray(INT8), 200),
        lambda xp: xp.add(xp.asarray(INT8), 2**70),
        lambda xp: xp.add(np.zeros((2, 3)), np.zeros(4)),
        lambda xp: xp.power(xp.asarray(INTEGERS), -1),
        lambda xp: xp.asarray(INTEGERS) ** -2,
        lambda xp: xp.bitwise_and(xp.asarray(FLOAT32), 1),
        lambda xp: xp.negative(xp.asarray(np.array([True]))),
        lambda xp: xp.subtract(xp.asarray(np.array([True])), np.array([False])),
        lambda xp: xp.exp(xp.asarray(np.array(["2020-01-01"], dtype="datetime64[D]"))),
        lambda xp: xp.add(xp.asarray(FLOAT32)),
        lambda xp: xp.exp(),
        lambda xp: xp.exp(1, 2, 3),
        lambda xp: xp.add(xp.asarray(FLOAT32), 1, dtype=np.int32),
    ],
)
def test_errors_are_numpys_and_come_at_the_call(words: Words) -> None:
    try:
        words(np)
    except OverflowError as error:
        with pytest.raises(OverflowError, match=re.escape(str(error))):
            words(cnp)
        return
    except (TypeError, ValueError):
        pass
    assert_same_error(words)


def test_shapes_that_do_not_broadcast_are_named_with_what_to_do():
    with pytest.raises(ShapeError, match=r"add: .* shapes \(2,3\) \(4,\); .* insert axes with expand_dims"):
        cnp.add(np.zeros((2, 3)), np.zeros(4))


def test_what_is_no_operand_is_refused_in_numpys_words_with_ours_as_a_note():
    with pytest.raises(TypeError, match="unsupported operand") as caught:
        cnp.add(object(), 1)
    assert "got <object" in caught.value.__notes__[0]


def test_where_leaves_the_other_elements_of_out_alone():
    mask, out = np.array([True, False]), cnp.array(np.zeros(2, np.float32))
    assert cnp.add(cnp.asarray(FLOAT32), 1, where=mask, out=out) is out
    expected = np.add(FLOAT32, 1, where=mask, out=np.zeros(2, np.float32))
    np.testing.assert_array_equal(cnp.evaluate(out), expected)


def test_the_order_of_a_ufuncs_result_is_numpys():
    x = np.asfortranarray(np.ones((2, 3)))
    assert cnp.evaluate(cnp.add(cnp.asarray(x), 1, order="C")).flags.c_contiguous
    assert cnp.evaluate(cnp.add(cnp.asarray(x), 1, order="K")).flags.f_contiguous


def test_results_are_written_to_the_tensor_that_is_given():
    x, target = cnp.asarray(FLOAT32), cnp.zeros(2)
    assert cnp.add(x, 1, out=target) is target
    np.testing.assert_array_equal(cnp.evaluate(target), FLOAT32 + 1)
    assert target.dtype == np.float64
    assert cnp.exp(x, target) is target
    np.testing.assert_array_equal(cnp.evaluate(target), np.exp(FLOAT32))
    fraction, whole = cnp.zeros(2), cnp.zeros(2)
    assert cnp.modf(x, out=(fraction, whole))[1] is whole
    np.testing.assert_array_equal(cnp.evaluate(fraction, whole), np.modf(FLOAT32))


def test_functions_are_found_again_when_unpickled_or_copied():
    assert pickle.loads(pickle.dumps(cnp.exp)) is cnp.exp
    assert copy.deepcopy(cnp.add) is cnp.add


def test_equal_expressions_are_one_node_and_others_are_not():
    x = cnp.asarray(FLOAT32)
    assert cnp.exp(x).node == cnp.exp(x).node
    assert cnp.power(x, 1).node != cnp.power(x, 1.0).node
    assert cnp.add(x, 0.0).node != cnp.add(x, -0.0).node
    assert cnp.add(x, 1, dtype=np.float64).node != cnp.add(x, 1).node
    assert cnp.subtract(x, 1).node != cnp.subtract(1, x).node


def test_different_functions_of_one_operand_are_different_expressions():
    x = cnp.asarray(np.ones(3))
    unary = [
        function for function in table.ELEMENTWISE_FUNCTIONS if function.nin == 1 and function.name not in _NO_FLOAT
    ]
    nodes = {(function(x)[0] if function.nout == 2 else function(x)).node for function in unary}
    assert len(nodes) == len(unary) > 40


_NO_FLOAT = {"isnat", "invert", "bitwise_count"}


def test_scalars_of_one_program_are_one_node_each():
    x = cnp.asarray(FLOAT32)
    assert (x + 2).node.operands[1][0] is (x * 2).node.operands[1][0]
    with cnp.name_scope("inner"):
        inner = (x + 2).node.operands[1][0]
    assert inner is not (x + 2).node.operands[1][0]
    assert inner == (x + 2).node.operands[1][0]


def test_what_passes_through_a_function_without_a_derivative_is_refused():
    x = cnp.asarray(np.ones(3))
    with pytest.raises(cnp.errors.DerivativeError, match="no derivative"):
        cnp.nn.chain_rule({cnp.sum(cnp.astype(cnp.greater(x, 0), np.float64)): 1.0}, [x])


def test_each_function_shares_one_operation():
    x = cnp.asarray(FLOAT32)
    assert cnp.exp(x).node.operation is cnp.exp(x).node.operation
    assert cnp.exp(x).node.operation == Elementwise(cnp.exp)
    assert cnp.exp.operation.evaluator() is np.exp


def test_operands_with_more_axes_than_numpys_function_for_shapes_takes():
    x = np.ones((1,) * 20 + (2,) + (1,) * 19)
    y = np.ones((1,) * 10 + (3,) + (1,) * 29)
    assert_same(lambda xp: xp.asarray(x) + xp.asarray(y) + x[0])
