"""Blocks of the gradient of filters: which part of them a task computes, and how many positions it multiplies at a time.

A task computes all taps of some outputs and channels. Its sums stay in L2 while blocks of positions go by: the part of the image
under a block is copied once, channels side by side, and read from there by every tap and every tile of outputs. So images are
read from memory as often as there are tasks for their channels, and a copy costs little where taps or outputs are many.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mosaic.targets import Target

Shape = tuple[int, ...]

enough_tasks = 4
"""Tasks are not made smaller to have more: each copies its part of the image anew."""

most_positions = 1024
"""A sum of more products is added up in parts."""

most_channels = 256
"""Of one tap: g is copied for so many channels at a time."""


_bytes_per_cycle = 24.0  # of copied images, from L2
_cycles_of_loop = 0.5
_products_per_copy = 64
"""A task has so many multiply-adds for each element that it copies, or there are not more than two tasks."""


@dataclass(frozen=True, slots=True)
class FilterSpec:
    """The sizes of a gradient: `positions` are images, lines, and places on a line."""

    dtype: np.dtype
    groups: int
    outputs: int
    channels: int
    kernel: Shape
    positions: Shape
    strides: Shape
    dilation: Shape

    @property
    def taps(self) -> int:
        """How many taps there are."""
        return math.prod(self.kernel)

    def reach(self, axis: int, count: int) -> int:
        """Return how many elements of the image lie under so many windows along an axis."""
        return (count - 1) * self.strides[axis] + self.dilation[axis] * (self.kernel[axis] - 1) + 1


@dataclass(frozen=True, slots=True)
class FilterBlocks:
    """Blocks: `mr` x `nr` sums in registers; `tiles` of outputs and `panels` of channels per task; positions at a time.

    images, lines, places: how many of each; fewer than all lines only of one image, fewer than all places only of one line
    """

    mr: int
    nr: int
    tiles: int
    panels: int
    images: int
    lines: int
    places: int

    def num_output_blocks(self, spec: FilterSpec) -> int:
        """Return how many tasks share the outputs of a group."""
        return math.ceil(spec.outputs / (self.mr * self.tiles))

    def num_channel_blocks(self, spec: FilterSpec) -> int:
        """Return how many tasks share the channels of a group."""
        return math.ceil(spec.channels / (self.nr * self.panels))

    def num_tasks(self, spec: FilterSpec) -> int:
        """Return the number of tasks."""
        return spec.groups * self.num_output_blocks(spec) * self.num_channel_blocks(spec)

    def image_shape(self, spec: FilterSpec) -> tuple[int, int, int, int]:
        """Return the shape of the copied part of the image, [panels, images, lines, places], in rows of `nr` channels."""
        return self.panels, self.images, spec.reach(0, self.lines), spec.reach(1, self.places)

    @property
    def num_positions(self) -> int:
        """The positions of a block."""
        return self.images * self.lines * self.places


@lru_cache(maxsize=256)
def choose_filter_blocks(spec: FilterSpec, target: Target) -> FilterBlocks:
    """Return the block sizes, which depend on the sizes and the processor alone."""
    mr, nr = _tile(spec, target)
    panels, tiles = _parts_of_task(spec, mr, nr, target)
    row_bytes = panels * nr * spec.dtype.itemsize
    images, lines, places = _positions_at_once(spec, target.caches.l2 // 5 // row_bytes)
    return FilterBlocks(mr, nr, tiles, panels, images, lines, places)


def _tile(spec: FilterSpec, target: Target) -> tuple[int, int]:
    """Return the outputs and channels of a tile that computes a group soonest."""
    lanes, registers = target.lanes(spec.dtype.itemsize), target.num_vector_registers
    tiles = [
        (rows, vectors)
        for vectors in range(1, 5)
        for rows in range(1, 15)
        if rows * vectors + vectors + 1 <= registers and (rows == 1 or rows <= spec.outputs)
    ]

    def cycles(tile: tuple[int, int]) -> float:
        whole, rest = divmod(math.ceil(spec.channels / lanes), tile[1])
        panels = whole * _tile_cycles(*tile, target) + (_tile_cycles(tile[0], rest, target) if rest else 0.0)
        return math.ceil(spec.outputs / tile[0]) * panels

    rows, vectors = min(tiles, key=cycles)
    return rows, vectors * lanes


def _tile_cycles(rows: int, vectors: int, target: Target) -> float:
    """Return the cycles of one position: multiply-adds, of which eight are under way, loads, and the image's bytes from L2."""
    from_l2 = vectors * target.vector_bytes / _bytes_per_cycle
    return max(rows * vectors / 2, 4.0, (rows + vectors) / 2, from_l2) + _cycles_of_loop


def _parts_of_task(spec: FilterSpec, mr: int, nr: int, target: Target) -> tuple[int, int]:
    """Return the panels and the tiles of a task: all of a group, halved until sums fit in an eighth of L2 and tasks suffice."""
    panels = min(math.ceil(spec.channels / nr), max(1, most_channels // (spec.taps * nr)))
    tiles = math.ceil(spec.outputs / mr)
    fitting = max(1, target.caches.l2 // 8 // (spec.taps * panels * mr * nr * spec.dtype.itemsize))
    tiles = math.ceil(tiles / math.ceil(tiles / fitting))
    while panels > 1 or tiles > 1:
        less = (
            (math.ceil(panels / 2), tiles)
            if panels * nr >= tiles * mr and panels > 1
            else (panels, math.ceil(tiles / 2))
        )
        count = spec.groups * math.ceil(spec.channels / (nr * panels)) * math.ceil(spec.outputs / (mr * tiles))
        channels, outputs = min(less[0] * nr, spec.channels), min(less[1] * mr, spec.outputs)
        is_worth = spec.taps * channels * outputs >= _products_per_copy * (channels + outputs)
        if count >= enough_tasks or (count >= 2 and not is_worth):
            break
        panels, tiles = less
    return panels, tiles


def _positions_at_once(spec: FilterSpec, most_rows: int) -> tuple[int, int, int]:
    """Return images, lines and places such that the part of the image has so many rows of channels, or at least one."""
    images, lines, places = spec.positions
    fitting_places = max(1, min(most_positions, (most_rows - spec.reach(1, 1)) // spec.strides[1]))
    if places > fitting_places or spec.reach(0, 1) * spec.reach(1, places) > most_rows:
        on_line = max(1, (most_rows // spec.reach(0, 1) - spec.reach(1, 1)) // spec.strides[1])
        on_line = min(places, fitting_places, on_line)
        return 1, 1, _even(places, on_line)
    across = spec.reach(1, places)
    fitting_lines = (most_rows // across - spec.reach(0, 1)) // spec.strides[0] + 1
    fitting_lines = max(1, min(fitting_lines, most_positions // places))
    if lines > fitting_lines:
        return 1, _even(lines, fitting_lines), places
    each = spec.reach(0, lines) * across
    fitting_images = max(1, min(most_rows // each, most_positions // (lines * places)))
    return _even(images, min(images, fitting_images)), lines, places


def _even(count: int, fitting: int) -> int:
    """Return at most so many at a time, such that all parts are nearly equal."""
    return math.ceil(count / math.ceil(count / fitting))
