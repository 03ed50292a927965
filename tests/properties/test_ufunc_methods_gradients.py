"""reduce, accumulate, reduceat and at of any function of two operands: derivatives for any shape, axis, layout and index."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.operations.call_samples import UFUNCS
from tests.operations.differences import Comparison
from tests.operations.sample import Sample

# Ties of extrema are covered by tests of their own: differences do not exist there.
_SHAPES = st.lists(st.integers(0, 4), min_size=1, max_size=3).map(tuple)


def _of_layout(generator: np.random.Generator, shape: tuple[int, ...], is_turned: bool) -> np.ndarray:
    """Return distinct numbers between 0.5 and 2, with the axes in the other order of memory and one reversed if turned."""
    size = int(np.prod(shape))
    values = (0.5 + 1.5 * (generator.permutation(size) + generator.uniform(0.2, 0.8, size)) / max(size, 1)).reshape(
        shape
    )
    return np.asfortranarray(values)[::-1] if is_turned else values


def _agrees(compute: Callable[..., Any], *operands: Any) -> None:
    comparison = Comparison(Sample("methods", compute, ()), operands)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(*comparison.first_to_ten_digits(1e-5), rtol=1e-6, atol=1e-7)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_derivatives_of_methods_agree_with_differences(data: Any) -> None:
    name = data.draw(st.sampled_from(UFUNCS), "function")
    shape, generator = data.draw(_SHAPES, "shape"), np.random.default_rng(data.draw(st.integers(0, 99), "seed"))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1), "axis")
    x = _of_layout(generator, shape, data.draw(st.booleans(), "turned"))
    # numpy's vectorised loops reduce contiguous vectors wrongly by some functions, so a vector gets a second axis.
    x, axis = (x[:, None], 0) if x.ndim == 1 else (x, axis)
    _agrees(lambda xp, x: getattr(xp, name).accumulate(x, axis=axis), x)
    length = x.shape[axis]
    # The sum of no exponentials is minus infinity, of which there are no differences.
    if length or getattr(np, name).identity in (0, 1):
        _agrees(lambda xp, x: getattr(xp, name).reduce(x, axis=axis, keepdims=True), x)
    if not length:
        return
    places = np.array(data.draw(st.lists(st.integers(0, length - 1), min_size=1, max_size=6), "places"))
    _agrees(lambda xp, x: getattr(xp, name).reduceat(x, places, axis=axis), x)
    moved = np.moveaxis(x, axis, 0)
    values = 0.3 + 0.5 * _of_layout(generator, (len(places), *moved.shape[1:]), False) / 4

    def at(xp: Any, x: Any, values: Any) -> Any:
        target = xp.array(x)
        getattr(xp, name).at(target, places, values)
        return target

    _agrees(at, moved, values)


@pytest.mark.parametrize("name", ["maximum", "fmin"])
def test_equal_extrema_share_evenly_by_each_method(name: str) -> None:
    cnp = pytest.importorskip("composit.numpy")
    x = cnp.asarray(np.full((4, 2), 2.0))
    function = getattr(cnp, name)
    for made, share in ((function.reduce(x, axis=0), 0.25), (function.accumulate(x)[-1], 0.25)):
        (gradient,) = cnp.chain_rule({made: cnp.ones(2)}, [x])
        np.testing.assert_array_equal(cnp.evaluate(gradient), np.full((4, 2), share))
    target, values = cnp.asarray(np.full(2, 2.0)), cnp.asarray(np.full(3, 2.0))
    changed = cnp.array(target)
    function.at(changed, [0, 0, 0], values)
    to_target, to_values = cnp.chain_rule({changed: cnp.ones(2)}, [target, values])
    np.testing.assert_array_equal(cnp.evaluate(to_target), [0.25, 1.0])
    np.testing.assert_array_equal(cnp.evaluate(to_values), [0.25] * 3)
