"""Constant matrices as panels: what a constant buffer is filled with when a model is built."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mosaic.ir_views import View
from mosaic.kernels.panels import pack_panels


@dataclass(frozen=True, slots=True)
class Packing:
    """Matrices of shape ``batch + (depth, columns)``, a view of a constant, to be stored in panels of `panel_width`."""

    view: View
    panel_width: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the panels: ``batch + (panels, depth, panel_width)``."""
        *batch, depth, columns = self.view.shape
        return (*batch, -(-columns // self.panel_width), depth, self.panel_width)

    def fill(self, out: np.ndarray, constant: np.ndarray) -> None:
        """Write the panels of what the view shows of a constant into `out`, a flat array."""
        shape = self.shape
        panels = out.reshape(math.prod(shape[:-3]), *shape[-3:])
        matrices = _seen(constant, self.view).reshape(panels.shape[0], *self.view.shape[-2:])
        for matrix, place in zip(matrices, panels, strict=True):
            pack_panels(matrix, self.panel_width, place)


def _seen(array: np.ndarray, view: View) -> np.ndarray:
    flat = array.reshape(-1)
    strides = tuple(stride * array.itemsize for stride in view.strides)
    return np.lib.stride_tricks.as_strided(flat[view.offset :], view.shape, strides, writeable=False)
