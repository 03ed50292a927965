"""Writes: to elements, through views of views, in place; each program is run on numpy beside it."""

from __future__ import annotations

import itertools
import operator
from typing import Any

import numpy as np
import pytest

import composit as cnp
import composit.numpy.views.writes as assignment
from composit.guards import guards_for
from composit.nn import chain_rule
from composit.value import value_of
from tests.composit.numpy.side_by_side import Program, assert_agree

X = np.arange(24.0).reshape(2, 3, 4)
INDICES = {
    "integer": 1,
    "negative integer": -1,
    "all integers": (1, 2, 3),
    "slice": slice(0, 1),
    "slice back": (slice(None), slice(None, None, -1)),
    "ellipsis": ...,
    "ellipsis with an integer": (..., 2),
    "new axis": (None, 1),
    "empty slice": slice(2, 2),
    "list": [1, 0, 1],
    "integer array": np.array([[0, 1], [1, 1]]),
    "two arrays": ([0, 1], [2, 0]),
    "arrays apart": ([0, 1], slice(None), [2, 0]),
    "mask": X > 10,
    "mask of rows": np.array([True, False]),
    "mask and integer": (np.array([True, True]), 1),
    "empty list": [],
    "numpy integer": np.int8(1),
    "True": True,
    "False": False,
}


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES.keys())
@pytest.mark.parametrize("value", [7, 2.5, np.float32(3), "array"])
def test_elements_are_assigned_at_every_kind_of_index(index: Any, value: Any) -> None:
    def program(xp: Any) -> Any:
        x = xp.array(X)
        x[index] = np.arange(X[index].size).reshape(X[index].shape) if value == "array" else value
        return x

    assert_agree(program)


@pytest.mark.parametrize("index", ["list", "integer array", "mask", "two arrays"])
def test_tensors_are_indices_and_values(index: str) -> None:
    def program(xp: Any) -> Any:
        x, chosen = xp.array(X), INDICES[index]
        given = tuple(map(xp.asarray, chosen)) if isinstance(chosen, tuple) else xp.asarray(chosen)
        x[given] = xp.sum(x)
        return x

    assert_agree(program)


def _views_of_views(xp: Any) -> Any:
    x = xp.array(X)
    rows = x[1]
    turned = rows.T
    part = turned[1:, ::-1]
    part[0] = -1
    x[1, 0] = 5
    rows += 1
    return x, rows, turned, part


def _write_to_the_base(xp: Any) -> Any:
    x = xp.array(X)
    flat, column, parts = x.reshape(-1), x[:, 0, None], xp.split(x, 2)
    x *= 2
    flat[3] = 100
    parts[1][...] = 0
    return x, flat, column, parts


def _reshape_of_fortran_order_copies(xp: Any) -> Any:
    x = xp.asarray(np.asfortranarray(X[0]))
    flat = x.reshape(-1)
    flat[0] = 99
    x[1] = 7
    return x, flat


def _transposed_reshape_is_a_view(xp: Any) -> Any:
    x = xp.asarray(np.asfortranarray(X[0]))
    flat = x.T.reshape(-1)
    flat[1] = 99
    return x, flat


def _overlapping(xp: Any) -> Any:
    x = xp.arange(10)
    x[1:] = x[:-1]
    y = xp.arange(10)
    y[::-1] = y
    z = xp.arange(4)
    z[[0, 1, 2, 3]] = z[[3, 2, 1, 0]]
    return x, y, z


def _out(xp: Any) -> Any:
    x, target = xp.array(X[0]), xp.zeros((3, 4))
    row = target[1]
    result = xp.add(x[0], 1, out=row)
    xp.multiply(x, 2, out=x)
    xp.sum(x, axis=0, out=target[0])
    return x, target, row, result is row


def _in_place_through_views(xp: Any) -> Any:
    x = xp.array(X[0])
    diagonal = x[:, :3].reshape(-1)[::4]
    column = x[:, 1]
    column += 10
    column **= 2
    block = x[1:, 2:]
    block -= x[0, 0]
    block //= 2
    return x, column, block, diagonal


def _functions_that_write(xp: Any) -> Any:
    x = xp.array(X[0])
    row = x[1]
    xp.put(row, [0, 2], [-1, -2])
    xp.copyto(x[0], 5)
    xp.add.at(x[2], [0, 0, 1], 1)
    xp.fill_diagonal(x, 3)
    xp.putmask(row, row > 5, 0)
    xp.place(x, x == 3, [8, 9])
    return x, row


def _methods_that_write(xp: Any) -> Any:
    x = xp.array(X[0][::-1])
    column = x[:, 1]
    column.sort()
    x[1].put([0, 3], 50)
    x[2].fill(4)
    x.flat[1] = 77
    x.flat[[2, 3]] = [5, 6]
    return x, column


def _rows_in_a_loop(xp: Any) -> Any:
    x = xp.array(X[0])
    for number, row in enumerate(x):
        row[number] = -1
        row += number
    return x


def _rank_zero(xp: Any) -> Any:
    x = xp.zeros(())
    y = x[...]
    y[...] = 5
    x[()] += 1
    return x, y


def _complex_parts(xp: Any) -> Any:
    z = xp.array([1 + 2j, 3])
    z.real = [5, 6]
    z.imag[0] = 9
    part = z.imag
    z *= 1j
    return z, part


def _records(xp: Any) -> Any:
    x = xp.zeros(3, [("a", "i4"), ("b", "f8", (2,))])
    x["a"] = [1, 2, 3]
    x["b"][1] = 4
    x[2] = (7, (1, 2))
    record = x[0]
    record["a"] = 9
    return x["a"], x["b"], record["a"]


def _strings_and_dates(xp: Any) -> Any:
    words, days = xp.array(["ab", "cd"]), xp.array(["2020-01-01", "2020-02-01"], dtype="M8[D]")
    words[0] = "longer"
    days[1:] = np.datetime64("2021-05-05")
    return words, days


def _memory_as_another_dtype(xp: Any) -> Any:
    x = xp.arange(4, dtype="i4")
    halves = x.view("i2")
    halves[::2] = 7
    x.dtype = "u4"
    return x, halves


def _in_another_shape(xp: Any) -> Any:
    x = xp.arange(6)
    tail = x[4:]
    x.shape = (2, 3)
    tail += 10
    x[0, 0] = 50
    return x, tail


PROGRAMS: tuple[Program, ...] = (
    _views_of_views,
    _write_to_the_base,
    _reshape_of_fortran_order_copies,
    _transposed_reshape_is_a_view,
    _overlapping,
    _out,
    _in_place_through_views,
    _functions_that_write,
    _methods_that_write,
    _rows_in_a_loop,
    _rank_zero,
    _complex_parts,
    _records,
    _strings_and_dates,
    _memory_as_another_dtype,
    _in_another_shape,
)


@pytest.mark.parametrize("program", PROGRAMS)
def test_writes_reach_what_numpys_reach(program: Program) -> None:
    assert_agree(program)


def _assigning(dtype: str, index: Any, value: Any) -> Program:
    def program(xp: Any) -> Any:
        x = xp.zeros((2, 3), dtype)
        x[index] = value
        return x

    return program


@pytest.mark.parametrize(
    "program",
    [
        _assigning("int8", 0, 300),
        _assigning("int8", 0, -1),
        _assigning("uint8", 0, -1),
        _assigning("int64", 0, 2.9),
        _assigning("float32", 0, 1e300 * 10),
        _assigning("bool", 0, 5),
        _assigning("float64", 0, 1j),
        _assigning("complex64", 0, 2),
        _assigning("float64", 2, 1),
        _assigning("float64", (0, 0, 0), 1),
        _assigning("float64", "name", 1),
        _assigning("float64", 0, [1, 2]),
        _assigning("float64", slice(None), np.zeros((3, 2))),
        _assigning("float64", np.array([True, False, True]), 1),
        _assigning("float64", ([0, 5],), 1),
        _assigning("float64", 0, "text"),
        _assigning("float64", 0, None),
        _assigning("float64", slice(None), np.ones((1, 1, 3))),
    ],
)
def test_values_are_cast_and_refused_as_by_numpy(program: Program) -> None:
    assert_agree(program)


def test_an_integer_that_does_not_fit_is_refused_at_the_call() -> None:
    x = cnp.zeros(3, "int8")
    before = x.node
    with pytest.raises(OverflowError, match="300 out of bounds for int8"):
        x[0] = 300
    assert x.node is before


@pytest.mark.parametrize(
    "write",
    [
        lambda xp, x: xp.broadcast_to(x, (2, 3)).__setitem__(0, 1),
        lambda xp, x: xp.diagonal(xp.ones((2, 2))).__setitem__(0, 1),
        lambda xp, x: x.setflags(write=False) or x.__setitem__(0, 1),
        lambda xp, x: x.setflags(write=False) or x[1:].__setitem__(0, 1),
        lambda xp, x: x.setflags(write=False) or x.sort(),
        lambda xp, x: x.setflags(write=False) or xp.add(x, 1, out=x),
        lambda xp, x: x.setflags(write=False) or x.__iadd__(1),
        lambda xp, x: xp.frombuffer(b"abc", "u1").__setitem__(0, 1),
        lambda xp, x: x.imag.__setitem__(0, 1),
        lambda xp, x: operator.setitem(x[0], ..., 1),
    ],
)
def test_what_is_read_only_in_numpy_is_read_only(write: Any) -> None:
    assert_agree(lambda xp: write(xp, xp.array([3.0, 1.0, 2.0])))


def test_an_array_of_numpys_takes_a_lazy_value() -> None:
    target = np.zeros(3)
    target[:] = cnp.arange(3)
    target += cnp.ones(3)
    np.testing.assert_array_equal(target, [1, 2, 3])


def _copies_of(program: Any, monkeypatch: pytest.MonkeyPatch) -> int:
    count = itertools.count()
    original = assignment.copied

    def counted(array: Any) -> Any:
        next(count)
        return original(array)

    monkeypatch.setattr(assignment, "copied", counted)
    program()
    return next(count)


def test_n_assignments_copy_the_array_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def program() -> None:
        x = cnp.zeros(200)
        for position in range(200):
            x[position] = position
        np.testing.assert_array_equal(cnp.evaluate(x), np.arange(200))

    assert _copies_of(program, monkeypatch) <= 1


def test_n_assignments_with_a_read_after_each_copy_a_constant_number_of_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    def program() -> None:
        x = cnp.ones(200)
        for position in range(1, 200):
            x[position] = x[position - 1] * 1.01
            assert float(x[position]) > 1
        np.testing.assert_allclose(cnp.evaluate(x), 1.01 ** np.arange(200), rtol=1e-12)

    assert _copies_of(program, monkeypatch) <= 4


def test_assigning_to_the_old_value_leaves_it_to_those_who_hold_it() -> None:
    x = cnp.zeros(3)
    before = x + 0
    kept = x.copy()
    x[0] = 1
    after = cnp.evaluate(before, kept, x)
    np.testing.assert_array_equal(after, [[0, 0, 0], [0, 0, 0], [1, 0, 0]])


def _numeric(function: Any, at: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    result = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        step = np.zeros_like(at)
        step[place] = 1e-6
        result[place] = (function(at + step) - function(at - step)) / 2e-6
    return result


WEIGHTS = np.linspace(-1.0, 2.0, 12).reshape(3, 4)


@pytest.mark.parametrize(
    ("index", "shape"),
    [
        (1, (4,)),
        ((slice(None), 2), (3,)),
        ((slice(None, None, -1), slice(1, 3)), (3, 2)),
        (([0, 2, 0], [1, 1, 1]), (3,)),
        ([2, 0, 2], (3, 4)),
        (WEIGHTS > 0.3, ()),
        ((1, 2), ()),
    ],
    ids=str,
)
def test_the_derivative_of_a_write_is_that_of_finite_differences(index: Any, shape: tuple[int, ...]) -> None:
    base, value = (
        np.cos(np.arange(12.0)).reshape(3, 4),
        np.sin(np.arange(1.0, 1 + np.prod(shape, dtype=int))).reshape(shape),
    )

    def loss(base: Any, value: Any, xp: Any) -> Any:
        x = base * 1.0
        x[index] = value * 2.0
        return xp.sum(x * x * WEIGHTS)

    b, v = cnp.asarray(base), cnp.asarray(value)
    gradients = cnp.evaluate(cnp.chain_rule({(total := loss(b, v, cnp)): total}, [b, v]))
    np.testing.assert_allclose(gradients[0], _numeric(lambda at: loss(at, value, np), base), atol=1e-6)
    np.testing.assert_allclose(gradients[1], _numeric(lambda at: loss(base, at, np), value), atol=1e-6)


def test_the_derivative_goes_through_a_write_to_a_view() -> None:
    x = cnp.asarray(np.arange(6.0).reshape(2, 3))
    y = x * 1.0
    column = y[:, 1]
    column *= 3
    (gradient,) = cnp.chain_rule({cnp.sum(y): np.float64(1)}, [x])
    np.testing.assert_array_equal(cnp.evaluate(gradient), [[1, 3, 1], [1, 3, 1]])


@pytest.mark.parametrize("name", ["round", "nan_to_num", "clip"])
def test_a_result_that_goes_where_nobody_may_write_is_numpys_to_decide(name: str) -> None:
    # Of integers numpy's round writes nothing, and asks nobody; nan_to_num writes.
    calls = {
        "round": lambda xp, x: x.round(out=x),
        "nan_to_num": lambda xp, x: xp.nan_to_num(x, copy=False),
        "clip": lambda xp, x: xp.clip(x, 0, 5, out=x),
    }
    outcomes = []
    for xp in (np, cnp):
        part = xp.arange(8).reshape(2, 2, 2).diagonal()
        try:
            outcomes.append(np.asarray(calls[name](xp, part)).tolist())
        except ValueError as error:
            outcomes.append(str(error).partition(":")[0])
    assert outcomes[0] == outcomes[1] or ("read-only" in str(outcomes[0]) and "read-only" in str(outcomes[1]))


@pytest.mark.parametrize("dtype", ["M8[s]", "m8[h]", "U4", "S3", "O", "?", "f2", "c8"])
@pytest.mark.parametrize("value", [3, True, 2.5, "ab"])
def test_one_element_is_written_as_numpy_writes_it(dtype: str, value: Any) -> None:
    outcomes = []
    for xp in (np, cnp):
        array = xp.zeros(3, dtype=dtype)
        try:
            array[1] = value
            outcomes.append(np.asarray(array).tolist())
        except (TypeError, ValueError) as error:
            outcomes.append("ValueError" if isinstance(error, ValueError) else "TypeError")
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("index", [([0, 2, 2],), (slice(None), [3, 0]), ([[0], [1]], [1, 1, 3])], ids=str)
def test_the_derivative_of_a_write_does_not_read_its_indices(index: Any) -> None:
    places = [cnp.asarray(np.array(part)) for part in index if isinstance(part, list)]
    chosen = iter(places)
    target = cnp.zeros((3, 4))
    whole = tuple(next(chosen) + 0 if isinstance(part, list) else part for part in index)
    values = cnp.asarray(np.random.default_rng(0).normal(size=X[0][index].shape))
    target[whole] = values
    (gradient,) = chain_rule({target: X[0]}, [values])
    assert not guards_for([value_of(gradient)], [value_of(place) for place in places])
    written = np.zeros((3, 4), int)
    written[index] = np.arange(values.size).reshape(values.shape) + 1
    # Of several writes to one element the last one has the gradient.
    is_last = written[index] == np.arange(values.size).reshape(values.shape) + 1
    np.testing.assert_array_equal(cnp.evaluate(gradient), np.where(is_last, X[0][index], 0))
