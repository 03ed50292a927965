"""Where the elements of tensors lie in memory, and which of them two tensors share."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch._subclasses.fake_tensor import FakeTensor

import composit.numpy as cnp
from composit.operation import Array, Shape
from composit.types import LazyTensor
from flashlight.capture.scatter import scatter


class Layout(NamedTuple):
    """The address of a tensor's first element, its lengths, its strides in elements, and how its bytes are read.

    reads: the dtype, and whether each element is the conjugate or the negative of what lies in memory
    """

    address: int
    shape: Shape
    strides: Shape
    reads: tuple[torch.dtype, bool, bool]

    @property
    def num_bytes(self) -> int:
        """The bytes of one element."""
        return self.reads[0].itemsize

    @property
    def is_contiguous(self) -> bool:
        """Whether the elements lie side by side in their order."""
        step = 1
        for length, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if length != 1 and stride != step:
                return False
            step *= length
        return True

    def addresses(self) -> Array:
        """Return the address of each element."""
        places = np.full(self.shape, self.address, dtype=np.int64)
        for axis, (length, stride) in enumerate(zip(self.shape, self.strides, strict=True)):
            steps = np.arange(length, dtype=np.int64) * (stride * self.num_bytes)
            places += steps.reshape((-1,) + (1,) * (len(self.shape) - axis - 1))
        return places

    @property
    def overlaps_itself(self) -> bool:
        """Whether two elements lie in one place, as in an expanded tensor."""
        if not math.prod(self.shape):
            return False
        reach = 1
        for stride, length in sorted(zip(self.strides, self.shape, strict=True)):
            if length > 1 and stride < reach:
                # Strides that interleave may still keep the elements apart.
                return np.unique(self.addresses()).size < math.prod(self.shape)
            reach += stride * (length - 1)
        return False

    def may_overlap(self, other: Layout) -> bool:
        """Return whether the ranges of addresses meet."""
        (first, end), (other_first, other_end) = self._range(), other._range()
        return first < other_end and other_first < end

    def _range(self) -> tuple[int, int]:
        if not math.prod(self.shape):
            return 0, 0
        spans = (stride * (length - 1) for length, stride in zip(self.shape, self.strides, strict=True))
        return self.address, self.address + (sum(spans) + 1) * self.num_bytes

    def positions_in(self, other: Layout) -> Array:
        """Return for each element its position in the flattened other tensor, -1 where that has no such element."""
        places = self.addresses()
        if other.is_contiguous:
            positions, rest = np.divmod(places - other.address, other.num_bytes)
            is_there = (positions >= 0) & (positions < math.prod(other.shape)) & (rest == 0)
            return np.where(is_there, positions, -1)
        theirs = other.addresses().reshape(-1)
        if not theirs.size:
            return np.full(self.shape, -1, dtype=np.int64)
        order = np.argsort(theirs, kind="stable")
        found = np.minimum(np.searchsorted(theirs, places, sorter=order), theirs.size - 1)
        return np.where(theirs[order[found]] == places, order[found], -1)


def layout_of(tensor: torch.Tensor) -> Layout:
    """Return the layout of a tensor."""
    reads = (tensor.dtype, tensor.is_conj(), tensor.is_neg())
    if tensor.is_nested:
        # Nobody takes views of it or writes to it.
        return Layout(0, (), (), reads)
    return Layout(address_of(tensor), tuple(tensor.shape), tensor.stride(), reads)


def address_of(tensor: torch.Tensor) -> int:
    """Return the address of the first element; of one of torch's fake tensors, which have no memory, that within its storage."""
    if isinstance(tensor, FakeTensor):
        return int(tensor.storage_offset()) * tensor.itemsize
    # Past the replacement of this method while a trace is open.
    return torch._C.TensorBase.data_ptr(tensor)


def overwritten(value: LazyTensor, layout: Layout, source: LazyTensor, source_layout: Layout) -> LazyTensor:
    """Return a tensor's value after another tensor, which shares some of its memory, got the value `source`."""
    taken = layout.positions_in(source_layout)
    is_taken = taken >= 0
    if not is_taken.any():
        return value
    placed = source_layout.positions_in(layout)
    if (placed >= 0).all() and not layout.overlaps_itself:
        return scatter(value, source, placed)
    elements = picked(source, np.maximum(taken, 0))
    return elements if is_taken.all() else cnp.where(is_taken, elements, value)


def picked(source: LazyTensor, positions: Array) -> LazyTensor:
    """Return the elements at these positions of the flattened source."""
    if positions.size == source.size and np.array_equal(positions.reshape(-1), np.arange(source.size)):
        return cnp.reshape(source, positions.shape)
    return cnp.take(cnp.reshape(source, (-1,)), positions)
