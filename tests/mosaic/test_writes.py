"""Writes in a loop change an array in place, unless its old value is still needed; callers' arrays never change."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.numpy.elementwise import masked as masked_elementwise
from composit.numpy.views import writes as assignment
from mosaic import CompiledModel
from tests.sampling import in_turn, one_in

NUM_WRITES = 12
Loop = Callable[[Any, Any], Any]  # numpy or composit.numpy, and an array of it


def rows(xp: Any, a: Any) -> Any:
    for i in range(NUM_WRITES):
        a[i, :] *= 0.5
    return a


def columns_backwards(xp: Any, a: Any) -> Any:
    for i in reversed(range(NUM_WRITES)):
        a[::-1, i] = a[:, i] + 1
    return a


def elements(xp: Any, a: Any) -> Any:
    for i in range(NUM_WRITES):
        a[i, i] = a[i, (7 * i) % NUM_WRITES] - 3
    return a


def sums_of_what_is_above(xp: Any, a: Any) -> Any:
    for i in range(1, NUM_WRITES):
        a[i] -= a[:i].sum(axis=0)
    return a


def neighbours(xp: Any, a: Any) -> Any:
    for i in range(1, NUM_WRITES):
        a[i, 1:] = a[i - 1, :-1]
        a[i, ::2] = a[i, ::-2]
    return a


def exchanged_rows(xp: Any, a: Any) -> Any:
    for i in range(NUM_WRITES - 1):
        row = a[i].copy()
        a[i] = a[i + 1]
        a[i + 1] = row
    return a


def through_views(xp: Any, a: Any) -> Any:
    transposed, flat = a.T, a.reshape(-1)
    for i in range(NUM_WRITES):
        transposed[i, 1:] += 1
        flat[3 * i] = i
    return a


def sums_before_each_write(xp: Any, a: Any) -> Any:
    total = xp.zeros(NUM_WRITES)
    for i in range(NUM_WRITES):
        total = total + a.max(axis=0)
        a[i] = 0.25
    return a, total


def rows_before_each_write(xp: Any, a: Any) -> Any:
    kept = []
    for i in range(NUM_WRITES):
        kept.append(xp.exp(a[i] * 1e-3))
        a[i] = 0.25
    return xp.stack(kept) + a


def index_arrays(xp: Any, a: Any) -> Any:
    for i in range(NUM_WRITES):
        a[[i, (3 * i) % NUM_WRITES]] = a[[(i + 1) % NUM_WRITES, (5 * i) % NUM_WRITES]]
    return a


def masks(xp: Any, a: Any) -> Any:
    for i in range(NUM_WRITES):
        a[a > i] *= 0.5
        xp.sqrt(xp.abs(a), out=a, where=a < 0)
    return a


def other_writers(xp: Any, a: Any) -> Any:
    for i in range(NUM_WRITES):
        a[i].fill(i)
        xp.put(a, [i, 2 * i], [1.5, 2.5])
        xp.add.at(a, ([i, i, 0], [0, 0, i]), 1.0)
    return a


def cholesky(xp: Any, a: Any) -> Any:
    a += NUM_WRITES * 9 * xp.eye(NUM_WRITES)
    for i in range(NUM_WRITES):
        for j in range(i):
            a[i, j] -= a[i, :j] @ a[j, :j]
            a[i, j] /= a[j, j]
        a[i, i] -= a[i, :i] @ a[i, :i]
        a[i, i] = xp.sqrt(a[i, i])
    return a


LOOPS = (
    rows,
    columns_backwards,
    elements,
    sums_of_what_is_above,
    neighbours,
    exchanged_rows,
    through_views,
    sums_before_each_write,
    rows_before_each_write,
    index_arrays,
    masks,
    other_writers,
    cholesky,
)


def start() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(NUM_WRITES, NUM_WRITES))


def results_of(loop: Loop, xp: Any, a: Any) -> tuple[Any, ...]:
    results = loop(xp, a)
    return results if isinstance(results, tuple) else (results,)


def as_model(loop: Loop, **options: Any) -> CompiledModel:
    x = cnp.asarray(start())
    return mosaic.compile(results_of(loop, cnp, x + 0), inputs=[x], **options)


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the arrays that writes copy."""
    sizes: list[int] = []
    original = assignment.copied

    def counted(array: Any) -> np.ndarray:
        sizes.append(np.size(array))
        return original(array)

    monkeypatch.setattr(assignment, "copied", counted)
    monkeypatch.setattr(masked_elementwise, "copied", counted)
    return sizes


@pytest.mark.parametrize("loop", one_in(2, LOOPS), ids=lambda loop: loop.__name__)
def test_a_loop_of_writes_copies_the_array_once_at_most(loop: Loop, copies: list[int]) -> None:
    expected = results_of(loop, np, start())
    built = results_of(loop, cnp, cnp.array(start()))
    copies.clear()  # masks are read while the graph is built
    results = cnp.evaluate(*built, backend="mosaic")
    for one, other in zip(expected, results if len(expected) > 1 else [results], strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-10)
    assert len(copies) <= 1


@pytest.mark.parametrize(
    ("loop", "options"),
    in_turn(LOOPS, [{"num_threads": 1}, {"num_threads": 2, "fuse": False}]),
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_compiled_loop_leaves_its_input_alone_and_repeats_itself(
    loop: Loop, options: dict[str, Any], copies: list[int]
) -> None:
    model, given = as_model(loop, **options), start()
    copies.clear()
    first, second = model(given), model(given)
    np.testing.assert_array_equal(given, start())
    for one, again, expected in zip(first, second, results_of(loop, np, start()), strict=True):
        np.testing.assert_array_equal(one, again)
        np.testing.assert_allclose(one, expected, rtol=1e-10)
    assert len(copies) <= 2


@pytest.mark.parametrize("dtype", ["complex128", "float16", "int8", "datetime64[s]", "object", "<U5"])
def test_arrays_that_c_does_not_compute_with_are_written_in_place_too(dtype: str, copies: list[int]) -> None:
    def loop(xp: Any, a: Any) -> Any:
        for i in range(1, 8):
            row = a[i].copy()
            a[i] = a[i - 1]
            a[i - 1, ::-1] = row
        return a

    values = np.arange(64).reshape(8, 8).astype(dtype)
    built = loop(cnp, cnp.array(values))
    copies.clear()  # writes to objects run when they are made
    result = cnp.evaluate(built, backend="mosaic")
    np.testing.assert_array_equal(result, loop(np, values.copy()))
    assert len(copies) <= 1


def test_an_old_value_that_is_returned_too_is_copied(copies: list[int]) -> None:
    x = cnp.asarray(start())
    a = x * 2
    before = a + 0
    kept = a.copy()
    a[0] = 1
    middle = a.copy()
    a[:, 1] = 2
    model, doubled = mosaic.compile([before, kept, middle, a], inputs=[x]), start() * 2
    for _ in range(2):
        first, also_first, second, third = model(start())
        np.testing.assert_array_equal(first, doubled)
        np.testing.assert_array_equal(also_first, doubled)
        np.testing.assert_array_equal(second, np.vstack([np.ones(NUM_WRITES), doubled[1:]]))
        assert (third[:, 1] == 2).all()
        assert (third[0, 2:] == 1).all()


def test_two_writes_to_one_value_do_not_see_each_other() -> None:
    x = cnp.asarray(start())
    a = x + 1
    b, c = a.copy(), a.copy()
    b[0], c[1] = 7, 8
    c[2] = b[0] + a[0]
    first, second = mosaic.compile([b, c], inputs=[x])(start())
    expected, other = start() + 1, start() + 1
    expected[0], other[1] = 7, 8
    other[2] = 7 + (start()[0] + 1)
    np.testing.assert_array_equal(first, expected)
    np.testing.assert_array_equal(second, other)


def test_what_is_computed_from_both_values_of_an_array_copies_the_part_it_reads(copies: list[int]) -> None:
    def loop(xp: Any, a: Any) -> Any:
        a = a * 2
        for i in range(NUM_WRITES - 1):
            old = a[i]
            old = old * 1
            a[i] = a[i + 1] + old
            a[i + 1] = old - a[i]
        return a

    result = cnp.evaluate(loop(cnp, cnp.array(start())), backend="mosaic")
    np.testing.assert_allclose(result, loop(np, start()), rtol=1e-12)
    assert copies == []


@pytest.mark.parametrize("given", ["input", "constant"])
def test_inputs_and_constants_are_never_written_to(given: str) -> None:
    x, array = cnp.asarray(np.ones(4)), np.arange(4.0)
    a = cnp.asarray(array) if given == "constant" else x
    b = a.copy()
    b[1] = 9
    model = mosaic.compile(b * x, inputs=[x])
    argument = np.ones(4)
    for _ in range(2):
        expected = [0, 9, 2, 3] if given == "constant" else [1, 9, 1, 1]
        np.testing.assert_array_equal(model(argument), expected)
    np.testing.assert_array_equal(argument, np.ones(4))
    np.testing.assert_array_equal(array, np.arange(4.0))


def test_an_error_in_a_write_leaves_the_model_usable() -> None:
    x, i = cnp.asarray(start()), cnp.asarray(np.array([1, 2]))
    a = x + 0
    a[0] = 5
    a[i] = 6
    model = mosaic.compile(a, inputs=[x, i])
    with pytest.raises(IndexError):
        model(start(), np.array([1, 200]))
    expected = start()
    expected[0], expected[[3, 4]] = 5, 6
    np.testing.assert_array_equal(model(start(), np.array([3, 4])), expected)


PEAK = """
    import resource, numpy
    import composit, mosaic, composit.numpy as np
    def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    n = 1000
    x = np.array(numpy.ones((n, n)))
    composit.evaluate(np.ones((2, 2)) + 1, backend="mosaic")
    a = x + 0
    for i in range(60):
        a[i] = 0.5
        a[:, i] = a.sum(axis=0) * 1e-3
    before = peak()
    {run}
    print(peak() - before)
"""


@pytest.mark.parametrize(
    "run", one_in(2, ["composit.evaluate(a, backend='mosaic')", "mosaic.compile(a, inputs=[x])(numpy.ones((n, n)))"])
)
def test_120_writes_to_8_megabytes_take_less_than_60(run: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", dedent(PEAK).format(run=run)],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        cwd=Path(__file__).parents[2],
    )
    assert int(finished.stdout) < 60
