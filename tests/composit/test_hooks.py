"""The record of functions that lower modules call in higher ones."""

import numpy as np
import pytest

import composit as cp
from composit.hooks import Hooks, hooks


def test_importing_composit_sets_every_hook() -> None:
    assert [name for name in Hooks.__slots__ if not hasattr(hooks, name)] == []


@pytest.mark.parametrize("name", Hooks.__slots__)
def test_a_hook_cannot_be_set_a_second_time(name: str) -> None:
    before = getattr(hooks, name)
    with pytest.raises(AssertionError, match=f"the hook {name} is set once"):
        setattr(hooks, name, before)


def test_the_hooks_cannot_be_set_a_second_time_together() -> None:
    given = {name: getattr(hooks, name) for name in Hooks.__slots__}
    classes = list(hooks.tensor_classes)
    with pytest.raises(AssertionError, match="is set once"):
        hooks.set_once(**given)
    assert hooks.tensor_classes == classes


def test_a_hook_that_is_not_set_is_named_when_it_is_used() -> None:
    with pytest.raises(AttributeError, match="join"):
        Hooks().join([1, 2])


def test_each_hook_serves_the_module_below() -> None:
    x = cp.asarray(np.array([1.0, 2.0]))
    assert type(cp.asarray([x, x])) is cp.ndarray  # join, tensor_classes
    np.testing.assert_array_equal(np.stack([x, x]), [[1.0, 2.0]] * 2)  # function_to_rule
    np.testing.assert_array_equal(cp.add.reduceat(x, [0]), [3.0])  # call_ufunc
    with cp.strict(), pytest.raises(np.linalg.LinAlgError):  # compute
        cp.linalg.inv(cp.zeros((2, 2)))
    with pytest.warns(RuntimeWarning, match="divide by zero") as caught:  # warn, code_to_source
        cp.evaluate(x / cp.zeros(2))
    assert [each.filename for each in caught] == [__file__]
