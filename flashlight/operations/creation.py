"""Tensors made from nothing: constants, ranges, triangles, and Python data that torch lifts into tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import composit.numpy as cnp
from composit import nn
from composit.apply import scalar_tensor
from composit.handle import TensorHandle
from composit.operation import Dtype, Shape
from composit.types import LazyTensor
from flashlight.conversion import HALVES
from flashlight.half_precision import nearest_half, round_as
from flashlight.inputs import TorchInput
from flashlight.operations.arguments import aten, cast, typed
from flashlight.table import Call, register

_FLOAT64 = np.dtype(np.float64)


def _full_of(shape: Shape, value: complex, dtype: Dtype) -> LazyTensor:
    # A single number becomes a scalar node: equal numbers are one expression, and no memory is read.
    return cnp.full(shape, value, dtype=dtype) if shape else scalar_tensor(dtype.type(value))


@register(aten.full, aten.full_like, aten.new_full)
def _full(call: Call, like: object, *rest: object, **more: object) -> LazyTensor:
    value = call.arguments[-1] if len(call.arguments) > 1 else call.keywords["fill_value"]
    return _full_of(call.shape, value, call.dtype)


@register(aten.fill)
def _fill(call: Call, x: LazyTensor, value: LazyTensor | complex) -> LazyTensor:
    if isinstance(value, complex | float | int):
        return _full_of(call.shape, value, call.dtype)
    return cnp.broadcast_to(cast(value, call.dtype), call.shape)


@register(
    aten.zeros,
    aten.zeros_like,
    aten.new_zeros,
    aten.zero,
    aten._efficientzerotensor,
    aten.empty.memory_format,
    aten.empty_like,
    aten.new_empty,
    aten.empty_strided,
    aten.empty_permuted,
    aten.new_empty_strided,
    # Tangents in forward mode of autograd: zeros without memory, and zeros shaped and strided like another tensor.
    aten._new_zeros_with_same_feature_meta,
)
def _zeros(call: Call, *how: object, **more: object) -> LazyTensor:
    # `empty` may hold any values; zeros are the same in every run.
    return _full_of(call.shape, 0, call.dtype)


@register(aten.ones, aten.ones_like, aten.new_ones)
def _ones(call: Call, *how: object, **more: object) -> LazyTensor:
    return _full_of(call.shape, 1, call.dtype)


@register(aten.scalar_tensor)
def _scalar(call: Call, value: complex, **more: object) -> LazyTensor:
    return _full_of((), value, call.dtype)


@register(aten.lift_fresh)
def _lift(call: Call, x: LazyTensor) -> LazyTensor:
    operation = x.node.operation
    if x.ndim or not isinstance(operation, TorchInput):
        return x
    return scalar_tensor(call.dtype.type(operation.read()))


@register(aten.arange.default)
def _range(call: Call, end: float, **more: object) -> LazyTensor:
    return cnp.arange(end, dtype=call.dtype)


@register(aten.arange.start, aten.arange.start_step)
def _range_from(call: Call, start: float, end: float, step: float = 1, **more: object) -> LazyTensor:
    return cnp.arange(start, end, step, dtype=call.dtype)


@register(aten.linspace)
def _linspace(
    call: Call, start: LazyTensor | complex, end: LazyTensor | complex, steps: int, **more: object
) -> LazyTensor:
    return cast(_evenly_spaced(call, start, end, steps), call.dtype)


@register(aten.logspace)
def _logspace(
    call: Call, start: LazyTensor | complex, end: LazyTensor | complex, steps: int, base: float = 10.0, **more: object
) -> LazyTensor:
    exponents = _evenly_spaced(call, start, end, steps, is_power=True)
    if exponents.dtype.kind == "c":
        return cnp.power(call.dtype.type(base), exponents)
    return cast(cnp.power(np.float64(base), cast(exponents, _FLOAT64)), call.dtype)


def _evenly_spaced(
    call: Call, start: LazyTensor | complex, end: LazyTensor | complex, steps: int, is_power: bool = False
) -> LazyTensor:
    """Return torch's numbers: from the nearer end, all steps in the result's dtype, of integers in float64.

    is_power: they are exponents, of which torch rounds the ends and their difference to half precision, and nothing after; a
              single one is the start as it was given
    """
    half, dtype = (call.first.dtype if call.first.dtype in HALVES else None), call.dtype
    computing = _FLOAT64 if dtype.kind in "biu" else dtype
    if steps == 1 and is_power:
        return cnp.reshape(cast(nn.stop_gradient(cnp.asarray(start)), dtype if dtype.kind == "c" else _FLOAT64), (1,))
    first, last = (_end_in(each, dtype, computing, half) for each in (start, end))
    span = _in_half(last - first, half)
    half = None if is_power else half
    step = _in_half(span / computing.type(max(steps - 1, 1)), half)
    numbers = np.arange(steps).astype(computing)
    forwards = _in_half(first + _in_half(step * numbers, half), half)
    backwards = _in_half(last - _in_half(step * numbers[::-1], half), half)
    # A single number is the start, although the half of its place is the second.
    return cnp.where(np.arange(steps) < max(steps // 2, steps == 1), forwards, backwards)


def _end_in(value: Any, dtype: Dtype, computing: Dtype, half: torch.dtype | None) -> Any:  # Any: a tensor or a number
    """Return an end of a range in the dtype of the result, with which torch computes as `computing`."""
    if not isinstance(value, TensorHandle):
        return nearest_half(value, half) if half else computing.type(typed(value, dtype))
    # Autograd does not follow the ends.
    return _in_half(cast(cast(nn.stop_gradient(cnp.reshape(value, ())), dtype), computing), half)


def _in_half(value: Any, half: torch.dtype | None) -> Any:  # Any: as given, a tensor or numbers
    if half is None:
        return value
    is_tensor = isinstance(value, TensorHandle)
    return round_as(value, half) if is_tensor else nearest_half(value, half)


@register(aten.eye.default, aten.eye.m)
def _eye(call: Call, *how: object, **more: object) -> LazyTensor:
    return cnp.eye(call.shape[0], call.shape[1], dtype=call.dtype)


@register(aten.tril)
def _lower_triangle(call: Call, x: LazyTensor, diagonal: int = 0) -> LazyTensor:
    kept = np.tri(x.shape[-2], x.shape[-1], diagonal, dtype=np.bool_)
    return cast(cnp.where(kept, x, _zero_of(call.dtype)), call.dtype)


@register(aten.triu)
def _upper_triangle(call: Call, x: LazyTensor, diagonal: int = 0) -> LazyTensor:
    dropped = np.tri(x.shape[-2], x.shape[-1], diagonal - 1, dtype=np.bool_)
    return cast(cnp.where(dropped, _zero_of(call.dtype), x), call.dtype)


def _zero_of(dtype: Dtype) -> np.generic:
    """Return zero as a scalar of the dtype, which leaves the other operand's dtype as it is."""
    zero: np.generic = dtype.type(0)
    return zero
