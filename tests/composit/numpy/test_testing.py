"""numpy.testing on tensors: they are evaluated, compared by numpy, and its messages are its own."""

import numpy as np
import pytest

import composit as cnp
from composit.numpy import testing

ONES = cnp.ones(3)


def test_what_is_equal_passes():
    testing.assert_equal({"a": [ONES, (1, ONES)]}, {"a": [np.ones(3), (1, ONES)]})
    testing.assert_array_equal(ONES, 1, strict=False)
    testing.assert_allclose(actual=ONES, desired=ONES + 1e-9)
    testing.assert_almost_equal(ONES.sum(), 3.0)
    testing.assert_array_less(ONES, 2)
    testing.assert_array_max_ulp(ONES, np.nextafter(np.ones(3), 2))
    testing.assert_equal(1, 1)


@pytest.mark.parametrize("name", ["assert_equal", "assert_array_equal", "assert_array_almost_equal", "assert_allclose"])
def test_what_differs_is_said_in_numpys_words(name):
    with pytest.raises(AssertionError) as numpys:
        getattr(np.testing, name)(np.ones(3), np.zeros(3))
    with pytest.raises(AssertionError) as ours:
        getattr(testing, name)(ONES, cnp.zeros(3))
    assert str(ours.value) == str(numpys.value)


def test_what_manages_tests_is_numpys_own():
    assert testing.assert_raises is np.testing.assert_raises
    assert testing.suppress_warnings is np.testing.suppress_warnings
