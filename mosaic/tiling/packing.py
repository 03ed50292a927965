"""Panels: how the right operands of products lie in memory. Constant ones are stored so with numpy when a model is built."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mosaic.ir.expressions import Expression, Load
from mosaic.ir.views import Shape, View, dense_view
from mosaic.tiling.tile_parts import fill_tiles, tile_parts


class Packed(Protocol):
    """How a constant is stored otherwise than numpy has it: the view of it that is stored, and what writes it."""

    @property
    def view(self) -> View:
        """The elements that are stored."""

    def fill(self, out: np.ndarray, constant: np.ndarray) -> None:
        """Write what is stored into `out`, a flat array."""


@dataclass(frozen=True, slots=True)
class Packing:
    """Matrices of shape ``batch + depth + (columns,)``, a view of a buffer, to be stored in panels of `panel_width`.

    A panel holds neighbouring columns, all rows of one after the other: tiles of (depth, panel width). The first `num_batch`
    axes are the batch; the depth may be several axes, as of a convolution's filters, and is one in the panels.
    """

    view: View
    panel_width: int
    num_batch: int

    @property
    def shape(self) -> Shape:
        """The shape of the panels: ``batch + (panels, depth, panel_width)``."""
        batch, columns = self.view.shape[: self.num_batch], self.view.shape[-1]
        return (*batch, -(-columns // self.panel_width), math.prod(self._depth), self.panel_width)

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the panels."""
        return self.view.dtype

    @property
    def _depth(self) -> Shape:
        return self.view.shape[self.num_batch : -1]

    @property
    def _tile(self) -> Shape:
        return (*(1,) * self.num_batch, *self._depth, self.panel_width)

    def _in_tiles(self, panels: View) -> View:
        """Return the panels with an axis for each count of tiles, then one for each length of a tile."""
        count, num_depth = self.num_batch, len(self._depth)
        split = panels.reshape((*panels.shape[: count + 1], *self._depth, self.panel_width))
        assert split is not None, "splitting an axis keeps strides"
        # One tile along each axis of the depth; tiles of length 1 along the batch.
        behind = count + num_depth + 1
        return split.expand_dims((*range(count, count + num_depth), *range(behind, behind + count)))

    def copies(self, panels: View) -> Iterator[tuple[View, Expression]]:
        """Yield parts of the panels, and the numbers that stand there; what pads the last panel may be anything."""
        for target, source in tile_parts(self.view, self._in_tiles(panels), self._tile):
            yield target, Load(source)

    def fill(self, out: np.ndarray, constant: np.ndarray) -> None:
        """Write the panels of the viewed part of a constant into `out`, a flat array."""
        panels = dense_view(self.view.buffer, self.shape)
        fill_tiles(out, self._in_tiles(panels), constant, self.view, self._tile)
