"""Buffers, and strided views of them: what every value of a compiled program is.

A view is a buffer, an offset and one stride per axis, all in elements. Moving axes about, slicing, broadcasting and
most reshapes only change the view. In a loop, offset and extents may move with the turns: in turn i of a triangular solve,
`L[i, :i]` is ``L[i by 1 from 5*i]``. Imports numpy for dtypes, and `mosaic.ir.affine`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import pairwise
from typing import cast

import numpy as np

from composit.errors import InternalError
from mosaic.ir.affine import (
    Affine,
    Extents,
    Number,
    Symbol,
    constant_part,
    most_of,
    moves,
    symbol_number,
    terms_of,
)

Shape = tuple[int, ...]
Strides = tuple[int, ...]


class BufferKind(Enum):
    """Who owns the memory of a buffer; one behind a fence is another name of a buffer (`mosaic.ir.fences`)."""

    INPUT = "input"
    CONSTANT = "constant"
    TEMPORARY = "temporary"
    OUTPUT = "output"
    LOCAL = "local"
    FENCED = "fenced"


@dataclass(frozen=True, slots=True, eq=False)
class Buffer:
    """Memory of `num_elements` of `dtype`. Two buffers are never equal; `number` counts them within their kind."""

    kind: BufferKind
    number: int
    num_elements: int
    dtype: np.dtype

    @property
    def num_bytes(self) -> int:
        """The memory it takes."""
        return self.num_elements * self.dtype.itemsize

    @property
    def name(self) -> str:
        """Its name in printed programs, such as ``temporary_3``."""
        return f"{self.kind.value}_{self.number}"


def row_major_strides(shape: Shape) -> Strides:
    """Return the strides of a dense array of that shape, last axis fastest."""
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * max(shape[axis + 1], 1)
    return tuple(strides)


@dataclass(frozen=True, slots=True)
class View:
    """The elements ``buffer[offset + sum(index * stride)]``; a broadcast axis has stride 0.

    In a loop the offset and the extents may move with its turns. Code that needs plain numbers asks for the `shape`, or for
    the `most_shape`, which bounds that of every turn.
    """

    buffer: Buffer
    offset: Number
    extents: Extents
    strides: Strides

    @property
    def shape(self) -> Shape:
        """The extents, which are plain numbers.

        Raises: InternalError: they move with a loop
        """
        return numbers_only(self.extents)

    @property
    def most_shape(self) -> Shape:
        """The most that each extent is in any turn."""
        return most_of(self.extents)

    @property
    def is_moving(self) -> bool:
        """Whether it shows other elements from turn to turn."""
        return self.offset.__class__ is Affine or moves(self.extents)

    @property
    def dtype(self) -> np.dtype:
        """The element type, which is the buffer's."""
        return self.buffer.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.extents)

    @property
    def size(self) -> int:
        """The number of elements seen, in the turn that sees most."""
        return math.prod(self.most_shape)

    @property
    def is_contiguous(self) -> bool:
        """Whether the elements lie densely in row-major order; extents that move do not count as dense."""
        if moves(self.extents):
            return False
        dense = row_major_strides(self.shape)
        return all(
            extent <= 1 or stride == wanted
            for extent, stride, wanted in zip(self.shape, self.strides, dense, strict=True)
        )

    @property
    def covers_buffer(self) -> bool:
        """Whether it is the whole buffer in row-major order."""
        return bool(self.offset == 0) and self.is_contiguous and self.size == self.buffer.num_elements

    def transpose(self, axes: Sequence[int]) -> View:
        """Return the view with its axes in another order."""
        return replace(
            self, extents=tuple(self.extents[axis] for axis in axes), strides=tuple(self.strides[axis] for axis in axes)
        )

    def broadcast_to(self, shape: Extents) -> View:
        """Return the view repeated along new leading axes and along axes of length 1."""
        missing = len(shape) - self.ndim
        strides = (0,) * missing + tuple(
            0 if extent == 1 and wanted != 1 else stride
            for extent, wanted, stride in zip(self.extents, shape[missing:], self.strides, strict=True)
        )
        return replace(self, extents=shape, strides=strides)

    def expand_dims(self, axes: Sequence[int]) -> View:
        """Return the view with axes of length 1 at these positions of the result."""
        extents, strides = list(self.extents), list(self.strides)
        for axis in sorted(axes):
            extents.insert(axis, 1)
            strides.insert(axis, 0)
        return replace(self, extents=tuple(extents), strides=tuple(strides))

    def drop_axes(self, axes: Sequence[int]) -> View:
        """Return the view without these axes, at their index 0."""
        keep = [axis for axis in range(self.ndim) if axis not in axes]
        extents, strides = tuple(self.extents[axis] for axis in keep), tuple(self.strides[axis] for axis in keep)
        return View(self.buffer, self.offset, extents, strides)

    def slice_axis(self, axis: int, start: Number, count: Number, step: int = 1) -> View:
        """Return `count` elements of one axis from `start`, `step` apart; both may move with loops."""
        offset = self.offset + (start * self.strides[axis] if count else 0)
        extents = (*self.extents[:axis], count, *self.extents[axis + 1 :])
        strides = (*self.strides[:axis], self.strides[axis] * step, *self.strides[axis + 1 :])
        return View(self.buffer, offset, extents, strides)

    def reshape(self, shape: Extents) -> View | None:
        """Return the view with another shape in row-major order, or None if no strides express it."""
        if shape == self.extents:
            return self
        if moves((*self.extents, *shape)):
            return self._reshape_between_moving_axes(shape)
        own, wanted = cast("Shape", self.extents), cast("Shape", shape)  # none moves
        if 0 in own:
            return View(self.buffer, self.offset, wanted, row_major_strides(wanted))
        strides = _strides_after_reshape(own, self.strides, wanted)
        return None if strides is None else View(self.buffer, self.offset, wanted, strides)

    def _reshape_between_moving_axes(self, shape: Extents) -> View | None:
        """Return the view with moving axes as they are, and the axes between them in another shape, or None."""
        mine, theirs = moving_axes(self.extents), moving_axes(shape)
        if [self.extents[axis] for axis in mine] != [shape[axis] for axis in theirs]:
            return None
        strides: list[int] = []
        start, wanted_start = 0, 0
        for axis, wanted_axis in zip((*mine, self.ndim), (*theirs, len(shape)), strict=True):
            extents = numbers_only(self.extents[start:axis])
            wanted = numbers_only(shape[wanted_start:wanted_axis])
            between = _strides_after_reshape(extents, self.strides[start:axis], wanted)
            if math.prod(extents) != math.prod(wanted) or between is None:
                return None
            strides += [*between, *self.strides[axis : axis + 1]]
            start, wanted_start = axis + 1, wanted_axis + 1
        return View(self.buffer, self.offset, shape, tuple(strides))

    def joined(self, axis: int) -> View | None:
        """Return the view with an axis and the next one as one, or None if their elements do not lie evenly apart."""
        outer, inner = self.strides[axis : axis + 2]
        if self.size and outer != inner * self.shape[axis + 1]:
            return None
        shape = (*self.shape[:axis], self.shape[axis] * self.shape[axis + 1], *self.shape[axis + 2 :])
        strides = (*self.strides[:axis], inner, *self.strides[axis + 2 :])
        return View(self.buffer, self.offset, shape, strides)

    def __str__(self) -> str:
        if self.covers_buffer:
            return f"{self.buffer.name}[{listed(self.extents)}]"
        axes = [f"{listed(self.extents)} by {listed(self.strides)}"] if self.extents else []
        start = [f"from {self.offset}"] if self.offset or not self.extents else []
        return f"{self.buffer.name}[{' '.join([*axes, *start])}]"


def listed(numbers: Extents) -> str:
    """Return numbers as a text with commas between them."""
    return ", ".join(map(str, numbers))


def numbers_only(extents: Extents) -> Shape:
    """Return extents as the plain numbers that they are.

    Raises: InternalError: one moves with a loop
    """
    if moves(extents):
        raise InternalError(
            f"mosaic: a shape of plain numbers was asked of the extents [{listed(extents)}], which move with a loop; "
            "use extents or most_shape"
        )
    return cast("Shape", extents)  # none is an Affine


def moving_axes(extents: Extents) -> tuple[int, ...]:
    """Return the axes whose extents move with a loop."""
    return tuple(axis for axis, extent in enumerate(extents) if isinstance(extent, Affine))


def dense_view(buffer: Buffer, shape: Shape) -> View:
    """Return the whole of a buffer as a row-major array."""
    return View(buffer, 0, shape, row_major_strides(shape))


def _strides_after_reshape(shape: Shape, strides: Strides, target: Shape) -> Strides | None:
    """Match runs of source axes with runs of target axes of equal size; a run of several source axes must be dense."""
    source = [(extent, stride) for extent, stride in zip(shape, strides, strict=True) if extent != 1]
    result: list[int] = []
    position = 0
    for run in _target_runs([extent for extent, _ in source], target):
        count, extents = run
        group = source[position : position + count]
        position += count
        if any(outer[1] != inner[1] * inner[0] for outer, inner in pairwise(group)):
            return None
        innermost = group[-1][1] if group else 0
        dense = row_major_strides(tuple(extents))
        result.extend(0 if extent == 1 else step * innermost for step, extent in zip(dense, extents, strict=True))
    return tuple(result)


def _target_runs(source: list[int], target: Shape) -> list[tuple[int, list[int]]]:
    """Pair how many source axes with which target extents, in order, so that their products agree."""
    runs: list[tuple[int, list[int]]] = []
    position, index = 0, 0
    while index < len(target):
        taken, extents, left, right = 0, [target[index]], 1, target[index]
        index += 1
        while left != right:
            if left < right:
                left, position, taken = left * source[position], position + 1, taken + 1
            else:
                right, index = right * target[index], index + 1
                extents.append(target[index - 1])
        runs.append((taken, extents))
    return runs


def index_map(seen: View, stored: View) -> IndexMap | None:
    """Return how the indices of `seen` become indices of `stored`, two views of one buffer, or None if not affinely.

    The strides of `seen` are written as digits in the strides of `stored`; the map holds if no digit ever carries.
    """
    if seen.size == 0 or stored.size == 0 or stored.is_moving:
        return None
    if terms_of(seen.offset):
        return _index_map_in_loops(seen, stored)
    order = sorted(
        (axis for axis in range(stored.ndim) if stored.shape[axis] > 1), key=lambda axis: -abs(stored.strides[axis])
    )
    if any(stored.strides[axis] <= 0 for axis in order):
        return None
    start = _digits(constant_part(seen.offset) - constant_part(stored.offset), order, stored.strides)
    steps = [
        (0,) * stored.ndim if extent == 1 else _digits(stride, order, stored.strides)
        for extent, stride in zip(seen.extents, seen.strides, strict=True)
    ]
    if start is None or any(step is None for step in steps):
        return None
    known = tuple(step for step in steps if step is not None)
    result = IndexMap(start, known)
    return result if result.stays_within(seen.most_shape, stored.shape) else None


def index_bounds(seen: View, stored: View) -> tuple[tuple[Number, Number], ...] | None:
    """Return the least and the greatest index along each axis of `stored` that a view of its buffer shows in a turn.

    None if its strides are no sums of those of `stored`, a dense view. The numbers are right if they are indices of `stored`.
    """
    order = sorted(range(stored.ndim), key=lambda axis: -stored.strides[axis])
    low: list[Number] = [0] * stored.ndim
    high: list[Number] = [0] * stored.ndim
    starts: list[tuple[Number, int]] = [(1, constant_part(seen.offset))]
    starts += [(symbol_number(symbol), coefficient) for symbol, coefficient in terms_of(seen.offset)]
    spans = ((extent - 1, stride) for extent, stride in zip(seen.extents, seen.strides, strict=True))
    for times, distance in starts:
        digits = _digits(distance, order, stored.strides)
        if digits is None:
            return None
        low = [one + times * digit for one, digit in zip(low, digits, strict=True)]
        high = [one + times * digit for one, digit in zip(high, digits, strict=True)]
    for times, distance in spans:
        digits = _digits(distance, order, stored.strides)
        if digits is None:
            return None
        low = [one + times * min(digit, 0) for one, digit in zip(low, digits, strict=True)]
        high = [one + times * max(digit, 0) for one, digit in zip(high, digits, strict=True)]
    return tuple(zip(low, high, strict=True))


def _index_map_in_loops(seen: View, stored: View) -> IndexMap | None:
    """Return the map of a view in loops: each loop is an axis of the view that stands at its turn."""
    terms = terms_of(seen.offset)
    shape = (*(symbol.most for symbol, _ in terms), *seen.extents)
    strides = (*(coefficient for _, coefficient in terms), *seen.strides)
    found = index_map(View(seen.buffer, constant_part(seen.offset), shape, strides), stored)
    if found is None:
        return None
    moves = tuple((symbol, step) for (symbol, _), step in zip(terms, found.steps, strict=False))
    return IndexMap(found.start, found.steps[len(terms) :], moves)


def may_overlap(first: View, second: View, shape: Shape) -> bool:
    """Whether two views of one buffer, dense in that shape, may have an element in common. "No" is certain.

    They have none if some axis of the shape keeps them apart: by its range, or by the step along it.
    """
    if first.size == 0 or second.size == 0:
        return False
    stored = dense_view(first.buffer, shape)
    maps = index_map(first, stored), index_map(second, stored)
    if maps[0] is None or maps[1] is None or maps[0].moves or maps[1].moves:
        return True
    return all(
        _meet(maps[0].along(axis, first.most_shape), maps[1].along(axis, second.most_shape))
        for axis in range(stored.ndim)
    )


def _meet(first: range, second: range) -> bool:
    """Whether two ascending ranges may have a number in common."""
    step = math.gcd(*(each.step for each in (first, second) if len(each) > 1)) or 1
    is_apart = first[-1] < second[0] or second[-1] < first[0]
    return not is_apart and (first.start - second.start) % step == 0


def _digits(number: int, order: list[int], strides: Strides) -> tuple[int, ...] | None:
    """Write a distance in memory as steps along axes, longest stride first."""
    digits = [0] * len(strides)
    sign, rest = (1, number) if number >= 0 else (-1, -number)
    for axis in order:
        digits[axis] = sign * (rest // strides[axis])
        rest %= strides[axis]
    return tuple(digits) if rest == 0 else None


@dataclass(frozen=True, slots=True)
class IndexMap:
    """An affine map of indices: ``target[d] = start[d] + sum over source axes i of index[i] * steps[i][d]``.

    Each of the `moves` adds a symbol times its step.
    """

    start: tuple[int, ...]
    steps: tuple[tuple[int, ...], ...]
    moves: tuple[tuple[Symbol, tuple[int, ...]], ...] = ()

    def stays_within(self, source: Shape, target: Shape) -> bool:
        """Whether every source index lands inside the target shape."""
        for axis, extent in enumerate(target):
            spans = [(count - 1) * step[axis] for count, step in zip(source, self.steps, strict=True)]
            low = self.start[axis] + sum(span for span in spans if span < 0)
            high = self.start[axis] + sum(span for span in spans if span > 0)
            if low < 0 or high >= extent:
                return False
        return True

    def along(self, axis: int, source: Shape) -> range:
        """Return a range that holds every index along one axis of the target."""
        moves = [(count - 1, step[axis]) for count, step in zip(source, self.steps, strict=True) if step[axis]]
        low = self.start[axis] + sum(count * step for count, step in moves if step < 0)
        high = self.start[axis] + sum(count * step for count, step in moves if step > 0)
        return range(low, high + 1, math.gcd(*(step for _, step in moves)) or 1)

    def apply(self, view: View, shape: Extents) -> View:
        """Return `view`, indexed by the target of the map, as a view of `shape` indexed by its source."""
        offset = view.offset + sum(start * stride for start, stride in zip(self.start, view.strides, strict=True))
        for symbol, step in self.moves:
            distance = sum(digit * stride for digit, stride in zip(step, view.strides, strict=True))
            offset = offset + distance * symbol_number(symbol)
        strides = tuple(
            sum(digit * stride for digit, stride in zip(step, view.strides, strict=True)) for step in self.steps
        )
        return View(view.buffer, offset, shape, strides)
