"""A tensor is pickled as numpy's array is: its value and its layout, nothing that led to it."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
import pytest

import composit.numpy as cnp
from composit.types import LazyTensor

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def _read_only(array: Any) -> Any:
    array.flags.writeable = False
    return array


MADE: dict[str, Callable[[Any], Any]] = {
    "C": lambda xp: xp.ones((2, 3)) * 2,
    "F": lambda xp: xp.array(np.arange(6.0).reshape(2, 3), order="F"),
    "transposed": lambda xp: xp.ones((2, 3)).T,
    "axes in another order": lambda xp: xp.ones((2, 3, 4)).transpose(0, 2, 1),
    "strided": lambda xp: xp.arange(16.0).reshape(4, 4)[::2, ::2],
    "strided and transposed": lambda xp: xp.ones((4, 6))[::2, ::2].T,
    "backwards": lambda xp: xp.arange(10)[::-1],
    "broadcast": lambda xp: xp.broadcast_to(xp.ones(3), (2, 3)),
    "diagonal": lambda xp: xp.ones((3, 3)).diagonal(),
    "read-only": lambda xp: _read_only(xp.arange(6.0).reshape(2, 3)),
    "read-only, transposed": lambda xp: _read_only(xp.arange(6.0).reshape(2, 3)).T,
    "read-only column": lambda xp: _read_only(xp.arange(6.0).reshape(2, 3))[:, 1],
    "no axis": lambda xp: xp.array(3.0),
    "scalar": lambda xp: xp.ones(3).sum(),
    "integer scalar": lambda xp: xp.arange(3)[1],
    "truth": lambda xp: (xp.arange(3) > 1)[2],
    "duration": lambda xp: xp.array([1, 2], "m8[D]")[0],
    "float32": lambda xp: xp.ones(2, "f4").sum() + 1,
    "objects": lambda xp: xp.array([None, 1, "a", [2]], dtype=object),
    "texts": lambda xp: xp.array(["a", "bc"]),
    "texts of any length": lambda xp: xp.array(["a", "bc" * 20], np.dtypes.StringDType()),
    "texts, one missing": lambda xp: xp.array(["a", None], np.dtypes.StringDType(na_object=None, coerce=False)),
    "every other text": lambda xp: xp.array(["a", "b", "c"], np.dtypes.StringDType())[::2],
    "texts, transposed": lambda xp: xp.array([["a", "b"], ["c", "d"], ["e", "f"]], np.dtypes.StringDType()).T,
    "read-only texts": lambda xp: _read_only(xp.array(["a", "b"], np.dtypes.StringDType())),
    "dates": lambda xp: xp.array([1, 2], "M8[s]"),
    "records": lambda xp: xp.zeros(3, [("a", "i4"), ("b", "f8")]),
    "other bytes": lambda xp: xp.ones(3, ">f8"),
    "long doubles": lambda xp: xp.ones(3, "g"),
    "real part": lambda xp: xp.ones(2, "c8").real,
    "inverse": lambda xp: xp.linalg.inv(xp.eye(3)),
    "vectorize": lambda xp: xp.vectorize(lambda value: 2 * value)(xp.arange(3)) + 1,
    "apply_along_axis": lambda xp: xp.apply_along_axis(lambda row: row[::-1], 0, xp.eye(3)),
    "piecewise": lambda xp: xp.piecewise(xp.arange(4.0), [xp.arange(4) > 1], [lambda value: value * 2]),
    "frompyfunc": lambda xp: xp.frompyfunc(lambda value: value + 1, 1, 1)(xp.arange(3)),
}


def _facts(array: Any) -> tuple[Any, ...]:
    flags = array.flags
    values = repr(np.asarray(array).tolist())
    is_scalar = isinstance(array, np.generic)
    return array.dtype, array.shape, array.strides, flags.writeable, flags.c_contiguous, is_scalar, values


def _through_buffers(array: Any) -> Any:
    buffers: list[Any] = []
    data = pickle.dumps(array, 5, buffer_callback=buffers.append)
    return pickle.loads(data, buffers=[bytearray(buffer) for buffer in buffers])


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", MADE)
def test_a_pickle_holds_what_numpys_holds(name: str, protocol: int) -> None:
    made, expected = MADE[name](cnp), MADE[name](np)
    loaded = pickle.loads(pickle.dumps(made, protocol))
    assert isinstance(loaded, LazyTensor)
    assert _facts(loaded) == _facts(pickle.loads(pickle.dumps(expected, protocol)))


def test_buffers_outside_the_pickle_are_copied() -> None:
    x = cnp.arange(1000.0).reshape(10, 100) * 2
    buffers: list[Any] = []
    data = pickle.dumps(x, 5, buffer_callback=buffers.append)
    assert len(data) < 500
    memory = [bytearray(buffer) for buffer in buffers]
    loaded = pickle.loads(data, buffers=memory)
    memory[0][:8] = b"\xff" * 8
    np.testing.assert_array_equal(cnp.evaluate(loaded), np.arange(1000.0).reshape(10, 100) * 2)
    np.testing.assert_array_equal(cnp.evaluate(_through_buffers(x.T)), cnp.evaluate(x).T)


def _trained(num_steps: int) -> Any:
    generator = cnp.random.default_rng(0)
    data = generator.normal(size=(1000, 10))
    targets = data @ cnp.arange(10.0)
    weight = cnp.zeros(10)
    for _ in range(num_steps):
        rows = generator.integers(0, 1000, 32)
        weight -= 0.02 * data[rows].T @ (data[rows] @ weight - targets[rows]) / 32
    return weight


@pytest.mark.parametrize("is_read_before", [True, False])
def test_weights_take_no_training_data_along(is_read_before: bool) -> None:
    weight = _trained(30)
    if is_read_before:
        str(weight)
    stored = pickle.dumps(weight)
    assert len(stored) < 2 * len(pickle.dumps(np.zeros(10)))
    data = np.random.default_rng(0).normal(size=(1000, 10))
    assert all(row.tobytes() not in stored for row in data[:10])
    np.testing.assert_array_equal(pickle.loads(stored).to_numpy(), weight.to_numpy())


def test_a_loaded_tensor_is_written_to_and_differentiated_as_any() -> None:
    loaded = pickle.loads(pickle.dumps(cnp.ones(3) + 1))
    loaded[0] = 5
    loss = (loaded * loaded).sum()
    np.testing.assert_array_equal(cnp.evaluate(cnp.chain_rule({loss: loss}, [loaded])[0]), [10, 4, 4])


def test_one_tensor_in_several_places_is_one_when_it_is_loaded() -> None:
    x = cnp.ones(3) + 1
    first, second, (third,) = pickle.loads(pickle.dumps([x, x, (x,)]))
    assert first is second is third


def test_a_graph_is_pickled_where_a_graph_is_asked_for() -> None:
    x = cnp.asarray([1.0, 2.0])
    y = cnp.exp(x) + 1
    graph, node = pickle.loads(pickle.dumps((y.graph, y.node)))
    assert len(graph) == len(y.graph)
    np.testing.assert_array_equal(cnp.evaluate(LazyTensor(graph, node)), cnp.evaluate(y))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_copies_stay_lazy(copied: Callable[[Any], Any]) -> None:
    x = cnp.exp(cnp.ones(3))
    with cnp.count_evaluations() as counted:
        again = copied(x)
    assert counted.runs == 0
    again[0] = 9
    np.testing.assert_array_equal(cnp.evaluate(x), np.exp(np.ones(3)))


def _double(x: Any) -> Any:
    return x * 2


def test_another_process_is_sent_a_value_and_sends_one_back() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        (made,) = pool.map(_double, [cnp.exp(cnp.zeros(3))])
    assert isinstance(made, LazyTensor)
    np.testing.assert_array_equal(cnp.evaluate(made), [2, 2, 2])


def test_a_pickle_is_loaded_by_a_fresh_process() -> None:
    program = "import pickle, sys; x = pickle.load(sys.stdin.buffer); print(type(x).__qualname__, (x + 1).tolist())"
    stored = pickle.dumps(cnp.ones(2) * 3)
    shown = subprocess.run([sys.executable, "-c", program], input=stored, capture_output=True, check=True).stdout
    assert shown.decode().strip() == "ndarray [4.0, 4.0]"


def test_equal_arrays_have_one_hash_of_joblib() -> None:
    x, y = cnp.exp(cnp.ones((3, 4))), cnp.asarray(np.exp(np.ones((3, 4))))
    assert joblib.hash(x) == joblib.hash(y) == joblib.hash(cnp.with_name(y, "y"))
    assert joblib.hash(x) != joblib.hash(x + 1)
    assert joblib.hash(x.sum()) == joblib.hash(y.sum())
    assert joblib.hash({"x": x}) == joblib.hash({"x": y})


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", [bytes, str])
def test_texts_without_width_stay_without_width(kind: type, protocol: int) -> None:
    def program(xp: Any) -> Any:
        texts = xp.zeros(6, dtype=[("text", kind, 0)])["text"]
        values = [texts, texts.reshape(2, 3), texts[::-1], pickle.loads(pickle.dumps(texts, protocol))]
        return [(value.dtype, np.asarray(value).dtype, value.shape, value.tolist()) for value in values]

    assert program(cnp) == program(np)
