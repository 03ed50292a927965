"""Views of views of views: writes reach through them, and the way to the base stays short however long a loop takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import composit.numpy as cnp
from composit.numpy.manipulation.reshaping import Transpose
from composit.numpy.views.basic_indices import BasicIndex
from composit.operation import Operation
from composit.storage import FEW_STEPS

MANY = 4 * FEW_STEPS


def _peeled(xp: Any, num_views: int) -> tuple[Any, Any]:
    """Return an array after a loop that writes to ever smaller views of it, and the smallest view."""
    whole = xp.arange(num_views + 4.0)
    part = whole
    for _ in range(num_views):
        part[0] += 10.0
        part[-1] *= 2.0
        part = part[1:] if part.size % 2 else part[:-1]
    return whole, part


def test_a_loop_over_views_of_views_writes_to_the_base() -> None:
    ours, theirs = _peeled(cnp, MANY), _peeled(np, MANY)
    for mine, numpys in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(cnp.evaluate(mine), numpys)


def test_a_write_through_a_loops_view_goes_few_steps_and_derives_few_nodes() -> None:
    whole, part = _peeled(cnp, 50 * FEW_STEPS)
    part[0] = 1.0
    write = whole.node
    assert len(write.operation.steps) <= FEW_STEPS
    node, num_nodes = part.node, 0
    while node is not write:
        node, num_nodes = node.operands[0][0], num_nodes + 1
    assert num_nodes <= FEW_STEPS


VIEWS: dict[str, Callable[[Any], Any]] = {
    "slices": lambda x: x[1:-1, ::-1],
    "new axes that go": lambda x: x[:, None, 1:][:, 0],
    "an integer": lambda x: x[None, 1:][0],
    "transposes": lambda x: x.T,
    "three axes": lambda x: x[..., None].transpose(1, 2, 0).transpose(2, 0, 1)[1:, :, 0],
    "slices of transposes": lambda x: x.T[1:],
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("base", ["whole", "reshaped", "reshaped by copying"])
def test_writes_and_strides_through_many_views(view: Callable[[Any], Any], base: str) -> None:
    results = []
    for xp in (np, cnp):
        whole = xp.arange(2.0 * MANY * 3 * MANY).reshape(3 * MANY, 2 * MANY)
        part = {"whole": whole, "reshaped": whole.reshape(2 * MANY, -1)}.get(base)
        part = whole.T.reshape(3 * MANY, 2 * MANY) if part is None else part
        before = part
        for _ in range(MANY):
            part = view(part)
            if part.size:
                part[0] = -part[0]
        # A write to the base is seen by the views that share its memory.
        whole[:] += 0.5
        strides = part.strides if part.size else ()
        results.append((whole, before, part, strides))
    for numpys, ours in zip(*results, strict=True):
        np.testing.assert_array_equal(ours if isinstance(ours, tuple) else cnp.evaluate(ours), numpys)


def test_a_view_of_what_reshape_copied_is_a_view_of_the_copy() -> None:
    results = []
    for xp in (np, cnp):
        whole = xp.arange(400.0).reshape(20, 20)
        copied = whole.T.reshape(-1)
        part = copied
        for _ in range(MANY):
            part = part[1:]
        whole[0, 0] = 5.0
        part[0] = -1.0
        copied[1:] += 1.0
        results.append((whole, copied, part))
    for numpys, ours in zip(*results, strict=True):
        np.testing.assert_array_equal(cnp.evaluate(ours), numpys)


def _slices(length: int) -> st.SearchStrategy[slice]:
    ends = st.none() | st.integers(-length - 2, length + 2)
    return st.builds(slice, ends, ends, st.none() | st.sampled_from([-3, -2, -1, 1, 2, 3]))


ENTRIES = st.none() | st.integers(-4, 3) | _slices(4)
INDICES = st.lists(st.lists(ENTRIES, min_size=0, max_size=5).map(tuple), min_size=2, max_size=4)


@given(indices=INDICES)
@settings(max_examples=300, deadline=None)
def test_two_basic_indices_are_one(indices: list[tuple[Any, ...]]) -> None:
    part: Any = np.arange(4.0 * 5 * 3).reshape(4, 5, 3)
    whole = part
    joined: Operation | None = None
    for index in indices:
        if sum(entry is not None for entry in index) > part.ndim:
            continue
        try:
            following = part[(*index, Ellipsis)]
        except IndexError:
            continue
        tensor = cnp.asarray(part)[(*index, Ellipsis)]
        operation = tensor.node.operation
        if not isinstance(operation, BasicIndex):
            continue
        joined = operation if joined is None else joined.then(operation)
        part = following
        if joined is None:
            # Nothing of a new axis: no index of the whole says that.
            assert 0 in part.shape
            return
        chosen = joined.view_of(whole)
        assert chosen.shape == part.shape
        np.testing.assert_array_equal(chosen, part)


def test_two_transposes_are_one() -> None:
    x = np.arange(24).reshape(2, 3, 4)
    first, second = Transpose((2, 0, 1)), Transpose((1, 0, 2))
    joined = first.then(second)
    assert isinstance(joined, Transpose)
    np.testing.assert_array_equal(joined.evaluate(x), second.evaluate(first.evaluate(x)))
    assert first.then(BasicIndex((0, 1, 2))) is None
