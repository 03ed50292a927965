"""Panels: how the right operands of products lie in memory. Constant ones are stored so with numpy when a model is built."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mosaic.ir.views import Shape, View, dense_view
from mosaic.tiling.tile_parts import fill_tiles, tile_parts


@dataclass(frozen=True, slots=True)
class Packing:
    """Matrices of shape ``batch + (depth, columns)``, a view of a buffer, to be stored in panels of `panel_width`.

    A panel holds neighbouring columns, all rows of one after the other: tiles of (depth, panel width).
    """

    view: View
    panel_width: int

    @property
    def shape(self) -> Shape:
        """The shape of the panels: ``batch + (panels, depth, panel_width)``."""
        *batch, depth, columns = self.view.shape
        return (*batch, -(-columns // self.panel_width), depth, self.panel_width)

    @property
    def _tile(self) -> Shape:
        return (*(1,) * (self.view.ndim - 2), self.view.shape[-2], self.panel_width)

    def _in_tiles(self, panels: View) -> View:
        """Return the panels with an axis for each count of tiles, then one for each length of a tile."""
        count = self.view.ndim - 2
        return panels.expand_dims((count, *range(count + 2, 2 * count + 2)))

    def parts(self, panels: View) -> Iterator[tuple[View, View]]:
        """Yield pairs of views of one shape: a part of the panels, and the elements that stand there."""
        yield from tile_parts(self.view, self._in_tiles(panels), self._tile)

    def fill(self, out: np.ndarray, constant: np.ndarray) -> None:
        """Write the panels of the viewed part of a constant into `out`, a flat array."""
        panels = dense_view(self.view.buffer, self.shape)
        fill_tiles(out, self._in_tiles(panels), constant, self.view, self._tile)
