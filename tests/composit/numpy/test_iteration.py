"""nditer and nested_iters: numpy's iteration over tensors, which show at any moment what is written to them."""

import gc
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import composit as cnp
from tests.composit.numpy.comparison import Words


def _order_of(xp: Any, **options: Any) -> list[float]:
    return [float(x) for x in xp.nditer(xp.arange(6.0).reshape(2, 3).T, **options)]


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: _order_of(xp),
        lambda xp: _order_of(xp, order="C"),
        lambda xp: [float(x) for x in xp.nditer(xp.arange(12.0).reshape(3, 4)[::-1, ::2])],
        lambda xp: [(float(x), int(y)) for x, y in xp.nditer([xp.arange(6.0).reshape(2, 3), xp.arange(3)])],
        lambda xp: [part.tolist() for part in xp.nditer(xp.arange(6).reshape(2, 3).T[1:], ["external_loop"])],
        lambda xp: [
            [int(y) for y in inner]
            for outer, inner in [xp.nested_iters(xp.arange(6).reshape(2, 3), [[1], [0]])]
            for _ in outer
        ],
        lambda xp: _positions(xp.nditer(xp.ones((2, 2)), flags=["multi_index"])),
        lambda xp: [float(x) for x in xp.nditer(xp.float64(3.0))],
        lambda xp: [float(x) for x in xp.nditer([[1, xp.arange(3)[2]]])],
    ],
)
def test_iteration_is_numpys(words: Words) -> None:
    assert words(cnp) == words(np)


def _positions(iterator: Any) -> list[tuple[int, ...]]:
    return [iterator.multi_index for _ in iterator]


def test_what_is_written_shows_at_once_in_the_tensor_its_views_and_what_is_built_of_it() -> None:
    x = cnp.arange(4)
    view, before, sums = x[1:], x + 0, []
    for element in cnp.nditer(x, op_flags=["readwrite"]):
        element[...] = 10
        sums.append(x.sum())
    assert [int(part) for part in sums] == [16, 25, 33, 40]
    assert (view.tolist(), before.tolist()) == ([10, 10, 10], [0, 1, 2, 3])
    x[1] = 3
    assert (x.tolist(), view.tolist()) == ([10, 3, 10, 10], [3, 10, 10])


def test_evaluating_in_between_gives_what_has_been_written_so_far() -> None:
    x = cnp.arange(3.0)
    tail = x[1:]
    with cnp.nditer([x, None], [], [["readwrite"], ["writeonly", "allocate"]]) as elements:
        elements[0] = 7
        x[1] = 5
        for backend in ("numpy", "mosaic"):
            whole, part, doubled = cnp.evaluate(x, tail, 2 * x, backend=backend)
            assert (whole.tolist(), part.tolist(), doubled.tolist()) == ([7, 5, 2], [5, 2], [14, 10, 4])
        assert cnp.evaluate(elements.operands[1]).shape == (3,)
    assert cnp.evaluate(x).tolist() == [7, 5, 2]


def test_assigning_to_the_tensor_in_between_writes_to_what_is_iterated_over() -> None:
    def program(xp: Any) -> Any:
        x = xp.zeros(3)
        tail = x[1:]
        with xp.nditer(x, op_flags=["readwrite"]) as elements:
            for element in elements:
                element[...] = element + 1
                tail += 10
                x[0] = -1
        return x.tolist(), tail.tolist()

    assert program(cnp) == program(np)


def test_a_view_is_written_to_through_its_base() -> None:
    base = cnp.zeros((2, 4))
    with cnp.nditer(base[:, ::2], op_flags=[["writeonly"]]) as elements:
        for number, element in enumerate(elements):
            element[...] = number
    assert base.tolist() == [[0, 0, 1, 0], [2, 0, 3, 0]]
    later = base[0]
    base[0, 1] = 7
    assert later.tolist() == [0, 7, 1, 0]


def test_what_numpy_allocates_is_a_tensor_that_is_being_filled() -> None:
    x = cnp.arange(3.0)
    with cnp.nditer([x, None]) as pairs:
        result = pairs.operands[1]
        assert pairs.operands[0] is x
        assert pairs.operands[1] is result
        for element, target in pairs:
            target[...] = element * element
    assert isinstance(result, cnp.LazyTensor)
    assert result.tolist() == [0.0, 1.0, 4.0]
    result += 1
    assert result.tolist() == [1.0, 2.0, 5.0]


def test_a_buffer_is_written_back_when_the_iterator_is_closed_or_gone() -> None:
    for close in (True, False):
        x = cnp.arange(3, dtype="float32")
        flags, casting = ["buffered"], "same_kind"
        elements = cnp.nditer(x, flags, [["readwrite"]], op_dtypes=["float64"], casting=casting)
        for element in elements:
            element[...] = element / 2
        if close:
            elements.close()
            elements.close()
        del elements
        gc.collect()
        assert x.tolist() == [0.0, 0.5, 1.0]
        assert x.base is None


def test_a_copy_and_nested_iterators_hold_the_memory_until_the_last_is_closed() -> None:
    x = cnp.zeros((2, 2))
    first = cnp.nditer(x, op_flags=["readwrite"])
    second = first.copy()
    first.close()
    next(second)[...] = 5
    assert x.tolist() == [[5, 0], [0, 0]]
    second.close()
    outer, inner = cnp.nested_iters(x, [[0], [1]], op_flags=["readwrite"])
    with outer, inner:
        for _ in outer:
            for element in inner:
                element[...] = element + 1
    assert x.tolist() == [[6, 1], [1, 1]]


def test_items_facts_and_steps_are_numpys() -> None:
    x, array = cnp.arange(6).reshape(2, 3), np.arange(6).reshape(2, 3)
    ours, theirs = (
        xp.nditer([y, y], ["multi_index", "c_index"], [["readwrite"], ["readonly"]])
        for xp, y in ((cnp, x), (np, array))
    )
    facts = ("dtypes", "finished", "has_delayed_bufalloc", "has_index", "has_multi_index", "index", "iterindex")
    more = ("iterrange", "itersize", "multi_index", "ndim", "nop", "shape", "value", "iterationneedsapi")
    for _ in range(2):
        for fact in (*facts, *more):
            assert getattr(ours, fact) == getattr(theirs, fact), fact
        assert ours.iternext() is theirs.iternext()
    ours.multi_index = theirs.multi_index = (1, 1)
    ours[0] = cnp.array(40)
    assert (len(ours), int(ours[0]), int(ours[1])) == (2, 40, 40)
    assert x[1, 1] == 40
    ours.reset()
    assert ours.iterindex == 0
    with pytest.raises(AttributeError, match="not writable"):
        ours.shape = (3,)
    with pytest.raises((AttributeError, TypeError), match="delete"):
        del ours.iterindex
    assert [view.shape for view in theirs.itviews] == [(2, 3), (2, 3)]


def test_axes_may_be_left_out_and_stretches_given() -> None:
    def program(xp: Any) -> Any:
        iterator = xp.nditer(xp.arange(6).reshape(2, 3), ["multi_index"])
        iterator.remove_axis(0)
        iterator.remove_multi_index()
        iterator.enable_external_loop()
        return iterator.itersize, [part.tolist() for part in iterator]

    assert program(cnp) == program(np)


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: xp.nditer(xp.zeros(3), ["nonsense"]),
        lambda xp: xp.nditer([xp.zeros(3), xp.zeros(2)]),
        lambda xp: xp.nditer(xp.broadcast_to(xp.ones(1), (3,)), op_flags=["readwrite"]),
        lambda xp: xp.nested_iters(xp.zeros((2, 2)), [[0], [0]], op_flags=["readwrite"]),
        lambda xp: xp.nditer(xp.zeros(3), ["multi_index"]).enable_external_loop(),
    ],
)
def test_what_numpy_refuses_is_refused_with_its_words(words: Words) -> None:
    errors = []
    for xp in (np, cnp):
        with pytest.raises((ValueError, TypeError)) as caught:
            words(xp)
        errors.append(str(caught.value))
    assert errors[1] == errors[0]


def test_a_tensor_is_its_own_again_when_numpy_refuses_to_iterate() -> None:
    x = cnp.zeros(3)
    with pytest.raises(ValueError, match="nonsense"):
        cnp.nditer(x, ["nonsense"], ["readwrite"])
    assert x.base is None
    x[0] = 2
    assert x.tolist() == [2, 0, 0]


def _program(xp: Any, choices: Random) -> list[Any]:
    """Views of an array, one of which is iterated over and written to while others are read, written to and taken."""
    x = xp.arange(24).reshape((2, 3, 4), order=choices.choice("CF"))
    views, seen = [x], list[Any]()
    for _ in range(choices.randint(1, 3)):
        views.append(_view_of(choices.choice(views), choices))
    target, other = choices.choice(views), choices.choice(views)
    flags = choices.choice([[], ["external_loop"], ["buffered"], ["buffered", "external_loop"]])
    with xp.nditer(target, flags, ["readwrite"], order=choices.choice("KCF")) as elements:
        for element in elements:
            element[...] = element * 2 + 1
            if choices.random() < 0.3:
                seen.append(int(other.sum()))
            if choices.random() < 0.2:
                other += 1
            if choices.random() < 0.2:
                other[0] = 5
            if choices.random() < 0.1:
                views.append(_view_of(choices.choice(views), choices))
    seen.append([view.tolist() for view in views])
    views[-1][...] = 3
    return [*seen, [view.tolist() for view in views]]


def _view_of(view: Any, choices: Random) -> Any:
    kinds = ["transpose", "flat", "reversed", "second", *["first"] * (view.ndim > 1)]
    kind = choices.choice(kinds)
    if kind == "transpose":
        return view.T
    if kind == "flat":
        return view.reshape(-1)
    return view[0] if kind == "first" else view[:: -1 if kind == "reversed" else 2]


@given(seed=st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_programs_that_write_while_they_iterate_do_what_numpy_does(seed: int) -> None:
    assert _program(cnp, Random(seed)) == _program(np, Random(seed))


BASES: dict[str, Callable[[Any], Any]] = {
    "transposed, base gone": lambda np: np.ones((3, 3)).T,
    "own": lambda np: np.arange(9.0).reshape(3, 3).copy(),
    "part": lambda np: np.arange(30.0).reshape(5, 6)[1:4, 2:5],
    "strided": lambda np: np.arange(36.0).reshape(6, 6)[::2, ::2],
    "plane": lambda np: np.arange(27.0).reshape(3, 3, 3).swapaxes(0, 2)[1],
}
WRITES: dict[str, Callable[[Any, Any], Any]] = {
    "fill_diagonal": lambda np, x: np.fill_diagonal(x, 2.0),
    "put": lambda np, x: np.put(x, [0, 4, 5], [1, 2, 3]),
    "place": lambda np, x: np.place(x, x > 3, [7, 8]),
    "flat": lambda np, x: x.flat.__setitem__(slice(1, 5), 9),
    "ravel": lambda np, x: x.ravel().__setitem__(0, 5),
    "reshape": lambda np, x: x.reshape(-1).__setitem__(1, 5),
    "sort": lambda np, x: x.sort(axis=0),
    "add": lambda np, x: x.__iadd__(1),
    "copyto": lambda np, x: np.copyto(x, x.T),
}


def _halved_and_written(np: Any, base: str, write: str, is_inside: bool) -> Any:
    x = BASES[base](np)
    view = x[1:]
    with np.nditer(x, op_flags=["readwrite"]) as elements:
        for element in elements:
            element[...] = element * 0.5
        if is_inside:
            WRITES[write](np, x)
    if not is_inside:
        WRITES[write](np, x)
    view[0, 0] = 77
    return x.tolist(), view.tolist()


@pytest.mark.parametrize("is_inside", [True, False], ids=["while it iterates", "after it"])
@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("base", BASES)
def test_an_array_that_was_iterated_over_is_written_to_as_numpys(base: str, write: str, is_inside: bool) -> None:
    assert _halved_and_written(cnp, base, write, is_inside) == _halved_and_written(np, base, write, is_inside)


def test_a_view_is_an_ordinary_one_again_when_its_base_is_gone() -> None:
    x = cnp.ones((3, 3)).T
    with cnp.nditer(x, op_flags=["readwrite"]) as elements:
        for element in elements:
            element[...] = 2
    assert x.node is x.node
