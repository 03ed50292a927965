"""Reductions of every dtype in every direction, with rows shorter and longer than vectors, turns and blocks."""

from itertools import product
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
import mosaic
from tests.sampling import one_in

Array = np.ndarray[Any, Any]

shapes = [(1000,), (3, 9000), (9000, 3), (7, 40, 50), (1, 5)]
names = ("argmax", "argmin", "max", "min", "any", "all")


def sample(dtype: str, shape: tuple[int, ...]) -> Array:
    generator = np.random.default_rng(4)
    if dtype[0] == "f":
        return generator.standard_normal(shape).astype(dtype)
    return generator.integers(0, 2 if dtype == "?" else 120, shape).astype(dtype)


def check_all(x: Array) -> None:
    """Compile every reduction over every axis at once and compare with numpy."""
    tensor = cnp.asarray(x)
    wanted = [(name, axis) for name in names for axis in (None, *range(x.ndim))]
    model = mosaic.compile([getattr(cnp, name)(tensor, axis=axis) for name, axis in wanted], inputs=[tensor])
    for (name, axis), result in zip(wanted, model(x), strict=True):
        expected = getattr(np, name)(x, axis=axis)
        np.testing.assert_array_equal(result, expected, err_msg=f"{name} over {axis} of {x.dtype}{x.shape}")
        assert np.asarray(result).dtype == expected.dtype


@pytest.mark.parametrize(("dtype", "shape"), one_in(7, product(["f4", "f8", "i8", "i2", "u1", "?"], shapes)), ids=str)
def test_reductions_are_numpys(dtype: str, shape: tuple[int, ...]) -> None:
    check_all(sample(dtype, shape))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_nan_is_the_extremum_and_its_first_position_is_found(dtype: str) -> None:
    x = sample(dtype, (3, 9000))
    x[1, 8999] = x[1, 500] = x[2, 0] = np.nan
    check_all(x)


@pytest.mark.parametrize("place", [0, 1, 63, 64, 511, 512, 4095, 4096, 8191, 8999])
def test_one_true_element_is_found_wherever_it_is(place: int) -> None:
    x = np.zeros((2, 9000), bool)
    x[1, place] = True
    check_all(x)


def test_equal_extrema_give_the_first_position() -> None:
    x = np.zeros((4, 3000), np.uint8)
    x[1, [700, 2999]] = 9
    x[2, [0, 2999]] = 9
    check_all(x)
    check_all(x.T.copy())


@pytest.mark.parametrize("axis", [0, 1, (0, 1)])
def test_a_position_counts_through_the_axes_in_order(axis: int | tuple[int, ...]) -> None:
    x = sample("i2", (30, 40))
    tensor = cnp.asarray(x)
    view = tensor.T[::-1]
    along = None if isinstance(axis, tuple) else axis
    result = mosaic.compile(cnp.argmax(view, axis=along), inputs=[tensor])(x)
    np.testing.assert_array_equal(result, np.argmax(x.T[::-1], axis=along))
