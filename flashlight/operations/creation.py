"""Tensors made from nothing: constants, ranges, triangles, and Python data that torch lifts into tensors."""

from __future__ import annotations

import numpy as np
import torch

import composit.numpy as cnp
from composit.apply import scalar_tensor
from composit.operation import Array, Dtype, Shape
from composit.types import LazyTensor
from flashlight.conversion import HALVES
from flashlight.half_precision import nearest_half
from flashlight.inputs import TorchInput
from flashlight.operations.arguments import aten, cast
from flashlight.table import Call, register


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
def _linspace(call: Call, start: float, end: float, steps: int, **more: object) -> LazyTensor:
    if call.first.dtype in HALVES:
        return cnp.asarray(_linspace_of_halves(start, end, steps, call.first.dtype))
    values: LazyTensor = cnp.linspace(start, end, steps)
    return cast(values, call.dtype)


def _linspace_of_halves(start: float, end: float, steps: int, dtype: torch.dtype) -> Array:
    """Return torch's numbers: from the nearer end, with the step and each product rounded to half precision."""
    first, last = (nearest_half(each, dtype) for each in (start, end))
    step = nearest_half((last - first) / np.float32(max(steps - 1, 1)), dtype)
    numbers = np.arange(steps, dtype=np.float32)
    forwards = nearest_half(first + nearest_half(step * numbers, dtype), dtype)
    backwards = nearest_half(last - nearest_half(step * numbers[::-1], dtype), dtype)
    chosen: Array = np.where(numbers < steps // 2, forwards, backwards)
    return chosen if steps > 1 else np.full(steps, first)


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
