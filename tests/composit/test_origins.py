"""What reads of values are noted with: found from every tensor that can be replaced, shared, and let go with the tensors."""

from __future__ import annotations

import gc
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

import composit.numpy as cnp
from composit.errors import GuardError
from composit.guards import Guard
from composit.nn import chain_rule, differentiate
from composit.operation import Input
from composit.origins import Origin, joined
from composit.program import ancestors_in_order
from composit.types import LazyTensor


def _num_origins() -> int:
    gc.collect()
    return sum(type(each) is Origin for each in gc.get_objects())


def _langevin(num_steps: int) -> Any:
    rng = np.random.default_rng(0)
    x = cnp.ones(8)
    for _ in range(num_steps):
        x = 0.9 * x + cnp.asarray(rng.normal(size=8))
        if cnp.max(x) > 1e9:
            break
    return x


def test_a_loop_that_draws_and_reads_keeps_no_reads_of_what_nobody_holds() -> None:
    before = _num_origins()
    few = _langevin(20)
    after_few = _num_origins() - before
    many = _langevin(400)
    assert _num_origins() - before <= 2 * after_few + 4
    assert few.shape == many.shape


def test_a_read_behind_many_arrays_that_are_held_is_noted_once_and_found_from_each() -> None:
    arrays = [cnp.asarray(np.full(3, float(number))) for number in range(200)]
    total = cnp.zeros(3)
    for number, array in enumerate(arrays):
        total = total + array
        if number % 10 == 9:
            assert cnp.max(total) >= 0
    # One origin for each array and for each read that joined some, not a set for each sum.
    found = {id(origin) for array in arrays for origin in _reached(array.node._origin)}
    assert len(found) <= len(arrays) + 20
    for array in (arrays[0], arrays[57], arrays[199]):
        with pytest.raises(GuardError, match="bool read True"):
            cnp.evaluate(total, inputs={array: np.full(3, -1e9)})


def _reached(origin: Origin | None) -> list[Origin]:
    return [] if origin is None else list(origin._reached())


def test_reads_are_found_from_a_leaf_under_another_name() -> None:
    x = cnp.asarray(np.ones(2))
    y = x * 2 if x.sum() > 0 else x
    named = cnp.with_name(x, "x")
    with pytest.raises(GuardError, match="bool read True"):
        cnp.evaluate(y, inputs={named: -np.ones(2)})


def test_a_leaf_that_nobody_held_when_it_was_read_cannot_be_replaced_in_silence() -> None:
    inner = cnp.asarray(np.ones(2)) * 2
    y = inner + 1 if inner.sum() > 0 else inner
    (leaf,) = [node for node in y.graph if isinstance(node.operation, Input)]
    held = LazyTensor(y.graph, leaf)
    with pytest.raises(GuardError, match="while no tensor pointed to it"):
        cnp.evaluate(y, inputs={held: -np.ones(2)})
    assert cnp.evaluate(y, inputs={held: np.zeros(2)}, guards="ignore").tolist() == [1, 1]
    with pytest.raises(GuardError, match="bool read True"):
        cnp.evaluate(y, inputs={inner: -np.ones(2)})


def test_joining_one_origin_with_itself_or_with_nothing_makes_no_join() -> None:
    origin = Origin()
    assert joined([]) is None
    assert joined([None, origin, origin, None]) is origin
    assert joined([origin, Origin()]) is not origin


def test_a_gradient_walks_back_to_its_inputs_and_no_further() -> None:
    data, w = cnp.asarray(np.arange(12.0).reshape(4, 3)), cnp.ones(3)
    walked: list[int] = []

    def counted(*arguments: Any, **options: Any) -> Any:
        order = ancestors_in_order(*arguments, **options)
        walked.append(len(order))
        return order

    with patch.object(differentiate, "ancestors_in_order", counted):
        for _ in range(30):
            loss = ((data @ w - 1.0) ** 2).mean()
            (gradient,) = chain_rule({loss: loss}, [w])
            w -= 0.001 * gradient
    assert walked[-1] == walked[1]


def test_a_read_changes_no_graph() -> None:
    def trained(is_read: bool) -> Any:
        data, w = cnp.asarray(np.arange(12.0).reshape(4, 3)), cnp.ones(3)
        for _ in range(5):
            loss = ((data @ w - 1.0) ** 2).mean()
            if is_read:
                float(loss)
            (gradient,) = chain_rule({loss: loss}, [w])
            w -= 0.001 * gradient
        return w

    assert len(trained(True).graph) == len(trained(False).graph)


def test_a_scalar_of_numpys_that_is_used_again_is_one_node() -> None:
    x = cnp.asarray(np.ones(3))
    for scalar in (np.float32(2.5), np.int64(3), np.float64(0.1), np.bool(True), 2.5, 3):
        assert (x * scalar).node.operands[1][0] is (x + scalar).node.operands[1][0]
    zeros = [(x * zero).node.operands[1][0].operation.value for zero in (np.float64(0.0), np.float64(-0.0))]
    assert [bool(np.signbit(zero)) for zero in zeros] == [False, True]


def test_reads_are_found_from_what_is_held_after_what_it_was_computed_from_is_gone() -> None:
    def build() -> Any:
        x = cnp.asarray(np.ones(3))
        inner = x * 2
        total = inner.sum()
        chosen = inner + 1 if total > 0 else inner
        number = x[0] * 3.0
        scaled = chosen * number if number > 0 else chosen
        return inner, total, scaled

    inner, total, scaled = build()
    with pytest.raises(GuardError, match="bool read True"):
        cnp.evaluate(scaled, inputs={inner: -np.ones(3)})
    doubled = scaled * total
    with pytest.raises(GuardError, match="bool read True"):
        cnp.evaluate(doubled, inputs={total: np.float64(-1.0)})


def test_a_value_that_no_read_depends_on_is_replaced_after_others_were_read() -> None:
    def build() -> Any:
        x = cnp.asarray(np.ones(3))
        scale = float(x.sum())
        return x * scale

    inner = build()
    np.testing.assert_array_equal(cnp.evaluate(inner + 1, inputs={inner: np.zeros(3)}), np.ones(3))


def test_reads_of_an_element_are_found_from_it() -> None:
    x = cnp.asarray(np.array([1.0, 2.0]))
    first = x[0]
    tripled = first * 3.0
    y = cnp.ones(2) * tripled if tripled > 2 else cnp.zeros(2)
    with pytest.raises(GuardError, match="bool read True"):
        cnp.evaluate(y, inputs={first: np.float64(0.1)})
    assert cnp.evaluate(y, inputs={first: np.float64(9.0)}).tolist() == [27, 27]


def test_what_is_left_of_a_long_row_of_joins_is_found_without_walking_it_again() -> None:
    # So many that a join lists joins, and not what these depend on.
    held = [Origin() for _ in range(40)]
    origin = joined(held)
    joins = []
    for _ in range(5000):
        gone = Origin()
        origin = joined([origin, gone])
        assert origin is not None
        joins.append(origin)
        gone.ended()
    left = joins[-1].alive()
    assert left is not None
    assert {each.parents for each in joins} == {(left,)}
    for each in held:
        each.ended()
    assert joins[-1].alive() is None
    assert joins[-1].is_dead


def test_a_loop_that_goes_on_from_its_results_makes_no_join_a_round() -> None:
    first, second = Origin(), Origin()
    origin = joined([first, second])
    assert origin is not None
    assert joined([origin, second]) is origin
    assert joined([first, origin]) is origin
    for _ in range(100):
        gone = Origin()
        join = joined([origin, gone])
        assert join is not None
        assert join.parents == (first, second, gone)
        gone.ended()
        assert joined([join, first]).parents == (first, second)
    second.ended()
    assert joined([origin, first]) is first


def test_a_loop_that_reads_an_array_it_began_with_is_deep_without_recursion() -> None:
    start = x = cnp.asarray(np.full(3, 2.0))
    for _ in range(3000):
        x = x * 0.999 + 0.001 * start
        if cnp.max(x) > 1e9:
            break
    np.testing.assert_array_equal(cnp.evaluate(x, inputs={start: np.full(3, 2.0)}), np.asarray(x))


def test_reads_are_freed_with_the_tensors_and_not_by_the_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        before = sum(type(each) is Guard for each in gc.get_objects())
        first, second = cnp.asarray(np.full(3, 2.0)), cnp.asarray(np.full(3, 0.5))
        total = first + second
        # The value of `total` stays, with a join of both origins, which holds the read of what is computed from it.
        if cnp.max(total) > 0 and cnp.max(total * 2.0) > 0:
            del first, second, total
        assert sum(type(each) is Guard for each in gc.get_objects()) == before
    finally:
        gc.enable()


def test_reads_of_a_number_at_one_line_are_all_found() -> None:
    x = cnp.asarray(np.arange(4.0))
    total = sum(float(x[k]) for k in range(4))
    y = x * total
    for k in range(4):
        other = np.arange(4.0)
        other[k] += 1.0
        with pytest.raises(GuardError, match="float read"):
            cnp.evaluate(y, inputs={x: other})
