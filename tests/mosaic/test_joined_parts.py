"""Parts of one array that share their rows are filled by one kernel, each up to its own end."""

from __future__ import annotations

import itertools
from itertools import product
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
import mosaic
from mosaic.ir.views import Buffer, BufferKind, View
from mosaic.passes.join_groups import _are_disjoint
from tests.sampling import one_in

BUFFER = Buffer(BufferKind.TEMPORARY, 0, 1000, np.dtype(np.float32))


@pytest.mark.parametrize(("dtype", "length"), one_in(3, product(["float32", "float64"], [1, 3, 8, 13, 16, 31, 128])))
def test_parts_computed_from_one_value_end_where_they_should(length: int, dtype: str) -> None:
    x = np.random.default_rng(length).normal(size=(5, 2 * length)).astype(dtype)

    def parts(xp: Any, x: Any) -> Any:
        y = xp.tanh(x[:, :length])
        return xp.concatenate([y * 2, y + 1, y - x[:, length:], y * y], axis=1)

    tensor = cnp.asarray(x)
    model = mosaic.compile(parts(cnp, tensor), inputs=[tensor])
    np.testing.assert_allclose(model(x), parts(np, x), rtol=1e-5, atol=1e-6)
    if length > 1:
        assert len(model.kernels) == 1


@pytest.mark.parametrize("part", [0, 1])
def test_a_part_that_nothing_reads_is_not_computed(part: int) -> None:
    generator = np.random.default_rng(part)
    x, w, b = (generator.normal(size=shape).astype(np.float32) for shape in ((10, 32), (32, 2), (2,)))
    tensors = [cnp.asarray(each) for each in (x, w, b)]

    def last_of_two(xp: Any, x: Any, w: Any, b: Any) -> Any:
        # Each product takes its sum with b, and the second the read of its part as well.
        return xp.tanh(xp.stack([xp.matmul(x, w) + b, xp.matmul(x * 2, w) + b])[part])

    model = mosaic.compile(last_of_two(cnp, *tensors), inputs=tensors)
    np.testing.assert_allclose(model(x, w, b), last_of_two(np, x, w, b), rtol=1e-4, atol=1e-6)
    text = str(mosaic.stages(last_of_two(cnp, *tensors), inputs=tensors)[-5])
    assert text.count(" @ ") == 1


def test_only_parts_without_a_common_element_are_apart() -> None:
    shapes = [(1,), (3,), (2, 3), (3, 2), (2, 2, 2)]
    strides = [(1,), (2,), (7, 1), (3, 2), (9, 4, 1)]
    for shape, other in itertools.product(shapes, shapes):
        for steps in strides:
            if not len(shape) == len(other) == len(steps):
                continue
            for distance in range(-12, 13):
                first, second = View(BUFFER, 50, shape, steps), View(BUFFER, 50 + distance, other, steps)
                assert _are_disjoint(first, second) == _elements(first).isdisjoint(_elements(second))


def _elements(view: View) -> set[int]:
    places = itertools.product(*map(range, view.shape))
    return {int(view.offset) + sum(map(int.__mul__, place, view.strides)) for place in places}  # type: ignore[call-overload]  # no turns
