"""Maxima and averages of windows, adaptive and fractional pooling, unpooling, and their derivatives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import composit.numpy as cnp
from composit import nn
from composit.nn.gradient_flow import straight_through
from composit.operation import Shape
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, cast, per_axis, pulled_back
from flashlight.table import Call, Row, register


def _maximum(rank: int) -> Row:
    def row(
        call: Call,
        x: LazyTensor,
        kernel_size: Sequence[int],
        stride: Sequence[int] = (),
        padding: Sequence[int] = (0,),
        dilation: Sequence[int] = (1,),
        ceil_mode: bool = False,
    ) -> tuple[LazyTensor, LazyTensor]:
        how: dict[str, Any] = {  # Any: keyword arguments of several types
            "kernel_size": per_axis(kernel_size, rank),
            "strides": stride or None,
            "padding": tuple(padding),
            "dilation": dilation,
            "ceil_mode": ceil_mode,
        }
        # The values by themselves: most models drop the indices, and maxima alone are cheaper.
        return nn.max_pool(x, **how), nn.max_pool(x, return_indices=True, **how)[1]

    return row


def _average(rank: int) -> Row:
    def row(
        call: Call,
        x: LazyTensor,
        kernel_size: Sequence[int],
        stride: Sequence[int] = (),
        padding: Sequence[int] = (0,),
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> LazyTensor:
        averages = nn.average_pool(
            x,
            kernel_size=per_axis(kernel_size, rank),
            strides=stride or None,
            padding=tuple(padding),
            ceil_mode=ceil_mode,
            count_include_pad=count_include_pad,
            divisor_override=divisor_override,
        )
        return cast(averages, call.dtype)

    return row


def _adaptive_average(rank: int) -> Row:
    def row(call: Call, x: LazyTensor, output_size: Sequence[int]) -> LazyTensor:
        return cast(nn.adaptive_average_pool(x, per_axis(output_size, rank)), call.dtype)

    return row


def _adaptive_maximum(rank: int) -> Row:
    def row(call: Call, x: LazyTensor, output_size: Sequence[int]) -> tuple[object, object]:
        sizes = per_axis(output_size, rank)
        return nn.adaptive_max_pool(x, sizes), nn.adaptive_max_pool(x, sizes, return_indices=True)[1]

    return row


def _fractional_maximum(rank: int) -> Row:
    def row(
        call: Call, x: LazyTensor, kernel_size: Sequence[int], output_size: Sequence[int], samples: LazyTensor
    ) -> object:
        sizes = per_axis(kernel_size, rank), per_axis(output_size, rank)
        return nn.fractional_max_pool(x, *sizes, samples, return_indices=True)

    return row


def _unpooled(rank: int) -> Row:
    def row(
        call: Call, x: LazyTensor, indices: LazyTensor, output_size: Sequence[int], *how: Sequence[int]
    ) -> LazyTensor:
        spread = nn.max_unpool(x, indices, kernel_size=(1,) * rank, output_size=output_size)
        # Elements that were overwritten by another have torch's gradient: that of their place.
        return straight_through(spread, _added_at(indices, x, spread.shape, rank))

    return row


def _derivative(forward: Row) -> Row:
    """Return the row of an operation that takes g and the operands of another, and pulls g back through it."""

    def row(call: Call, g: LazyTensor, x: LazyTensor, *how: Any, **more: Any) -> LazyTensor:
        return pulled_back(lambda operand: forward(call, operand, *how, **more), (x,), g)[0]

    return row


def _at_maxima(rank: int) -> Row:
    def row(call: Call, g: LazyTensor, x: LazyTensor, *how: Any) -> LazyTensor:
        # torch's last argument holds the indices of the maxima.
        return _added_at(how[-1], g, x.shape, rank)

    return row


def _added_at(indices: LazyTensor, values: LazyTensor, shape: Shape, rank: int) -> LazyTensor:
    """Return zeros with values added at indices, which count the places of the last `rank` axes."""
    outer = shape[: len(shape) - rank]
    flat = (*outer, math.prod(values.shape[len(shape) - rank :]))
    zeros = cnp.zeros((*outer, math.prod(shape[len(shape) - rank :])), values.dtype)
    return cnp.reshape(nn.scatter_add(zeros, cnp.reshape(indices, flat), cnp.reshape(values, flat), -1), shape)


_ROWS: dict[Any, Row] = {  # Any: operations of torch
    aten.max_pool2d_with_indices: _maximum(2),
    aten.max_pool3d_with_indices: _maximum(3),
    aten.max_pool2d_with_indices_backward: _at_maxima(2),
    aten.max_pool3d_with_indices_backward: _at_maxima(3),
    aten.avg_pool2d: _average(2),
    aten.avg_pool3d: _average(3),
    aten.avg_pool2d_backward: _derivative(_average(2)),
    aten.avg_pool3d_backward: _derivative(_average(3)),
    aten._adaptive_avg_pool2d: _adaptive_average(2),
    aten._adaptive_avg_pool3d: _adaptive_average(3),
    aten._adaptive_avg_pool2d_backward: _derivative(
        lambda call, x: _adaptive_average(2)(call, x, call.arguments[0].shape[-2:])
    ),
    aten._adaptive_avg_pool3d_backward: _derivative(
        lambda call, x: _adaptive_average(3)(call, x, call.arguments[0].shape[-3:])
    ),
    aten.adaptive_max_pool2d: _adaptive_maximum(2),
    aten.adaptive_max_pool3d: _adaptive_maximum(3),
    aten.adaptive_max_pool2d_backward: _at_maxima(2),
    aten.adaptive_max_pool3d_backward: _at_maxima(3),
    aten.fractional_max_pool2d: _fractional_maximum(2),
    aten.fractional_max_pool3d: _fractional_maximum(3),
    aten.fractional_max_pool2d_backward: _at_maxima(2),
    aten.fractional_max_pool3d_backward: _at_maxima(3),
    aten.max_unpool2d: _unpooled(2),
    aten.max_unpool3d: _unpooled(3),
}
for _operation, _row in _ROWS.items():
    register(_operation)(_row)
