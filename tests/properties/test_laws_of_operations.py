"""Laws that hold for any expression: numpy's values and types, one node per expression, linear derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import composit as cnp
from composit.program import program_of

# Examples build and run small graphs; none is slow, but the first of a run pays for imports.
quick = settings(deadline=None, max_examples=60)

DTYPES = [np.float64, np.float32, np.int32, np.int8, np.uint8, np.bool]
SHAPES = [(), (3,), (2, 3), (2, 1), (1, 3), (4, 2, 3), (0, 3)]

# Steps from tensors to a tensor, defined for all dtypes above; `pick` chooses operands among those built so far.
UNARY: list[Callable[[Any, Any], Any]] = [
    lambda xp, x: xp.sin(x),
    lambda xp, x: xp.exp(xp.minimum(x, 3)),
    lambda xp, x: xp.abs(x + 0),
    lambda xp, x: xp.square(x + 0),
    lambda xp, x: xp.sum(x),
    lambda xp, x: xp.sum(x, axis=-1, keepdims=True) if x.ndim else xp.sum(x),
    lambda xp, x: xp.cumsum(x),
    lambda xp, x: xp.any(x),
    lambda xp, x: x == x,
    lambda xp, x: xp.transpose(x),
    lambda xp, x: xp.expand_dims(x, 0),
    lambda xp, x: xp.clip(x, 0, 2),
    lambda xp, x: x * 2,
    lambda xp, x: 0.5 + x,
]
BINARY: list[Callable[[Any, Any, Any], Any]] = [
    lambda xp, x, y: x + y,
    lambda xp, x, y: x * y,
    lambda xp, x, y: xp.maximum(x, y),
    lambda xp, x, y: x < y,
    lambda xp, x, y: xp.where(x > y, x, y),
    lambda xp, x, y: xp.logical_xor(x, y),
    lambda xp, x, y: xp.hypot(x, y),
]

arrays = st.builds(
    lambda shape, dtype, seed: np.random.default_rng(seed).integers(0, 5, size=shape).astype(dtype),
    st.sampled_from(SHAPES[1:]),
    st.sampled_from(DTYPES),
    st.integers(0, 2**16),
)
steps = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=8)


def _run(xp: Any, leaves: list[Any], plan: list[tuple[int, int, int]]) -> list[Any]:
    values = list(leaves)
    for choice, first, second in plan:
        x, y = values[first % len(values)], values[second % len(values)]
        index = choice % (len(UNARY) + len(BINARY))
        if index < len(UNARY):
            values.append(UNARY[index](xp, x))
        elif _fit(x.shape, y.shape):
            values.append(BINARY[index - len(UNARY)](xp, x, y))
    return values


def _fit(*shapes: tuple[int, ...]) -> bool:
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        return False
    return True


@quick
@given(st.lists(arrays, min_size=1, max_size=3), steps)
def test_any_expression_has_numpys_types_and_values(leaves, plan):
    with np.errstate(all="ignore"):
        expected = _run(np, leaves, plan)
        lazy = _run(cnp, [cnp.asarray(leaf) for leaf in leaves], plan)
        values = cnp.evaluate(lazy)
    for tensor, value, number in zip(lazy, values, expected, strict=True):
        assert (tensor.shape, tensor.dtype) == (number.shape, number.dtype)
        assert type(value) is type(number)
        np.testing.assert_array_equal(value, number)


@quick
@given(st.lists(arrays, min_size=1, max_size=3), steps)
def test_building_more_never_changes_what_was_built(leaves, plan):
    tensors = [cnp.asarray(leaf) for leaf in leaves]
    with np.errstate(all="ignore"):
        built = _run(cnp, tensors, plan)
        before = [(tensor.node, tensor.node.operands, len(tensor.graph)) for tensor in built]
        values = cnp.evaluate(built)
        _run(cnp, built, plan)
        assert [(tensor.node, tensor.node.operands, len(tensor.graph)) for tensor in built] == before
        for value, again in zip(values, cnp.evaluate(built), strict=True):
            np.testing.assert_array_equal(value, again)


@quick
@given(st.lists(arrays, min_size=1, max_size=2), steps)
def test_the_same_words_on_the_same_leaves_are_the_same_expression(leaves, plan):
    tensors = [cnp.asarray(leaf) for leaf in leaves]
    first, second = _run(cnp, tensors, plan)[-1], _run(cnp, tensors, plan)[-1]
    assert first.node == second.node
    assert len(cnp.stack([first, second]).graph) == len(first.graph) + 1
    others = _run(cnp, [cnp.asarray(leaf) for leaf in leaves], plan)[-1]
    assert first.node != others.node
    assert program_of([first]).digest == program_of([others]).digest


@quick
@given(st.integers(0, 2**16), st.sampled_from(SHAPES), st.sampled_from(SHAPES), st.floats(-3, 3), st.floats(-3, 3))
def test_gradients_are_linear_in_what_comes_in(seed, shape, other_shape, a, b):
    if not _fit(shape, other_shape):
        return
    generator = np.random.default_rng(seed)
    x, y = cnp.asarray(generator.normal(size=shape)), cnp.asarray(generator.normal(size=other_shape))
    result = cnp.sin(x) * y + cnp.exp(x - y)
    g, h = generator.normal(size=result.shape), generator.normal(size=result.shape)
    both = cnp.nn.chain_rule({result: cnp.asarray(a * g + b * h)}, [x, y])
    apart = [cnp.nn.chain_rule({result: cnp.asarray(part)}, [x, y]) for part in (g, h)]
    for whole, of_g, of_h, leaf in zip(both, *apart, (x, y), strict=True):
        assert whole.shape == leaf.shape
        # Sums of a dozen products of numbers around 1.
        np.testing.assert_allclose(cnp.evaluate(whole), cnp.evaluate(a * of_g + b * of_h), rtol=1e-10, atol=1e-10)


@quick
@given(st.integers(0, 2**16), st.permutations([0, 1, 2]), st.integers(1, 3))
def test_reducing_axes_one_by_one_reduces_them_all(seed, order, count):
    x = cnp.asarray(np.random.default_rng(seed).integers(-9, 9, size=(2, 3, 4)))
    axes = tuple(order[:count])
    for function in (cnp.sum, cnp.prod, cnp.max, cnp.any):
        step = x
        for axis in axes:
            step = function(step, axis=axis, keepdims=True)
        np.testing.assert_array_equal(cnp.evaluate(step), cnp.evaluate(function(x, axis=axes, keepdims=True)))
