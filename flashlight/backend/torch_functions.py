"""The torch backend's table: class of an operation -> torch function. Operations without a row run through numpy.

`torch_callable` is open: register another class with `@torch_callable.register`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import singledispatch
from typing import Any, TypeAlias

import torch

from composit.nn.operations.convolution import Convolution, FilterGradient, TransposedConvolution
from composit.nn.operations.half_precision import RoundToBfloat16, RoundToFloat16
from composit.numpy.calls.expressions import SameValue
from composit.numpy.creation.from_nothing import Full
from composit.numpy.elementwise import table
from composit.numpy.elementwise.casting import Astype
from composit.numpy.elementwise.conditional import Where
from composit.numpy.elementwise.functions import Elementwise, ElementwiseFunction
from composit.numpy.indexing.advanced_indices import AdvancedIndex
from composit.numpy.indexing.taking import Take, TakeAlongAxis, TakeAlongAxisAdjoint
from composit.numpy.manipulation.broadcasting import BroadcastTo
from composit.numpy.manipulation.joining import Concatenate, Split, Stack
from composit.numpy.manipulation.reshaping import ExpandDims, Reshape, Squeeze, Transpose
from composit.numpy.products.einsums import Einsum
from composit.numpy.products.matrix_products import Matmul
from composit.numpy.rearranging.padding import Pad
from composit.numpy.reductions.reduce import Reduce
from composit.numpy.reductions.running import Accumulate
from composit.numpy.views.basic_indices import BasicIndex
from composit.operation import Operation, TensorType
from flashlight.backend.elementwise import elementwise_callable, is_computable
from flashlight.conversion import NUMPY_TO_TORCH

Run: TypeAlias = Callable[..., Any]  # Any: a tensor, or several
Types: TypeAlias = Sequence[TensorType]


@singledispatch
def torch_callable(operation: Operation, operands: Types, results: Types) -> Run | None:
    """Return a function of torch tensors that computes the operation on operands of these types; None to use numpy.

    Called only if torch has all the dtypes. The function's results must have numpy's types.
    """
    return None


@torch_callable.register
def _(operation: Elementwise, operands: Types, results: Types) -> Run | None:
    return elementwise_callable(operation, operands)


@torch_callable.register
def _(operation: Astype, operands: Types, results: Types) -> Run | None:
    dtype = NUMPY_TO_TORCH[operation.dtype]
    # numpy and torch convert floats out of an integer's range differently.
    is_safe = operands[0].dtype.kind in "biu" or operation.dtype.kind in "fcb"
    return (lambda x: x.to(dtype)) if is_safe else None


@torch_callable.register
def _(operation: SameValue, operands: Types, results: Types) -> Run | None:
    return lambda x, *_: x.clone()


@torch_callable.register
def _(operation: RoundToBfloat16, operands: Types, results: Types) -> Run | None:
    return lambda x: x.bfloat16().float()


@torch_callable.register
def _(operation: RoundToFloat16, operands: Types, results: Types) -> Run | None:
    return lambda x: x.half().float()


@torch_callable.register
def _(operation: Where, operands: Types, results: Types) -> Run | None:
    dtype = NUMPY_TO_TORCH[results[0].dtype]
    return lambda condition, x, y: torch.where(condition.bool(), x.to(dtype), y.to(dtype))


@torch_callable.register
def _(operation: Full, operands: Types, results: Types) -> Run | None:
    dtype = NUMPY_TO_TORCH[operation.dtype]
    value = operation.element().item()
    return lambda: torch.full(operation.shape, value, dtype=dtype)


_ARITHMETIC: dict[ElementwiseFunction, Callable[..., torch.Tensor]] = {table.add: torch.sum}
_LOGIC: dict[ElementwiseFunction, Callable[..., torch.Tensor]] = {
    table.logical_and: torch.all,
    table.logical_or: torch.any,
}
_EXTREMA: dict[ElementwiseFunction, Callable[..., torch.Tensor]] = {
    table.maximum: torch.amax,
    table.minimum: torch.amin,
}


@torch_callable.register
def _(operation: Reduce, operands: Types, results: Types) -> Run | None:
    if not operation.axes or not is_computable(results[0].dtype) or not is_computable(operands[0].dtype):
        return None
    axes, keepdims, dtype = operation.axes, operation.keepdims, NUMPY_TO_TORCH[results[0].dtype]
    if operation.function in _ARITHMETIC and results[0].dtype.kind in "iuf":
        add_up = _ARITHMETIC[operation.function]
        return lambda x: add_up(x, dim=axes, keepdim=keepdims, dtype=dtype)
    if operation.function in _EXTREMA and operands[0].dtype == results[0].dtype and results[0].dtype.kind in "biuf":
        extreme = _EXTREMA[operation.function]
        return lambda x: extreme(x, dim=axes, keepdim=keepdims)
    if operation.function in _LOGIC and operation.dtype is None:
        combine = _LOGIC[operation.function]
        return lambda x: combine(x.bool(), dim=axes, keepdim=keepdims)
    return None


_RUNNING: dict[ElementwiseFunction, Callable[..., torch.Tensor]] = {
    table.add: torch.cumsum,
    table.multiply: torch.cumprod,
}


@torch_callable.register
def _(operation: Accumulate, operands: Types, results: Types) -> Run | None:
    function = _RUNNING.get(operation.function)
    if function is None or results[0].dtype.kind not in "iuf" or not is_computable(results[0].dtype):
        return None
    dtype, axis = NUMPY_TO_TORCH[results[0].dtype], operation.axis
    return lambda x: function(x, dim=axis, dtype=dtype)


@torch_callable.register
def _(operation: Matmul, operands: Types, results: Types) -> Run | None:
    dtype = results[0].dtype
    if dtype.kind not in "iuf" or not is_computable(dtype):
        return None
    common = NUMPY_TO_TORCH[dtype]
    return lambda x, y: torch.matmul(x.to(common), y.to(common))


@torch_callable.register
def _(operation: Einsum, operands: Types, results: Types) -> Run | None:
    if results[0].dtype.kind != "f" or not is_computable(results[0].dtype):
        return None
    common, subscripts = NUMPY_TO_TORCH[results[0].dtype], operation.subscripts
    return lambda *tensors: torch.einsum(subscripts, *(tensor.to(common) for tensor in tensors))


@torch_callable.register
def _(operation: Transpose, operands: Types, results: Types) -> Run | None:
    return lambda x: x.permute(operation.axes)


@torch_callable.register
def _(operation: Reshape, operands: Types, results: Types) -> Run | None:
    return lambda x: x.reshape(operation.shape)


@torch_callable.register
def _(operation: BroadcastTo, operands: Types, results: Types) -> Run | None:
    return lambda x: x.expand(operation.shape)


@torch_callable.register(ExpandDims)
@torch_callable.register(Squeeze)
def _(operation: Operation, operands: Types, results: Types) -> Run | None:
    shape = results[0].shape
    return lambda x: x.reshape(shape)


@torch_callable.register
def _(operation: Concatenate, operands: Types, results: Types) -> Run | None:
    dtype, axis = NUMPY_TO_TORCH[results[0].dtype], operation.axis
    return lambda *tensors: torch.cat([tensor.to(dtype) for tensor in tensors], dim=axis)


@torch_callable.register
def _(operation: Stack, operands: Types, results: Types) -> Run | None:
    dtype, axis = NUMPY_TO_TORCH[results[0].dtype], operation.axis
    return lambda *tensors: torch.stack([tensor.to(dtype) for tensor in tensors], dim=axis)


@torch_callable.register
def _(operation: Split, operands: Types, results: Types) -> Run | None:
    lengths = [result.shape[operation.axis] for result in results]
    if sum(lengths) != operands[0].shape[operation.axis]:
        # The parts overlap, which only numpy allows.
        return None
    if len(results) == 1:
        # An operation with one result returns it without a tuple.
        return lambda x: x
    return lambda x: torch.split(x, lengths, dim=operation.axis)


@torch_callable.register
def _(operation: Pad, operands: Types, results: Types) -> Run | None:
    if operation.mode != "constant":
        return None
    widths = [width for pair in reversed(operation.widths) for width in pair]
    value = results[0].dtype.type(operation.constant).item()
    return lambda x: torch.nn.functional.pad(x, widths, value=value)


@torch_callable.register
def _(operation: BasicIndex, operands: Types, results: Types) -> Run | None:
    entries = operation.index
    if any(isinstance(entry, slice) and (entry.step < 0 or entry.stop < 0) for entry in entries):
        return None
    return lambda x: x[entries]


@torch_callable.register
def _(operation: AdvancedIndex, operands: Types, results: Types) -> Run | None:
    entries = operation.index

    def run(x: torch.Tensor, *indices: torch.Tensor) -> torch.Tensor:
        following, lengths = iter(indices), x.shape
        return x[
            tuple(
                _places(next(following), lengths[axis]) if isinstance(entry, str) else entry
                for axis, entry in enumerate(entries)
            )
        ]

    # With an integer among the entries numpy may place the axes elsewhere than torch, since it takes the integer as an array.
    return None if any(isinstance(entry, int) for entry in entries) else run


@torch_callable.register
def _(operation: Take, operands: Types, results: Types) -> Run | None:
    if operation.mode != "raise" or not operands[0].shape:
        return None
    if operation.axis is None:
        return lambda x, indices: x.reshape(-1)[_places(indices, x.numel())]
    axis = operation.axis
    before = (slice(None),) * axis
    return lambda x, indices: x[(*before, _places(indices, x.shape[axis]))]


@torch_callable.register
def _(operation: TakeAlongAxis, operands: Types, results: Types) -> Run | None:
    axis, (x, indices) = operation.axis, operands
    length = x.shape[axis]
    if x.shape[:axis] + x.shape[axis + 1 :] != indices.shape[:axis] + indices.shape[axis + 1 :]:
        return None
    return lambda x, indices: torch.gather(
        x, axis, _places(torch.where(indices < 0, indices + length, indices), length)
    )


@torch_callable.register
def _(operation: TakeAlongAxisAdjoint, operands: Types, results: Types) -> Run | None:
    axis, shape, (g, indices) = operation.axis, operation.shape, operands
    length = shape[axis]
    others = shape[:axis] + shape[axis + 1 :]
    if g.shape != indices.shape or others != indices.shape[:axis] + indices.shape[axis + 1 :] or g.dtype.kind == "b":
        return None

    def run(g: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        check_bounds(indices, length)
        places = torch.where(indices < 0, indices + length, indices).long()
        return torch.zeros(shape, dtype=g.dtype).scatter_add_(axis, places, g)

    return run


def _is_torchs_convolution(types: Types) -> bool:
    """Whether torch computes these convolutions: of one to three spatial axes, in single or double precision, not empty."""
    return all(3 <= len(each.shape) <= 5 and each.size and each.dtype.char in "fd" for each in types)


@torch_callable.register
def _(operation: Convolution, operands: Types, results: Types) -> Run | None:
    if not _is_torchs_convolution((*operands, *results)):
        return None
    strides, dilation, groups = operation.strides, operation.dilation, operation.groups
    none = (0,) * len(strides)
    return lambda x, filters: torch.convolution(x, filters, None, strides, none, dilation, False, none, groups)


@torch_callable.register
def _(operation: TransposedConvolution, operands: Types, results: Types) -> Run | None:
    if not _is_torchs_convolution((*operands, *results)):
        return None
    strides, dilation, groups = operation.strides, operation.dilation, operation.groups
    positions, kernel = operands[0].shape[2:], operands[1].shape[2:]
    # torch asks how much longer the result is than what its windows reach.
    rest = tuple(
        length - (count - 1) * step - apart * (taps - 1) - 1
        for length, count, step, apart, taps in zip(
            operation.lengths, positions, strides, dilation, kernel, strict=True
        )
    )
    none = (0,) * len(strides)
    return lambda x, filters: torch.convolution(x, filters, None, strides, none, dilation, True, rest, groups)


@torch_callable.register
def _(operation: FilterGradient, operands: Types, results: Types) -> Run | None:
    if not _is_torchs_convolution((*operands, *results)):
        return None
    strides, dilation, groups, shape = operation.strides, operation.dilation, operation.groups, results[0].shape
    none = (0,) * len(strides)

    def run(x: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        filters = torch.empty(shape, dtype=x.dtype)  # only its shape is read
        wanted = (False, True, False)
        how = (None, strides, none, dilation, False, none, groups, wanted)
        gradient: torch.Tensor = torch.ops.aten.convolution_backward(g, x, filters, *how)[1]
        return gradient

    return run


def _places(indices: torch.Tensor, length: int) -> torch.Tensor:
    """Return indices as torch takes them. On the CPU it says which is out of bounds; an accelerator would end the process."""
    if indices.device.type != "cpu":
        check_bounds(indices, length)
    return indices.long()


def check_bounds(indices: torch.Tensor, length: int) -> None:
    """Raise unless all indices are within an axis.

    Raises:  IndexError: numpy's words
    """
    wrong = indices[(indices < -length) | (indices >= length)]
    if wrong.numel():
        raise IndexError(f"index {int(wrong[0])} is out of bounds for axis with size {length}")
