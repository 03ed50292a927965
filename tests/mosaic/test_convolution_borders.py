"""Convolutions at the border of a program, where channels come first: what is converted there, and what is not."""

from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.nn import relu
from composit.nn.operations import average_pool, convolution
from mosaic.algorithms.measuring import program_of
from tests.mosaic.c_text import c_text
from tests.mosaic.comparison import assert_same_values, tensor


def _stage(name: str, output: Any, *inputs: Any, **options: Any) -> list[str]:
    (text,) = [stage.text for stage in mosaic.stages(output, inputs=list(inputs), **options) if stage.name == name]
    return [line for line in text.splitlines() if "=" in line]


def _check(output: Any, x: Any, **options: Any) -> mosaic.CompiledModel:
    model = mosaic.compile(output, inputs=[x], **options)
    np.testing.assert_allclose(model(cnp.evaluate(x)), cnp.evaluate(output), rtol=1e-4, atol=1e-4)
    return model


def test_an_image_with_a_border_is_stored_once_with_channels_last() -> None:
    x, filters = tensor(2, 20, 13, 12), tensor(24, 20, 3, 3, seed=1)
    y = convolution(x, filters, padding=1)
    lines = _stage("write_as_read", y, x, algorithms={"conv2d": "direct"})
    copies = [line for line in lines if line.split(" = ")[1].startswith(("input_", "temporary_")) and "@" not in line]
    assert len(copies) == 2, copies  # the image into the middle of its border, and the result
    _check(y, x, algorithms={"conv2d": "direct"})


def test_an_image_that_something_else_reads_too_keeps_its_order() -> None:
    x, filters = tensor(1, 16, 8, 8), tensor(24, 16, 3, 3, seed=1)
    wide = cnp.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    outputs = [convolution(wide, filters), cnp.sum(wide, axis=(2, 3))]
    model = mosaic.compile(outputs, inputs=[x], algorithms={"conv2d": "direct"})
    for found, wanted in zip(model(cnp.evaluate(x)), cnp.evaluate(*outputs), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["direct", "winograd", "implicit precomp gemm"])
def test_what_follows_the_last_convolution_is_computed_by_it_and_then_copied_by_squares(name: str) -> None:
    x, filters, bias = tensor(1, 20, 18, 17), tensor(40, 20, 3, 3, seed=1), tensor(40, 1, 1, seed=2)
    y = relu(convolution(x, filters) + bias)
    lines = _stage("fuse_epilogues", y, x, algorithms={"conv2d": name})
    assert sum(" then " in line for line in lines) == 1
    assert lines[-1].count("temporary") == 2  # a copy
    assert "transpose_f32" in _check(y, x, algorithms={"conv2d": name}).source


def test_a_residual_that_lies_with_channels_first_is_added_in_a_pass_of_its_own() -> None:
    x, filters = tensor(1, 16, 9, 9), tensor(16, 16, 3, 3, seed=1)
    y = convolution(x, filters, padding=1) + x
    lines = _stage("fuse_epilogues", y, x, algorithms={"conv2d": "direct"})
    assert not any(" then " in line for line in lines)
    _check(y, x, algorithms={"conv2d": "direct"})


def test_filters_of_one_tap_are_one_product_of_all_lines_with_no_copy() -> None:
    x, filters, bias = tensor(2, 20, 9, 7), tensor(24, 20, 1, 1, seed=1), tensor(24, 1, 1, seed=2)
    y = convolution(x, filters) + bias
    (line,) = _stage("fuse_epilogues", y, x, algorithms={"conv2d": "lines"})
    assert "[2, 24, 63]" in line
    assert " then add(" in line
    _check(y, x, algorithms={"conv2d": "lines"})


@pytest.mark.parametrize(
    ("x", "filters", "options"),
    [
        ((2, 3, 9, 23), (10, 3, 3, 3), {"padding": 1}),
        ((1, 3, 23, 40), (8, 3, 7, 7), {"padding": 3, "strides": 2}),
        ((1, 6, 12, 18), (12, 3, 3, 2), {"groups": 2, "dilation": (1, 2)}),
        ((2, 8, 9, 20), (5, 8, 1, 1), {"strides": (3, 2)}),
        ((3, 5, 33), (6, 5, 3), {"padding": 1}),
        ((1, 4, 5, 6, 17), (9, 4, 2, 1, 3), {}),
    ],
)
def test_lines_compute_what_follows_where_they_are_stored(
    x: tuple[int, ...], filters: tuple[int, ...], options: dict[str, Any]
) -> None:
    image, weight = tensor(*x), tensor(*filters, seed=1)
    family = f"conv{len(x) - 2}d"
    bias = tensor(filters[0], *[1] * (len(x) - 2), seed=2)
    y = relu(convolution(image, weight, **options) + bias)
    lines = _stage("fuse_epilogues", y, image, algorithms={family: "lines"})
    assert sum(" then " in line for line in lines) == 1
    _check(y, image, algorithms={family: "lines"})


def test_a_table_says_where_the_rows_of_windows_are() -> None:
    x, filters = tensor(1, 3, 9, 40), tensor(8, 3, 3, 3, seed=1)
    source = c_text(convolution(x, filters), inputs=[x], algorithms={"conv2d": "lines"})
    assert "b_starts[k]" in source
    assert "transpose_" not in source


def test_lines_are_the_default_at_the_border_and_not_between_convolutions() -> None:
    x = tensor(1, 3, 64, 64)
    first = relu(convolution(x, tensor(32, 3, 3, 3, seed=1), padding=1) + tensor(32, 1, 1, seed=2))
    assert _convolutions(mosaic.compile(first, inputs=[x]))[0].algorithm.name == "lines"
    hidden = relu(convolution(first, tensor(64, 32, 1, 1, seed=3)))
    last = convolution(hidden, tensor(64, 64, 3, 3, seed=4), padding=1)
    cases = [each.occurrence.case for each in _convolutions(mosaic.compile(last, inputs=[x]))]
    assert [(case.is_entering, case.is_leaving) for case in cases] == [(True, False), (False, False), (False, True)]
    pooled = average_pool(first, kernel_size=2)
    (case,) = [each.occurrence.case for each in _convolutions(mosaic.compile(pooled, inputs=[x]))]
    assert (case.is_entering, case.is_leaving) == (True, False)


def test_algorithms_are_timed_in_the_order_of_channels_that_they_meet() -> None:
    x = tensor(1, 8, 10, 12)
    first = convolution(x, tensor(16, 8, 3, 3, seed=1))
    y = convolution(first, tensor(16, 16, 1, 1, seed=2))
    programs = [str(program_of(each.occurrence.case)) for each in mosaic.compile(y, inputs=[x]).algorithms]
    assert ["float32[1, 8, 10, 16]" in text for text in programs] == [True, True]  # what is between lies so
    assert [text.count("transpose") for text in programs] == [1, 1]
    model = mosaic.compile(y, inputs=[x], algorithms={"conv2d": "measured"})
    assert all(any(each.seconds for each in choice.estimates) for choice in model.algorithms)
    np.testing.assert_allclose(model(cnp.evaluate(x)), cnp.evaluate(y), rtol=1e-4, atol=1e-4)


def _convolutions(model: mosaic.CompiledModel) -> list[Any]:
    return [each for each in model.algorithms if each.occurrence.operation == "conv2d"]


@pytest.mark.parametrize(
    ("x", "filters", "options"),
    [
        ((2, 12, 7, 7), (12, 1, 3, 3), {"padding": 1, "groups": 12}),
        ((1, 8, 14, 15), (12, 2, 5, 3), {"groups": 4}),
        ((1, 6, 9, 20), (6, 1, 3, 2), {"padding": 2, "dilation": (2, 1), "groups": 6}),
    ],
)
def test_short_lines_of_a_plane_are_computed_as_one(
    x: tuple[int, ...], filters: tuple[int, ...], options: dict[str, Any]
) -> None:
    image, weight = tensor(*x), tensor(*filters, seed=1)
    y = convolution(image, weight, **options) + tensor(filters[0], 1, 1, seed=2)
    lengths = [length + 2 * options.get("padding", 0) for length in x[2:]]
    height, width = y.shape[2:]
    used = (height - 1) * lengths[1] + width
    assert any(f"{used}" in line.split(" = ")[0] for line in _stage("fuse_rows", y, image))
    _check(y, image)


def test_every_second_element_is_loaded_by_two_vectors() -> None:
    x, filters = tensor(1, 16, 12, 120), tensor(16, 1, 3, 3, seed=1)
    y = convolution(x, filters, groups=16, strides=2)
    assert "load_every_second_f32" in _check(y, x).source
    # The last vector ends at the last element of the array.
    for length in (31, 32, 33, 63, 64, 65):
        z = tensor(length, seed=length)
        assert_same_values(mosaic.compile(z[::2] * 2, inputs=[z])(cnp.evaluate(z)), cnp.evaluate(z[::2] * 2))
