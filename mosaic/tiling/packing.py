"""Packs matrices into panels with numpy: constant operands of products, once, when a model is built."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mosaic.ir.views import View


def pack_panels(matrix: np.ndarray, nr: int, out: np.ndarray | None = None) -> np.ndarray:
    """Return `matrix` in panels of nr neighbouring columns, the last one filled up with zeros.

    Shapes:      (depth, columns) -> (ceil(columns / nr), depth, nr)
    """
    depth, columns = matrix.shape
    whole, rest = divmod(columns, nr)
    panels = np.empty((whole + bool(rest), depth, nr), matrix.dtype) if out is None else out
    panels[:whole] = matrix[:, : whole * nr].reshape(depth, whole, nr).transpose(1, 0, 2)
    if rest:
        panels[whole, :, :rest] = matrix[:, whole * nr :]
        panels[whole, :, rest:] = 0
    return panels


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
        """Write the panels of the viewed part of a constant into `out`, a flat array."""
        shape = self.shape
        panels = out.reshape(math.prod(shape[:-3]), *shape[-3:])
        matrices = _seen(constant, self.view).reshape(panels.shape[0], *self.view.shape[-2:])
        for matrix, place in zip(matrices, panels, strict=True):
            pack_panels(matrix, self.panel_width, place)


def _seen(array: np.ndarray, view: View) -> np.ndarray:
    flat = array.reshape(-1)
    strides = tuple(stride * array.itemsize for stride in view.strides)
    return np.lib.stride_tricks.as_strided(flat[view.offset :], view.shape, strides, writeable=False)
