"""Samples of parameters: nothing is lost between the default run and the slow one."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from tests.sampling import in_turn, one_in, only


def _sampled(parameters: list[Any]) -> list[tuple[Any, ...]]:
    return [each.values for each in parameters if not each.marks]


def test_every_value_is_in_the_default_run_or_slow() -> None:
    parameters = one_in(3, range(8), first=1)
    assert [each.values for each in parameters] == [(number,) for number in range(8)]
    assert _sampled(parameters) == [(1,), (4,), (7,)]
    assert {mark.name for each in parameters for mark in each.marks} == {"slow"}


def test_a_tuple_holds_the_arguments_of_one_test() -> None:
    assert _sampled(one_in(2, [(1, "a"), (2, "b"), (3, "c")])) == [(1, "a"), (3, "c")]
    assert _sampled(one_in(1, zip([(2, 3), (4,)], strict=True))) == [((2, 3),), ((4,),)]


def test_each_value_is_taken_once_with_the_others_in_turn() -> None:
    parameters = in_turn("abc", [1, 2], [True])
    assert [each.values for each in parameters] == [(*pair, True) for pair in product("abc", [1, 2])]
    assert _sampled(parameters) == [("a", 1, True), ("b", 2, True), ("c", 1, True)]


def test_a_sample_is_named_by_its_values() -> None:
    assert _sampled(only(["b"], ["a", "b", "c"])) == [("b",)]
    with pytest.raises(ValueError, match=r"the sample has \['d'\]"):
        only(["d"], ["a", "b", "c"])
