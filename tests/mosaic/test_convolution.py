"""Convolution and its adjoints in C: values against numpy's, and no numpy between the kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.nn import chain_rule
from composit.nn.operations import convolution, transposed_convolution
from tests.mosaic.comparison import assert_same_values, check, tensor
from tests.sampling import only

_Row = tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]
_ROWS: dict[str, _Row] = {
    "one axis with strides": ((2, 3, 9), (4, 3, 3), {"strides": 2}),
    "two axes": ((2, 3, 7, 6), (4, 3, 3, 2), {}),
    "more rows than a tile, panels that are not full": ((2, 5, 20, 19), (70, 5, 3, 3), {}),
    "strides that leave elements over": ((2, 3, 8, 9), (4, 3, 3, 3), {"strides": (2, 3)}),
    "strides longer than the kernel": ((1, 2, 11, 10), (3, 2, 2, 2), {"strides": (4, 3)}),
    "dilation that shares a factor with the strides": (
        (1, 2, 13, 12),
        (3, 2, 3, 3),
        {"strides": (4, 2), "dilation": (2, 4)},
    ),
    "padding and dilation": ((2, 2, 9, 9), (3, 2, 3, 3), {"padding": (1, 2), "dilation": (2, 1)}),
    "one by one": ((2, 16, 5, 5), (32, 16, 1, 1), {}),
    "one by one with strides": ((2, 16, 5, 5), (32, 16, 1, 1), {"strides": 2}),
    "kernel as large as x": ((3, 4, 5, 6), (7, 4, 5, 6), {}),
    "one output": ((2, 3, 6, 6), (1, 3, 3, 3), {}),
    "one channel": ((2, 1, 6, 6), (5, 1, 3, 3), {}),
    "groups": ((2, 16, 8, 8), (16, 8, 3, 3), {"groups": 2, "padding": 1}),
    "narrow groups": ((2, 6, 6, 6), (6, 2, 3, 3), {"groups": 3}),
    "depthwise": ((2, 5, 6, 6), (5, 1, 3, 3), {"groups": 5, "padding": 1, "strides": 2}),
    "depthwise with several outputs": ((2, 3, 6, 6), (6, 1, 3, 3), {"groups": 3}),
    "three axes": ((1, 4, 6, 7, 8), (4, 2, 2, 3, 2), {"strides": (1, 2, 3), "padding": 1, "dilation": 2, "groups": 2}),
    "empty batch": ((0, 3, 6, 7), (4, 3, 3, 3), {}),
    "no channels": ((2, 0, 4, 4), (3, 0, 3, 3), {}),
}
# Rows take turns in their dtype.
_DTYPES = {name: ("float32", "float64")[number % 2] for number, name in enumerate(_ROWS)}
_SAMPLE = (
    "two axes",
    "padding and dilation",
    "one by one with strides",
    "groups",
    "depthwise",
    "three axes",
    "empty batch",
)


def _with_gradients(result: Any, *operands: Any) -> list[Any]:
    cotangent = tensor(*result.shape, dtype=str(result.dtype), seed=7)
    return [result, *chain_rule({result: cotangent}, list(operands))]


@pytest.mark.parametrize("name", only(_SAMPLE, _ROWS))
def test_a_convolution_and_its_derivatives_are_numpys(name: str) -> None:
    (x, filters, options), dtype = _ROWS[name], _DTYPES[name]
    operands = tensor(*x, dtype=dtype), tensor(*filters, dtype=dtype, seed=1)
    outputs = _with_gradients(convolution(*operands, **options), *operands)
    check(*outputs)
    assert "numpy" not in mosaic.compile(outputs, inputs=list(operands)).explain()


@pytest.mark.parametrize("options", [{}, {"strides": 2, "groups": 2, "padding": 1}])
def test_integers_are_summed_by_definitions(options: dict[str, Any]) -> None:
    groups = options.get("groups", 1)
    x, filters = tensor(2, 4, 6, 6, dtype="int64"), tensor(6, 4 // groups, 3, 3, dtype="int64", seed=1)
    check(convolution(x, filters, **options))


def test_operands_of_two_dtypes() -> None:
    check(convolution(tensor(1, 3, 6, 6), tensor(4, 3, 3, 3, dtype="float64")))


@pytest.mark.parametrize("options", [{}, {"strides": (2, 3), "padding": 1, "output_padding": 1, "groups": 2}])
def test_a_transposed_convolution_and_its_derivatives_are_numpys(options: dict[str, Any]) -> None:
    x, filters = tensor(2, 8, 5, 4), tensor(8, 6, 3, 3, seed=1)
    outputs = _with_gradients(transposed_convolution(x, filters, **options), x, filters)
    check(*outputs)
    assert "numpy" not in mosaic.compile(outputs, inputs=[x, filters]).explain()


def test_second_derivatives() -> None:
    x, filters = tensor(2, 3, 7, 6, dtype="float64"), tensor(4, 3, 3, 2, dtype="float64", seed=1)
    first = _with_gradients(convolution(x, filters, strides=2), x, filters)[1:]
    loss = sum(cnp.sum(each * each) for each in first)
    check(*chain_rule({loss: loss}, [x, filters]))


def test_channels_last_and_filters_that_are_constants() -> None:
    x, filters, bias = tensor(2, 9, 8, 5), tensor(20, 3, 3, 5, seed=1), tensor(20, seed=2)
    y = cnp.nn.relu(convolution(x, filters, bias, channels_last=True, padding="same"))
    model = mosaic.compile(y, inputs=[x])
    assert_same_values(model(cnp.evaluate(x)), cnp.evaluate(y))
    check(y)


def test_outputs_lie_in_memory_as_numpys() -> None:
    x, filters = tensor(2, 3, 8, 8), tensor(16, 3, 3, 3, seed=1)
    y = convolution(x, filters)
    for result in (y, cnp.nn.relu(y), cnp.nn.max_pool(y, kernel_size=2), cnp.exp(cnp.nn.relu(y)) + 1):
        given = mosaic.compile(result, inputs=[x])(cnp.evaluate(x))
        assert given.strides == cnp.evaluate(result).strides


def test_a_convolution_copies_no_windows() -> None:
    x, filters = tensor(4, 16, 32, 32), tensor(32, 16, 3, 3, seed=1)
    model = mosaic.compile(
        convolution(x, filters, channels_last=False), inputs=[x], algorithms={"conv2d": "implicit gemm"}
    )
    columns = 4 * 30 * 30 * 16 * 9 * 4
    # x and the result with channels last; columns would take 9 times as much as x.
    assert model.buffers.arena_bytes < columns / 2


def test_views_of_x_are_read_where_they_lie() -> None:
    x = tensor(9, 8, 6, 4, dtype="float64")
    seen = cnp.transpose(x[::2, ::-1], (0, 3, 1, 2))
    check(convolution(seen, tensor(8, 4, 3, 3, dtype="float64", seed=1)))


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    x, filters = tensor(2, 8, 20, 20), tensor(32, 8, 3, 3, seed=1)
    outputs = _with_gradients(convolution(x, filters, padding=1), x, filters)
    given = [cnp.evaluate(x), cnp.evaluate(filters)]
    one, two = (mosaic.compile(outputs, inputs=[x, filters], num_threads=n)(*given) for n in (1, 2))
    for first, second in zip(one, two, strict=True):
        np.testing.assert_array_equal(first, second)
