"""Layer, group, batch and root-mean-square normalisation, with the statistics that torch saves and updates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import composit.numpy as cnp
from composit import nn
from composit.nn.layers.normalization import normalized
from composit.operation import Axes, Shape
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, cast, pulled_back, typed
from flashlight.table import Call, register

Optional = LazyTensor | None


def _last_axes(x: LazyTensor, normalized_shape: Sequence[int]) -> Axes:
    return tuple(range(x.ndim - len(normalized_shape), x.ndim))


@register(aten.layer_norm)
def _layer_norm(
    call: Call,
    x: LazyTensor,
    normalized_shape: Sequence[int],
    weight: Optional = None,
    bias: Optional = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> LazyTensor:
    return cast(nn.layer_norm(x, weight, bias, axis=_last_axes(x, normalized_shape), epsilon=eps), call.dtype)


@register(aten.native_layer_norm)
def _native_layer_norm(
    call: Call, x: LazyTensor, normalized_shape: Sequence[int], weight: Optional, bias: Optional, eps: float
) -> list[LazyTensor]:
    y, mean, variance = normalized(x, _last_axes(x, normalized_shape), eps, weight, bias)
    return _typed(call, y, _mean_of_finite(mean, variance), 1 / cnp.sqrt(variance + eps))


def _mean_of_finite(mean: LazyTensor, variance: LazyTensor) -> LazyTensor:
    """Return the mean, and NaN where infinite elements are: torch's kernel subtracts them from each other."""
    return cnp.where(cnp.isfinite(variance), mean, typed(np.nan, mean.dtype))


def _typed(call: Call, *results: LazyTensor) -> list[LazyTensor]:
    """Return the results in the dtypes and shapes of torch's."""
    return [
        cnp.reshape(cast(lazy, dtype), shape) if lazy.shape != shape else cast(lazy, dtype)
        for lazy, (dtype, shape) in zip(results, call.result_types, strict=False)
    ]


@register(aten.rms_norm)
def _rms_norm(
    call: Call, x: LazyTensor, normalized_shape: Sequence[int], weight: Optional = None, eps: float | None = None
) -> LazyTensor:
    return cast(nn.rms_norm(x, weight, axis=_last_axes(x, normalized_shape), epsilon=eps), call.dtype)


@register(aten.native_group_norm)
def _group_norm(
    call: Call,
    x: LazyTensor,
    weight: Optional,
    bias: Optional,
    N: int,
    C: int,
    HxW: int,
    group: int,
    eps: float,
) -> list[LazyTensor]:
    shape = (group, C // group, 1)
    weight, bias = (None if part is None else cnp.reshape(part, shape) for part in (weight, bias))
    y, mean, variance = normalized(cnp.reshape(x, (N, group, C // group, HxW)), (2, 3), eps, weight, bias)
    return _typed(call, cnp.reshape(y, x.shape), _mean_of_finite(mean, variance), 1 / cnp.sqrt(variance + eps))


def _along_channels(shape: Shape) -> Shape:
    return (-1,) + (1,) * (len(shape) - 2)


def _batch_normalized(
    call: Call,
    x: LazyTensor,
    weight: Optional,
    bias: Optional,
    running_mean: Optional,
    running_var: Optional,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[list[LazyTensor], list[LazyTensor]]:
    """Return torch's three results, and the new running statistics."""
    if not training:
        assert running_mean is not None
        assert running_var is not None, "torch raises without statistics outside of training"
        y = nn.batch_norm(x, running_mean, running_var, weight, bias, epsilon=eps)
        # The results that torch saves for its backward pass are empty outside of training.
        saved = [cnp.zeros(shape, dtype) for dtype, shape in call.result_types[1:3]]
        return [cast(y, call.dtype), *saved], [running_mean, running_var]
    axes = (0, *range(2, x.ndim))
    channels = _along_channels(x.shape)
    parts = (None if part is None else cnp.reshape(part, channels) for part in (weight, bias))
    y, mean, variance = normalized(x, axes, eps, *parts)
    results = _typed(call, y, mean, 1 / cnp.sqrt(variance + eps))
    if running_mean is None or running_var is None:
        return results, []
    count = x.size // max(x.shape[1], 1)
    unbiased = variance * (count / max(count - 1, 1))
    new = [
        cast(old * (1 - momentum) + cnp.reshape(batch, old.shape) * momentum, old.dtype)
        for old, batch in ((running_mean, mean), (running_var, unbiased))
    ]
    return results, new


@register(aten.native_batch_norm, aten._native_batch_norm_legit.default)
def _batch_norm(call: Call, x: LazyTensor, *how: Any) -> list[LazyTensor]:
    results, running = _batch_normalized(call, x, *how)
    return [*results, *running]


@register(aten._native_batch_norm_legit_functional)
def _functional_batch_norm(call: Call, x: LazyTensor, *how: Any) -> list[LazyTensor]:
    return _batch_norm(call, x, *how)


@register(aten._native_batch_norm_legit.no_stats)
def _batch_norm_without_statistics(
    call: Call, x: LazyTensor, weight: Optional, bias: Optional, *how: Any
) -> list[LazyTensor]:
    return _batch_normalized(call, x, weight, bias, None, None, *how)[0]


@register(aten._native_batch_norm_legit_no_training)
def _batch_norm_by_statistics(
    call: Call, x: LazyTensor, weight: Optional, bias: Optional, mean: LazyTensor, var: LazyTensor, *how: float
) -> list[LazyTensor]:
    return _batch_normalized(call, x, weight, bias, mean, var, False, *how)[0]


@register(aten._batch_norm_with_update)
def _batch_norm_with_update(
    call: Call, x: LazyTensor, weight: Optional, bias: Optional, mean: LazyTensor, var: LazyTensor, *how: float
) -> list[LazyTensor]:
    results, running = _batch_normalized(call, x, weight, bias, mean, var, True, *how)
    return [*results, _reserved(call), *running]


@register(aten._batch_norm_no_update)
def _batch_norm_without_update(
    call: Call, x: LazyTensor, weight: Optional, bias: Optional, mean: Optional, var: Optional, *how: float
) -> list[LazyTensor]:
    return [*_batch_normalized(call, x, weight, bias, mean, var, False, *how)[0], _reserved(call)]


def _reserved(call: Call) -> LazyTensor:
    """Return torch's fourth result, memory for its backward pass on other devices."""
    dtype, shape = call.result_types[3]
    return cnp.zeros(shape, dtype)


@register(aten.native_batch_norm_backward)
def _batch_norm_backward(
    call: Call,
    g: LazyTensor,
    x: LazyTensor,
    weight: Optional,
    running_mean: Optional,
    running_var: Optional,
    save_mean: Optional,
    save_invstd: Optional,
    train: bool,
    eps: float,
    output_mask: Sequence[bool],
) -> list[LazyTensor | None]:
    channels = (x.shape[1],)
    factor = cnp.ones(channels, x.dtype) if weight is None else weight

    def forward(x: LazyTensor, factor: LazyTensor, bias: LazyTensor) -> LazyTensor:
        if train:
            return nn.batch_norm_training(x, None, None, factor, bias, epsilon=eps)[0]
        assert running_mean is not None
        assert running_var is not None, "torch raises without statistics outside of training"
        return nn.batch_norm(x, running_mean, running_var, factor, bias, epsilon=eps)

    gradients = pulled_back(forward, (x, factor, cnp.zeros(channels, x.dtype)), g)
    return [part if is_wanted else None for part, is_wanted in zip(gradients, output_mask, strict=True)]
