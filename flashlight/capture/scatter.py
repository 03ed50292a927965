"""`scatter`: the value of a tensor after some of its elements were written, in the simplest operations.

`x[1].zero_()` on a (3, 2) tensor writes positions 2 and 3, so x becomes concatenate([x[:1], zeros, x[2:]]).
"""

from __future__ import annotations

import numpy as np

import composit.numpy as cnp
from composit.operation import Array, Shape
from composit.types import LazyTensor


def scatter(base: LazyTensor, value: LazyTensor, positions: Array) -> LazyTensor:
    """Return the base after `base.flat[positions] = value`, in the simplest operations: a reshape, slices, or `where`.

    positions: one position in the flattened base per element of the value; of several equal ones the last wins
    """
    if not positions.size:
        return base
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
