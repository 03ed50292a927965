"""Strides, flags and orders: what a user can see of memory is numpy's, asked of the tensor and of its value."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.numpy.manipulation.reshaping import Reshape, Transpose
from composit.numpy.views import layout
from composit.numpy.views.layout import shares_memory
from composit.program import count_evaluations
from tests.composit.numpy.side_by_side import assert_agree

C = np.arange(24.0).reshape(2, 3, 4)
F = np.asfortranarray(C)
TEXTS = np.array([["a", "b" * 30, "c"], ["d", "e", "f"]], np.dtypes.StringDType())

ARRAYS = [
    lambda xp: xp.asarray(C),
    lambda xp: xp.asarray(F),
    lambda xp: xp.array(F, order="C"),
    lambda xp: xp.array(C, order="F"),
    lambda xp: xp.asarray(C).T,
    lambda xp: xp.asarray(C)[:, ::-1],
    lambda xp: xp.asarray(C)[:, 1:2, ::2],
    lambda xp: xp.asarray(F)[1],
    lambda xp: xp.asarray(C).transpose(1, 0, 2),
    lambda xp: xp.asarray(C).transpose(1, 0, 2).copy(),
    lambda xp: xp.asarray(C).transpose(1, 0, 2).copy("K"),
    lambda xp: xp.asarray(C).copy("F"),
    lambda xp: xp.copy(xp.asarray(F)),
    lambda xp: xp.asarray(C).astype("f4", order="F"),
    lambda xp: xp.asarray(F).astype("f4"),
    lambda xp: xp.asarray(F) + 1,
    lambda xp: xp.asarray(F) + xp.asarray(C),
    lambda xp: xp.exp(xp.asarray(C).T),
    lambda xp: xp.asarray(F).ravel("K"),
    lambda xp: xp.asarray(F).ravel("F"),
    lambda xp: xp.asarray(F).flatten("A"),
    lambda xp: xp.asarray(F).reshape(6, 4),
    lambda xp: xp.asarray(F).reshape(6, 4, order="F"),
    lambda xp: xp.broadcast_to(xp.asarray(C[0]), (2, 3, 4)),
    lambda xp: xp.ascontiguousarray(xp.asarray(F)),
    lambda xp: xp.asfortranarray(xp.asarray(C)),
    lambda xp: xp.require(xp.asarray(C), requirements="F"),
    lambda xp: xp.zeros((2, 3), order="F"),
    lambda xp: xp.asarray(C)[..., None],
    lambda xp: xp.squeeze(xp.asarray(C)[:, 1:2]),
    lambda xp: xp.ones(()),
    lambda xp: xp.zeros((0, 3)),
    lambda xp: xp.asarray(C)[0, 1],
    lambda xp: xp.asarray(TEXTS),
    lambda xp: xp.asarray(TEXTS).T[::2],
    lambda xp: xp.asarray(TEXTS).copy("F"),
    lambda xp: xp.asarray(TEXTS)[:, ::-1].reshape(-1),
    lambda xp: xp.asarray(TEXTS)[0].reshape(1, 3) + "x",
    lambda xp: xp.asarray(TEXTS).T.view(TEXTS.dtype),
]


@pytest.mark.parametrize("make", ARRAYS)
def test_strides_and_flags_are_numpys(make: Any) -> None:
    def facts(array: Any) -> Any:
        flags = array.flags
        return array.strides, flags.c_contiguous, flags.f_contiguous, flags.fnc, flags["FORC"], flags.aligned

    assert facts(make(cnp)) == facts(make(np))


@pytest.mark.parametrize("make", ARRAYS)
def test_the_value_lies_as_numpys_would(make: Any) -> None:
    ours, expected = cnp.evaluate(make(cnp)), np.array(make(np), order="K", copy=True)
    np.testing.assert_array_equal(ours, expected)
    # Along an axis of one element, and of an empty array, strides mean nothing.
    taken = [axis for axis, length in enumerate(ours.shape) if length > 1] if ours.size else []
    assert [ours.strides[axis] for axis in taken] == [expected.strides[axis] for axis in taken]


@pytest.mark.parametrize("make", ARRAYS)
def test_all_orders_of_reading_are_numpys(make: Any) -> None:
    assert_agree(lambda xp: [make(xp).ravel(order) for order in "CFAK"])


@pytest.mark.parametrize("make", ARRAYS)
def test_what_owns_memory_and_what_is_a_view_is_as_in_numpy(make: Any) -> None:
    def facts(xp: Any) -> Any:
        array = make(xp)
        view, copy = array[...], array.copy()
        flags = (view.flags.owndata, copy.flags.owndata, view.flags.writeable == array.flags.writeable)
        return (*flags, copy.base is None, view.base is (array if array.base is None else array.base))

    assert facts(cnp) == facts(np)


def test_flags_have_numpys_names_and_text() -> None:
    x, expected = cnp.asarray(C), np.array(C)
    assert repr(x.flags) == repr(expected.flags)
    assert x.flags == expected.flags
    assert x.flags.num == expected.flags.num
    for name in ("C", "F", "O", "W", "A", "X", "B", "CA", "FA", "C_CONTIGUOUS", "WRITEABLE", "FNC", "FORC"):
        assert x.flags[name] == expected.flags[name]
    for name in ("behaved", "carray", "farray", "contiguous", "fortran", "forc", "fnc", "owndata"):
        assert getattr(x.flags, name) == getattr(expected.flags, name, expected.flags.f_contiguous)
    with pytest.raises(KeyError, match="Unknown flag"):
        x.flags["NONE"]
    with pytest.raises(KeyError, match="Unknown flag"):
        x.flags["C"] = True
    with pytest.raises(ValueError, match="cannot set WRITEBACKIFCOPY"):
        x.flags.writebackifcopy = True


def test_a_read_only_tensor_becomes_writable_again_and_views_keep_what_they_were() -> None:
    def program(xp: Any) -> Any:
        x = xp.zeros(4)
        before = x[1:]
        x.flags.writeable = False
        after = x[1:]
        before[0] = 5
        x.setflags(write=True)
        x[0] = 1
        return x, before.flags.writeable, after.flags.writeable, x.flags.writeable

    assert_agree(program)


def test_a_broadcast_cannot_be_made_writable() -> None:
    x = cnp.broadcast_to(cnp.ones(3), (2, 3))
    with pytest.raises(ValueError, match="cannot set WRITEABLE flag to True of this array"):
        x.setflags(write=True)


def test_asking_for_strides_of_arrays_in_c_order_computes_nothing() -> None:
    with cnp.count_evaluations() as count:
        x = cnp.exp(cnp.ones((3, 4)) + 1)
        assert (x.strides, x.T.strides, x[1:, ::2].strides) == ((32, 8), (8, 32), (32, 16))
    assert count.runs == 0


def test_what_the_layout_decides_is_decided_from_it() -> None:
    assert shares_memory(cnp.asarray(C), [Reshape((24,))])
    assert not shares_memory(cnp.asarray(F), [Reshape((24,))])
    assert shares_memory(cnp.asarray(F), [Transpose((2, 1, 0)), Reshape((24,))])
    assert shares_memory(cnp.asarray(F), [Transpose((2, 1, 0))])


def _set_shape(xp: Any) -> Any:
    x = xp.arange(6)
    x.shape = (2, -1)
    return x, x.strides, x.base is None


def _set_dtype(xp: Any) -> Any:
    x = xp.arange(6, dtype="i4")
    x.dtype = "i2"
    return x, x.strides


def _views_of_memory(xp: Any) -> Any:
    x = xp.arange(4, dtype="i4")
    return x.view("u1"), x.view("f4"), x.getfield("i2", 2), x.view([("a", "i2"), ("b", "i2")])["b"], x.byteswap()


def _set_field(xp: Any) -> Any:
    x = xp.arange(4, dtype="i4")
    x.setfield(7, "i1", 1)
    y = x.byteswap(inplace=True)
    return x, y is x


def _resize(xp: Any) -> Any:
    x, y = xp.arange(4), xp.arange(6)
    x.resize(2, 3, refcheck=False)
    y.resize((2, 2), refcheck=False)
    return x, y


def _resize_in_fortrans_order(xp: Any) -> Any:
    made = []
    for shape in ((2, 3), (3, 2), (6,), (2, 1, 3), (2, 2), (4, 3), (1,)):
        for whole in (xp.arange(6).reshape(2, 3).T, xp.array(F[0], order="F"), xp.arange(6).reshape(3, 2)):
            x = whole if whole.size == np.prod(shape) else whole.copy("K")
            x.resize(shape, refcheck=False)
            x[0] += 10
            made.append((x, x.flags.c_contiguous, x.flags.f_contiguous, whole))
    scalar = xp.ones(3).sum()
    scalar.resize((2, 2))
    return made, scalar


def _flat(xp: Any) -> Any:
    x = xp.asarray(F[0])
    flat = x.flat
    first = [next(flat), next(flat)]
    facts = (flat.index, flat.coords, len(flat), flat.base is x, len(list(flat)))
    read = [x.flat[3], x.flat[1:4], x.flat[[0, 2]], x.flat[x.flat > 5], x.flat.copy()]
    x = xp.array(x)
    x.flat = [1, 2]
    return first, facts, read, x


@pytest.mark.parametrize(
    "program", [_set_shape, _set_dtype, _views_of_memory, _set_field, _resize, _resize_in_fortrans_order, _flat]
)
def test_attributes_and_methods_about_memory_are_numpys(program: Any) -> None:
    assert_agree(program)


def _setting(name: str, value: Any, shape: tuple[int, ...] = (2, 3), order: Any = "C") -> Any:
    def program(xp: Any) -> None:
        x = xp.zeros(shape, order=order)
        setattr(x, name, value)

    return program


@pytest.mark.filterwarnings("ignore:Setting the")
@pytest.mark.parametrize(
    "program",
    [
        _setting("shape", (4, 2)),
        _setting("shape", (6,), order="F"),
        _setting("dtype", "i2", (2, 3), "F"),
        _setting("dtype", object),
        _setting("imag", 1),
        lambda xp: setattr(xp.ones(3).sum(), "shape", (1,)),
        lambda xp: xp.ones(3).mT,
        lambda xp: xp.ones(3).to_device("gpu"),
        lambda xp: xp.ones(3).view(int, int),
        lambda xp: xp.ones(3).__delitem__(0),
        lambda xp: xp.ones(3).astype(int, casting="safe"),
        lambda xp: xp.ones(3)[:2].resize(5),
        lambda xp: xp.ones(6)[::2].resize(3),
        lambda xp: xp.ones(6)[::-1].resize((2, 3)),
        lambda xp: xp.ones((3, 4))[:, 1:3].resize((3, 2)),
        lambda xp: xp.ones((2, 3, 4)).transpose(0, 2, 1).copy("K").resize(0, refcheck=False),
        lambda xp: xp.broadcast_to(xp.ones(3), (2, 3)).resize((2, 3)),
        lambda xp: iter(xp.ones(())),
    ],
)
def test_what_numpy_refuses_about_memory_is_refused(program: Any) -> None:
    with pytest.raises(Exception) as theirs:  # noqa: PT011  # whatever numpy raises
        program(np)
    with pytest.raises(type(theirs.value)) as ours:
        program(cnp)
    assert str(theirs.value) in str(ours.value)


@pytest.mark.filterwarnings("ignore:Setting the strides")
def test_strides_that_are_set_choose_elements_of_the_same_memory() -> None:
    def program(xp: Any) -> Any:
        x = xp.arange(10)[4:7]
        x.strides = -x.itemsize
        x[0] = 99
        return x, x.base

    assert_agree(program)


def test_copies_of_the_value_are_handed_out_as_memory() -> None:
    x = cnp.arange(3)
    x.data[0] = 7
    assert bytes(x.data) == np.arange(3).tobytes() == x.tobytes()
    assert x.ctypes.shape[0] == 3
    assert (x.device, x.to_device("cpu") is x) == ("cpu", True)
    assert x.__sizeof__() > x[...].__sizeof__()


def test_a_subclass_of_numpys_is_given_the_value() -> None:
    matrix = cnp.arange(4).reshape(2, 2).view(np.recarray)
    assert type(matrix) is np.recarray
    np.testing.assert_array_equal(matrix, np.arange(4).reshape(2, 2))


def test_what_numpys_own_method_gave_pickles() -> None:
    swapped = cnp.arange(3, dtype="i2").byteswap()
    np.testing.assert_array_equal(cnp.evaluate(pickle.loads(pickle.dumps(swapped))), [0, 256, 512])


def test_fields_that_do_not_lie_where_the_machine_wants_them_are_not_aligned() -> None:
    def flags(xp: Any) -> list[bool]:
        field = xp.zeros((2, 2), [("first", "i1"), ("second", "f8")])["second"]
        views = [field, field.T, field[0], field + 1, field.copy(), xp.require(field, None, "A")]
        facts = [array.flags.aligned for array in views]
        return [*facts, field.flags.behaved, field.flags.carray, xp.zeros(9, "u1")[1:].view("f8").flags.aligned]

    assert flags(cnp) == flags(np)


def test_lists_that_contain_themselves_end_where_numpys_axes_do() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert cnp.array([endless, endless], dtype=object).shape == np.array([endless, endless], dtype=object).shape


def test_each_node_is_looked_at_a_few_times_for_its_layout_however_long_a_loop_writes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at: list[int] = []
    follow = layout._follows_in_c_order

    def counted(root: Any, walked: dict[int, Any]) -> bool:
        answer = follow(root, walked)
        looked_at.append(len(walked))
        return answer

    monkeypatch.setattr(layout, "_follows_in_c_order", counted)
    x, weights, bias = cnp.ones((4, 3)), cnp.ones((3, 2)), cnp.zeros((1, 2))
    for _ in range(100):
        error = cnp.tanh(x @ weights + bias)
        weights -= 0.1 * (x.T @ error)
        bias -= error.sum(axis=0, keepdims=True)
    assert sum(looked_at) < 15 * 100


def test_the_layout_of_a_tensor_is_found_out_once_however_often_it_is_written_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    of_pair = layout._of_pair

    def counted(node: Any, index: int) -> Any:
        asked.append(node.name)
        return of_pair(node, index)

    monkeypatch.setattr(layout, "_of_pair", counted)
    x = cnp.zeros(12)
    for position in range(50):
        x.reshape(3, 4)[position % 3] += 1
    np.testing.assert_array_equal(cnp.evaluate(x), np.repeat([17.0, 17.0, 16.0], 4))
    assert asked == ["full"]


def test_the_layout_of_a_tensor_that_was_resized_is_another() -> None:
    for xp in (np, cnp):
        x = xp.zeros((2, 3)).T.copy("K")
        assert x.strides == (8, 24)
        x.resize((4, 2), refcheck=False)
        assert x.strides == (8, 32)


def test_a_copy_that_keeps_its_order_computes_nothing() -> None:
    x = cnp.sin(cnp.asarray(C).transpose(1, 0, 2))
    with count_evaluations() as count:
        copies = [x.copy("K"), x.astype(x.dtype), x[:1].astype(x.dtype)]
    assert count.runs == 0
    np.testing.assert_array_equal(copies[2], np.sin(C.transpose(1, 0, 2))[:1])
