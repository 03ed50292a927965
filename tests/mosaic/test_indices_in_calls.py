"""Calls of programs that check indices: C looks at what they found, and only an index out of bounds comes to Python."""

import inspect
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.errors import OutOfBoundsError
from tests.mosaic.c_text import c_text
from tests.sampling import in_turn

X = np.arange(60.0).reshape(12, 5)
INDICES = np.array([3, -1, 0, 11, 3])
TOO_LARGE = np.array([3, -1, 0, 12, 3])


def model_of(outputs: Any) -> Any:
    """The compiled function of a matrix and indices."""
    x, indices = cnp.asarray(X), cnp.asarray(INDICES)
    return mosaic.compile(outputs(x, indices), inputs=[x, indices])


def test_a_call_with_indices_runs_without_python() -> None:
    run = model_of(lambda x, indices: cnp.take(x, indices, axis=0))._run_single
    assert inspect.isbuiltin(run)
    np.testing.assert_array_equal(run((X, INDICES)), X[INDICES])


def test_each_index_out_of_bounds_is_an_error_and_the_next_call_is_right() -> None:
    model = model_of(lambda x, indices: x[indices])
    for indices in (TOO_LARGE, -TOO_LARGE - 1, np.asfortranarray(TOO_LARGE), np.repeat(TOO_LARGE, 2)[::2]):
        with pytest.raises(OutOfBoundsError, match="index is out of bounds"):
            model(X, indices)
        np.testing.assert_array_equal(model(X, INDICES), X[INDICES])


def test_several_outputs_are_delivered_without_the_status() -> None:
    model = model_of(lambda x, indices: [cnp.take(x, indices, axis=0), x[indices] + 1, x * 2])
    for given, expected in zip(model(X, INDICES), [X[INDICES], X[INDICES] + 1, X * 2], strict=True):
        np.testing.assert_array_equal(given, expected)
    with pytest.raises(OutOfBoundsError):
        model(X, TOO_LARGE)


def test_more_indices_than_c_has_room_for_are_checked_too() -> None:
    model = model_of(lambda x, indices: [x[indices + shift] for shift in range(0, -40, -1)])
    with pytest.raises(OutOfBoundsError):
        model(X, INDICES)
    x, low = cnp.asarray(X), cnp.asarray(np.zeros(5, int))
    model = mosaic.compile([x[cnp.minimum(low + shift, 11)] for shift in range(40)], inputs=[x, low])
    for shift, given in enumerate(model(X, np.zeros(5, int))):
        np.testing.assert_array_equal(given, X[np.full(5, min(shift, 11))])


def test_a_scalar_that_an_index_chooses_is_a_scalar() -> None:
    model = model_of(lambda x, indices: x[indices].sum())
    assert isinstance(model(X, INDICES), np.float64)
    with pytest.raises(OutOfBoundsError):
        model(X, TOO_LARGE)


def test_the_index_of_a_row_is_checked_once() -> None:
    x = cnp.asarray(np.zeros((50, 300), "uint8"))
    text = c_text(cnp.take(x, INDICES, axis=0), [x])
    along_row = text.partition("static void kernel_0")[2].partition("for (int64_t row")[2].partition("for (int64_t i")
    assert "index_raise" in along_row[0]
    assert "index_raise" not in along_row[2].partition("\n}")[0]


def test_indices_that_rows_share_are_checked_once_in_a_task() -> None:
    x, few = cnp.asarray(np.arange(7200.0).reshape(600, 12)), cnp.asarray(np.arange(24.0).reshape(2, 12))
    text = c_text(cnp.take(x, INDICES, axis=1), [x])
    before, _, rows = text.partition("static void kernel_0")[2].partition("for (int64_t row")
    assert "index_raise" in before
    assert "index_raise" not in rows.partition("\n}")[0]
    assert "int64_t indices" not in c_text(cnp.take(few, INDICES, axis=1), [few])


@pytest.mark.parametrize(("length", "mode"), in_turn([3, 77, 5_000], ["clip", "wrap", "raise"]))
def test_shared_indices_choose_what_numpys_do(length: int, mode: str) -> None:
    generator = np.random.default_rng(length)
    x, indices = generator.random((90, 4, 60)), generator.integers(-60, 60, length)
    a, i = cnp.asarray(x), cnp.asarray(indices)

    def program(m: Any, a: Any, i: Any) -> list[Any]:
        pairs = m.take(a, i, axis=2, mode=mode) * 2 + m.take(a, i, axis=2, mode=mode)
        return [m.take(a, i, axis=2, mode=mode), pairs, m.take(a, i, axis=2, mode=mode).sum(axis=2), a[:, 1, i % 60]]

    model = mosaic.compile(program(cnp, a, i), inputs=[a, i], num_threads=2)
    for given, expected in zip(model(x, indices), program(np, x, indices), strict=True):
        np.testing.assert_allclose(given, expected, rtol=1e-14)
    indices[length // 2] = -61
    if mode == "raise":
        with pytest.raises(OutOfBoundsError):
            model(x, indices)


def test_places_of_lanes_are_known_before_any_lane_is_loaded() -> None:
    x = cnp.asarray(np.arange(300.0))
    indices = np.random.default_rng(0).integers(-300, 300, 77)
    doubled = cnp.take(x, indices) * 2
    assert "load_indexed" in c_text(doubled, [x])
    np.testing.assert_array_equal(mosaic.compile(doubled, inputs=[x])(np.arange(300.0)), np.arange(300.0)[indices] * 2)
