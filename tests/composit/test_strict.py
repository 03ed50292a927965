"""`strict()`: each operation is evaluated where it is written, so that errors and warnings come as numpy's do."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import composit as cnp
from composit.eager_results import eager


def test_an_error_that_depends_on_values_comes_at_the_call() -> None:
    singular = cnp.zeros((2, 2))
    with cnp.strict(), pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
        cnp.linalg.inv(singular)
    cnp.linalg.inv(singular)  # outside it is only written


def test_a_warning_comes_at_the_call_and_only_there() -> None:
    x = cnp.asarray([1.0, 0.0])
    with cnp.strict():
        with pytest.warns(RuntimeWarning, match="divide by zero"):
            y = 1 / x
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            np.testing.assert_array_equal(cnp.evaluate(y), [1, np.inf])


def test_an_index_that_is_computed_is_checked_at_the_call() -> None:
    x, index = cnp.zeros(3), cnp.asarray([1, 2]) * 4
    with cnp.strict():
        with pytest.raises(IndexError, match="index 4 is out of bounds for axis 0 with size 3"):
            x[index]
        with pytest.raises(IndexError, match="index 4 is out of bounds for axis 0 with size 3"):
            x[index] = 1


def test_each_operation_is_computed_once() -> None:
    with cnp.strict(), cnp.count_evaluations() as count:
        y = cnp.ones(3) + 1
        z = y * y
        cnp.evaluate(z)
        float(z[0])
    # The sum, the product, the element; creations are leaves of their readers.
    assert count.runs <= 4


def test_strict_ends_with_its_block_and_nests() -> None:
    with cnp.strict():
        with cnp.strict():
            assert eager.strict == 2
        assert eager.strict == 1
    with pytest.raises(ZeroDivisionError), cnp.strict():
        raise ZeroDivisionError
    assert eager.strict == 0


def test_values_are_the_same_as_outside() -> None:
    def program() -> object:
        x = cnp.arange(6.0).reshape(2, 3)
        x[0] += cnp.sum(x, axis=0)
        return cnp.evaluate(x, cnp.sqrt(x).T)

    with cnp.strict():
        inside = program()
    for ours, other in zip(inside, program(), strict=True):
        np.testing.assert_array_equal(ours, other)
