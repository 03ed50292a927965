"""Views of torch tensors: the value of a view from its base, and the value of the base after a write to the view.

One algorithm writes through every view: run the view's torch operation on the positions of the base, an arange, and see which
positions it picks. `x[1].zero_()` on a (3, 2) tensor picks 2 and 3, so x becomes concatenate([x[:1], zeros, x[2:]]).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

import composit.numpy as cnp
from composit.operation import Array, Shape
from composit.types import LazyTensor


class View(Protocol):
    """A view of a base tensor: read and written on the graph."""

    def of(self, base: LazyTensor) -> LazyTensor:
        """Return the view's value, given its base's."""
        ...

    def write(self, base: LazyTensor, value: LazyTensor) -> LazyTensor:
        """Return the base's value after the view was overwritten."""
        ...


@dataclass(frozen=True, slots=True)
class SameView:
    """A second tensor object on the same elements, as nn.Parameter(t) makes one."""

    def of(self, base: LazyTensor) -> LazyTensor:
        """Return the base itself."""
        return base

    def write(self, base: LazyTensor, value: LazyTensor) -> LazyTensor:
        """Return the new value."""
        return value


@dataclass(frozen=True, slots=True)
class StridedView:
    """A tensor found on another's memory, described by shape, strides and offset."""

    size: Shape
    stride: Shape
    offset: int

    def of(self, base: LazyTensor) -> LazyTensor:
        """Return the elements that the strides pick from the base, which is contiguous."""
        return cnp.take(cnp.reshape(base, (-1,)), self.positions(base.shape))

    def write(self, base: LazyTensor, value: LazyTensor) -> LazyTensor:
        """Return the base with the picked elements replaced."""
        return scatter(base, value, self.positions(base.shape))

    def positions(self, shape: Shape) -> Array:
        """Return, for each element of the view, its position in the flattened base."""
        return _positions(shape).as_strided(self.size, self.stride, self.offset).numpy().copy()


@dataclass(frozen=True, slots=True)
class OperationView:
    """A view that a torch operation made. Both functions repeat the operation on another base: lazy tensor or torch tensor."""

    on_graph: Callable[[LazyTensor], LazyTensor]
    on_torch: Callable[[torch.Tensor], torch.Tensor]

    def of(self, base: LazyTensor) -> LazyTensor:
        """Return the operation's result on the base."""
        return self.on_graph(base)

    def write(self, base: LazyTensor, value: LazyTensor) -> LazyTensor:
        """Return the base with the elements that the operation picks replaced."""
        return scatter(base, value, self.on_torch(_positions(base.shape)).numpy())


def _positions(shape: Shape) -> torch.Tensor:
    return torch.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)


def scatter(base: LazyTensor, value: LazyTensor, positions: Array) -> LazyTensor:
    """Return the base after `base.flat[positions] = value`, in the simplest operations: a reshape, slices, or `where`.

    positions: one position in the flattened base per element of the value, all different
    """
    axes = sorted(range(positions.ndim), key=lambda axis: -_step(positions, axis))
    if axes != list(range(positions.ndim)):
        # A transposed view: with the axes in memory order its positions form a box, or at least ascend.
        positions, value = positions.transpose(axes), cnp.transpose(value, axes)
    flat = positions.reshape(-1)
    if flat.size == base.size and _is_ascending(flat):
        return cnp.reshape(value, base.shape)
    box = _box(flat, base.shape)
    if box is not None:
        return _put_box(base, cnp.reshape(value, tuple(stop - start for start, stop in box)), box)
    return _put_flat(base, value, flat)


def _step(positions: Array, axis: int) -> int:
    if positions.shape[axis] < 2:
        return 0
    return int(positions.take(1, axis).flat[0] - positions.take(0, axis).flat[0])


def _is_ascending(flat: Array) -> bool:
    return bool(np.all(flat[1:] > flat[:-1]))


def _box(flat: Array, shape: Shape) -> list[tuple[int, int]] | None:
    """Return the range along each axis if the positions fill a box in order, else None."""
    if flat.size == 0 or not _is_ascending(flat):
        return None
    coordinates = np.unravel_index(flat, shape)
    box = [(int(along.min()), int(along.max()) + 1) for along in coordinates]
    size = int(np.prod([stop - start for start, stop in box], dtype=np.int64))
    return box if size == flat.size else None


def _put_box(base: LazyTensor, value: LazyTensor, box: list[tuple[int, int]]) -> LazyTensor:
    # Along each axis: the base before the range, the part inside with the inner axes written, the base after it.
    for axis, (start, stop) in enumerate(box):
        length = base.shape[axis]
        if (start, stop) == (0, length):
            continue
        before, within, after = (_slice(base, axis, *bounds) for bounds in ((0, start), (start, stop), (stop, length)))
        parts = [before, _put_box(within, value, [*_full(within, axis), *box[axis + 1 :]]), after]
        return cnp.concatenate([part for part in parts if part.shape[axis]], axis=axis)
    return value


def _full(within: LazyTensor, axis: int) -> list[tuple[int, int]]:
    return [(0, length) for length in within.shape[: axis + 1]]


def _slice(base: LazyTensor, axis: int, start: int, stop: int) -> LazyTensor:
    part: LazyTensor = base[(*(slice(None),) * axis, slice(start, stop))]
    return part


def _put_flat(base: LazyTensor, value: LazyTensor, flat: Array) -> LazyTensor:
    source = np.zeros(base.size, dtype=np.int64)
    source[flat] = np.arange(flat.size)
    is_written = np.zeros(base.size, dtype=np.bool_)
    is_written[flat] = True
    if flat.size == 0:
        return base
    replacement = cnp.reshape(cnp.take(cnp.reshape(value, (-1,)), source), base.shape)
    return cnp.where(is_written.reshape(base.shape), replacement, base)
