"""Containers of tensors: they come back with arrays inside, as what they were."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.containers import flatten
from composit.errors import OperandError
from composit.nn import chain_rule

Pair = namedtuple("Pair", ["first", "second"])


@dataclass(frozen=True)
class Record:
    value: Any
    others: Any = ()
    count: int = field(init=False, default=3)


class Named(dict):  # type: ignore[type-arg]
    """A dictionary with a memory."""

    source = "somewhere"


CONTAINERS = [
    lambda x: [x, 1, "text", None],
    lambda x: (x, (x, [x])),
    lambda x: Pair(x, {"a": x}),
    lambda x: Record(x, [x, x]),
    lambda x: {"a": x, 3: (x,)},
    lambda x: OrderedDict(b=x, a=x),
    lambda x: defaultdict(list, {"a": x}),
    lambda x: MappingProxyType({"a": x}),
    lambda x: Named(a=x),
]


@pytest.mark.parametrize("make", CONTAINERS)
def test_a_container_comes_back_as_what_it_was(make: Any):
    array = np.array([1.0, 2.0])
    container = make(cnp.asarray(array))
    result = cnp.evaluate(container)
    assert type(result) is type(container)
    assert repr(result) == repr(make(array))
    # What was given still holds tensors.
    assert flatten(container)[0]


def test_a_default_dictionary_keeps_its_factory_and_the_original():
    x = cnp.asarray([1.0])
    original = defaultdict(list, {"a": x})
    result = cnp.evaluate(original)
    assert result["missing"] == []
    assert original["a"] is x
    assert "missing" not in original


def test_nothing_to_evaluate_is_returned_as_it_is():
    value = {"a": [1, 2], "b": None}
    assert cnp.evaluate(value) is value
    assert cnp.evaluate() == ()


def test_an_input_of_chain_rule_that_holds_no_tensor_is_refused():
    # It was left out, and the gradients after it were taken for another's.
    x = cnp.asarray([1.0, 2.0])
    y = x * 2.0
    with pytest.raises(OperandError, match=r"chain_rule: the input 2\.0"):
        chain_rule({y: y}, [2.0, x])


class Layer:
    """As a cache of keys and values has one."""

    def __init__(self, keys: Any, count: int) -> None:
        self.keys, self.count, self.function = keys, count, np.tanh


class Keeper:
    def __init__(self, layers: list[Layer]) -> None:
        self.layers, self.name, self.owner = layers, "cache", self


def test_an_object_with_tensors_comes_back_as_a_copy_with_values() -> None:
    x = cnp.asarray([1.0, 2.0])
    keeper = Keeper([Layer(x * 2, 1), Layer({"all": (x + 1, None)}, 2)])
    total, found = cnp.evaluate([x.sum(), keeper], inputs={x: np.array([3.0, 4.0])})
    assert total == 7
    assert type(found) is Keeper
    assert found is not keeper
    np.testing.assert_array_equal(found.layers[0].keys, [6, 8])
    np.testing.assert_array_equal(found.layers[1].keys["all"][0], [4, 5])
    assert (found.name, found.layers[0].count, found.layers[0].function) == ("cache", 1, np.tanh)
    assert isinstance(keeper.layers[0].keys, cnp.LazyTensor), "the object itself was changed"


@dataclass(slots=True)
class SlottedRecord:
    tensor: Any
    keeper: Any


def test_records_and_cycles_between_objects_are_followed_once() -> None:
    x = cnp.asarray([1.0, 2.0])
    outer, inner = Keeper([]), Keeper([])
    outer.owner, inner.owner = inner, outer
    inner.layers = SlottedRecord(x * 3, outer)  # type: ignore[assignment]
    (found,) = cnp.evaluate([outer])
    assert found.owner.owner is found
    assert found.owner.layers.keeper is found
    np.testing.assert_array_equal(found.owner.layers.tensor, [3, 6])


def test_a_search_looks_at_each_object_once_and_not_into_modules_or_arguments_of_numpy() -> None:
    rows = [[Keeper([]) for _ in range(30)] for _ in range(30)]
    for above, below in pairwise(rows):
        for each in above:
            each.layers = below  # type: ignore[assignment]  # 30 ways to each of 30, 30 times over
    rows[0][0].name = np  # type: ignore[assignment]
    x = cnp.ones(2)
    result, kept = cnp.evaluate([x + 1, rows[0][0]])
    assert kept is rows[0][0]
    assert result.tolist() == [2, 2]
    names = {"a": cnp.ones((1, 1)), "b": np.ones((1, 1)), "rows": rows[0][0], "here": globals()}
    with pytest.warns(PendingDeprecationWarning):
        assert cnp.bmat("a b", names, names).shape == (1, 2)


def test_an_object_without_tensors_stays_as_it_is() -> None:
    plain = Keeper([Layer(np.ones(2), 1)])
    result, kept = cnp.evaluate([cnp.ones(2) + 1, plain])
    np.testing.assert_array_equal(result, [2, 2])
    assert kept is plain
