"""Convolution and transposed convolution against torch: values, derivatives, forms of arguments, errors."""

from __future__ import annotations

import re
from typing import Any, Literal

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import composit.numpy as cnp
from composit.errors import DtypeError, ParameterError, ShapeError
from composit.nn import chain_rule
from composit.nn.operations import convolution, convolution_arrays, transposed_convolution
from composit.nn.operations.convolution import Convolution
from tests.composit.nn.operations.torch_rows import TorchRow, assert_close, check_derivatives, check_values, names

_OF_RANK = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSED_OF_RANK = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def _row(name: str, x: tuple[int, ...], filters: tuple[int, ...], bias: bool = False, **options: Any) -> TorchRow:
    torchs = {"stride": options.pop("strides", 1), **options}
    rank = len(filters) - 2
    shapes = (x, filters, (filters[0],)) if bias else (x, filters)
    return TorchRow(
        name,
        lambda *operands: convolution(*operands, strides=torchs["stride"], **options),
        lambda *operands: _OF_RANK[rank](*operands, **torchs),
        shapes,
    )


def _transposed(
    name: str, x: tuple[int, ...], filters: tuple[int, ...], bias: int | None = None, **options: Any
) -> TorchRow:
    torchs = {"stride": options.pop("strides", 1), **options}
    rank = len(filters) - 2
    shapes = (x, filters) if bias is None else (x, filters, (bias,))
    return TorchRow(
        name,
        lambda *operands: transposed_convolution(*operands, strides=torchs["stride"], **options),
        lambda *operands: _TRANSPOSED_OF_RANK[rank](*operands, **torchs),
        shapes,
    )


_ROWS = (
    _row("of one axis", (2, 3, 9), (4, 3, 3)),
    _row("of one axis, all options", (2, 4, 11), (6, 2, 3), bias=True, strides=2, padding=3, dilation=2, groups=2),
    _row("of two axes", (2, 3, 7, 6), (4, 3, 3, 2)),
    _row("bias", (2, 3, 5, 5), (4, 3, 3, 3), bias=True),
    _row("strides that leave elements over", (2, 3, 8, 9), (4, 3, 3, 3), strides=(2, 3)),
    _row("strides longer than the kernel", (1, 2, 11, 10), (3, 2, 2, 2), strides=(4, 3)),
    _row("padding of each axis", (2, 2, 4, 5), (3, 2, 3, 3), padding=(1, 2)),
    _row("padding wider than the kernel", (1, 2, 3, 3), (3, 2, 2, 2), padding=4),
    _row("dilation", (2, 2, 9, 9), (3, 2, 3, 3), dilation=(2, 3)),
    _row("groups", (2, 6, 6, 6), (4, 3, 3, 3), groups=2),
    _row("depthwise", (2, 5, 6, 6), (5, 1, 3, 3), groups=5, padding=1),
    _row("depthwise with several outputs", (2, 3, 6, 6), (6, 1, 3, 3), groups=3),
    _row("one by one", (2, 3, 5, 4), (4, 3, 1, 1)),
    _row("one by one with strides", (2, 3, 5, 4), (4, 3, 1, 1), strides=2),
    _row("kernel as large as x", (2, 3, 4, 5), (4, 3, 4, 5)),
    _row("same", (2, 3, 6, 7), (4, 3, 5, 3), padding="same"),
    _row("same with dilation", (2, 3, 9, 8), (4, 3, 2, 3), padding="same", dilation=2),
    _row("valid", (2, 3, 6, 7), (4, 3, 3, 3), padding="valid"),
    _row("without a batch", (3, 6, 7), (4, 3, 3, 3), bias=True, padding=1),
    _row("empty batch", (0, 3, 6, 7), (4, 3, 3, 3), bias=True),
    _row("of three axes", (2, 2, 5, 4, 6), (3, 2, 2, 3, 2)),
    _row(
        "of three axes, all options",
        (1, 4, 6, 7, 8),
        (4, 2, 2, 3, 2),
        strides=(1, 2, 3),
        padding=1,
        dilation=2,
        groups=2,
    ),
    _transposed("transposed of one axis", (2, 3, 5), (3, 4, 3), bias=4, strides=2),
    _transposed("transposed of two axes", (2, 3, 4, 5), (3, 4, 3, 2)),
    _transposed("transposed with strides", (2, 3, 4, 5), (3, 4, 3, 3), strides=(2, 3), padding=(1, 0)),
    _transposed("transposed with strides longer than the kernel", (2, 2, 3, 3), (2, 3, 2, 2), strides=4),
    _transposed("output padding", (2, 3, 4, 5), (3, 4, 3, 3), strides=2, padding=1, output_padding=1),
    _transposed(
        "output padding below the dilation", (2, 2, 4, 4), (2, 3, 2, 2), strides=1, dilation=3, output_padding=2
    ),
    _transposed("transposed with groups", (2, 4, 4, 3), (4, 3, 3, 3), bias=6, groups=2, dilation=2, strides=2),
    _transposed("transposed depthwise", (2, 4, 4, 3), (4, 1, 3, 3), groups=4),
    _transposed("transposed without a batch", (3, 4, 3), (3, 2, 2, 2)),
    _transposed("transposed of three axes", (1, 2, 3, 2, 3), (2, 3, 2, 2, 3), strides=2, output_padding=(1, 0, 1)),
)
every_row = pytest.mark.parametrize("row", _ROWS, ids=names(_ROWS))


@every_row
def test_values_are_torchs(row: TorchRow) -> None:
    check_values(row, np.float64, 1e-10)
    check_values(row, np.float32, 1e-5)


@every_row
def test_first_and_second_derivatives_are_torchs(row: TorchRow) -> None:
    check_derivatives(row, order=2)


@every_row
def test_one_product_for_each_tap_gives_the_same(row: TorchRow, monkeypatch: pytest.MonkeyPatch) -> None:
    # As for columns that would be large: those of these rows are small.
    monkeypatch.setattr(convolution_arrays, "_MOST_COLUMN_BYTES", 0)
    check_values(row, np.float64, 1e-10)
    check_derivatives(row, order=1)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_padding_modes_are_those_of_torchs_layers(mode: Literal["reflect", "replicate", "circular"]) -> None:
    layer = torch.nn.Conv2d(2, 3, 3, padding=(1, 2), padding_mode=mode, dtype=torch.float64)
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()  # type: ignore[union-attr]  # it has one
    x = np.random.default_rng(0).normal(size=(2, 2, 5, 6))
    ours, other = cnp.asarray(x), torch.tensor(x, requires_grad=True)
    value = convolution(ours, weight, bias, padding=(1, 2), padding_mode=mode)
    expected = layer(other)
    assert_close(cnp.evaluate(value), expected.detach().numpy(), 1e-10)
    (gradient,) = chain_rule({value: value}, [ours])
    expected.sum().backward()
    assert_close(cnp.evaluate(gradient), other.grad.numpy(), 1e-10)  # type: ignore[union-attr]  # set by backward


def test_padding_of_each_side() -> None:
    x, filters = np.random.default_rng(0).normal(size=(2, 3, 5, 6)), np.random.default_rng(1).normal(size=(4, 3, 3, 3))
    padded = np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 2)))
    value = convolution(x, filters, padding=((1, 0), (0, 2)))
    assert_close(cnp.evaluate(value), F.conv2d(torch.tensor(padded), torch.tensor(filters)).numpy(), 1e-10)


def test_same_with_strides_has_the_length_over_the_stride() -> None:
    x, filters = np.random.default_rng(0).normal(size=(1, 1, 7, 8)), np.random.default_rng(1).normal(size=(1, 1, 3, 3))
    value = convolution(x, filters, padding="same", strides=2)
    # 7 -> 4 needs (4 - 1) * 2 + 3 - 7 = 2 more elements, 8 -> 4 needs 1, which goes to the end.
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 1)))
    assert value.shape == (1, 1, 4, 4)
    assert_close(cnp.evaluate(value), F.conv2d(torch.tensor(padded), torch.tensor(filters), stride=2).numpy(), 1e-10)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_channels_last_is_channels_first_with_the_axes_moved(rank: int) -> None:
    generator = np.random.default_rng(rank)
    x, filters = generator.normal(size=(2, *[6, 5, 4][:rank], 4)), generator.normal(size=(6, *[3, 2, 2][:rank], 2))
    bias = generator.normal(size=6)
    value = cnp.evaluate(convolution(x, filters, bias, channels_last=True, strides=2, padding=1, groups=2))
    first = convolution(np.moveaxis(x, -1, 1), np.moveaxis(filters, -1, 1), bias, strides=2, padding=1, groups=2)
    np.testing.assert_allclose(value, np.moveaxis(cnp.evaluate(first), 1, -1), rtol=1e-12)
    single = cnp.evaluate(convolution(x[0], filters, bias, channels_last=True, strides=2, padding=1, groups=2))
    np.testing.assert_allclose(single, value[0], rtol=1e-12)
    spread = transposed_convolution(value, filters, channels_last=True, strides=2, padding=1, groups=2)
    other = transposed_convolution(
        np.moveaxis(value, -1, 1), np.moveaxis(filters, -1, 1), strides=2, padding=1, groups=2
    )
    np.testing.assert_allclose(cnp.evaluate(spread), np.moveaxis(cnp.evaluate(other), 1, -1), rtol=1e-12)


@pytest.mark.parametrize("options", [{}, {"strides": 2, "padding": 1}])
def test_operands_that_are_no_dense_arrays(options: dict[str, Any]) -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(6, 7, 4, 4))[::2, ::-1].transpose(0, 2, 1, 3)
    filters = np.broadcast_to(generator.normal(size=(3, 4, 1, 3)), (3, 4, 3, 3))[..., ::-1]
    value = cnp.evaluate(convolution(x, filters, **options))
    expected = convolution(x.copy(), filters.copy(), **options)
    np.testing.assert_allclose(value, cnp.evaluate(expected), rtol=1e-12)


def test_dtypes_promote_as_numpys() -> None:
    x, filters = np.ones((1, 2, 4, 4), np.float32), np.ones((3, 2, 3, 3), np.float64)
    assert convolution(x, filters).dtype == cnp.evaluate(convolution(x, filters)).dtype == np.float64
    whole = convolution(np.ones((1, 2, 4, 4), np.int32), np.ones((3, 2, 3, 3), np.int32))
    assert whole.dtype == np.int32
    assert cnp.evaluate(whole).tolist() == np.full((1, 3, 2, 2), 18).tolist()


def test_a_sum_over_no_channels_is_zero() -> None:
    x, filters = cnp.asarray(np.ones((2, 0, 4, 4))), cnp.asarray(np.ones((3, 0, 3, 3)))
    value = convolution(x, filters)
    assert cnp.evaluate(value).tolist() == np.zeros((2, 3, 2, 2)).tolist()
    to_x, to_filters = cnp.evaluate(chain_rule({value: value}, [x, filters]))
    assert (to_x.shape, to_filters.shape) == (x.shape, filters.shape)


def test_a_convolution_is_one_node() -> None:
    value = convolution(np.ones((1, 2, 4, 4)), np.ones((3, 2, 3, 3)))
    assert len(value.graph) == 3
    assert isinstance(value.node.operation, Convolution)


_X, _FILTERS = np.ones((1, 4, 6, 6)), np.ones((6, 4, 3, 3))
_WRONG: tuple[tuple[Any, Any, dict[str, Any], type[Exception], str], ...] = (
    (
        _X,
        np.ones((6, 3, 3, 3)),
        {},
        ShapeError,
        "x with shape (1, 4, 6, 6) has 4 channels, but filters with shape (6, 3, 3, 3) take 3",
    ),
    (np.ones((1, 6, 6, 4)), _FILTERS, {}, ShapeError, "has 6 channels"),
    (_X, np.ones((6, 4)), {}, ShapeError, "filters with shape (6, 4)"),
    (np.ones((6, 6)), _FILTERS, {}, ShapeError, "x with shape (6, 6)"),
    (_X, np.ones((6, 4, 7, 3)), {}, ShapeError, "kernels of (7, 3) elements slide over x with spatial lengths (6, 6)"),
    (_X, _FILTERS, {"dilation": 3}, ShapeError, "which span (7, 7) with dilation (3, 3)"),
    (_X, np.ones((6, 4, 0, 3)), {}, ShapeError, "at least one element"),
    (_X, _FILTERS, {"groups": 4}, ParameterError, "groups=4"),
    (_X, _FILTERS, {"groups": 2}, ShapeError, "in each of 2 groups"),
    (_X, _FILTERS, {"strides": 0}, ParameterError, "strides=0"),
    (_X, _FILTERS, {"strides": (1, 2, 3)}, ParameterError, "strides=(1, 2, 3) was given for 2 spatial axes"),
    (_X, _FILTERS, {"strides": 1.5}, ParameterError, "strides=1.5"),
    (_X, _FILTERS, {"padding": -1}, ParameterError, "padding=-1"),
    (_X, _FILTERS, {"padding": "full"}, ParameterError, "padding='full'"),
    (_X, _FILTERS, {"padding": ((1, 1),)}, ParameterError, "padding=((1, 1),)"),
    (_X, _FILTERS, {"padding_mode": "mirror", "padding": 1}, ParameterError, "padding_mode='mirror'"),
    (_X, _FILTERS, {"bias": np.ones(5)}, ShapeError, "bias with shape (5,) was given for 6 outputs"),
    (_X.astype(bool), _FILTERS, {}, DtypeError, "x of bool"),
)


@pytest.mark.parametrize(("x", "filters", "options", "error", "words"), _WRONG, ids=[row[4][:40] for row in _WRONG])
def test_wrong_arguments_raise_at_the_call(
    x: Any, filters: Any, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=re.escape(words)) as raised:
        convolution(x, filters, **options)
    assert "expected" in str(raised.value)
    assert ";" in str(raised.value)


_WRONG_TRANSPOSED: tuple[tuple[Any, dict[str, Any], type[Exception], str], ...] = (
    (np.ones((1, 3, 4, 4)), {}, ShapeError, "has 3 channels, but filters with shape (6, 4, 3, 3) take 6"),
    (np.ones((1, 6, 4, 4)), {"output_padding": 1}, ParameterError, "output_padding=(1, 1)"),
    (np.ones((1, 6, 4, 4)), {"padding": 3}, ShapeError, "give a result with lengths (0, 0)"),
    (np.ones((1, 6, 4, 4)), {"groups": 4}, ParameterError, "groups=4 was given for 6 channels of x"),
)


@pytest.mark.parametrize(("x", "options", "error", "words"), _WRONG_TRANSPOSED)
def test_wrong_arguments_of_a_transposed_convolution_raise_at_the_call(
    x: Any, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=re.escape(words)):
        transposed_convolution(x, _FILTERS, **options)
