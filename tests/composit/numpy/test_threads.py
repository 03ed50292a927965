"""Writes, reads and evaluations in several threads: no write is lost, no view stays behind, nothing waits for ever.

Where threads switch is not left to chance: one thread's call is stopped before each line of ours in turn, and meanwhile
another thread makes a whole call of its own, or is found to wait for the first.
"""

import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import composit
import composit.numpy as cnp
from tests.sampling import only

# The modules in which tensors, nodes and memory that threads share are changed.
_PLACES = (
    "handle",
    "kept_values",
    "storage",
    "numpy/assignment/in_place",
    "numpy/assignment/setitem",
    "numpy/calls/fallback",
    "numpy/indexing/known_elements",
    "numpy/tensor/operators",
    "numpy/views/live_memory",
    "numpy/views/writes",
)
_FILES = [Path(composit.__file__).parent / f"{place}.py" for place in _PLACES]
# A module that has moved would no longer be traced, and its races no longer seen.
assert all(path.is_file() for path in _FILES), _FILES
SHARED = frozenset(map(str, _FILES))
# What a call that waits for a lock does not take, and any other call does not need.
LONG_ENOUGH = 0.004
FOR_EVER = 60.0

Call = Callable[[Any], object]


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class _Intruder:
    """Runs a call in another thread when the traced one is about to run its line of a number."""

    def __init__(self, call: Callable[[], object], line: int) -> None:
        self.line = line
        self.lines = count()
        self.has_come = False
        self.failures: list[BaseException] = []
        self.thread = threading.Thread(target=self._run, args=(call,))

    def _run(self, call: Callable[[], object]) -> None:
        try:
            call()
        except BaseException as failure:  # noqa: BLE001  # shown by the test's own thread
            self.failures.append(failure)

    def trace(self, frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code.co_filename not in SHARED:
            return None
        if event == "line" and next(self.lines) == self.line:
            self.has_come = True
            self.thread.start()
            self.thread.join(LONG_ENOUGH)
        return self.trace


def _interleaved(make: Callable[[], Any], first: Call, second: Call) -> Iterator[Any]:
    """Yield the tensor after both calls, once for each line of ours in the first before which the second comes."""
    for line in count():
        tensor = make()
        intruder = _Intruder(lambda tensor=tensor: second(tensor), line)
        before = sys.gettrace()
        sys.settrace(intruder.trace)
        try:
            first(tensor)
        finally:
            sys.settrace(before)
        if not intruder.has_come:
            return
        intruder.thread.join(FOR_EVER)
        assert not intruder.thread.is_alive(), f"line {line}: the other thread waits for ever"
        assert not intruder.failures, intruder.failures
        yield tensor


def _element(place: int, value: float) -> Call:
    def write(x: Any) -> None:
        x[place] = value

    return write


def _add_to(part: slice, value: float) -> Call:
    def write(x: Any) -> None:
        view = x[part]
        view += value

    return write


def _add_to_flat(place: int, value: float) -> Call:
    def write(x: Any) -> None:
        x.flat[place] = x.flat[place] + value

    return write


def _iterate(x: Any) -> None:
    with cnp.nditer(x[:2], op_flags=[["readwrite"]]) as elements:
        for element in elements:
            element[...] = 7.0


def _add_all(x: Any) -> None:
    x += 1.0


def _add_out(x: Any) -> None:
    cnp.add(x, 1.0, out=x)


def _strict_element(x: Any) -> None:
    with cnp.errstate(all="raise"):
        x[0] = cnp.array(5.0) * 2.0


WRITES: dict[str, Call] = {
    "an element": _element(0, 5.0),
    "a view in place": _add_to(slice(0, 2), 3.0),
    "all in place": _add_all,
    "add.at": lambda x: cnp.add.at(x, [0, 0, 1], 2.0),
    "maximum.at": lambda x: cnp.maximum.at(x, [0], 9.0),
    "put": lambda x: cnp.put(x, [0, 1], [4.0, 5.0]),
    "putmask": lambda x: cnp.putmask(x, np.array([True, False, False, False]), 8.0),
    "copyto": lambda x: cnp.copyto(x[:2], 6.0),
    "fill": lambda x: x[:2].fill(2.5),
    "sort": lambda x: x[:2].sort(),
    "out": _add_out,
    "flat": _add_to_flat(1, 2.0),
    "nditer": _iterate,
    "inside errstate": _strict_element,
}


def _start() -> Any:
    return cnp.asarray(np.array([3.0, 1.0, 2.0, 4.0]))


# The others write through the fallback, as `put` does.
SAMPLE = ["an element", "a view in place", "all in place", "add.at", "maximum.at", "put", "out", "inside errstate"]


@pytest.mark.parametrize("name", only([*SAMPLE, "flat"], WRITES))
def test_an_element_that_another_thread_writes_at_any_moment_of_a_write_is_there(name: str) -> None:
    possible = []
    for order in ((WRITES[name], _element(3, 50.0)), (_element(3, 50.0), WRITES[name])):
        expected = np.array([3.0, 1.0, 2.0, 4.0])
        for call in order:
            call(_on_numpy(expected))
        possible.append(expected.tolist())
    for x in _interleaved(_start, WRITES[name], _element(3, 50.0)):
        assert np.asarray(x).tolist() in possible


def _on_numpy(array: Any) -> Any:
    return array


@pytest.mark.parametrize(
    "name", only(["an element", "a view in place", "nditer"], ["an element", "a view in place", "put", "nditer"])
)
def test_a_view_taken_and_read_at_any_moment_of_a_write_shows_the_write_afterwards(name: str) -> None:
    views: list[Any] = []

    def look(x: Any) -> None:
        view = x[:3]
        np.asarray(view)
        views.append(view)

    for x in _interleaved(_start, WRITES[name], look):
        assert np.asarray(views.pop()).tolist() == np.asarray(x)[:3].tolist()


def test_a_write_at_any_moment_of_taking_or_reading_a_view_is_shown_by_it() -> None:
    views: list[Any] = []

    def look(x: Any) -> None:
        view = x[:3]
        x[1] = 9.0
        views.append((view, np.asarray(view).tolist()))

    for x in _interleaved(_start, look, _element(0, 5.0)):
        view, seen = views.pop()
        assert seen in ([3.0, 9.0, 2.0], [5.0, 9.0, 2.0])
        assert np.asarray(view).tolist() == np.asarray(x)[:3].tolist() == [5.0, 9.0, 2.0]


def test_two_in_place_operators_on_all_elements_both_count() -> None:
    for x in _interleaved(_start, _add_all, _add_all):
        assert np.asarray(x).tolist() == [5.0, 3.0, 4.0, 6.0]


def test_a_new_shape_at_any_moment_of_a_write_loses_nothing() -> None:
    def give_shape(x: Any) -> None:
        x.shape = (2, 2)

    for x in _interleaved(_start, give_shape, lambda x: x.fill(1.0)):
        assert np.asarray(x).tolist() == [[1.0, 1.0], [1.0, 1.0]]


@pytest.mark.usefixtures("frequent_switches")
def test_threads_that_write_rows_of_one_array_lose_none() -> None:
    source, out = cnp.arange(1600.0).reshape(400, 4), cnp.zeros((400, 4))

    def work(first: int) -> None:
        for row in range(first, 400, 8):
            out[row] = cnp.sqrt(source[row]) + row

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    expected = np.sqrt(np.arange(1600.0).reshape(400, 4)) + np.arange(400.0)[:, None]
    np.testing.assert_array_equal(np.asarray(out), expected)


@pytest.mark.usefixtures("frequent_switches")
def test_threads_that_each_add_to_a_part_of_one_array_lose_nothing() -> None:
    out = cnp.zeros(64)

    def work(first: int) -> None:
        part = out[first : first + 8]
        for number in range(50):
            part += 1
            if number % 10 == 0:
                assert float(part[0]) == number + 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(0, 64, 8)))
    assert np.unique(np.asarray(out)).tolist() == [50.0]


@pytest.mark.usefixtures("frequent_switches")
def test_threads_that_read_and_evaluate_what_they_share_get_its_values() -> None:
    x = cnp.linspace(0.0, 1.0, 16)
    shared = [cnp.exp(x * number) + x for number in range(6)]
    expected = [np.exp(np.linspace(0.0, 1.0, 16) * number) + np.linspace(0.0, 1.0, 16) for number in range(6)]

    def work(first: int) -> None:
        for step in range(30):
            number = (first + step) % 6
            if step % 3 == 0:
                assert float(shared[number][5]) == expected[number][5]
            elif step % 3 == 1:
                np.testing.assert_array_equal(composit.evaluate(shared[number] * 2.0), expected[number] * 2.0)
            else:
                total = shared[number].copy()
                total[0] = step
                assert float(total[0]) == step
                np.testing.assert_array_equal(np.asarray(total)[1:], expected[number][1:])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))


@pytest.mark.usefixtures("frequent_switches")
def test_readers_of_an_array_that_is_being_written_to_see_whole_writes() -> None:
    x = cnp.zeros(8)
    is_done = threading.Event()
    seen: list[list[float]] = []

    def read() -> None:
        while not is_done.is_set():
            seen.append(np.unique(np.asarray(x)).tolist())

    def write() -> None:
        for number in range(200):
            x[...] = float(number)
        is_done.set()

    with ThreadPoolExecutor(3) as pool:
        for task in [pool.submit(read), pool.submit(read), pool.submit(write)]:
            task.result()
    assert all(len(values) == 1 for values in seen)


def test_a_write_that_computes_waits_for_a_thread_that_writes_elsewhere() -> None:
    other = cnp.zeros(2)

    def slow(values: np.ndarray) -> np.ndarray:
        if values[0] == 1.0:  # ours, to learn the type
            return values
        thread = threading.Thread(target=_element(0, 1.0), args=(other,))
        thread.start()
        thread.join(FOR_EVER)
        assert not thread.is_alive(), "the write to another array waits for ever"
        return values

    operation = composit.wrap_as_operation()(slow)
    x, later = cnp.zeros(2), operation(cnp.full(2, 3.0))
    with cnp.errstate(all="raise"):
        x[...] = later
    assert np.asarray(x).tolist() == [3.0, 3.0]
    assert np.asarray(other).tolist() == [1.0, 0.0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is nothing to fork")
def test_a_child_that_was_forked_during_a_write_can_write_to_the_same_array() -> None:
    x = cnp.zeros(2)
    is_writing, may_end = threading.Event(), threading.Event()

    def slow(values: np.ndarray) -> np.ndarray:
        if values[0] != 1.0:  # which are ours, to learn the type
            is_writing.set()
            may_end.wait(FOR_EVER)
        return values

    later = composit.wrap_as_operation()(slow)(cnp.full(2, 3.0))

    def write() -> None:
        with cnp.errstate(all="raise"):
            x[...] = later

    thread = threading.Thread(target=write)
    thread.start()
    assert is_writing.wait(FOR_EVER)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python's own, of forks beside threads
        child = os.fork()
    if not child:
        x[1] = 1.0  # waits for ever if the child inherits the lock
        os._exit(0)
    status = _status_of(child)
    may_end.set()
    thread.join(FOR_EVER)
    assert status == 0
    assert np.asarray(x).tolist() == [3.0, 3.0]


def _status_of(child: int) -> int:
    """Return how a child ended; it is ended if it does not come back."""
    watcher = threading.Timer(FOR_EVER / 4, os.kill, (child, 9))
    watcher.start()
    _, status = os.waitpid(child, 0)
    watcher.cancel()
    return status
