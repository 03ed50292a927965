"""`scatter_reduce` in C: products and extrema at places that indices choose, with numpy's answers, NaN included."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.errors import OutOfBoundsError
from composit.nn.operations.scattering import scatter_reduce
from tests.mosaic.comparison import assert_same_values
from tests.mosaic.test_complex_numbers import islands
from tests.sampling import one_in

REDUCTIONS = ("prod", "amax", "amin", "mean")


def numbers(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    return (np.random.default_rng([*shape]).standard_normal(shape) * 3).astype(dtype)


@pytest.mark.parametrize(
    ("dtype", "axis"), one_in(4, product(["float32", "float64", "int32", "int8", "uint16"], [0, 1, 2]))
)
def test_products_and_extrema_are_numpys(dtype: str, axis: int) -> None:
    shape = [3, 4, 5]
    shape[axis] = 7
    array, source = numbers(dtype, (4, 6, 19)), numbers(dtype, (7, 7, 7))
    if array.dtype.kind == "f":
        source[1, 2, 3], source[0, 0, 0], array[0, 1, 2] = np.nan, np.inf, np.nan
    indices = np.random.default_rng(0).integers(-array.shape[axis], array.shape[axis], shape)
    x, places, given = map(cnp.asarray, (array, indices, source))
    outputs = [
        scatter_reduce(x, places, given, axis, reduction=reduction, includes_self=includes_self)
        for reduction in REDUCTIONS
        for includes_self in (True, False)
    ]
    model = mosaic.compile(outputs, inputs=[x, places, given])
    assert islands(model) == []
    for result, expected in zip(model(array, indices, source), cnp.evaluate(outputs), strict=True):
        assert_same_values(result, expected)


def test_an_array_is_combined_with_itself_and_chosen_by_itself() -> None:
    array = np.array([[2, 0, 1], [1, 1, 0]])
    x = cnp.asarray(array)
    y = x + 1
    outputs = [scatter_reduce(y, y - 1, y * 2, 1, reduction="amax"), scatter_reduce(x, x, x, 1, reduction="prod")]
    model = mosaic.compile(outputs, inputs=[x])
    for result, expected in zip(model(array), cnp.evaluate(outputs), strict=True):
        np.testing.assert_array_equal(result, expected)


def test_an_index_out_of_bounds_is_an_error() -> None:
    x, places = cnp.asarray(np.ones(3)), cnp.asarray(np.array([0, 1]))
    result: Any = scatter_reduce(x, places, cnp.ones(2), 0, reduction="amin")
    model = mosaic.compile(result, inputs=[x, places])
    with pytest.raises(OutOfBoundsError, match="scatter_amin: an index is out of bounds"):
        model(np.ones(3), np.array([0, 3]))
