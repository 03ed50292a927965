"""Arrays of objects hold what is put into them: a tensor there is the tensor itself, as numpy holds its arrays."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import composit as cnp
from tests.composit.numpy.side_by_side import Program, assert_agree, kind_of


def _ragged(xp: Any) -> Any:
    return xp.array([xp.ones(3), xp.ones(2)], dtype=object)


def _lists(objects: Any) -> list[Any]:
    return [each if each is None else each.tolist() for each in objects]


def _filled_one_by_one(xp: Any) -> Any:
    cells = xp.empty(3, dtype=object)
    for i in range(3):
        cells[i] = xp.zeros(4)
    for i in range(3):
        cells[i][i] += 1
        cells[i][0] = 9
    return _lists(cells)


def _written_through(xp: Any) -> Any:
    part, objects = xp.ones(3), xp.empty(2, dtype=object)
    objects[0] = part
    objects[0][1] = 5
    return part, objects[0] is part


def _held_twice(xp: Any) -> Any:
    part, objects = xp.ones(2), xp.empty(2, dtype=object)
    objects[:] = part, part
    objects[0] = objects[1] = part
    part[0] = 5
    return _lists(objects), objects[0] is objects[1]


def _copied(xp: Any) -> Any:
    objects = _ragged(xp)
    copied = objects.copy()
    copied[0][0] = 7
    objects[:1][0] = None
    return _lists(objects), _lists(copied)


def _in_itself(xp: Any) -> Any:
    objects = xp.empty(2, dtype=object)
    objects[0] = objects
    return objects[0] is objects, str(objects)


def _made_by_numpy(xp: Any) -> Any:
    doubled = _ragged(xp) * 2
    doubled[0][1] = 5
    deep = copy.deepcopy(doubled)
    deep[1][0] = 7
    return _lists(doubled), _lists(deep)


def _as_texts(xp: Any) -> Any:
    objects = xp.empty(2, dtype=object)
    objects[0], objects[1] = xp.array("long text"), "text"
    return xp.array([objects], dtype="S")


def _shuffled(xp: Any) -> Any:
    objects = _ragged(xp)
    xp.random.default_rng(0).shuffle(objects)
    objects[0][0] = 5
    return sorted(_lists(objects))


def _same_one(xp: Any) -> Any:
    objects = xp.empty(2, dtype=object)
    objects.fill(xp.ones(2))
    objects[0][0] = 5
    return _lists(objects)


def _in_a_field(xp: Any) -> Any:
    records = xp.zeros(2, dtype=[("part", object), ("weight", "f8")])
    records["part"][1] = xp.ones(3)
    records["part"][1][0] = 8
    return records["part"][1]


def _without_axes(xp: Any) -> Any:
    number = xp.array(0)
    objects = xp.array([number, None])
    return objects[0] is number, objects.dtype == object


def _pickled(xp: Any) -> Any:
    x = xp.arange(3.0)
    loaded = pickle.loads(pickle.dumps(xp.array([x, x * 2, None], dtype=object)))
    again = pickle.loads(pickle.dumps(loaded[:2]))
    again[0][1] = 7
    return [kind_of(each) for each in (*loaded, *again)], again[0].tolist(), loaded[0].tolist(), x.tolist()


PROGRAMS: list[Program] = [
    _filled_one_by_one,
    _written_through,
    _held_twice,
    _copied,
    _made_by_numpy,
    _in_itself,
    _as_texts,
    _shuffled,
    _same_one,
    _in_a_field,
    _without_axes,
    _pickled,
    lambda xp: _lists(_ragged(xp) * 2),
    lambda xp: xp.concatenate(_ragged(xp)),
    lambda xp: (str(_ragged(xp)), f"{_ragged(xp)}", xp.array_repr(arr=_ragged(xp)), xp.array2string(_ragged(xp))),
    lambda xp: [part.shape for part in _ragged(xp).flat],
    lambda xp: xp.sum(xp.array([xp.ones(3), xp.ones(3), None], dtype=object)[:2]),
    lambda xp: [type(each).__name__ for each in xp.array([xp.ones(3), xp.ones(3)], dtype=object)[0]],
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_arrays_of_objects_hold_tensors_as_numpys_hold_arrays(program: Program) -> None:
    assert_agree(program)


def test_outside_there_are_values() -> None:
    objects = _ragged(cnp)
    for array in (cnp.evaluate(objects), np.asarray(objects), objects.view(type("Own", (np.ndarray,), {}))):
        assert [type(part) for part in array] == [np.ndarray, np.ndarray]
    objects[0][0] = 5
    assert cnp.evaluate(objects)[0].tolist() == [5, 1, 1]
