"""Arrays with channels last: what follows a convolution is in its epilogue, or runs along the channels."""

from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.nn import relu
from composit.nn.operations import convolution
from mosaic.ir.expressions import Apply, Load
from mosaic.ir.statements import Definition
from mosaic.ir.views import Buffer, BufferKind, View
from mosaic.passes.canonical_axes import canonical
from tests.mosaic.comparison import assert_same_values, check, tensor


def _stage(name: str, output: Any, *inputs: Any) -> list[str]:
    (text,) = [stage.text for stage in mosaic.stages(output, inputs=list(inputs)) if stage.name == name]
    return [line for line in text.splitlines() if "=" in line]


def _normalised(x: Any, num_channels: int) -> Any:
    scale, shift = (tensor(num_channels, 1, 1, seed=seed) for seed in (1, 2))
    return relu((x - shift) * scale + shift)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_convolutions_epilogue_takes_a_normalisation_and_an_activation(batch: int) -> None:
    x, first, second = tensor(batch, 3, 9, 9), tensor(16, 3, 3, 3), tensor(8, 16, 3, 3)
    y = cnp.sum(convolution(_normalised(convolution(x, first), 16), second), axis=(2, 3))
    lines = _stage("fuse_rows", y, x)
    products = [line for line in lines if " @ " in line]
    assert [" then where(less(add(multiply(subtract(" in line for line in products] == [True, False]
    assert "less" not in "".join(line for line in lines if line not in products)
    check(y)


@pytest.mark.parametrize("batch", [1, 2])
def test_rows_of_a_product_go_into_an_array_with_a_border(batch: int) -> None:
    x, wide, depthwise = tensor(batch, 4, 8, 7), tensor(24, 4, 1, 1), tensor(24, 1, 3, 3)
    hidden = _normalised(convolution(x, wide), 24)
    y = _normalised(convolution(hidden, depthwise, padding=1, groups=24), 24)
    lines = _stage("fuse_rows", y, x)
    (product,) = [line for line in lines if " @ " in line]
    assert " then where(less(" in product
    assert product.split(" = ")[0].endswith("from 240]")  # inside the border of 9 columns of 24 channels
    check(y)


def test_products_of_few_rows_are_not_cut_into_fewer() -> None:
    x, wide, depthwise = tensor(1, 4, 16, 3), tensor(24, 4, 1, 1), tensor(24, 1, 3, 3)
    y = convolution(_normalised(convolution(x, wide), 24), depthwise, padding=1, groups=24)
    (product,) = [line for line in _stage("fuse_rows", y, x) if " @ " in line]
    assert "[48, 24] = " in product
    assert " then " not in product
    check(y)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16"])
def test_filters_of_a_depthwise_convolution_are_stored_as_its_lanes_read_them(dtype: str) -> None:
    x, filters = tensor(1, 8, 8, 16, dtype=dtype), tensor(16, 1, 3, 3, dtype=dtype, seed=1)
    y = cnp.sum(convolution(cnp.moveaxis(x, -1, 1), filters, groups=16), axis=(2, 3))
    reads = "".join(_stage("store_constants", y, x)).split("constant_")[1:]
    assert len(reads) == 9
    assert len({read.split("[")[0] for read in reads}) == 1  # one array holds all taps
    assert all(" by 1, 0, 0" in read.split("]")[0] for read in reads), reads  # 16 lanes, and 36 positions to sum over
    assert_same_values(mosaic.compile(y, inputs=[x])(cnp.evaluate(x)), cnp.evaluate(y))


@pytest.mark.parametrize("is_constant", [True, False])
def test_lanes_run_along_channels_where_a_window_has_few_elements_in_a_row(is_constant: bool) -> None:
    x, filters = tensor(1, 12, 12, 32), tensor(32, 1, 7, 7, seed=1)
    y = convolution(cnp.moveaxis(x, -1, 1), filters, groups=32, channels_last=False)
    inputs = [x] if is_constant else [x, filters]
    last = cnp.moveaxis(y, 1, -1) * 2
    assert "over row" not in "".join(_stage("schedule", last, *inputs))
    given = [cnp.evaluate(each) for each in inputs]
    assert_same_values(mosaic.compile(last, inputs=inputs)(*given), cnp.evaluate(last))


def test_images_of_a_product_are_rows_of_one_matrix() -> None:
    x, weights = tensor(2, 7, 7, 48), tensor(48, 40, seed=1)
    y = relu(x @ weights)
    (product,) = [line for line in _stage("fuse_rows", y, x) if " @ " in line]
    assert "[98, 40] = input_0[98, 48] @ constant_0[48, 40]" in product
    check(y)


def test_a_constant_stays_on_the_right_where_the_result_lies_by_columns() -> None:
    x, weights = tensor(1, 7, 7, 48), tensor(40, 48, seed=1)
    y = cnp.exp(cnp.moveaxis(x @ weights.T, -1, 1))
    (product,) = [line for line in _stage("fuse_rows", y, x) if " @ " in line]
    assert "input_0[49, 48] @ constant_0" in product
    check(y)


@pytest.mark.parametrize("strides", [1, 2])
def test_overlapping_windows_of_a_constant_are_not_stored_several_times(strides: int) -> None:
    x, filters = tensor(1, 9, 9, 16), tensor(16, 1, 3, 3, seed=1)
    y = convolution(cnp.moveaxis(x, -1, 1), filters, groups=16, strides=strides)
    model = mosaic.compile(y, inputs=[filters])
    assert model.buffers.constant_bytes < 2 * 9 * 9 * 16 * 4
    assert_same_values(model(cnp.evaluate(filters)), cnp.evaluate(y))


def _view(number: int, strides: tuple[int, ...]) -> View:
    buffer = Buffer(BufferKind.TEMPORARY, number, 64 * 56, np.dtype(np.float32))
    return View(buffer, 0, (64, 56), strides)


def test_axes_go_in_the_order_of_memory_where_all_arrays_agree() -> None:
    read, result = _view(0, (1, 64)), _view(1, (1, 64))
    definition = Definition(result, Apply("exp", (Load(read),), np.dtype(np.float32)), (0,))
    assert str(canonical(definition)) == "temporary_1[3584] = exp(temporary_0[3584])"


def _copy(shape: tuple[int, int]) -> Definition:
    """Return a copy into an array that lies in the other order."""
    source, target = (Buffer(BufferKind.TEMPORARY, each, shape[0] * shape[1], np.dtype(np.float32)) for each in (0, 1))
    read, result = View(source, 0, shape, (shape[1], 1)), View(target, 0, shape, (1, shape[0]))
    return Definition(result, Load(read), (0,))


def test_axes_go_in_the_order_of_the_result_if_that_fills_lanes() -> None:
    assert str(canonical(_copy((64, 56)))) == "temporary_1[56, 64] = temporary_0[56, 64 by 1, 56]"
    assert str(canonical(_copy((3, 56)))) == "temporary_1[3, 56 by 1, 3] = temporary_0[3, 56]"


def test_axes_stay_where_arrays_disagree() -> None:
    read, result = _view(0, (1, 64)), _view(1, (56, 1))
    definition = Definition(result, Apply("exp", (Load(read),), np.dtype(np.float32)), (0,))
    assert str(canonical(definition)) == "temporary_1[64, 56] = exp(temporary_0[64, 56 by 1, 64])"
