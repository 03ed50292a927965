"""Converts dtypes and tensors between torch and numpy, without copying where both can share memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from composit.errors import DtypeError, UnrepresentableTensorError, UnsupportedOperationError
from composit.operation import Array, Dtype, TensorType, tensor_type

TORCH_TO_NUMPY: dict[torch.dtype, Dtype] = {
    torch.bool: np.dtype(np.bool_),
    torch.uint8: np.dtype(np.uint8),
    torch.int8: np.dtype(np.int8),
    torch.int16: np.dtype(np.int16),
    torch.int32: np.dtype(np.int32),
    torch.int64: np.dtype(np.int64),
    torch.uint16: np.dtype(np.uint16),
    torch.uint32: np.dtype(np.uint32),
    torch.uint64: np.dtype(np.uint64),
    torch.float16: np.dtype(np.float16),
    torch.float32: np.dtype(np.float32),
    torch.float64: np.dtype(np.float64),
    torch.complex64: np.dtype(np.complex64),
    torch.complex128: np.dtype(np.complex128),
}
NUMPY_TO_TORCH: dict[Dtype, torch.dtype] = {dtype: torch_dtype for torch_dtype, dtype in TORCH_TO_NUMPY.items()}
# numpy has no bfloat16. Its numbers are float32 in the graph, rounded to those that bfloat16 has.
TORCH_TO_NUMPY[torch.bfloat16] = np.dtype(np.float32)
# torch computes on them in float32, and rounds the result.
HALVES = frozenset((torch.float16, torch.bfloat16))


def numpy_dtype(dtype: torch.dtype, asked: str = "trace") -> Dtype:
    """Return the dtype that tensors of a dtype have in graphs: numpy's of the same bits, float32 for bfloat16.

    asked: begins the error's message

    Raises:  UnrepresentableTensorError: numpy has no such dtype (float8, complex32, quantized)
    """
    known = TORCH_TO_NUMPY.get(dtype)
    if known is None:
        raise UnrepresentableTensorError(
            f"{asked}: a tensor of dtype {dtype} was met; expected a dtype that numpy has, or bfloat16, since graphs hold arrays; convert "
            "the model and its inputs first, for example with model.float()"
        )
    return known


def computing_dtype(dtype: torch.dtype, asked: str = "trace") -> Dtype:
    """Return the dtype in which torch computes on tensors of a dtype: float32 for both kinds of half precision."""
    return _FLOAT32 if dtype in HALVES else numpy_dtype(dtype, asked)


_FLOAT32 = np.dtype(np.float32)


def type_of(tensor: torch.Tensor) -> TensorType:
    """Return shape and dtype of a torch tensor as composit's type."""
    return tensor_type(tuple(tensor.shape), numpy_dtype(tensor.dtype))


def array_of(tensor: torch.Tensor, asked: str = "trace") -> Array:
    """Return a read-only numpy view of the tensor's memory; a copy for bfloat16, other devices and lazy conjugates.

    asked: begins the error's message

    Raises:  UnrepresentableTensorError: as `check_representable`
    """
    array = _array(tensor, asked)
    array.flags.writeable = False
    return array


def shared_array(tensor: torch.Tensor, asked: str) -> Array:
    """Return an array like `array_of`, for those who write to the tensor's memory.

    Raises:  DtypeError: of bfloat16 there are only copies; and as `array_of`
    """
    if tensor.dtype is torch.bfloat16:
        raise DtypeError(
            f"{asked}: a tensor of dtype {tensor.dtype} was met, whose memory is to be written to; expected a dtype that numpy has; "
            "convert the model and its inputs first, for example with model.float()"
        )
    return _array(tensor, asked)


def check_representable(tensor: torch.Tensor, asked: str = "trace") -> None:
    """Raise unless an array can have the tensor's elements.

    asked: begins the error's message

    Raises:  UnrepresentableTensorError: numpy has no such dtype; the tensor is sparse, or has no values
    """
    numpy_dtype(tensor.dtype, asked)
    if tensor.layout is not torch.strided:
        raise UnrepresentableTensorError(
            f"{asked}: a tensor of layout {tensor.layout} and shape {tuple(tensor.shape)} was met; expected a strided tensor; "
            "convert it before with tensor.to_dense()"
        )
    if tensor.is_meta:
        raise UnrepresentableTensorError(
            f"{asked}: a tensor of shape {tuple(tensor.shape)} on the device 'meta' was met, which holds no values; expected a tensor with "
            "values; load the weights, or move the module with to_empty(device='cpu') and initialise it"
        )


def _array(tensor: torch.Tensor, asked: str) -> Array:
    check_representable(tensor, asked)
    # Unseen by modes, such as that of a trace, and by torch.func, which would wrap what it sees: nothing is computed.
    with torch._C._DisableTorchDispatch(), torch._C._DisableFuncTorch():
        own = tensor.detach().cpu().resolve_conj().resolve_neg()
        array: Array = _numpy(own.float() if own.dtype is torch.bfloat16 else own)
    return array


def bytes_of(tensor: torch.Tensor) -> Array:
    """Return the tensor's memory as an array that shares it; of bfloat16 as integers of the same bits."""
    if tensor.dtype is not torch.bfloat16:
        return array_of(tensor)
    with torch._C._DisableTorchDispatch():
        bits: Array = _numpy(tensor.detach().cpu().view(torch.int16))
    bits.flags.writeable = False
    return bits


class _Exported:
    """A tensor as numpy takes it by DLPack, by torch's own function, since a trace replaces `torch.Tensor.__dlpack__`."""

    __slots__ = ("tensor",)

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor

    def __dlpack__(self, **how: object) -> Any:  # Any: torch's capsule
        return _to_dlpack(self.tensor)

    def __dlpack_device__(self) -> tuple[int, int]:
        return _CPU


# Before torch 2.8 there is none that lets numpy write.
_to_dlpack: Any = getattr(torch._C, "_to_dlpack_versioned", None)
# DLPack's kind of device, and its number.
_CPU = (1, 0)


def _numpy(tensor: torch.Tensor) -> Array:
    """Return an array that shares the memory. After tensor.numpy() torch would refuse to resize the tensor: a trace changes no tensor."""
    if _to_dlpack is None:
        plain: Array = torch._C.TensorBase.numpy(tensor)
        return plain
    shared: Array = np.from_dlpack(_Exported(tensor))
    return shared


def has_elements(tensor: torch.Tensor) -> bool:
    """Return whether a tensor has elements to read: not one of the device "meta", a lazy parameter, or a wrapper of torch.func."""
    return not (
        tensor.is_meta or torch._C._functorch.is_functorch_wrapped_tensor(tensor) or torch.nn.parameter.is_lazy(tensor)
    )


def can_be_read(tensor: torch.Tensor) -> bool:
    """Return whether a tensor has elements that arrays can have, in memory of its own: not a sparse or nested one, or a wrapper."""
    is_own = type(tensor).__torch_dispatch__ is torch._C._disabled_torch_dispatch_impl
    return is_own and has_elements(tensor) and _is_plain(tensor)


def _is_plain(tensor: torch.Tensor) -> bool:
    return tensor.layout is torch.strided and not tensor.is_nested and tensor.dtype in TORCH_TO_NUMPY


class _Writeable:
    """Presents a read-only array as writeable, because torch warns when it is given a read-only one."""

    __slots__ = ("__array_interface__", "owner")

    def __init__(self, array: Array) -> None:
        address, _ = array.__array_interface__["data"]
        self.__array_interface__ = {**array.__array_interface__, "data": (address, False)}
        self.owner = array


def tensor_of(array: Array) -> torch.Tensor:
    """Return a torch tensor that shares the array's memory; callers must not write to it.

    Arrays that torch cannot share are copied: negative strides, foreign byte order.

    Raises:  UnsupportedOperationError: torch has no such dtype (strings, dates, long double)
    """
    if array.dtype not in NUMPY_TO_TORCH:
        raise UnsupportedOperationError(
            f"torch: an array of dtype {array.dtype} was given; torch has no such dtype; convert it with astype, or evaluate with "
            "backend='numpy'"
        )
    if any(stride < 0 for stride in array.strides) or not array.dtype.isnative:
        # np.array copies in any case; np.ascontiguousarray would keep an array of one element, whatever its strides.
        array = np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
    if not array.flags.writeable:
        array = np.asarray(_Writeable(array))
    return torch.from_numpy(array)
