"""Transformed filters of a Winograd convolution in panels: constant ones are stored so with numpy when a model is built."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mosaic.ir.views import Shape, View
from mosaic.tiling.tile_parts import shown
from mosaic.winograd.transforms import Transform, transformed_filters


@dataclass(frozen=True, slots=True)
class WinogradPanels:
    """Filters [group, o, c, k0, k1], a view of a buffer, to be transformed for tiles of `outputs` and stored in panels.

    Shapes: (groups, points, panels, c, panel width); zeros stand beyond the last o
    """

    view: View
    panel_width: int
    outputs: Shape

    @property
    def transforms(self) -> tuple[Transform, Transform]:
        """The transforms along both axes."""
        first, second = (Transform(*each) for each in zip(self.outputs, self.view.shape[3:], strict=True))
        return first, second

    @property
    def shape(self) -> Shape:
        """The shape of the panels."""
        groups, outputs, channels = self.view.shape[:3]
        first, second = self.transforms
        return (groups, first.length * second.length, -(-outputs // self.panel_width), channels, self.panel_width)

    def fill(self, out: np.ndarray, constant: np.ndarray) -> None:
        """Write the panels into `out`, a flat array."""
        panels = out.reshape(self.shape)
        filters = shown(constant, self.view)
        panels[..., -1, :, :] = 0
        for panel in range(panels.shape[2]):
            part = filters[:, panel * self.panel_width : (panel + 1) * self.panel_width]
            moved = transformed_filters(part, self.transforms).reshape(*part.shape[:3], -1)
            panels[:, :, panel, :, : part.shape[1]] = moved.transpose(0, 3, 2, 1)
