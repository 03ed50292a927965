"""Random graphs of views, elementwise operations, reductions and products: compiled, they are what numpy computes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import composit as cnp
from tests.mosaic.comparison import check, tensor

SHAPES = [(4, 6), (6,), (1, 6), (4, 1), (3, 4, 6), (7, 33), (33,), (2, 3, 4, 5), ()]


def _unary(function: Callable[[Any], Any]) -> Callable[[st.DataObject, list[Any]], Any]:
    return lambda data, values: function(_one(data, values))


def _binary(function: Callable[[Any, Any], Any]) -> Callable[[st.DataObject, list[Any]], Any]:
    def build(data: st.DataObject, values: list[Any]) -> Any:
        x = _one(data, values)
        fitting = [each for each in values if _broadcasts(each.shape, x.shape)]
        return function(x, data.draw(st.sampled_from(fitting), label="other"))

    return build


def _one(data: st.DataObject, values: list[Any]) -> Any:
    return values[data.draw(st.integers(0, len(values) - 1), label="operand")]


def _broadcasts(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    pairs = zip(reversed(first), reversed(second), strict=False)
    return all(one == other or 1 in (one, other) for one, other in pairs)


def _reduced(data: st.DataObject, values: list[Any]) -> Any:
    x = _one(data, values)
    function = data.draw(st.sampled_from([cnp.sum, cnp.max, cnp.min, cnp.mean]), label="reduction")
    axis = data.draw(st.sampled_from([None, *range(x.ndim)]), label="axis")
    return function(x, axis=axis, keepdims=data.draw(st.booleans(), label="keepdims"))


def _transposed(data: st.DataObject, values: list[Any]) -> Any:
    x = _one(data, values)
    return cnp.transpose(x, data.draw(st.permutations(range(x.ndim)), label="axes"))


def _reshaped(data: st.DataObject, values: list[Any]) -> Any:
    x = _one(data, values)
    shapes = [(-1,), x.shape[::-1], (*x.shape, 1), (1, *x.shape)]
    return x.reshape(data.draw(st.sampled_from(shapes), label="shape"))


def _sliced(data: st.DataObject, values: list[Any]) -> Any:
    x = _one(data, values)
    choices = [slice(None), slice(None, None, -1), slice(0, 2), slice(None, None, 2), 0, -1]
    return x[tuple(data.draw(st.sampled_from(choices), label="index") for _ in range(x.ndim))]


def _product(data: st.DataObject, values: list[Any]) -> Any:
    x = _one(data, values)
    if x.ndim < 2:
        return x
    return cnp.matmul(x, cnp.swapaxes(x, -1, -2))


BUILDERS = [
    *map(_unary, [cnp.tanh, cnp.negative, cnp.abs, cnp.square, cnp.floor, lambda x: cnp.where(x > 0, x, 0.5 * x)]),
    *map(_binary, [cnp.add, cnp.subtract, cnp.multiply, cnp.maximum]),
    _reduced,
    _transposed,
    _reshaped,
    _sliced,
    _product,
]


@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.data())
def test_a_random_graph_is_what_numpy_computes(data: st.DataObject) -> None:
    _check_a_random_graph(data)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_more_random_graphs_are_what_numpy_computes(data: st.DataObject) -> None:
    _check_a_random_graph(data)


def _check_a_random_graph(data: st.DataObject) -> None:
    shapes = data.draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3), label="shapes")
    dtypes = data.draw(st.lists(st.sampled_from(["float32", "float64"]), min_size=3, max_size=3), label="dtypes")
    values = [tensor(*shape, dtype=dtype, seed=i) for i, (shape, dtype) in enumerate(zip(shapes, dtypes, strict=False))]
    num_leaves = len(values)
    for _ in range(data.draw(st.integers(1, 14), label="operations")):
        built = data.draw(st.sampled_from(BUILDERS), label="operation")(data, values)
        if 0 < built.size < 4000 and np.all(np.abs(cnp.evaluate(built)) < 1e4):
            values.append(built)
    if len(values) > num_leaves:
        check(*values[num_leaves:][-4:])
