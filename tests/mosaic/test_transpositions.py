"""Copies that exchange two axes: square tiles in registers, what is left over, and which copies are such."""

from itertools import product
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
import mosaic
from tests.mosaic.comparison import check, tensor
from tests.mosaic.passes.test_stages import around
from tests.sampling import one_in


def copied(x: Any, order: tuple[int, ...]) -> Any:
    return cnp.ascontiguousarray(cnp.transpose(x, order))


CASES = [
    ((32, 48), (1, 0)),  # whole tiles
    ((37, 50), (1, 0)),  # rows and lanes are left over
    ((16, 17), (1, 0)),
    ((17, 16), (1, 0)),
    ((20, 30, 40), (2, 1, 0)),  # the source's dense axis is the first of three
    ((3, 70, 18), (0, 2, 1)),
    ((2, 19, 5, 17), (3, 1, 0, 2)),
]


@pytest.mark.parametrize(
    ("dtype", "target"), [("float64", None), ("uint8", None), ("bool", None), ("float32", "x86-64-v2")]
)
def test_a_transposed_copy_has_numpys_elements(dtype: str, target: str | None) -> None:
    arrays = [(np.arange(np.prod(shape)) % 251 % 7).astype(dtype).reshape(shape) for shape, _ in CASES]
    tensors = [cnp.asarray(array) for array in arrays]
    orders = [order for _, order in CASES]
    model = mosaic.compile(list(map(copied, tensors, orders)), inputs=tensors, target=target)
    for result, array, order in zip(model(*arrays), arrays, orders, strict=True):
        np.testing.assert_array_equal(result, np.transpose(array, order))


@pytest.mark.parametrize(("shape", "order"), CASES[:5])
def test_it_reads_squares(shape: tuple[int, ...], order: tuple[int, ...]) -> None:
    x = cnp.asarray(np.zeros(shape, np.float64))
    assert "transpose_f64" in mosaic.compile(copied(x, order), inputs=[x]).source


def test_panels_of_a_transposed_operand_are_filled_by_squares() -> None:
    x, weight = cnp.asarray(np.ones((64, 96), np.float32)), cnp.asarray(np.ones((80, 96), np.float32))
    model = mosaic.compile(x @ weight.T, inputs=[x, weight])
    assert "transpose_f32" in model.source
    rng = np.random.default_rng(0)
    arrays = rng.normal(size=(64, 96)).astype(np.float32), rng.normal(size=(80, 96)).astype(np.float32)
    np.testing.assert_allclose(model(*arrays), arrays[0] @ arrays[1].T, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2])
def test_tasks_share_the_bands_of_rows(threads: int) -> None:
    array = np.random.default_rng(0).normal(size=(300, 301)).astype(np.float32)
    x = cnp.asarray(array)
    model = mosaic.compile(copied(x, (1, 0)), inputs=[x], num_threads=threads)
    np.testing.assert_array_equal(model(array), array.T)


def test_the_schedule_says_squares_and_bands() -> None:
    x = cnp.asarray(np.zeros((100, 300)))
    _, after = around("schedule", copied(x, (1, 0)), [x])
    assert after.splitlines()[0].startswith("for rows [300] of 100 in 2 tasks of ")
    assert "by squares of " in after.splitlines()[0]


@pytest.mark.parametrize("shape", [(100, 3), (3, 100)])
def test_narrow_copies_go_element_by_element(shape: tuple[int, int]) -> None:
    array = np.arange(300.0).reshape(shape)
    x = cnp.asarray(array)
    model = mosaic.compile(copied(x, (1, 0)), inputs=[x])
    assert "transpose_" not in model.source
    np.testing.assert_array_equal(model(array), array.T)


def test_a_product_whose_result_lies_by_columns_is_that_of_the_transposed_matrices() -> None:
    x, g = cnp.asarray(np.zeros((32, 24))), cnp.asarray(np.zeros((32, 40)))
    _, after = around("fuse_epilogues", cnp.transpose(x.T @ g), [x, g])
    assert after.splitlines()[0] == "temporary_1[40, 24] = input_1[40, 32 by 1, 40] @ input_0[32, 24]"


@pytest.mark.parametrize("batch", [(), (3,)])
def test_its_epilogue_reads_transposed_too(batch: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x, g, b = (rng.normal(size=(*batch, *shape)) for shape in ((33, 24), (33, 40), (40, 24)))
    tensors = [cnp.asarray(each) for each in (x, g, b)]
    model = mosaic.compile(
        cnp.swapaxes(cnp.swapaxes(tensors[0], -1, -2) @ tensors[1], -1, -2) + tensors[2], inputs=tensors
    )
    expected = np.swapaxes(np.swapaxes(x, -1, -2) @ g, -1, -2) + b
    np.testing.assert_allclose(model(x, g, b), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("dtype", "shape"),
    one_in(
        4,
        product(
            ["float32", "float64"],
            [(70, 33, 40), (64, 48, 16), (3, 20, 17, 40), (2, 3, 16, 20, 50), (9, 5, 40)],
        ),
    ),
)
def test_a_product_that_is_only_read_transposed_has_numpys_elements(dtype: str, shape: tuple[int, ...]) -> None:
    *batch, depth, rows, columns = shape
    x, g = tensor(*batch, depth, rows, dtype=dtype), tensor(*batch, depth, columns, dtype=dtype, seed=1)
    weight = tensor(*batch, columns, rows, dtype=dtype, seed=2)
    slope = cnp.swapaxes(cnp.swapaxes(x, -1, -2) @ g, -1, -2)
    check(weight - slope, weight + slope * slope)
    check(weight - slope, weight + slope * slope, cnp.reshape(slope, (-1,)) * 2.0)
    # What also reads the product by rows, or a part of it, finds the same elements.
    check(weight - slope, cnp.exp(slope[..., 3:, :]), cnp.sum(slope, axis=-2), slope)
