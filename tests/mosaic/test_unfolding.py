"""unfold, fold and interpolation in C: values against numpy's, and no numpy between the kernels."""

from __future__ import annotations

from typing import Any

import pytest

import mosaic
from composit.nn import chain_rule
from composit.nn.operations import fold, grid_sample, interpolate, unfold
from tests.mosaic.comparison import check, tensor
from tests.sampling import one_in


def _check_with_gradients(result: Any, *inputs: Any) -> None:
    outputs = [result, *chain_rule({result: tensor(*result.shape, seed=9)}, list(inputs))]
    check(*outputs)
    assert "numpy" not in mosaic.compile(outputs, inputs=list(inputs)).explain()


_OPTIONS: list[dict[str, Any]] = [
    {"kernel_size": 2},
    {"kernel_size": (2, 3), "strides": (2, 1), "padding": 1, "dilation": (1, 2)},
    {"kernel_size": 3, "strides": 2, "dilation": 2, "padding": 1},
    {"kernel_size": 2, "strides": 3},
]


@pytest.mark.parametrize("options", one_in(2, _OPTIONS, first=1))
def test_unfold_and_fold(options: dict[str, Any]) -> None:
    x = tensor(2, 3, 7, 8)
    columns = unfold(x, **options)
    _check_with_gradients(columns, x)
    given = tensor(*columns.shape, seed=1)
    _check_with_gradients(fold(given, (7, 8), **options), given)


@pytest.mark.parametrize("mode", one_in(2, ["nearest", "bilinear", "area", "bicubic"]))
def test_interpolation(mode: str) -> None:
    x = tensor(2, 3, 5, 4)
    _check_with_gradients(interpolate(x, (7, 3), mode=mode), x)


def test_grid_sampling() -> None:
    x, grid = tensor(2, 3, 5, 4), tensor(2, 4, 3, 2, seed=5)
    _check_with_gradients(grid_sample(x, grid), x, grid)
