"""Writes at places that index arrays choose, in C: the last of several writes to one place stays, and callers' arrays never change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.errors import OutOfBoundsError
from tests.mosaic.comparison import check, tensor
from tests.sampling import only

Write = Callable[[Any, Any, Any], None]  # to an array (4, 5, 6), at indices (3,) from -4 to 3, of values (3, 3)

WRITES: dict[str, Write] = {
    "first axis": lambda a, i, v: a.__setitem__(i, v[:, :1, None]),
    "middle axis": lambda a, i, v: a.__setitem__((slice(None), i), v[:, :, None][:1]),
    "last axis": lambda a, i, v: a.__setitem__((..., i), v[0]),
    "first and last, which come first": lambda a, i, v: a.__setitem__((i, slice(None), i), v[:, :1]),
    "neighbours": lambda a, i, v: a.__setitem__((slice(1, 3), i, i), v[0]),
    "all axes": lambda a, i, v: a.__setitem__((i, i[::-1], i), v[1]),
    "a grid": lambda a, i, v: a.__setitem__((i[:, None], i), v[:, :, None]),
    "an integer beside an array": lambda a, i, v: a.__setitem__((2, slice(None, None, -2), i), v),
    "a new axis": lambda a, i, v: a.__setitem__((None, i), v[0, 0]),
    "through a transposed view": lambda a, i, v: a.T.__setitem__(i, v[:, :1, None]),
    "through a part": lambda a, i, v: a[1:, ::2].__setitem__((slice(None), slice(None), i), v),
    "a number": lambda a, i, v: a.__setitem__((i, i), 7),
    "an index of rank 0": lambda a, i, v: a.__setitem__((i[0], i[1], i[2]), v[0, 0]),
}


def test_a_write_through_a_basic_index_alone_is_no_scatter() -> None:
    a = tensor(4, 5)
    b = cnp.array(a)
    b[1:3] = 0
    assert "scatter" not in str(mosaic.stages(b, inputs=[a])).lower()


@pytest.mark.parametrize("dtype", only(["float32", "bool"], ["float32", "float64", "int64", "bool"]))
def test_every_form_of_index(dtype: str) -> None:
    a, v = tensor(4, 5, 6, dtype=dtype), tensor(3, 3, dtype=dtype, seed=1)
    i = cnp.asarray(np.array([1, -2, 1]))
    every = []
    for write in WRITES.values():
        every.append(cnp.array(a))
        write(every[-1], i, v)
    check(*every, a)
    assert "numpy island" not in mosaic.compile(every, inputs=[a, i, v]).explain()


def test_additions_at_every_form_of_index() -> None:
    a, v, i = tensor(4, 5, 6, dtype="float64"), tensor(3, 3, dtype="float64", seed=1), cnp.asarray(np.array([1, -2, 1]))
    every = []
    for name, write in WRITES.items():
        if "through" not in name:
            recorded = _Recorded()
            write(recorded, i, v)
            every.append(cnp.array(a))
            cnp.add.at(every[-1], *recorded.given)
    check(*every)
    assert "numpy island" not in mosaic.compile(every, inputs=[a, i, v]).explain()


class _Recorded:
    """Keeps the index and the value of a write."""

    def __setitem__(self, index: Any, value: Any) -> None:
        self.given = (index, value)


def test_the_last_write_to_a_place_stays_whatever_the_number_of_threads() -> None:
    generator = np.random.default_rng(0)
    places, values = generator.integers(0, 50, 4000), generator.normal(size=(4000, 8))
    i, v = cnp.asarray(places), cnp.asarray(values)
    b = cnp.zeros((50, 8))
    b[i] = v
    expected = np.zeros((50, 8))
    expected[places] = values
    for num_threads in (1, 2):
        model = mosaic.compile(b, inputs=[i, v], num_threads=num_threads)
        np.testing.assert_array_equal(model(places, values), expected)


def test_values_and_indices_from_the_array_itself_are_read_before() -> None:
    a = cnp.asarray(np.array([3, 0, 2, 1]))
    b = a + 0
    b[b] = b[::-1] * 10
    check(b)
    c = cnp.asarray(np.arange(8.0)) * 1
    c[cnp.asarray([1, 2, 3])] = c[:3]
    check(c)


def test_writes_one_after_the_other_are_done_in_place() -> None:
    a = tensor(1000, dtype="float64")
    indices = [cnp.asarray(np.array([n, n + 1])) for n in range(20)]
    b = a * 2
    for i in indices:
        b[i] = b[i] + 1
    model = mosaic.compile(b, inputs=[a, *indices])
    # One array, which is the output, and small parts.
    assert model.buffers.arena_bytes < 8000
    check(b)


def test_callers_arrays_and_old_values_stay() -> None:
    a, i = tensor(6, dtype="float64"), cnp.asarray(np.array([0, 3]))
    old = a * 2
    new = cnp.array(old)
    new[i] = 0
    check(new, old, a)
    model = mosaic.compile([new, old], inputs=[a, i])
    given = np.arange(6.0)
    model(given, np.array([0, 3]))
    np.testing.assert_array_equal(given, np.arange(6.0))


def test_an_index_out_of_bounds_raises() -> None:
    a, i = tensor(6), cnp.asarray(np.array([0, 5]))
    b = cnp.array(a)
    b[i] = 1
    model = mosaic.compile(b, inputs=[a, i])
    with pytest.raises(OutOfBoundsError, match="setitem: an index is out of bounds"):
        model(np.zeros(6, np.float32), np.array([0, 6]))


def test_the_derivative_counts_the_last_write_only() -> None:
    a, v, i = tensor(5, dtype="float64"), tensor(4, dtype="float64", seed=1), cnp.asarray(np.array([2, 0, 2, 4]))
    b = cnp.array(a)
    b[i] = v
    loss = cnp.sum(b * b * b)
    gradients = cnp.nn.chain_rule({loss: loss}, [a, v])
    check(loss, *gradients)
    assert "numpy island" not in mosaic.compile([loss, *gradients], inputs=[a, v, i]).explain()


def test_steps_of_a_scan_write_at_indices() -> None:
    h, xs, i = tensor(5, dtype="float64"), tensor(4, 2, dtype="float64", seed=1), cnp.asarray(np.array([3, 0]))

    def step(h: Any, x: Any) -> tuple[Any, Any]:
        y = h * 0.5
        y[i] = y[i] + x
        return cnp.sort(y), cnp.sum(y)

    last, sums = cnp.nn.scan(step, h, xs)
    check(last, sums)
    assert "numpy island" not in mosaic.compile([last, sums], inputs=[h, xs, i]).explain()
