"""Rows that whole vectors do not fill end with a vector that begins within the one before."""

import numpy as np
import pytest

import composit.numpy as cnp
import mosaic
from composit import nn
from tests.mosaic.c_text import c_text


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("length", [15, 16, 17, 31, 56])
def test_depthwise_windows_are_right_at_every_length(length: int) -> None:
    x, filters = cnp.asarray(numbers(1, 5, 6, length)), cnp.asarray(numbers(5, 1, 3, 3))
    y = nn.convolution(x, filters, padding=(1, 1), groups=5)
    result = mosaic.compile(y, inputs=[x])(np.asarray(x))
    np.testing.assert_allclose(result, cnp.evaluate(y), rtol=1e-4, atol=1e-5)


def test_rows_of_windows_load_no_lane_alone() -> None:
    x, filters = cnp.asarray(numbers(1, 5, 6, 56)), cnp.asarray(numbers(5, 1, 3, 3))
    text = c_text(nn.convolution(x, filters, groups=5), inputs=[x], target="x86-64-v4")
    assert "load_partial" not in text


@pytest.mark.parametrize("length", [17, 40, 63])
def test_a_row_that_is_written_over_is_read_first(length: int) -> None:
    given = numbers(8, 2, length)
    x = cnp.asarray(given)
    y = cnp.exp(x) * cnp.asarray(numbers(8, 1, length))
    y[:, 0] += y[:, 1] * 2
    y[:, 1, 3:] = y[:, 1, :-3] + 1
    result = mosaic.compile(y, inputs=[x])(given)
    np.testing.assert_allclose(result, cnp.evaluate(y), rtol=1e-5)
