"""How many tiles of a Winograd convolution a task computes, and how its products are blocked.

A task transforms a block of tiles, multiplies them by the transformed filters of some outputs, and transforms back. Tiles and
products should stay in L2 between these steps; but each block reads all transformed filters, which come from L3 or memory where
they are large. On Sapphire Rapids with 2 MiB of L2, 512 channels of 28 x 28 take 6.6 ms by 49 tiles and 7.8 by 25, 256 channels of
56 x 56 take 7.5 by 22 or 40 and 8.4 by 66.

Nothing here depends on the number of threads: each sum is computed by one task.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mosaic.matmul.blocking import Blocking
from mosaic.targets import Target

_few_tiles, _many_tiles = 24, 48
"""The fewest tiles of a task if there are so many: where the filters stay in L2, and where they come from beyond."""

_fewest_columns = 128
"""Outputs are divided among tasks only into parts of so many: each part transforms the tiles anew."""

_most_depth = 1024
"""Longer sums are added up in stretches, as those of products are (`mosaic.matmul.blocking`)."""


@dataclass(frozen=True, slots=True)
class WinogradSpec:
    """The sizes of a Winograd convolution.

    tiles:  of all images
    points: the multiplications of a tile for one channel and output
    """

    dtype: np.dtype
    tiles: int
    points: int
    channels: int
    outputs: int
    groups: int = 1


@dataclass(frozen=True, slots=True)
class WinogradBlocks:
    """A task's tiles and panels of outputs; `product` blocks its products: mr tiles times nr outputs in registers."""

    tiles: int
    panels: int
    product: Blocking

    def num_panels(self, spec: WinogradSpec) -> int:
        """Return how many panels of outputs a group has."""
        return math.ceil(spec.outputs / self.product.nr)

    def num_tile_blocks(self, spec: WinogradSpec) -> int:
        """Return in how many blocks the tiles are."""
        return math.ceil(spec.tiles / self.tiles)

    def num_tasks(self, spec: WinogradSpec) -> int:
        """Return the number of tasks: groups times parts of the outputs times blocks of tiles."""
        return spec.groups * math.ceil(self.num_panels(spec) / self.panels) * self.num_tile_blocks(spec)


def choose_blocks(spec: WinogradSpec, target: Target) -> WinogradBlocks:
    """Return the blocks for these sizes; the panels' width depends on nothing but outputs and target."""
    lanes = target.lanes(spec.dtype.itemsize)
    nr = panel_width(spec.outputs, lanes)
    vectors, panels = nr // lanes, math.ceil(spec.outputs / nr)
    # Where one or two blocks of tiles are all, two threads share the outputs.
    wanted = _tiles_of_task(spec, panels * nr, target)
    parts = 2 if math.ceil(spec.tiles / wanted) * spec.groups == 1 and spec.outputs >= 2 * _fewest_columns else 1
    tiles = math.ceil(spec.tiles / math.ceil(spec.tiles / wanted))
    most_rows = min(14, (target.num_vector_registers - vectors - 1) // vectors)
    rows = math.ceil(tiles / math.ceil(tiles / most_rows))
    depth = math.ceil(spec.channels / math.ceil(spec.channels / _most_depth))
    return WinogradBlocks(tiles, math.ceil(panels / parts), Blocking(rows, nr, depth, tiles))


def panel_width(outputs: int, lanes: int) -> int:
    """Return the outputs of a panel: two vectors, or one where it holds them all."""
    return lanes if outputs <= lanes else 2 * lanes


def _tiles_of_task(spec: WinogradSpec, columns: int, target: Target) -> int:
    """Return how many tiles a task has: as many as half of L2 holds with their products, within bounds."""
    itemsize = spec.dtype.itemsize
    fitting = target.caches.l2 // 2 // (spec.points * (spec.channels + columns) * itemsize)
    filters = spec.points * spec.channels * columns * itemsize
    fewest = _few_tiles if filters <= target.caches.l2 else _many_tiles
    return min(spec.tiles, max(fewest, min(fitting, 2 * _many_tiles)))
