"""Constant matrices as panels: what a constant buffer is filled with when a model is built."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mosaic.kernels.panels import pack_panels


@dataclass(frozen=True, slots=True, eq=False)
class Packing:
    """Matrices of shape ``batch + (depth, columns)``, to be stored in panels of `panel_width` columns."""

    source: np.ndarray
    panel_width: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the panels: ``batch + (panels, depth, panel_width)``."""
        *batch, depth, columns = self.source.shape
        return (*batch, -(-columns // self.panel_width), depth, self.panel_width)

    def fill(self, out: np.ndarray) -> None:
        """Write the panels into `out`, a flat array."""
        shape = self.shape
        panels = out.reshape(math.prod(shape[:-3]), *shape[-3:])
        matrices = self.source.reshape(panels.shape[0], *self.source.shape[-2:])
        for matrix, place in zip(matrices, panels, strict=True):
            pack_panels(matrix, self.panel_width, place)
