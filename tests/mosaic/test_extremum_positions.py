"""argmax and argmin in one pass over the values: first positions, NaN, signs of zero, and rows of every length."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from tests.mosaic.test_related_operands import TARGETS
from tests.sampling import one_in

SHAPES = [(129,), (5000,), (3, 1), (33, 40), (2, 70, 3)]
FUNCTIONS = ["argmax", "argmin"]


def arrays(shape: tuple[int, ...], dtype: str) -> Iterator[np.ndarray]:
    """Arrays of one type whose extrema are here and there, everywhere, or NaN."""
    rng = np.random.default_rng(0)
    x = (rng.standard_normal(shape) * 50).astype(dtype)
    ordered = np.sort(x.reshape(-1)).reshape(shape)
    yield from (x, np.zeros(shape, dtype), ordered, np.ascontiguousarray(np.flip(ordered)))
    if np.dtype(dtype).kind == "f":
        yield from (np.full(shape, value, dtype) for value in (-np.inf, np.inf, np.nan))
        for value in (np.nan, -0.0):
            changed = x * (value != 0)
            changed.flat[rng.integers(0, x.size, 3)] = value
            yield changed
        infinite = x.copy()
        infinite.flat[0], infinite.flat[-1] = np.inf, np.nan
        yield infinite
    elif dtype == "bool":
        yield from (np.ones(shape, bool), rng.integers(0, 2, shape).astype(bool))
    else:
        limits = np.iinfo(dtype)
        yield from (np.full(shape, limits.min, dtype), np.full(shape, limits.max, dtype))


def questions(module: Any, x: Any) -> list[Any]:
    """Both functions along every axis, over all elements in both orders of memory, and of a computed value."""
    axes = (None, *range(x.ndim))
    along = [getattr(module, name)(x, axis=axis) for name in FUNCTIONS for axis in axes]
    return [
        *along,
        module.argmax(x.T),
        module.argmin(x.T),
        module.argmax(x & x if x.dtype.kind == "b" else -x, axis=-1),
    ]


def check_positions(shape: tuple[int, ...], dtype: str, target: str | None = None) -> None:
    """Compile once, and compare with numpy on each of the arrays."""
    x = cnp.asarray(next(arrays(shape, dtype)))
    model = mosaic.compile(questions(cnp, x), inputs=[x], target=target)
    assert "island" not in model.explain()
    for array in arrays(shape, dtype):
        for given, expected in zip(model(array), questions(np, array), strict=True):
            np.testing.assert_array_equal(given, expected)


@pytest.mark.parametrize(("dtype", "shape"), one_in(3, product(["float32", "int64", "uint8", "bool"], SHAPES)))
def test_positions_are_numpys(dtype: str, shape: tuple[int, ...]) -> None:
    check_positions(shape, dtype)


@pytest.mark.parametrize(("dtype", "target"), one_in(3, product(["float64", "int16", "uint64"], TARGETS)))
def test_positions_are_numpys_on_every_target(dtype: str, target: str) -> None:
    check_positions((33, 40), dtype, target)


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_values_are_read_once(dtype: str, axis: int | None) -> None:
    x = cnp.asarray(np.ones((30, 40), dtype))
    kernels = mosaic.compile(cnp.argmax(x, axis=axis), inputs=[x], fuse=False).kernels
    assert [kernel.operations for kernel in kernels] == [("argmax",)]


def test_more_positions_than_the_values_have_bits_for() -> None:
    x = np.zeros((70_000, 3), "uint8")
    x[69_999, 1], x[300, 2] = 7, 9
    given = cnp.asarray(x)
    model = mosaic.compile(cnp.argmax(given, axis=0), inputs=[given])
    np.testing.assert_array_equal(model(x), [0, 69_999, 300])


@pytest.mark.parametrize(
    ("function", "axis", "dtype"), one_in(4, product([*FUNCTIONS, "any"], [None, 0, 1], ["float32", "int64", "bool"]))
)
def test_what_is_searched_may_be_computed_and_read_otherwise_in_the_same_kernel(
    function: str, axis: int | None, dtype: str
) -> None:
    x = cnp.asarray(np.random.default_rng(0).integers(-9, 9, (40, 50)).astype(dtype))

    def moved(xp: Any, values: Any) -> Any:
        found = getattr(xp, function)(values, axis=axis, keepdims=True)
        return (values + found.astype(values.dtype)).astype(values.dtype)

    def program(xp: Any, values: Any) -> Any:
        return moved(xp, moved(xp, moved(xp, values)))

    given = cnp.evaluate(x)
    np.testing.assert_array_equal(mosaic.compile(program(cnp, x), inputs=[x])(given), program(np, given))
