"""Batches of small matrices: several share a task, and few columns are held in narrower vectors."""

from itertools import product

import numpy as np
import pytest

import composit as cnp
import mosaic
from mosaic.passes.schedule import task_products
from tests.mosaic.c_text import c_text
from tests.mosaic.comparison import assert_same_values
from tests.mosaic.test_related_operands import TARGETS
from tests.sampling import one_in


def matrices(*shape: int, dtype: str = "float32") -> np.ndarray:
    """Random matrices."""
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize(("dtype", "target"), one_in(3, product(["float32", "float64"], TARGETS)))
def test_products_of_every_small_width_are_numpys(dtype: str, target: str | None) -> None:
    arrays = [matrices(7, 5, columns, dtype=dtype) for columns in (1, 3, 4, 8, 12, 16, 20, 24, 40)]
    left = [matrices(7, columns, 5, dtype=dtype) for columns in (3, 8, 20)]
    given = [cnp.asarray(array) for array in (*arrays, *left)]
    widths, lefts = given[: len(arrays)], given[len(arrays) :]
    outputs = [a @ b + 1 for a in lefts for b in widths]
    model = mosaic.compile(outputs, inputs=given, target=target, num_threads=2)
    results = model(*arrays, *left)
    expected = [a @ b + 1 for a in left for b in arrays]
    for result, one in zip(results, expected, strict=True):
        assert_same_values(result, one)


@pytest.mark.parametrize("batch", [(1,), (2,), (3, 11), (33, 40), (2, 3, 50)])
def test_batches_that_share_tasks_are_complete(batch: tuple[int, ...]) -> None:
    x, y = matrices(*batch, 20, 20), matrices(*batch[1:], 20, 20)
    given = [cnp.asarray(x), cnp.asarray(y)]
    model = mosaic.compile(given[0] @ given[1], inputs=given, num_threads=3)
    assert_same_values(model(x, y), x @ y)


def test_small_products_share_a_task() -> None:
    x = cnp.asarray(matrices(2500, 20, 20))
    text = c_text(x @ x, [x])
    num_tasks = int(text.rpartition("{kernel_0, ")[2].partition(",")[0])
    assert num_tasks == -(-2500 // (task_products // 20**3))


def test_twenty_columns_are_held_in_vectors_of_eight() -> None:
    x, y = cnp.asarray(matrices(9, 20, 20)), cnp.asarray(matrices(9, 32, 32))
    assert "f32x16" not in c_text(x @ x, [x], target="x86-64-v4")
    assert "f32x16" in c_text(y @ y, [y], target="x86-64-v4")


def test_twenty_columns_of_float64_are_one_tile() -> None:
    x = cnp.asarray(matrices(30, 20, 20, dtype="float64"))
    schedule = next(
        stage.text for stage in mosaic.stages(x @ x, inputs=[x], target="x86-64-v4") if stage.name == "schedule"
    )
    assert "by 4 lanes, tiles of 5 x 20 x 20" in schedule


@pytest.mark.parametrize("target", [None, "x86-64-v3", "x86-64-v2"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_row_times_a_matrix_from_beyond_the_cache_reads_ahead(dtype: str, target: str | None) -> None:
    row, matrix = matrices(2, 1_201, dtype=dtype), matrices(1_201, 1_003, dtype=dtype)
    given = [cnp.asarray(row), cnp.asarray(matrix)]
    outputs = [given[0] @ given[1], given[0][0] @ given[1]]
    model = mosaic.compile(outputs, inputs=given, target=target)
    assert "__builtin_prefetch(b + b_depth_stride * 8" in model.source
    tolerance = 1e-3 if dtype == "float32" else 1e-11
    for result, expected in zip(model(row, matrix), (row @ matrix, row[0] @ matrix), strict=True):
        np.testing.assert_allclose(result, expected, rtol=tolerance, atol=tolerance)


def test_a_row_times_a_small_matrix_does_not_read_ahead() -> None:
    given = [cnp.asarray(matrices(40)), cnp.asarray(matrices(40, 100))]
    assert "__builtin_prefetch" not in mosaic.compile(given[0] @ given[1], inputs=given).source
