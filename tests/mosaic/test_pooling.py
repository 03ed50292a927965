"""Pooling and its derivatives in C: values against numpy's, and no numpy between the kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.nn import chain_rule
from composit.nn.operations import adaptive_average_pool, adaptive_max_pool, average_pool, convolution, max_pool
from tests.mosaic.comparison import check, tensor

_ROWS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "one axis": ((2, 3, 9), {"kernel_size": 3, "strides": 2}),
    "windows side by side": ((2, 3, 8, 6), {"kernel_size": 2, "strides": 2}),
    "windows with elements between": ((2, 3, 9, 8), {"kernel_size": 2, "strides": (3, 4)}),
    "windows that overlap": ((2, 3, 7, 8), {"kernel_size": 3, "strides": 2, "padding": 1}),
    "all windows": ((2, 3, 6, 7), {"kernel_size": (3, 4)}),
    "ceil_mode": ((2, 2, 7, 8), {"kernel_size": 3, "strides": 2, "ceil_mode": True}),
    "three axes": ((1, 2, 5, 6, 7), {"kernel_size": (2, 3, 2), "strides": (1, 2, 2), "padding": 1}),
    "empty batch": ((0, 3, 8, 6), {"kernel_size": 2}),
}
every_row = pytest.mark.parametrize(("shape", "options"), _ROWS.values(), ids=_ROWS)


def _with_gradient(result: Any, x: Any) -> list[Any]:
    cotangent = tensor(*result.shape, dtype=str(result.dtype), seed=7)
    return [result, *chain_rule({result: cotangent}, [x])]


@every_row
def test_pooling_and_its_derivatives_are_numpys(shape: tuple[int, ...], options: dict[str, Any]) -> None:
    x = tensor(*shape)
    largest, averages = max_pool(x, **options), average_pool(x, **options)
    outputs = [*_with_gradient(largest, x), *_with_gradient(averages, x)]
    check(*outputs)
    assert "numpy" not in mosaic.compile(outputs, inputs=[x]).explain()


@every_row
def test_a_derivative_alone_is_numpys(shape: tuple[int, ...], options: dict[str, Any]) -> None:
    # An output as large as an input that it is computed from, and which several statements of one kernel write in parts.
    for pool in (max_pool, average_pool):
        x = tensor(*shape)
        check(_with_gradient(pool(x, **options), x)[1])


@every_row
def test_second_derivatives_are_numpys(shape: tuple[int, ...], options: dict[str, Any]) -> None:
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


@pytest.mark.parametrize("strides", [1, 2, 3])
def test_ties_and_nan(strides: int) -> None:
    x = np.random.default_rng(0).integers(0, 3, (2, 3, 8, 7)).astype(np.float32)
    x[0, 0, ::3, ::2] = np.nan
    x[1, 1, ::2] = -np.inf
    tied = cnp.asarray(x)
    check(*_with_gradient(max_pool(tied, kernel_size=3, strides=strides, padding=1), tied))


def test_integers() -> None:
    x = tensor(2, 3, 6, 6, dtype="int64")
    check(*max_pool(x, kernel_size=3, strides=2, padding=1, return_indices=True), average_pool(x, kernel_size=2))


def test_channels_stay_last_between_a_convolution_and_pooling() -> None:
    x, filters = tensor(2, 5, 12, 11), tensor(16, 5, 3, 3, seed=1)
    for pool in (max_pool, average_pool):
        y = pool(cnp.nn.relu(convolution(x, filters, padding=1)), kernel_size=2, strides=2)
        outputs = [y, *chain_rule({y: tensor(*y.shape, seed=2)}, [x, filters])]
        check(*outputs)
        assert "numpy" not in mosaic.compile(outputs, inputs=[x, filters]).explain()


def test_adaptive_pooling() -> None:
    x = tensor(2, 3, 7, 8)
    outputs = [*_with_gradient(adaptive_average_pool(x, (3, 5)), x), *_with_gradient(adaptive_max_pool(x, (3, 5)), x)]
    check(*outputs)
    assert "numpy" not in mosaic.compile(outputs, inputs=[x]).explain()


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
