"""Inputs made from torch tensors: `TorchInput` shares the tensor's memory, `copied_input` copies its value."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from composit.apply import input_of
from composit.errors import StaleTensorError
from composit.operation import Array, Input
from flashlight.conversion import array_of, type_of


class TorchInput(Input):
    """An input that shares a torch tensor's memory, so that evaluation copies nothing.

    torch counts the writes to a tensor (`tensor._version`). If the count has changed since the trace, `read` raises: the
    graph stands for the value that torch saw. torch does not count writes through numpy or `tensor.data`.
    """

    __slots__ = ("_tensor", "_version")
    # The trace drops its handles when it ends; users still name the tensor later: evaluate(..., inputs={tensor: array}).
    outlives_handles = True
    shares_memory = True

    _array: Array

    def __init__(self, tensor: torch.Tensor) -> None:
        super().__init__(array_of(tensor), type_of(tensor))
        self._tensor: torch.Tensor | None = tensor
        self._version = version_of(tensor)
        has_no_version = tensor.is_inference() and not isinstance(tensor, torch.nn.Parameter)
        if has_no_version or tensor.grad_fn is not None:
            # Copy. Without a count, a write would go unnoticed. A tensor that autograd made would keep its history
            # alive, and an alias of it made inside a trace has its own count.
            self.snapshot()

    def snapshot(self) -> None:
        """Copy the value: torch is about to write to the memory."""
        if self._tensor is not None:
            self._array = np.array(self._array)
            self._array.flags.writeable = False
            self._tensor = None

    def read(self) -> Any:  # Any: as Input.read
        """Return the value.

        Raises:  StaleTensorError: torch wrote to the memory after the capture
        """
        if self._tensor is not None and version_of(self._tensor) != self._version:
            raise StaleTensorError(
                f"input: a torch tensor of type {self.type} was written to after it was traced (its version is "
                f"{version_of(self._tensor)}, it was {self._version}); the graph stands for the value at the trace; trace again, pass the "
                "new value through evaluate(..., inputs={tensor: array}), or trace a clone of the tensor"
            )
        return self._array


def version_of(tensor: torch.Tensor) -> int:
    """Return torch's count of writes to the tensor's memory; -1 for inference tensors, which have none."""
    return -1 if tensor.is_inference() else tensor._version


def copied_input(tensor: torch.Tensor) -> Any:  # Any: LazyTensor
    """Return a fresh input that holds a copy of the tensor's present value."""
    return input_of(np.array(array_of(tensor)))
