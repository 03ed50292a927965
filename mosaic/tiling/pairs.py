"""Panels of bfloat16 in pairs: how the right operands of products lie for instructions that add two products at a time.

A panel holds neighbouring columns; rows 2 k and 2 k + 1 of a column lie side by side:

    w[0, 0] w[1, 0] | w[0, 1] w[1, 1] | ...      panel_width pairs
    w[2, 0] w[3, 0] | w[2, 1] w[3, 1] | ...

The rows are filled up with zeros to a whole number of steps of the instructions. Numbers are stored as the upper half of
float32, in 16 bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mosaic.ir.expressions import Apply, Expression, Load, convert, literal
from mosaic.ir.views import Shape, View, dense_view
from mosaic.tiling.packing import Packing
from mosaic.tiling.tile_parts import padding_parts, shown, tile_parts

DEPTH_STEP = 32
"""Rows of the right operand that one instruction on tiles takes (AMX); a multiple of the two that one on vectors takes."""

BITS = np.dtype(np.uint16)
"""The dtype that the upper halves of float32 have in memory."""

_quiet_nan = 0x7FC0


def padded_depth(depth: int) -> int:
    """Return how many rows there are with those filled up."""
    return -(-depth // DEPTH_STEP) * DEPTH_STEP


def as_bfloat16(value: Expression) -> Expression:
    """Return the 16 bits of a float32 rounded to bfloat16, to the nearest, a tie to the even one."""
    single, wide = np.dtype(np.float32), np.dtype(np.uint32)
    rounded = Apply("bits_as_u", (Apply("round_to_bfloat16", (value,), single),), wide)
    upper = convert(Apply("right_shift", (rounded, literal(16, wide)), wide), BITS)
    is_nan = Apply("not_equal", (value, value), np.dtype(np.bool_))
    return Apply("where", (is_nan, literal(_quiet_nan, BITS), upper), BITS)


def bits_of(array: np.ndarray) -> np.ndarray:
    """Return what `as_bfloat16` computes, for an array of float32."""
    whole = np.ascontiguousarray(array, np.float32).view(np.uint32)
    rounded = (whole + np.uint32(0x7FFF) + ((whole >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    return np.where(np.isnan(array), _quiet_nan, rounded).astype(BITS)


@dataclass(frozen=True, slots=True)
class PairPacking(Packing):
    """A matrix of shape ``(depth, columns)``, a view of a buffer of float32, to be stored in panels of pairs of bfloat16."""

    @property
    def shape(self) -> Shape:
        """The shape of the panels: ``(panels, padded depth / 2, panel_width, 2)``."""
        depth, columns = self.view.shape
        return (-(-columns // self.panel_width), padded_depth(depth) // 2, self.panel_width, 2)

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the panels."""
        return BITS

    @property
    def _pair(self) -> Shape:
        return (2, self.panel_width)

    def _in_pairs(self, panels: View) -> View:
        """Return the panels as tiles of two rows: ``(pairs of rows, panels, 2, panel_width)``."""
        return panels.transpose((1, 0, 3, 2)).slice_axis(0, 0, -(-self.view.shape[0] // 2))

    def copies(self, panels: View) -> Iterator[tuple[View, Expression]]:
        """Yield parts of the panels, and the numbers that stand there."""
        for target, source in tile_parts(self.view, self._in_pairs(panels), self._pair):
            yield target, as_bfloat16(Load(source))
        for target in self._padding(panels):
            yield target, literal(0, BITS)

    def _padding(self, panels: View) -> Iterator[View]:
        yield from padding_parts(self.view, self._in_pairs(panels), self._pair)
        used, whole = -(-self.view.shape[0] // 2), panels.shape[1]
        if used < whole:
            yield panels.slice_axis(1, used, whole - used)

    def fill(self, out: np.ndarray, constant: np.ndarray) -> None:
        """Write the panels of the viewed part of a constant into `out`, a flat array."""
        panels = dense_view(self.view.buffer, self.shape)
        for target, source in tile_parts(self.view, self._in_pairs(panels), self._pair):
            shown(out, target)[...] = bits_of(shown(constant, source))
        for target in self._padding(panels):
            shown(out, target)[...] = 0
