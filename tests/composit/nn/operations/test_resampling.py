"""interpolate, grid_sample, affine_grid, unfold, fold and shuffles against torch: values, derivatives, errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch.nn.functional as F

import composit.numpy as cnp
from composit.errors import ParameterError, ShapeError
from composit.nn.operations import (
    affine_grid,
    channel_shuffle,
    fold,
    grid_sample,
    interpolate,
    pixel_shuffle,
    pixel_unshuffle,
    unfold,
)
from tests.composit.nn.operations.torch_rows import TorchRow, check_derivatives, check_values, names


def _interpolation(name: str, shape: tuple[int, ...], **options: Any) -> TorchRow:
    torchs = {**options, "recompute_scale_factor": options.get("recompute_scale_factor")}
    if "align_corners" in options and options["mode"] in ("nearest", "nearest-exact", "area"):
        torchs["align_corners"] = None
    return TorchRow(name, lambda x: interpolate(x, **options), lambda x: F.interpolate(x, **torchs), (shape,))


_SHAPES = {"linear": (2, 3, 5), "bilinear": (2, 3, 5, 4), "bicubic": (2, 2, 5, 6), "trilinear": (1, 2, 3, 4, 5)}
_SMOOTH = [
    _interpolation(f"{mode} to {size} {align}", shape, size=size, mode=mode, align_corners=align)
    for mode, shape in _SHAPES.items()
    for align in (False, True)
    for size in (
        tuple(2 * length + 1 for length in shape[2:]),
        tuple(length - 2 for length in shape[2:]),
        (1,) * (len(shape) - 2),
    )
]
_SCALED = [
    _interpolation(
        f"{mode} by {factor} {recompute}", shape, scale_factor=factor, mode=mode, recompute_scale_factor=recompute
    )
    for mode, shape in {**_SHAPES, "nearest": (2, 3, 5, 7), "nearest-exact": (2, 3, 7)}.items()
    for factor, recompute in product((2.0, 0.7, 1.9), (False, True))
]
_NEAREST = [
    _interpolation(f"{mode} of {len(shape) - 2} axes to {size}", shape, size=size, mode=mode)
    for mode in ("nearest", "nearest-exact", "area")
    for shape, size in (((2, 3, 7), (11,)), ((2, 3, 7, 5), (3, 8)), ((1, 2, 3, 4, 5), (6, 2, 5)))
]


def _sampling(x: tuple[int, ...], grid: tuple[int, ...], mode: str, padding_mode: str, align_corners: bool) -> TorchRow:
    options: dict[str, Any] = {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}
    makers = (lambda rng: rng.normal(size=x), lambda rng: rng.uniform(-1.7, 1.7, size=grid))
    return TorchRow(
        f"sample {len(x) - 2} {mode} {padding_mode} {align_corners}",
        lambda *operands: grid_sample(*operands, **options),
        lambda *operands: F.grid_sample(*operands, **options),
        (),
        makers,
    )


_SAMPLED = [
    *(
        _sampling((2, 3, 5, 4), (2, 4, 3, 2), mode, padding_mode, align)
        for mode, padding_mode, align in product(
            ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection"), (False, True)
        )
    ),
    *(
        _sampling((1, 2, 3, 4, 5), (1, 2, 3, 2, 3), mode, padding_mode, False)
        for mode, padding_mode in product(("bilinear", "nearest"), ("zeros", "reflection"))
    ),
]
_OTHERS = [
    TorchRow("shuffled pixels", lambda x: pixel_shuffle(x, 3), lambda x: F.pixel_shuffle(x, 3), ((2, 18, 3, 2),)),
    TorchRow("unshuffled pixels", lambda x: pixel_unshuffle(x, 2), lambda x: F.pixel_unshuffle(x, 2), ((3, 4, 6),)),
    TorchRow("shuffled channels", lambda x: channel_shuffle(x, 3), lambda x: F.channel_shuffle(x, 3), ((2, 6, 3, 2),)),
    TorchRow(
        "unfolded",
        lambda x: unfold(x, kernel_size=(2, 3), strides=(2, 1), padding=1, dilation=(1, 2)),
        lambda x: F.unfold(x, (2, 3), (1, 2), 1, (2, 1)),
        ((2, 3, 6, 7),),
    ),
    TorchRow(
        "unfolded without a batch", lambda x: unfold(x, kernel_size=(2, 2)), lambda x: F.unfold(x, 2), ((3, 4, 5),)
    ),
    TorchRow(
        "folded",
        lambda x: fold(x, (6, 7), kernel_size=(2, 3), strides=(2, 1), padding=1, dilation=(1, 2)),
        lambda x: F.fold(x, (6, 7), (2, 3), (1, 2), 1, (2, 1)),
        ((2, 18, 20),),
    ),
    *(
        TorchRow(
            f"affine grid {size} {align}",
            lambda theta, size=size, align=align: affine_grid(theta, size, align_corners=align),
            lambda theta, size=size, align=align: F.affine_grid(theta, list(size), align_corners=align),
            ((size[0], len(size) - 2, len(size) - 1),),
        )
        for size in ((2, 3, 4, 5), (1, 2, 3, 4, 2))
        for align in (False, True)
    ),
]
_ROWS = [*_SMOOTH, *_SCALED, *_NEAREST, *_SAMPLED, *_OTHERS]
every_row = pytest.mark.parametrize("row", _ROWS, ids=names(_ROWS))


@every_row
def test_values_are_torchs(row: TorchRow) -> None:
    check_values(row, np.float64, 1e-10)
    check_values(row, np.float32, 2e-5)


@every_row
def test_first_derivatives_are_torchs(row: TorchRow) -> None:
    check_derivatives(row, order=1)


# torch has no second derivative of grid_sample.
_TWICE = [*_SMOOTH[::3], *_SCALED[::5], *_NEAREST[:2], *_OTHERS]


@pytest.mark.parametrize("row", _TWICE, ids=names(_TWICE))
def test_second_derivatives_are_torchs(row: TorchRow) -> None:
    check_derivatives(row, order=2)


def test_channels_last_is_channels_first_with_the_axes_moved() -> None:
    x = np.random.default_rng(0).normal(size=(2, 5, 4, 3))
    for mode in ("nearest", "bilinear", "area"):
        value = interpolate(x, (7, 3), mode=mode, channels_last=True)
        first = interpolate(np.moveaxis(x, -1, 1), (7, 3), mode=mode)
        np.testing.assert_array_equal(cnp.evaluate(value), np.moveaxis(cnp.evaluate(first), 1, -1))


def test_unfold_and_fold_take_one_and_three_axes() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5, 6))
    columns = unfold(x, kernel_size=2)
    assert columns.shape == (2, 24, 60)
    counts = cnp.evaluate(fold(np.ones((2, 24, 60)), (4, 5, 6), kernel_size=2))
    np.testing.assert_allclose(cnp.evaluate(fold(columns, (4, 5, 6), kernel_size=2)), x * counts)
    assert unfold(np.ones((1, 2, 9)), kernel_size=3, strides=3).shape == (1, 6, 3)


_X = np.ones((1, 4, 6, 6))
_WRONG: tuple[tuple[Callable[[], object], type[Exception], str], ...] = (
    (lambda: interpolate(_X), ParameterError, "size=None and scale_factor=None"),
    (lambda: interpolate(_X, 3, 2.0), ParameterError, "size=3 and scale_factor=2.0"),
    (lambda: interpolate(_X, 3, mode="cubic"), ParameterError, "mode='cubic'"),
    (lambda: interpolate(_X, 3, mode="linear"), ShapeError, "x with shape (1, 4, 6, 6) and 2 spatial axes"),
    (lambda: interpolate(_X, 3, align_corners=True), ParameterError, "align_corners=True"),
    (lambda: interpolate(_X, scale_factor=0.1), ParameterError, "scale_factor=0.1"),
    (lambda: interpolate(_X, 0), ParameterError, "size=0"),
    (lambda: grid_sample(_X, np.ones((1, 3, 3, 3))), ShapeError, "grid with shape (1, 3, 3, 3)"),
    (lambda: grid_sample(_X, np.ones((1, 3, 3, 2)), mode="linear"), ParameterError, "mode='linear'"),
    (lambda: affine_grid(np.ones((1, 2, 2)), (1, 3, 4, 4)), ShapeError, "theta with shape (1, 2, 2)"),
    (lambda: pixel_shuffle(_X, 3), ShapeError, "upscale_factor=3"),
    (lambda: pixel_unshuffle(_X, 4), ShapeError, "downscale_factor=4"),
    (lambda: channel_shuffle(_X, 3), ParameterError, "groups=3"),
    (lambda: unfold(_X, kernel_size=7), ShapeError, "kernels of (7, 7)"),
    (lambda: fold(np.ones((1, 5, 25)), (6, 6), kernel_size=2), ShapeError, "x with shape (1, 5, 25)"),
)


@pytest.mark.parametrize(("call", "error", "words"), _WRONG, ids=[words for _, _, words in _WRONG])
def test_wrong_arguments_raise_at_the_call(call: Callable[[], object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=re.escape(words)) as raised:
        call()
    assert "expected" in str(raised.value)
    assert ";" in str(raised.value)
