"""Layer, group, batch and root-mean-square normalisation, as means, differences and products."""

from __future__ import annotations

from collections.abc import Sequence

import composit.numpy as cnp
from composit.operation import Axes, Shape
from composit.types import LazyTensor
from flashlight.operations.arguments import aten
from flashlight.table import Call, register


@register(aten.layer_norm)
def _layer_norm(
    call: Call,
    x: LazyTensor,
    normalized_shape: Sequence[int],
    weight: LazyTensor | None = None,
    bias: LazyTensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> LazyTensor:
    return _normalized(x, _last_axes(x, normalized_shape), weight, bias, eps)[0]


@register(aten.native_layer_norm)
def _native_layer_norm(
    call: Call,
    x: LazyTensor,
    normalized_shape: Sequence[int],
    weight: LazyTensor | None,
    bias: LazyTensor | None,
    eps: float,
) -> tuple[LazyTensor, LazyTensor, LazyTensor]:
    y, mean, deviation = _normalized(x, _last_axes(x, normalized_shape), weight, bias, eps)
    return y, mean, 1 / deviation


def _last_axes(x: LazyTensor, normalized_shape: Sequence[int]) -> Axes:
    return tuple(range(x.ndim - len(normalized_shape), x.ndim))


def _normalized(
    x: LazyTensor, axes: Axes, weight: LazyTensor | None, bias: LazyTensor | None, eps: float
) -> tuple[LazyTensor, LazyTensor, LazyTensor]:
    mean = cnp.mean(x, axis=axes, keepdims=True)
    centred = x - mean
    deviation = cnp.sqrt(cnp.mean(cnp.square(centred), axis=axes, keepdims=True) + eps)
    return _scaled(centred / deviation, weight, bias), mean, deviation


def _scaled(y: LazyTensor, weight: LazyTensor | None, bias: LazyTensor | None) -> LazyTensor:
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


@register(aten.rms_norm)
def _rms_norm(
    call: Call,
    x: LazyTensor,
    normalized_shape: Sequence[int],
    weight: LazyTensor | None = None,
    eps: float | None = None,
) -> object:
    if eps is None:
        return NotImplemented
    squares = cnp.mean(cnp.square(x), axis=_last_axes(x, normalized_shape), keepdims=True)
    return _scaled(x / cnp.sqrt(squares + eps), weight, None)


@register(aten.native_group_norm)
def _group_norm(
    call: Call,
    x: LazyTensor,
    weight: LazyTensor | None,
    bias: LazyTensor | None,
    N: int,
    C: int,
    HxW: int,
    group: int,
    eps: float,
) -> tuple[LazyTensor, LazyTensor, LazyTensor]:
    grouped = cnp.reshape(x, (N, group, C // group * HxW))
    y, mean, deviation = _normalized(grouped, (2,), None, None, eps)
    channels = _along_channels(x.shape)
    weight = None if weight is None else cnp.reshape(weight, channels)
    bias = None if bias is None else cnp.reshape(bias, channels)
    per_group = (N, group)
    return (
        _scaled(cnp.reshape(y, x.shape), weight, bias),
        cnp.reshape(mean, per_group),
        cnp.reshape(1 / deviation, per_group),
    )


def _along_channels(shape: Shape) -> Shape:
    return (1, -1) + (1,) * (len(shape) - 2)


@register(aten.native_batch_norm, aten._native_batch_norm_legit.default)
def _batch_norm(
    call: Call,
    x: LazyTensor,
    weight: LazyTensor | None,
    bias: LazyTensor | None,
    running_mean: LazyTensor | None,
    running_var: LazyTensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[LazyTensor, ...]:
    channels = _along_channels(x.shape)
    if training:
        axes = tuple(axis for axis in range(x.ndim) if axis != 1)
        mean = cnp.mean(x, axis=axes)
        variance = cnp.mean(cnp.square(x - cnp.reshape(mean, channels)), axis=axes)
    else:
        assert running_mean is not None
        assert running_var is not None, "torch raises without statistics outside of training"
        mean, variance = running_mean, running_var
    deviation = cnp.sqrt(variance + eps)
    y = (x - cnp.reshape(mean, channels)) / cnp.reshape(deviation, channels)
    weight, bias = (None if part is None else cnp.reshape(part, channels) for part in (weight, bias))
    results = (_scaled(y, weight, bias), *_saved(call, mean, 1 / deviation, training))
    if running_mean is None or running_var is None:
        return results
    return (*results, *_running(x, mean, variance, running_mean, running_var, momentum if training else None))


def _saved(call: Call, mean: LazyTensor, inverse: LazyTensor, training: bool) -> tuple[LazyTensor, LazyTensor]:
    """Return the results that torch saves for its backward pass; they are empty outside of training."""
    if training:
        return mean, inverse
    empty = [cnp.zeros(tuple(saved.shape), dtype=call.dtype) for saved in call.result[1:3]]
    return empty[0], empty[1]


def _running(
    x: LazyTensor,
    mean: LazyTensor,
    variance: LazyTensor,
    running_mean: LazyTensor,
    running_var: LazyTensor,
    momentum: float | None,
) -> tuple[LazyTensor, LazyTensor]:
    if momentum is None:
        return running_mean, running_var
    count = x.size // x.shape[1]
    unbiased = variance * (count / max(count - 1, 1))
    return (
        running_mean * (1 - momentum) + mean * momentum,
        running_var * (1 - momentum) + unbiased * momentum,
    )
