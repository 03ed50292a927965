"""Pooling against torch: values, indices, derivatives, forms of arguments, errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import composit.numpy as cnp
import mosaic
from composit.errors import DtypeError, ParameterError, ShapeError
from composit.nn import chain_rule
from composit.nn.operations import (
    adaptive_average_pool,
    adaptive_max_pool,
    average_pool,
    fractional_max_pool,
    global_average_pool,
    global_max_pool,
    lp_pool,
    max_pool,
    max_unpool,
)
from composit.nn.operations.pooling_windows import WindowMaximum
from tests.composit.nn.operations.torch_rows import TorchRow, assert_close, check_derivatives, check_values, names

_MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVERAGE = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
_LP = {1: F.lp_pool1d, 2: F.lp_pool2d, 3: F.lp_pool3d}
_LP_2 = {2: lambda x, **how: F.lp_pool2d(x, 2, **how)}
_ADAPTIVE_AVERAGE = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}
_ADAPTIVE_MAX = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}


def _row(name: str, ours: Callable[..., Any], torchs: dict[int, Any], x: tuple[int, ...], **options: Any) -> TorchRow:
    rank = len(x) - 2
    strides = options.pop("strides", None)
    return TorchRow(
        name,
        lambda tensor: ours(tensor, strides=strides, **options),
        lambda tensor: torchs[rank](tensor, stride=strides, **options),
        (x,),
    )


_ROWS = (
    _row("max of one axis", max_pool, _MAX, (2, 3, 9), kernel_size=3),
    _row("max of two axes", max_pool, _MAX, (2, 3, 8, 7), kernel_size=2),
    _row("max of three axes", max_pool, _MAX, (1, 2, 5, 6, 7), kernel_size=(2, 3, 2), strides=(1, 2, 2), padding=1),
    _row("max of overlapping windows", max_pool, _MAX, (2, 3, 7, 8), kernel_size=3, strides=2, padding=1),
    _row("max of all windows", max_pool, _MAX, (2, 2, 6, 6), kernel_size=(3, 2), strides=1),
    _row("max, strides longer than the kernel", max_pool, _MAX, (2, 2, 9, 8), kernel_size=2, strides=(3, 4)),
    _row("max with ceil_mode", max_pool, _MAX, (2, 2, 7, 8), kernel_size=3, strides=2, ceil_mode=True),
    _row(
        "max with ceil_mode and padding",
        max_pool,
        _MAX,
        (1, 2, 5, 6),
        kernel_size=2,
        strides=2,
        padding=1,
        ceil_mode=True,
    ),
    _row(
        "max, ceil_mode without a window in padding",
        max_pool,
        _MAX,
        (1, 1, 3, 3),
        kernel_size=2,
        strides=3,
        padding=1,
        ceil_mode=True,
    ),
    _row(
        "max, ceil_mode with a kernel longer than x", max_pool, _MAX, (2, 2, 3, 9), kernel_size=(40, 2), ceil_mode=True
    ),
    _row(
        "max, ceil_mode with dilated and padded kernels longer than x",
        max_pool,
        _MAX,
        (2, 2, 6, 6),
        kernel_size=4,
        strides=9,
        padding=1,
        dilation=3,
        ceil_mode=True,
    ),
    _row(
        "average, ceil_mode with kernels longer than x",
        average_pool,
        _AVERAGE,
        (2, 3, 7, 5),
        kernel_size=40,
        ceil_mode=True,
    ),
    _row(
        "average, ceil_mode with padded kernels longer than x",
        average_pool,
        _AVERAGE,
        (2, 3, 7, 5),
        kernel_size=12,
        padding=2,
        ceil_mode=True,
    ),
    _row(
        "average of padded kernels longer than x, padding not counted",
        average_pool,
        _AVERAGE,
        (2, 3, 7, 5),
        kernel_size=12,
        padding=2,
        ceil_mode=True,
        count_include_pad=False,
    ),
    _row(
        "norm 2, ceil_mode with kernels longer than x",
        lambda x, **how: lp_pool(x, 2, **how),
        _LP_2,
        (2, 3, 7, 5),
        kernel_size=9,
        ceil_mode=True,
    ),
    _row("max with dilation", max_pool, _MAX, (2, 2, 9, 9), kernel_size=2, strides=2, dilation=(2, 3), padding=1),
    _row("max of an empty batch", max_pool, _MAX, (0, 2, 4, 4), kernel_size=2),
    _row("average of one axis", average_pool, _AVERAGE, (2, 3, 9), kernel_size=3, padding=1),
    _row("average of two axes", average_pool, _AVERAGE, (2, 3, 8, 7), kernel_size=2),
    _row(
        "average of three axes",
        average_pool,
        _AVERAGE,
        (1, 2, 5, 6, 7),
        kernel_size=(2, 3, 2),
        strides=(1, 2, 2),
        padding=1,
    ),
    _row("average of overlapping windows", average_pool, _AVERAGE, (2, 3, 7, 8), kernel_size=3, strides=2, padding=1),
    _row(
        "average without padding",
        average_pool,
        _AVERAGE,
        (2, 3, 7, 8),
        kernel_size=3,
        strides=2,
        padding=1,
        count_include_pad=False,
    ),
    _row(
        "average with ceil_mode",
        average_pool,
        _AVERAGE,
        (2, 2, 7, 8),
        kernel_size=3,
        strides=2,
        padding=1,
        ceil_mode=True,
    ),
    _row(
        "average with ceil_mode without padding",
        average_pool,
        _AVERAGE,
        (2, 2, 7, 9),
        kernel_size=(3, 2),
        strides=2,
        padding=1,
        ceil_mode=True,
        count_include_pad=False,
    ),
    _row("average with a divisor", average_pool, _AVERAGE, (2, 2, 6, 6), kernel_size=3, strides=2, divisor_override=5),
    _row("average of an empty batch", average_pool, _AVERAGE, (0, 2, 4, 4), kernel_size=2),
    TorchRow(
        "norm 2",
        lambda x: lp_pool(x, 2, kernel_size=(3, 2), strides=2),
        lambda x: F.lp_pool2d(x, 2, (3, 2), 2),
        ((2, 2, 7, 7),),
    ),
    TorchRow(
        "norm 3 with ceil_mode",
        lambda x: lp_pool(abs(x), 3, kernel_size=3, strides=2, ceil_mode=True),
        lambda x: F.lp_pool1d(abs(x), 3, 3, 2, ceil_mode=True),
        ((2, 2, 8),),
    ),
    TorchRow(
        "adaptive average that divides",
        lambda x: adaptive_average_pool(x, (2, 3)),
        lambda x: F.adaptive_avg_pool2d(x, (2, 3)),
        ((2, 2, 6, 6),),
    ),
    TorchRow(
        "adaptive average that does not divide",
        lambda x: adaptive_average_pool(x, (3, 5)),
        lambda x: F.adaptive_avg_pool2d(x, (3, 5)),
        ((2, 2, 7, 8),),
    ),
    TorchRow(
        "adaptive average to more elements",
        lambda x: adaptive_average_pool(x, (5, None)),
        lambda x: F.adaptive_avg_pool2d(x, (5, None)),
        ((2, 2, 3, 4),),
    ),
    TorchRow(
        "adaptive average of one axis",
        lambda x: adaptive_average_pool(x, 4),
        lambda x: F.adaptive_avg_pool1d(x, 4),
        ((2, 3, 9),),
    ),
    TorchRow(
        "adaptive max that does not divide",
        lambda x: adaptive_max_pool(x, (3, 5)),
        lambda x: F.adaptive_max_pool2d(x, (3, 5)),
        ((2, 2, 7, 8),),
    ),
    TorchRow(
        "adaptive max of three axes",
        lambda x: adaptive_max_pool(x, (2, 3, None)),
        lambda x: F.adaptive_max_pool3d(x, (2, 3, None)),
        ((1, 2, 5, 4, 3),),
    ),
    TorchRow(
        "global average",
        lambda x: global_average_pool(x),
        lambda x: F.adaptive_avg_pool2d(x, 1),
        ((2, 3, 4, 5),),
    ),
    TorchRow("global max", lambda x: global_max_pool(x), lambda x: F.adaptive_max_pool2d(x, 1), ((2, 3, 4, 5),)),
)
every_row = pytest.mark.parametrize("row", _ROWS, ids=names(_ROWS))


@every_row
def test_values_are_torchs(row: TorchRow) -> None:
    check_values(row, np.float64, 1e-10)
    check_values(row, np.float32, 1e-5)


@every_row
def test_first_and_second_derivatives_are_torchs(row: TorchRow) -> None:
    check_derivatives(row, order=2)


_OF_INDICES: tuple[tuple[tuple[int, ...], dict[str, Any]], ...] = (
    ((2, 2, 9), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ((2, 2, 7, 8), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ((2, 2, 7, 8), {"kernel_size": (2, 3), "stride": (2, 1), "dilation": 2, "padding": 1, "ceil_mode": True}),
    ((1, 2, 4, 5, 6), {"kernel_size": 2, "stride": 2}),
    ((2, 2, 5, 6), {"kernel_size": 30, "stride": 30, "ceil_mode": True}),
)


@pytest.mark.parametrize(("shape", "options"), _OF_INDICES)
def test_indices_are_torchs_for_ties_and_nan(shape: tuple[int, ...], options: dict[str, Any]) -> None:
    x = np.random.default_rng(0).integers(0, 3, shape).astype(np.float64)
    x.reshape(-1)[::17] = np.nan
    x.reshape(-1)[::13] = -np.inf
    expected, places = _MAX[len(shape) - 2](torch.tensor(x), return_indices=True, **options)
    ours = {("strides" if name == "stride" else name): value for name, value in options.items()}
    values, indices = cnp.evaluate(max_pool(x, return_indices=True, **ours))
    np.testing.assert_array_equal(values, expected.numpy())
    np.testing.assert_array_equal(indices, places.numpy())
    assert indices.dtype == np.int64
    np.testing.assert_array_equal(cnp.evaluate(max_pool(x, **ours)), values)


@pytest.mark.parametrize(("shape", "options"), _OF_INDICES)
def test_windows_of_nothing_but_minus_infinity_have_an_index_inside(
    shape: tuple[int, ...], options: dict[str, Any]
) -> None:
    # The border is minus infinity too, and comes first.
    x = torch.full(shape, -np.inf, dtype=torch.float64, requires_grad=True)
    expected, places = _MAX[len(shape) - 2](x, return_indices=True, **options)
    expected.backward(torch.ones_like(expected))
    ours = {("strides" if name == "stride" else name): value for name, value in options.items()}
    tensor = cnp.asarray(x.detach().numpy())
    indices, value = max_pool(tensor, return_indices=True, **ours)[1], max_pool(tensor, **ours)
    np.testing.assert_array_equal(cnp.evaluate(indices), places.numpy())
    gradient = cnp.evaluate(chain_rule({value: np.ones(value.shape)}, [tensor])[0])
    np.testing.assert_array_equal(gradient, x.grad.numpy())  # type: ignore[union-attr]  # set by backward


def test_a_tied_window_sends_its_gradient_to_one_element() -> None:
    x = cnp.asarray(np.ones((1, 1, 4, 4)))
    value = max_pool(x, kernel_size=2, strides=2)
    gradient = cnp.evaluate(chain_rule({value: value}, [x])[0])
    assert gradient.sum() == 4
    assert gradient[0, 0].tolist() == [[1, 0, 1, 0], [0, 0, 0, 0]] * 2


@pytest.mark.parametrize("strides", [1, 2, 3])
def test_gradients_at_ties_and_nan_are_torchs(strides: int) -> None:
    x = np.random.default_rng(0).integers(0, 3, (2, 2, 8, 7)).astype(np.float64)
    x[0, 0, ::3, ::2] = np.nan
    ours, other = cnp.asarray(x), torch.tensor(x, requires_grad=True)
    value = max_pool(ours, kernel_size=3, strides=strides, padding=1)
    F.max_pool2d(other, 3, strides, 1).sum().backward()
    gradient = cnp.evaluate(chain_rule({value: np.ones(value.shape)}, [ours])[0])
    np.testing.assert_array_equal(gradient, other.grad.numpy())  # type: ignore[union-attr]  # set by backward


def test_strides_are_one_unless_given() -> None:
    x = np.random.default_rng(0).normal(size=(1, 2, 5, 5))
    assert max_pool(x, kernel_size=(2, 2), channels_last=False).shape == (1, 2, 4, 4)
    assert average_pool(x, kernel_size=(2, 2), channels_last=False, strides=(1, 1), padding=(0, 0)).shape == (
        1,
        2,
        4,
        4,
    )
    assert max_pool(x, kernel_size=2, strides=None).shape == (1, 2, 2, 2)


@pytest.mark.parametrize("pool", [max_pool, average_pool, lambda x, **options: lp_pool(abs(x), 2, **options)])
def test_channels_last_is_channels_first_with_the_axes_moved(pool: Callable[..., Any]) -> None:
    x = np.random.default_rng(0).normal(size=(2, 6, 5, 3))
    value = cnp.evaluate(pool(cnp.asarray(x), kernel_size=(3, 2), channels_last=True, strides=2))
    first = cnp.evaluate(pool(cnp.asarray(np.moveaxis(x, -1, 1)), kernel_size=(3, 2), strides=2))
    np.testing.assert_allclose(value, np.moveaxis(first, 1, -1), rtol=1e-12)
    single = cnp.evaluate(pool(cnp.asarray(x[0]), kernel_size=(3, 2), channels_last=True, strides=2))
    np.testing.assert_allclose(single, value[0], rtol=1e-12)


def test_pooling_to_a_size_takes_channels_last_and_no_batch() -> None:
    x = np.random.default_rng(0).normal(size=(2, 6, 5, 3))
    first = np.moveaxis(x, -1, 1)
    for pool in (adaptive_average_pool, adaptive_max_pool):
        value = cnp.evaluate(pool(x, (4, 2), channels_last=True))
        np.testing.assert_allclose(value, np.moveaxis(cnp.evaluate(pool(first, (4, 2))), 1, -1), rtol=1e-12)
        np.testing.assert_allclose(cnp.evaluate(pool(x[0], (4, 2), channels_last=True)), value[0], rtol=1e-12)
    assert (
        global_average_pool(x, channels_last=True).shape == global_max_pool(x, channels_last=True).shape == (2, 1, 1, 3)
    )
    assert global_average_pool(x, channels_last=True, keepdims=False).shape == (2, 3)
    np.testing.assert_allclose(cnp.evaluate(global_max_pool(x, channels_last=True, keepdims=False)), x.max((1, 2)))


def test_adaptive_indices_are_torchs() -> None:
    x = np.random.default_rng(0).integers(0, 4, (2, 2, 7, 8)).astype(np.float64)
    expected, places = F.adaptive_max_pool2d(torch.tensor(x), (3, 5), return_indices=True)
    values, indices = cnp.evaluate(adaptive_max_pool(x, (3, 5), return_indices=True))
    np.testing.assert_array_equal(values, expected.numpy())
    np.testing.assert_array_equal(indices, places.numpy())


@pytest.mark.parametrize(
    ("shape", "kernel", "size"),
    [((2, 3, 9, 8), 2, (4, 3)), ((1, 2, 6, 7, 8), (2, 1, 3), (3, 4, 2)), ((1, 2, 9, 10, 11), 1, (4, 4, 5))],
)
def test_fractional_pooling_is_torchs_for_given_samples(shape: tuple[int, ...], kernel: Any, size: Any) -> None:
    generator = np.random.default_rng(0)
    x, samples = generator.normal(size=shape), generator.random((*shape[:2], len(size)))
    pool = F.fractional_max_pool2d if len(size) == 2 else F.fractional_max_pool3d
    other = torch.tensor(x, requires_grad=True)
    expected, places = pool(other, kernel, size, return_indices=True, _random_samples=torch.tensor(samples))
    ours = cnp.asarray(x)
    values, indices = fractional_max_pool(ours, kernel, size, samples, return_indices=True)
    np.testing.assert_array_equal(cnp.evaluate(values), expected.detach().numpy())
    np.testing.assert_array_equal(cnp.evaluate(indices), places.numpy())
    expected.sum().backward()
    gradient = chain_rule({values: np.ones(values.shape)}, [ours])[0]
    np.testing.assert_array_equal(cnp.evaluate(gradient), other.grad.numpy())  # type: ignore[union-attr]  # set by backward


def test_unpooling_with_computed_indices_is_differentiated_without_reading_them() -> None:
    x = cnp.asarray(np.random.default_rng(0).normal(size=(1, 2, 5, 6)))
    values, indices = max_pool(x, kernel_size=2, strides=2, return_indices=True)
    spread = max_unpool(values * values, indices, kernel_size=2, output_size=(5, 6))
    (gradient,) = chain_rule({spread: np.ones(spread.shape)}, [x])
    model = mosaic.compile(gradient, inputs=[x])
    # A model that had read the indices would refuse an array whose maxima lie elsewhere.
    other = np.random.default_rng(1).normal(size=x.shape)
    theirs = torch.tensor(other, requires_grad=True)
    pooled, places = F.max_pool2d(theirs, 2, return_indices=True)
    F.max_unpool2d(pooled * pooled, places, 2, output_size=(5, 6)).sum().backward()
    assert theirs.grad is not None
    np.testing.assert_allclose(model(other), theirs.grad.numpy(), rtol=1e-14)


def test_fractional_pooling_draws_by_seed_or_generator() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 9, 8))
    first = cnp.evaluate(fractional_max_pool(x, 2, 4, 7))
    np.testing.assert_array_equal(cnp.evaluate(fractional_max_pool(x, 2, 4, np.random.default_rng(7))), first)
    assert not np.array_equal(cnp.evaluate(fractional_max_pool(x, 2, 4, 8)), first)


@pytest.mark.parametrize(("shape", "options"), _OF_INDICES[:2] + _OF_INDICES[3:])
def test_unpooling_is_torchs(shape: tuple[int, ...], options: dict[str, Any]) -> None:
    # Windows that do not overlap: of equal indices torch keeps any.
    rank = len(shape) - 2
    unpool = {1: F.max_unpool1d, 2: F.max_unpool2d, 3: F.max_unpool3d}[rank]
    x = np.random.default_rng(0).normal(size=shape)
    values, places = _MAX[rank](torch.tensor(x), 2, return_indices=True)
    leaf = values.clone().requires_grad_()
    expected = unpool(leaf, places, 2, output_size=list(shape[2:]))
    ours = cnp.asarray(values.numpy())
    result = max_unpool(ours, places.numpy(), kernel_size=2, output_size=shape[2:])
    np.testing.assert_array_equal(cnp.evaluate(result), expected.detach().numpy())
    weights = np.random.default_rng(1).normal(size=result.shape)
    (expected * torch.tensor(weights)).sum().backward()
    gradient = chain_rule({result: weights}, [ours])[0]
    assert_close(cnp.evaluate(gradient), leaf.grad.numpy(), 1e-12)  # type: ignore[union-attr]  # set by backward


def test_integers_are_pooled() -> None:
    x = np.arange(16, dtype=np.int32).reshape(1, 1, 4, 4)
    largest = max_pool(x, kernel_size=2, strides=2, padding=1)
    assert largest.dtype == np.int32
    assert cnp.evaluate(largest)[0, 0].tolist() == [[0, 2, 3], [8, 10, 11], [12, 14, 15]]
    assert cnp.evaluate(average_pool(x, kernel_size=2, strides=2))[0, 0].tolist() == [[2.5, 4.5], [10.5, 12.5]]


def test_operands_that_are_no_dense_arrays() -> None:
    x = np.random.default_rng(0).normal(size=(6, 7, 4, 4))[::2, ::-1].transpose(0, 2, 1, 3)
    for pool in (max_pool, average_pool):
        ours, dense = cnp.asarray(x), cnp.asarray(x.copy())
        values = [pool(each, kernel_size=2, strides=1) for each in (ours, dense)]
        gradients = [chain_rule({v: v}, [each])[0] for v, each in zip(values, (ours, dense), strict=True)]
        np.testing.assert_array_equal(*cnp.evaluate(values))
        np.testing.assert_array_equal(*cnp.evaluate(gradients))


def test_a_maximum_is_one_node() -> None:
    value = max_pool(np.ones((1, 2, 4, 4)), kernel_size=2)
    assert len(value.graph) == 2
    assert isinstance(value.node.operation, WindowMaximum)


_X = np.ones((1, 4, 6, 6))
_WRONG: tuple[tuple[Callable[[], object], type[Exception], str], ...] = (
    (lambda: max_pool(np.ones((6, 6)), kernel_size=2), ShapeError, "x with shape (6, 6) and 2"),
    (
        lambda: max_pool(_X, kernel_size=7),
        ShapeError,
        "kernels of (7, 7) elements slide over x with spatial lengths (6, 6)",
    ),
    (lambda: max_pool(_X, kernel_size=2, padding=2), ParameterError, "at most half"),
    (lambda: max_pool(_X, kernel_size=0), ParameterError, "kernel_size=0"),
    (lambda: average_pool(_X, kernel_size=2, strides=0), ParameterError, "strides=0"),
    (lambda: average_pool(_X, kernel_size=2, divisor_override=0), ParameterError, "divisor_override=0"),
    (lambda: max_pool(_X.astype(complex), kernel_size=2), DtypeError, "x of complex128"),
    (lambda: lp_pool(_X, 0, kernel_size=2), ParameterError, "norm=0"),
    (lambda: adaptive_average_pool(_X, (1, 2, 3, 4)), ShapeError, "(1, 2, 3, 4)"),
    (lambda: adaptive_max_pool(np.ones((1, 2, 0, 3)), 2), ShapeError, "x with shape (1, 2, 0, 3)"),
    (lambda: adaptive_max_pool(_X, -1), ParameterError, "output_size=-1"),
    (lambda: fractional_max_pool(_X, 2, 6, 0), ParameterError, "output_size=6"),
    (lambda: fractional_max_pool(_X, 2, 3, np.ones(4)), ShapeError, "samples with shape (4,)"),
    (lambda: max_unpool(_X, np.zeros((1, 4, 6, 5), int), kernel_size=2), ShapeError, "indices with shape (1, 4, 6, 5)"),
)


@pytest.mark.parametrize(("call", "error", "words"), _WRONG, ids=[words for _, _, words in _WRONG])
def test_wrong_arguments_raise_at_the_call(call: Callable[[], object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=re.escape(words)) as raised:
        call()
    assert "expected" in str(raised.value)
    assert ";" in str(raised.value)


def test_an_index_out_of_bounds_raises_numpys_error() -> None:
    with pytest.raises(IndexError):
        cnp.evaluate(max_unpool(_X, np.full(_X.shape, 10_000), kernel_size=2))


def test_fractional_pooling_takes_an_empty_batch() -> None:
    pooled = fractional_max_pool(cnp.ones((0, 1, 4, 5)), (2, 1), 2, samples=0)
    assert (pooled.shape, cnp.evaluate(pooled).shape) == ((0, 1, 2, 2), (0, 1, 2, 2))
