"""Tensors that share memory: what becomes of views when their base, its shape or its node changes."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp


def test_a_second_name_of_a_second_result_shows_what_is_written() -> None:
    quotient, remainder = cnp.zeros(2), cnp.zeros(2)
    named = cnp.with_name(remainder, "remainder")
    cnp.divmod(cnp.asarray([7.0, 8.0]), cnp.asarray([2.0, 3.0]), out=(quotient, remainder))
    assert np.asarray(named).tolist() == np.asarray(remainder).tolist() == [1.0, 2.0]


def test_a_tensor_is_written_to_itself_under_another_name() -> None:
    x = cnp.arange(4.0)
    x[:] = cnp.with_name(x, "x")
    assert np.asarray(x).tolist() == [0.0, 1.0, 2.0, 3.0]


def _shaped_while_it_is_iterated_over(xp: ModuleType) -> list[Any]:
    x = xp.arange(6.0)
    row = x[:2]
    with xp.nditer(x, op_flags=[["readwrite"]]) as elements:
        x.shape = (2, 3)
        for element in elements:
            element[...] = element + 10.0
    seen = [np.asarray(x).tolist()]
    x[1, 1] = 0.0
    row[1] = -1.0
    return [*seen, np.asarray(x).tolist(), np.asarray(row).tolist()]


def test_a_shape_that_is_given_while_an_iterator_holds_the_memory_stays() -> None:
    assert _shaped_while_it_is_iterated_over(cnp) == _shaped_while_it_is_iterated_over(np)


def test_a_size_that_is_given_while_an_iterator_holds_the_memory_stays() -> None:
    x = cnp.arange(2.0)
    with cnp.nditer(x, op_flags=[["readwrite"]]) as elements:
        x.resize((4,), refcheck=False)
        for element in elements:
            element[...] = 5.0
    assert np.asarray(x).tolist() == [0.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize("xp", [np, cnp], ids=["numpy", "composit"])
def test_an_array_with_views_that_was_given_a_shape_is_not_resized(xp: ModuleType) -> None:
    x = xp.arange(6.0)
    x.shape = (3, 2)
    row = x[0]
    with pytest.raises(ValueError, match="cannot resize"):
        x.resize((4, 2))
    assert np.asarray(row).tolist() == [0.0, 1.0]


def _views_from_before_and_after_a_shape(xp: ModuleType) -> list[Any]:
    x = xp.arange(6.0)
    before = x[1:4]
    x.shape = (2, 3)
    after = x[0]
    x[0, 1] = 50.0
    before[1] = -1.0
    after[0] = 7.0
    return [np.asarray(each).tolist() for each in (x, before, after)]


def test_views_from_before_and_after_a_shape_was_given_show_each_others_writes() -> None:
    assert _views_from_before_and_after_a_shape(cnp) == _views_from_before_and_after_a_shape(np)


def _copies_with_views(xp: ModuleType) -> list[Any]:
    x = xp.arange(12.0).reshape(3, 4)
    copied = x.T.reshape(-1)
    part = copied[2:]
    rest = part[1:]
    x[...] = -1.0
    copied[3] = 77.0
    rest[1] = 5.0
    return [np.asarray(each).tolist() for each in (x, copied, part, rest)]


def test_views_of_what_turned_out_to_be_a_copy_share_its_memory() -> None:
    assert _copies_with_views(cnp) == _copies_with_views(np)
