"""What becomes an operand, and what may take an input's place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.apply import apply, as_tensor
from composit.errors import DtypeError, OperandError
from composit.numpy.elementwise.casting import Astype


@pytest.mark.parametrize(
    ("dtype", "value"),
    [("int64", [1.5, 2.0]), ("int64", [True, 1j]), ("float64", [1j, 2.0]), ("bool", [1, 2]), ("float64", ["a", "b"])],
)
def test_a_list_that_an_input_would_have_to_round_is_refused(dtype: str, value: list[Any]):
    x = cnp.asarray(np.zeros(2, dtype))
    with pytest.raises(DtypeError, match=dtype):
        cnp.evaluate(cnp.negative(x) if dtype != "bool" else ~x, inputs={x: value})


@pytest.mark.parametrize(
    ("dtype", "value"),
    [("float32", [1, 2.5]), ("uint8", [1, 255]), ("int32", [True, False]), ("complex64", [1, 2]), ("float64", (3, 4))],
)
def test_a_list_of_the_inputs_kind_takes_its_place(dtype: str, value: Any):
    x = cnp.asarray(np.zeros(2, dtype))
    result = cnp.evaluate(cnp.positive(x), inputs={x: value})
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, np.array(value, dtype))


def test_an_integer_that_does_not_fit_is_an_error():
    x = cnp.asarray(np.zeros(2, "uint8"))
    with pytest.raises(OverflowError):
        cnp.evaluate(x + x, inputs={x: [1, 256]})


@pytest.mark.parametrize("value", [None, "text", object(), {"a": 1}, [object()], {1, 2}, b"bytes"])
def test_what_is_no_array_is_refused(value: object):
    with pytest.raises(OperandError, match="operand"):
        as_tensor(value)


def test_arrays_are_copied_and_scalars_are_themselves():
    array = np.zeros(3)
    tensor = as_tensor(array)
    array[0] = 1
    np.testing.assert_array_equal(cnp.evaluate(tensor), np.zeros(3))
    assert as_tensor(2).type.weak is int
    assert as_tensor(2.0).type.weak is float
    assert as_tensor(np.float64(2)).type.weak is None
    assert as_tensor(True).type.weak is None


def test_apply_takes_operands_of_every_kind():
    assert apply(Astype(np.dtype("int32")), 2.9).dtype == np.int32
    np.testing.assert_array_equal(cnp.evaluate(apply(Astype(np.dtype("int32")), [1.5, 2.5])), [1, 2])


class _Carrier:
    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor

    def __lazy_tensor__(self) -> Any:
        return self.tensor


def test_what_carries_a_tensor_is_taken_for_it():
    x = cnp.asarray([1.0, 2.0])
    assert as_tensor(_Carrier(x)) is x
    assert (x + _Carrier(x)).node == (x + x).node
    np.testing.assert_array_equal(cnp.evaluate(x + _Carrier(x)), [2, 4])
    np.testing.assert_array_equal(cnp.evaluate({"a": [_Carrier(x)]})["a"][0], [1, 2])
