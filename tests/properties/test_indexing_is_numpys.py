"""Any index that hypothesis can think of means what it means in numpy."""

from typing import Any

import hypothesis.extra.numpy as numpy_strategies
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import composit as cnp

SHAPES = numpy_strategies.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
SHAPES_WITH_ELEMENTS = numpy_strategies.array_shapes(min_dims=1, max_dims=4, max_side=4)


def _assert_same(array: np.ndarray, index: Any) -> None:
    expected, tensor = array[index], cnp.asarray(array)[index]
    assert (tensor.shape, tensor.dtype) == (np.shape(expected), expected.dtype)
    assert tensor.type.is_scalar == isinstance(expected, np.generic)
    np.testing.assert_array_equal(cnp.evaluate(tensor), expected)


def _numbered(shape: tuple[int, ...]) -> np.ndarray:
    return np.arange(np.prod(shape, dtype=int)).reshape(shape)


@settings(deadline=None)
@given(st.data())
def test_basic_indices(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    index = data.draw(numpy_strategies.basic_indices(shape, allow_newaxis=True, max_dims=6))
    _assert_same(_numbered(shape), index)


@settings(deadline=None)
@given(st.data())
def test_integer_arrays_between_slices_and_integers(data: st.DataObject) -> None:
    shape = data.draw(SHAPES_WITH_ELEMENTS)
    chosen = data.draw(numpy_strategies.integer_array_indices(shape))
    places = data.draw(
        st.lists(st.sampled_from(["array", "slice", "integer"]), min_size=len(shape), max_size=len(shape))
    )
    forms = [
        {"array": values, "slice": slice(None, None, -1), "integer": int(length) - 1}[place]
        for values, place, length in zip(chosen, places, shape, strict=True)
    ]
    position = data.draw(st.integers(0, len(forms)))
    between = data.draw(st.sampled_from([[], [None], [...]]))
    _assert_same(_numbered(shape), (*forms[:position], *between, *forms[position:]))


@settings(deadline=None)
@given(st.data())
def test_masks(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    ndim = data.draw(st.integers(0, len(shape)))
    mask = data.draw(numpy_strategies.arrays(bool, shape[:ndim]))
    _assert_same(_numbered(shape), mask)
    if ndim < len(shape) and shape[-1]:
        _assert_same(_numbered(shape), (mask, ..., 0))


@settings(deadline=None)
@given(st.data())
def test_reshaping_transposing_and_back(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    array = _numbered(shape)
    order = data.draw(st.permutations(range(len(shape))))
    there = cnp.transpose(cnp.asarray(array), order)
    np.testing.assert_array_equal(cnp.evaluate(there), np.transpose(array, order))
    np.testing.assert_array_equal(cnp.evaluate(cnp.transpose(there, np.argsort(order))), array)
    np.testing.assert_array_equal(
        cnp.evaluate(cnp.ravel(there, order="F")), np.transpose(array, order).ravel(order="F")
    )
