"""Right operands that are inputs: each task packs the panel that it multiplies with, whatever way the operand lies."""

from collections.abc import Callable

import numpy as np
import pytest

import composit.numpy as cnp
import mosaic
from tests.mosaic.test_related_operands import TARGETS
from tests.sampling import in_turn, one_in

LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "rows": lambda w: w.T.copy(),
    "columns": lambda w: w.T,
    "rows reversed": lambda w: w.T.copy()[::-1],
    "columns reversed": lambda w: w[::-1, ::-1].T,
    "every second": lambda w: np.repeat(w, 2, axis=1).T[::2],
    "a part": lambda w: np.pad(w, 3)[3:-3, 3:-3].T,
}
SIZES = [(25, 5, 3), (32, 64, 48), (30, 100, 97), (40, 33, 200), (26, 1030, 500)]
"""(rows, depth, columns): of part of a vector, of whole panels, with a last panel that is not full, of two blocks of depth."""


def operands(rows: int, depth: int, columns: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """A left matrix, and a right one as (columns, depth)."""
    rng = np.random.default_rng(rows)
    return rng.standard_normal((rows, depth)).astype(dtype), rng.standard_normal((columns, depth)).astype(dtype)


def schedule_of(output: cnp.ndarray, inputs: list[cnp.ndarray], **options: object) -> str:
    """The text of the schedule."""
    return next(each.text for each in mosaic.stages(output, inputs=inputs, **options) if each.name == "schedule")


@pytest.mark.parametrize(("layout", "target", "dtype"), in_turn(LAYOUTS, TARGETS, ["float32", "float64"]))
def test_operands_of_all_layouts_are_packed_right(layout: str, dtype: str, target: str | None) -> None:
    given, outputs, arrays, expected = [], [], [], []
    for size in SIZES:
        x, w = operands(*size, dtype)
        right = LAYOUTS[layout](w)
        base = w if layout == "columns" else right
        a, b = cnp.asarray(x), cnp.asarray(base)
        seen = b.T if layout == "columns" else b
        given, arrays = [*given, a, b], [*arrays, x, base]
        outputs.append(a @ seen + 1)
        expected.append(x.astype(np.longdouble) @ right.astype(np.longdouble) + 1)
    assert "in panels of" in schedule_of(outputs[1], given[2:4], target=target)
    results = mosaic.compile(outputs, inputs=given, target=target, num_threads=2)(*arrays)
    for result, wanted, size in zip(results, expected, SIZES, strict=True):
        assert np.max(np.abs(result - wanted)) <= 40 * np.sqrt(size[1]) * np.finfo(dtype).eps


@pytest.mark.parametrize("size", one_in(2, zip(SIZES)))
def test_a_packing_task_gives_the_same_bits_as_panels_stored_before(size: tuple[int, int, int]) -> None:
    x, w = operands(*size, "float32")
    a, b = cnp.asarray(x), cnp.asarray(w)
    once, twice = a @ b.T, (a @ b.T, (a * 2) @ b.T)
    assert "in panels of" in schedule_of(once, [a, b])
    assert "in panels of" not in schedule_of(twice, [a, b])
    alone = mosaic.compile(once, inputs=[a, b])(x, w)
    np.testing.assert_array_equal(alone, mosaic.compile(twice, inputs=[a, b])(x, w)[0])
    np.testing.assert_array_equal(alone, mosaic.compile(once, inputs=[a, b], num_threads=1)(x, w))


def test_packed_panels_take_no_memory_of_the_size_of_the_operand() -> None:
    x, w = operands(32, 512, 4096, "float32")
    a, b = cnp.asarray(x), cnp.asarray(w)
    plan = next(each.text for each in mosaic.stages(a @ b.T, inputs=[a, b]) if each.name == "assign_memory")
    assert "arena of 0 bytes" in plan


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_batches_pack_the_matrices_of_each_pair(dtype: str) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((3, 4, 30, 70)).astype(dtype), rng.standard_normal((4, 51, 70)).astype(dtype)
    a, b = cnp.asarray(x), cnp.asarray(w)
    model = mosaic.compile(a @ b.swapaxes(1, 2), inputs=[a, b], num_threads=2)
    wanted = x.astype(np.longdouble) @ w.swapaxes(1, 2).astype(np.longdouble)
    assert np.max(np.abs(model(x, w) - wanted)) <= 400 * np.finfo(dtype).eps


@pytest.mark.parametrize(("target", "dtype"), in_turn(TARGETS, ["float32", "float64"]))
def test_one_row_times_dense_columns_is_a_sum_for_each(dtype: str, target: str | None) -> None:
    x, w = operands(1, 300, 77, dtype)
    a, b = cnp.asarray(x), cnp.asarray(w)
    output = cnp.tanh(a @ b.T + b[:, 0])
    assert " @ " not in schedule_of(output, [a, b], target=target)
    wanted = np.tanh(x.astype(np.longdouble) @ w.T.astype(np.longdouble) + w[:, 0]).astype(dtype)
    result = mosaic.compile(output, inputs=[a, b], target=target)(x, w)
    np.testing.assert_allclose(result, wanted, atol=300 * np.finfo(dtype).eps)
