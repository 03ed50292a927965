"""Nodes and handles: they never change, are equal by expression, and need no recursion."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.errors import AssignmentError, OperandError, ParameterError


def test_a_node_never_changes():
    node = cnp.exp(cnp.ones(2)).node
    with pytest.raises(AttributeError, match="nodes never change"):
        node.label = "other"
    with pytest.raises(AttributeError):
        del node.types


def test_tensors_hash_by_identity_and_nodes_by_expression():
    x = cnp.asarray([1.0, 2.0])
    first, second = cnp.exp(x), cnp.exp(x)
    assert len({first, second}) == 2
    assert len({first.node, second.node}) == 1
    assert first.node is not second.node
    assert first.node != cnp.exp2(x).node
    assert first.node != "exp"


def test_names_are_no_part_of_the_identity():
    x = cnp.asarray([1.0])
    with cnp.name_scope("a"):
        first = cnp.with_name(cnp.exp(x), "one")
    second = cnp.with_name(cnp.exp(x), "two")
    assert first.node == second.node
    assert (first.name, second.name) == ("one", "two")


def test_a_name_is_no_new_value_for_gradients_and_inputs():
    x = cnp.asarray([1.0, 2.0])
    named = cnp.with_name(x, "x")
    y = cnp.sum(x * named)
    (gradient,) = cnp.chain_rule({y: y}, [named])
    np.testing.assert_array_equal(cnp.evaluate(gradient), [2, 4])
    assert cnp.evaluate(y, inputs={x: [3.0, 4.0]}) == 25


def test_a_long_chain_has_keys_pickles_and_goes_without_recursion():
    x = y = cnp.asarray(np.zeros(2))
    for _ in range(20_000):
        y = y + 1
    assert len(y.node.key()) == 16
    assert len(copy.deepcopy(y).graph) == 20_002
    np.testing.assert_array_equal(cnp.evaluate(pickle.loads(pickle.dumps(y))), [20_000, 20_000])
    (gradient,) = cnp.chain_rule({y: np.ones(2)}, [x])
    np.testing.assert_array_equal(cnp.evaluate(gradient), [1, 1])


def test_a_tensor_that_nobody_holds_goes_with_its_array():
    x = cnp.asarray(np.zeros(1000))
    reference = weakref.ref(x.node.operation)
    y = x * 2
    cnp.evaluate(y)
    assert y.graph is not None
    del x, y
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x[0],
        lambda x: x[:, ::-1],
        lambda x: x.T,
        lambda x: x.reshape(-1),
        lambda x: cnp.split(x, 2)[0],
        lambda x: cnp.expand_dims(x, 0),
        lambda x: cnp.flip(x),
        lambda x: cnp.ravel(x),
        lambda x: cnp.squeeze(x[None]),
        lambda x: cnp.diagonal(x),
        lambda x: next(iter(x)),
        lambda x: cnp.swapaxes(x, 0, 1),
        lambda x: cnp.atleast_3d(x),
    ],
)
def test_a_write_to_a_view_or_to_its_base_is_never_lost_silently(view: Callable[[Any], Any]):
    for writes_to_base in (True, False):
        array = np.arange(4.0).reshape(2, 2)
        x = cnp.asarray(array.copy())
        seen, expected = view(x), _of_numpy(view, array)
        target, numpy_target = (x, array) if writes_to_base else (seen, expected)
        try:
            target += 1
        except (AssignmentError, ValueError):
            continue
        numpy_target += 1
        np.testing.assert_array_equal(cnp.evaluate(x), array)
        np.testing.assert_array_equal(cnp.evaluate(seen), expected)


def _of_numpy(view: Callable[[Any], Any], array: np.ndarray) -> Any:
    code = view.__code__
    # The same function, speaking to numpy: its only global is `cnp`.
    return FunctionType(code, {"cnp": np, "next": next, "iter": iter})(array)


def test_a_name_that_is_no_string_and_a_thing_that_is_no_tensor_are_errors():
    with pytest.raises(ParameterError, match="with_name: got the name 3 of type int; expected a string"):
        cnp.with_name(cnp.ones(2), 3)
    with pytest.raises(OperandError, match="with_name: 3 of type int was to be called 'three'; expected a tensor"):
        cnp.with_name(3, "three")
    with pytest.raises(ParameterError, match="name_scope: got the name None of type NoneType"), cnp.name_scope(None):
        pass


def test_the_result_of_a_numpy_function_without_a_rule_pickles():
    y = np.sort(cnp.asarray([3.0, 1.0]), axis=-1) + 1
    np.testing.assert_array_equal(cnp.evaluate(pickle.loads(pickle.dumps(y))), [2, 4])
