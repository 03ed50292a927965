"""Zeros keep the sign that numpy gives them in sums, scans and products of few terms: a sum starts at 0.0, a scan does not."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

import composit as cnp
from tests.mosaic.comparison import fused, unfused
from tests.sampling import only

SHAPES = [(), (1,), (17,), (2, 1), (1, 2), (3, 17), (2, 1, 3), (0, 2), (2, 0)]
BACKENDS: dict[str, tuple[Any, ...]] = {  # C has no short floats: numpy runs them
    "float16": ("numpy",),
    "float32": ("numpy", fused, unfused),
    "float64": ("numpy", fused),
    "complex64": ("numpy", fused, unfused),
    "complex128": ("numpy", fused),
}
REDUCTIONS = ["sum", "prod", "mean", "max", "min", "nansum", "nanprod", "cumsum", "cumprod", "median", "ptp"]
PRODUCTS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "matmul": lambda xp, x, y: xp.matmul(x, y),
    "dot": lambda xp, x, y: xp.dot(x, y),
    "inner": lambda xp, x, y: xp.inner(x, y.T),
    "tensordot": lambda xp, x, y: xp.tensordot(x, y, axes=1),
    "einsum": lambda xp, x, y: xp.einsum("ij,jk->ik", x, y),
    "einsum of all": lambda xp, x, y: xp.einsum("ij,jk->", x, y),
    "einsum of one": lambda xp, x, y: xp.einsum("ij->i", x) + 0 * y[0, 0],
    "sum of products": lambda xp, x, y: xp.sum(x * y.T[:1], axis=1),
    "vdot": lambda xp, x, y: xp.vdot(x[0], y[:, 0]),
    "vecdot": lambda xp, x, y: xp.vecdot(x, y[:, 0]),
    "matvec": lambda xp, x, y: x @ y[:, 0],
    "vecmat": lambda xp, x, y: x[0] @ y,
}


def assert_same_signs(tensors: list[Any], expected: list[Any], backends: tuple[Any, ...]) -> None:
    for backend in backends:
        for given, wanted in zip(cnp.evaluate(tensors, backend=backend), expected, strict=True):
            for part in ("real", "imag"):
                left, right = getattr(np.asarray(given), part), getattr(np.asarray(wanted), part)
                np.testing.assert_array_equal(left, right)
                numbers = ~np.isnan(right)
                np.testing.assert_array_equal(np.signbit(left)[numbers], np.signbit(right)[numbers])


def minus_zeros(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    zeros = np.zeros(shape, dtype)
    return np.negative(zeros, out=zeros)


@pytest.mark.parametrize("dtype", only(["float16", "float32", "complex128"], BACKENDS))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy warns of empty means
def test_reductions_of_minus_zeros_have_numpys_sign(dtype: str) -> None:
    tensors, expected = [], []
    with np.errstate(all="ignore"):
        for shape in SHAPES:
            array = minus_zeros(shape, dtype)
            x = cnp.asarray(array)
            for name in REDUCTIONS:
                for axis in (None, *range(len(shape))):
                    try:
                        wanted = getattr(np, name)(array, axis=axis)
                    except (ValueError, TypeError):  # the maximum of nothing; complex numbers without an order
                        continue
                    expected.append(wanted)
                    tensors.append(getattr(cnp, name)(x, axis=axis))
        assert_same_signs(tensors, expected, BACKENDS[dtype])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_with_further_arguments_have_numpys_sign(dtype: str) -> None:
    array = minus_zeros((2, 1), dtype)
    calls: list[Callable[[Any, Any], Any]] = [
        lambda xp, x: xp.sum(x, axis=()),
        lambda xp, x: xp.sum(x, axis=(0, 1), keepdims=True),
        lambda xp, x: xp.sum(x, initial=-0.0),
        lambda xp, x: xp.sum(x, axis=1, dtype="float64"),
        lambda xp, x: xp.sum(x, axis=1, where=x <= 0),
        lambda xp, x: xp.add.accumulate(x, axis=1),
        lambda xp, x: xp.trace(x),
        lambda xp, x: xp.sum(x + x, axis=1) * 2,
    ]
    x = cnp.asarray(array)
    assert_same_signs([call(cnp, x) for call in calls], [call(np, array) for call in calls], BACKENDS[dtype])


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_products_of_few_terms_have_numpys_sign(dtype: str) -> None:
    tensors, expected = [], []
    for rows, depth, columns in [(1, 1, 1), (1, 1, 3), (3, 1, 1), (3, 1, 4), (1, 2, 1), (3, 2, 4), (1, 17, 1)]:
        left, right = minus_zeros((rows, depth), dtype), np.ones((depth, columns), dtype)
        x, y = cnp.asarray(left), cnp.asarray(right)
        for call in PRODUCTS.values():
            expected.append(call(np, left, right))
            tensors.append(call(cnp, x, y))
    assert_same_signs(tensors, expected, BACKENDS[dtype])


# numpy has two loops: for limits that stay the same, and for arrays of limits.
CLIPPED_SHAPES = [
    ((), (), ()),
    ((17,), (), ()),
    ((17,), (1,), ()),
    ((17,), (17,), (17,)),
    ((17,), (17,), ()),
    ((17,), (1,), (17,)),
    ((1,), (1,), (1,)),
    ((1,), (), (1,)),
    ((1, 1), (1,), ()),
    ((2, 17), (17,), (2, 17)),
    ((2, 17), (1, 1), (1,)),
    ((), (17,), (1,)),
]
# All values, each at every fourth of the shapes.
CLIPPED_SAMPLE = [("float32", False, 4), ("float64", True, 4)]


@pytest.mark.parametrize(
    ("dtype", "are_constant", "every"),
    only(CLIPPED_SAMPLE, [*CLIPPED_SAMPLE, *product(["float16", "float32", "float64"], [False, True], [1])]),
)
def test_clip_takes_the_sign_of_a_limit_where_numpy_does(dtype: str, are_constant: bool, every: int) -> None:
    numbers = [np.dtype(dtype).type(text) for text in ("0", "-0", "nan", "1", "-1")]
    tensors, expected = [], []
    for turn, values in enumerate(product(numbers, repeat=3)):
        for shapes in CLIPPED_SHAPES[turn % every :: every]:
            operands = [np.full(shape, value) for shape, value in zip(shapes, values, strict=True)]
            expected.append(np.clip(*operands))
            made = [cnp.full(each.shape, each.flat[0]) if are_constant else cnp.asarray(each) for each in operands]
            tensors.append(cnp.clip(*made))
    assert_same_signs(tensors, expected, BACKENDS[dtype])
