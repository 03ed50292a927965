"""Pooling and its derivatives in C: values against numpy's, and no numpy between the kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.nn import chain_rule
from composit.nn.operations import adaptive_average_pool, adaptive_max_pool, average_pool, convolution, max_pool
from tests.mosaic.comparison import check, tensor
from tests.sampling import one_in, only

_ROWS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "one axis": ((2, 3, 9), {"kernel_size": 3, "strides": 2}),
    "windows side by side": ((2, 3, 8, 6), {"kernel_size": 2, "strides": 2}),
    "windows with elements between": ((2, 3, 9, 8), {"kernel_size": 2, "strides": (3, 4)}),
    "windows that overlap": ((2, 3, 7, 8), {"kernel_size": 3, "strides": 2, "padding": 1}),
    "all windows": ((2, 3, 6, 7), {"kernel_size": (3, 4)}),
    "ceil_mode": ((2, 2, 7, 8), {"kernel_size": 3, "strides": 2, "ceil_mode": True}),
    "three axes": ((1, 2, 5, 6, 7), {"kernel_size": (2, 3, 2), "strides": (1, 2, 2), "padding": 1}),
    "many elements": ((2, 3, 9, 11), {"kernel_size": 5, "strides": 2, "padding": 2}),
    "many elements of three axes": ((1, 2, 6, 7, 8), {"kernel_size": 3, "strides": 2, "padding": 1}),
    "a long axis": ((2, 3, 41, 6), {"kernel_size": (36, 2)}),
    "an axis in several turns": ((2, 3, 20, 21), {"kernel_size": 19, "padding": (9, 4)}),
    "empty batch": ((0, 3, 8, 6), {"kernel_size": 2}),
}
_SAMPLE = ["one axis", "windows with elements between", "three axes"]


def _with_gradient(result: Any, x: Any) -> list[Any]:
    cotangent = tensor(*result.shape, dtype=str(result.dtype), seed=7)
    return [result, *chain_rule({result: cotangent}, [x])]


@pytest.mark.parametrize("name", only(_SAMPLE, _ROWS))
def test_pooling_and_its_derivatives_are_numpys(name: str) -> None:
    shape, options = _ROWS[name]
    x = tensor(*shape)
    largest, averages = max_pool(x, **options), average_pool(x, **options)
    outputs = [*_with_gradient(largest, x), *_with_gradient(averages, x)]
    check(*outputs)
    assert "numpy" not in mosaic.compile(outputs, inputs=[x]).explain()


@pytest.mark.parametrize("name", only(["windows side by side", "many elements"], _ROWS))
def test_a_derivative_alone_is_numpys(name: str) -> None:
    shape, options = _ROWS[name]
    # An output as large as an input that it is computed from, and which several statements of one kernel write in parts.
    for pool in (max_pool, average_pool):
        x = tensor(*shape)
        check(_with_gradient(pool(x, **options), x)[1])


@pytest.mark.parametrize("name", only(["ceil_mode", "many elements of three axes"], _ROWS))
def test_second_derivatives_are_numpys(name: str) -> None:
    shape, options = _ROWS[name]
    x = tensor(*shape, dtype="float64")
    weights = tensor(*max_pool(x, **options).shape, dtype="float64", seed=3)
    outputs = []
    for pool in (max_pool, average_pool):
        value = pool(x, **options)
        loss = cnp.sum(value * value * weights)
        (gradient,) = chain_rule({loss: loss}, [x])
        outputs += chain_rule({cnp.sum(gradient * x): 1.0}, [x])
    check(*outputs)


def test_dilation_and_indices() -> None:
    x = tensor(2, 3, 9, 9)
    values, indices = max_pool(x, kernel_size=2, strides=2, dilation=(2, 3), padding=1, return_indices=True)
    check(values, indices, *_with_gradient(values, x))


@pytest.mark.parametrize(("kernel_size", "strides"), one_in(2, [(3, 1), (3, 2), (3, 3), (5, 2), (33, 3)]))
def test_ties_and_nan(kernel_size: int, strides: int) -> None:
    x = np.random.default_rng(0).integers(0, 3, (2, 3, 38, 39)).astype(np.float32)
    x[0, 0, ::3, ::2] = np.nan
    x[1, 1, ::2] = -np.inf
    x[1, 2] = -np.inf
    tied = cnp.asarray(x)
    pooled = max_pool(tied, kernel_size=kernel_size, strides=strides, padding=1)
    check(*_with_gradient(pooled, tied))
    indices = max_pool(tied, kernel_size=kernel_size, strides=strides, padding=1, return_indices=True)[1]
    check(indices)


@pytest.mark.parametrize("channels_last", [False, True])
def test_gradients_of_maxima_do_not_depend_on_the_number_of_threads(channels_last: bool) -> None:
    x = tensor(4, 8, 40, 8) if channels_last else tensor(4, 8, 8, 40)
    pooled = max_pool(x, kernel_size=3, strides=1, padding=1, channels_last=channels_last)
    (gradient,) = chain_rule({pooled: tensor(*pooled.shape, seed=5)}, [x])
    one, two = (mosaic.compile(gradient, inputs=[x], num_threads=count)(cnp.evaluate(x)) for count in (1, 2))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_allclose(one, cnp.evaluate(gradient), rtol=1e-5, atol=1e-6)


def test_a_plane_is_zeroed_by_the_kernel_that_adds_to_it() -> None:
    x = tensor(2, 3, 8, 6)
    pooled = max_pool(x, kernel_size=2, strides=2)
    (gradient,) = chain_rule({pooled: tensor(*pooled.shape, seed=5)}, [x])
    (scheduled,) = [stage for stage in mosaic.stages(gradient, inputs=[x]) if stage.name == "schedule"]
    (scatter,) = [line for line in str(scheduled).splitlines() if "add=" in line]
    # A row is a plane of one image and channel; of its elements, one row of windows after the other is added.
    assert scatter.endswith("on zeros in temporary_1[2, 3, 48]"), scheduled


def test_integers() -> None:
    x = tensor(2, 3, 6, 6, dtype="int64")
    check(*max_pool(x, kernel_size=3, strides=2, padding=1, return_indices=True), average_pool(x, kernel_size=2))


@pytest.mark.parametrize("pool", only([max_pool], [max_pool, average_pool]))
def test_channels_stay_last_between_a_convolution_and_pooling(pool: Callable[..., Any]) -> None:
    x, filters = tensor(2, 5, 12, 11), tensor(16, 5, 3, 3, seed=1)
    y = pool(cnp.nn.relu(convolution(x, filters, padding=1)), kernel_size=2, strides=2)
    outputs = [y, *chain_rule({y: tensor(*y.shape, seed=2)}, [x, filters])]
    check(*outputs)
    assert "numpy" not in mosaic.compile(outputs, inputs=[x, filters]).explain()


def test_adaptive_pooling() -> None:
    x = tensor(2, 3, 7, 8)
    outputs = [*_with_gradient(adaptive_average_pool(x, (3, 5)), x), *_with_gradient(adaptive_max_pool(x, (3, 5)), x)]
    check(*outputs)
    assert "numpy" not in mosaic.compile(outputs, inputs=[x]).explain()


@pytest.mark.parametrize("count", [(3, 5), (7, 4)])
def test_the_gradient_of_an_adaptive_maximum_is_one_scatter(count: tuple[int, int]) -> None:
    # The windows overlap: each of their elements has its index in x, and no array of them is added up axis by axis.
    x = tensor(2, 3, 7, 8)
    pooled = adaptive_max_pool(x, count)
    (gradient,) = chain_rule({pooled: tensor(*pooled.shape, seed=7)}, [x])
    lowered = next(stage for stage in mosaic.stages(gradient, inputs=[x]) if stage.name == "lower_program")
    assert str(lowered).count("add=") == 1, lowered
    check(pooled, gradient)


def test_maxima_are_pooled_and_differentiated_in_a_scan() -> None:
    x, state = tensor(3, 2, 2, 6, 6), tensor(2, 2, 6, 6, seed=1)

    def step(state: Any, x: Any) -> tuple[Any, Any]:
        pooled = max_pool(state * x + x, kernel_size=3, padding=1)
        return pooled, cnp.sum(pooled * pooled)

    last, sums = cnp.nn.scan(step, state, x)
    outputs = [last, *chain_rule({cnp.sum(sums): 1.0}, [x])]
    check(*outputs)
    assert "numpy" not in mosaic.compile(outputs, inputs=[x]).explain()


def test_sums_are_spread_axis_by_axis() -> None:
    x = tensor(2, 3, 16, 16)
    pooled = average_pool(x, kernel_size=8, strides=8)
    (gradient,) = chain_rule({pooled: pooled * pooled}, [x])
    lowered = next(stage for stage in mosaic.stages(gradient, inputs=[x]) if stage.name == "lower_program")
    # Eight columns of each window, then its eight rows: 64 elements were as many definitions.
    assert len(str(lowered).splitlines()) < 26, lowered
    check(gradient)


def test_no_kernel_moves_channels_between_convolutions() -> None:
    x, first, second = tensor(2, 3, 12, 12), tensor(8, 3, 3, 3), tensor(16, 8, 3, 3, seed=1)
    hidden = cnp.nn.relu(convolution(x, first, tensor(8), padding=1))
    y = max_pool(cnp.nn.relu(convolution(hidden, second, tensor(16), padding=1)), kernel_size=2, strides=2)
    (scheduled,) = [stage for stage in mosaic.stages(y, inputs=[x]) if stage.name == "schedule"]
    lines = str(scheduled).splitlines()
    # The epilogue of the first product stores what the second reads, with its border; bias and maxima join the second.
    assert [" @ " in line for line in lines].count(True) == 2
    between = lines[next(i for i, line in enumerate(lines) if " @ " in line) + 1 :]
    assert len(between) == 5, scheduled
    check(y)
