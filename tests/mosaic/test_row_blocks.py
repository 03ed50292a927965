"""Rows that share an operand are reduced four at once: values, bits, and which programs it is for."""

from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
import mosaic
from tests.mosaic.comparison import assert_same_values
from tests.mosaic.passes.test_stages import around
from tests.sampling import one_in


def numbers(*shape: int, dtype: str = "f4") -> np.ndarray[Any, Any]:
    return (np.random.default_rng(0).standard_normal(shape) * 10).astype(dtype)


@pytest.mark.parametrize("target", one_in(2, [None, "x86-64-v3", "x86-64-v2"]))
def test_a_matrix_times_a_vector_is_numpys_for_any_number_of_rows(target: str | None) -> None:
    shapes = [(1, 33), (3, 33), (4, 1_003), (5, 7), (9, 40), (61, 1_003)]
    arrays = [numbers(*shape, dtype=dtype) for dtype in ("f4", "f8", "i8") for shape in shapes]
    given = [cnp.asarray(array) for array in arrays]
    model = mosaic.compile([x @ x[0] for x in given], inputs=given, num_threads=2, target=target)
    for result, array in zip(model(*arrays), arrays, strict=True):
        expected = (array.astype("f8") @ array[0].astype("f8")).astype(array.dtype)
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-2)


def test_equal_rows_have_equal_bits_wherever_they_stand() -> None:
    row, vector = numbers(1_003), numbers(1_003)
    matrix = np.tile(row, (23, 1))
    given = [cnp.asarray(matrix), cnp.asarray(vector)]
    result = mosaic.compile(given[0] @ given[1], inputs=given, num_threads=1)(matrix, vector)
    assert len({result.tobytes()[start : start + 4] for start in range(0, result.nbytes, 4)}) == 1


def test_other_reductions_take_part_if_an_operand_is_the_same_for_all_rows() -> None:
    matrix, vector = numbers(13, 205), numbers(205)
    given = [cnp.asarray(matrix), cnp.asarray(vector)]
    nearest = cnp.max(given[0] - given[1], axis=1)
    _, after = around("schedule", nearest, given)
    assert "4 rows at once" in after
    assert_same_values(mosaic.compile(nearest, inputs=given)(matrix, vector), (matrix - vector).max(axis=1))


def test_rows_that_share_nothing_or_are_summed_in_blocks_are_reduced_one_by_one() -> None:
    matrix, other, long = (cnp.asarray(numbers(*shape)) for shape in ((9, 300), (9, 300), (5, 20_000)))
    _, after = around("schedule", [(matrix * other).sum(axis=1), long @ long[0]], [matrix, other, long])
    assert "rows at once" not in after


@pytest.mark.parametrize("rows", [3, 64, 1003])
def test_a_bias_behind_a_matrix_times_a_vector_leaves_rows_taken_together(rows: int) -> None:
    generator = np.random.default_rng(0)
    weights, bias, given = (generator.normal(size=shape).astype("f4") for shape in ((rows, 256), (rows, 1), (256, 1)))
    x = cnp.asarray(given)
    y = cnp.tanh(cnp.asarray(weights) @ x + cnp.asarray(bias))
    one, two = (mosaic.compile(y, inputs=[x], num_threads=number) for number in (1, 2))
    assert "row += 4" in one.source
    np.testing.assert_allclose(one(given), np.tanh(weights @ given + bias), rtol=1e-4, atol=1e-5)
    assert one(given).tobytes() == two(given).tobytes()
    # A row left over is summed in the same order as those taken together.
    last = mosaic.compile(cnp.tanh(cnp.asarray(weights[-3:]) @ x + cnp.asarray(bias[-3:])), inputs=[x])
    assert last(given).tobytes() == one(given)[-3:].tobytes()
