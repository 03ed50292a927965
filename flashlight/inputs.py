"""Inputs made from torch tensors: `TorchInput` shares the tensor's memory, `copied_input` copies its value."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import torch

from composit.apply import input_of
from composit.errors import StaleTensorError
from composit.input_keys import array_given
from composit.operation import Array, Input, SizedProgram
from flashlight.conversion import array_of, bytes_of, shared_array, type_of


class TorchInput(Input):
    """An input that shares a torch tensor's memory, so that evaluation copies nothing.

    is_parameter: the tensor is a torch.nn.Parameter

    bfloat16 is converted, once.

    The graph stands for the value that torch saw, so `read` raises if the value has changed since. torch counts the writes to
    a tensor (`tensor._version`), but not those through `tensor.data` or numpy: a checksum notices them.
    """

    __slots__ = ("_bytes", "_checksum", "_tensor", "_version", "is_parameter", "sized_program")
    # The trace drops its handles when it ends; users still name the tensor later: evaluate(..., inputs={tensor: array}).
    outlives_handles = True
    shares_memory = True

    _array: Array

    def __init__(self, tensor: torch.Tensor, value: Array | None = None) -> None:
        """Make the input of a tensor. value: what it holds, where that is no longer in the tensor's memory."""
        super().__init__(array_of(tensor) if value is None else value, type_of(tensor))
        self._tensor: torch.Tensor | None = None
        self._version: int | None = None
        self.sized_program: SizedProgram | None = None
        self.is_parameter = isinstance(tensor, torch.nn.Parameter)
        if value is not None:
            self._array.flags.writeable = False
            return
        self._tensor = tensor
        self._version = version_of(tensor)
        self._bytes = bytes_of(tensor)
        has_no_version = tensor.is_inference() and not isinstance(tensor, torch.nn.Parameter)
        if has_no_version or tensor.grad_fn is not None:
            # Copy. Without a count, a write would go unnoticed. A tensor that autograd made would keep its history
            # alive, and an alias of it made inside a trace has its own count.
            self.snapshot()
        else:
            self._checksum = checksum(self._bytes)

    @property
    def value(self) -> Array:
        """The value at the trace, if nobody has written to the memory since."""
        return self._array

    def snapshot(self) -> None:
        """Copy the value: torch is about to write to the memory."""
        if self._tensor is not None:
            self._array = np.array(self._array)
            self._array.flags.writeable = False
            self._bytes = self._array
            self._tensor = None

    def forget_count(self) -> None:
        """Watch the elements alone: torch is about to count an operation that changes none of them, as `t_`."""
        self._version = None

    def follow(self, tensor: torch.Tensor, other: torch.Tensor) -> None:
        """Watch another tensor object on the same memory, if this one was watched."""
        if self._tensor is tensor:
            self._tensor = other

    def was_changed(self) -> bool:
        """Return whether the memory holds another value than at the trace."""
        if self._tensor is None:
            return False
        is_counted = self._version is not None and version_of(self._tensor) != self._version
        return is_counted or checksum(self._bytes) != self._checksum

    def read(self) -> Any:  # Any: as Input.read
        """Return the value.

        Raises:  StaleTensorError: the memory was written to after the capture
        """
        if self.was_changed():
            assert self._tensor is not None, "a copy does not change"
            raise StaleTensorError(
                f"input: a torch tensor of type {self.type} was written to after it was traced (its version is "
                f"{version_of(self._tensor)}, it was {self._version}; writes through tensor.data and numpy are not counted); the graph "
                "stands for the value at the trace; trace again, pass the new value through evaluate(..., inputs={tensor: array}), or "
                "trace a clone of the tensor"
            )
        return self._array


# Rows of odd length: elements that move, move to other rows, unless they stay within the 8 KiB of one.
_ROW = 1021
_SMALL = 1 << 16


def checksum(array: Array) -> int:
    """Return a number that differs, with all but certainty, for other bytes; it costs one pass over the memory."""
    data = array.reshape(-1) if array.flags.c_contiguous else _in_memory_order(array)
    raw = data.view(np.uint8)
    if raw.size <= _SMALL:
        return zlib.crc32(raw.data)
    words = raw[: raw.size // 8 * 8].view(np.uint64)
    whole = words.size // _ROW * _ROW
    # Sums wrap around, which numpy does faster than zlib reads.
    sums = words[:whole].reshape(-1, _ROW).sum(axis=1)
    return zlib.crc32(raw[whole * 8 :].data, zlib.crc32(sums.view(np.uint8).data))


def _in_memory_order(array: Array) -> Array:
    order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
    turned = array.transpose(order)
    return turned.reshape(-1) if turned.flags.c_contiguous else np.ascontiguousarray(array).reshape(-1)


def version_of(tensor: torch.Tensor) -> int:
    """Return torch's count of writes to the tensor's memory; -1 for inference tensors, which have none."""
    return -1 if tensor.is_inference() else tensor._version


@array_given.register
def _(value: torch.Tensor) -> Array:
    # numpy itself refuses tensors that require a gradient.
    return array_of(value, "inputs") if value.dtype is torch.bfloat16 else shared_array(value, "inputs")


def copied_input(tensor: torch.Tensor) -> Any:  # Any: LazyTensor
    """Return a fresh input that holds a copy of the tensor's present value."""
    return input_of(np.array(array_of(tensor)))
