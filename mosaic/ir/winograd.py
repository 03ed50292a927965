"""Winograd's convolution as statements: the product over tiles, and the transformed filters that it reads.

Before:  y = x[n, h, w, c] * w[o, c, 3, 3]                          a WinogradProduct on filters as they are
After:   u[points, panels, c, width] = filters of w                 WinogradFilters; stored with the model if w is constant
         y = inverse of (data of x tile by tile) @ u                a WinogradProduct on panels
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from mosaic.ir.expressions import Expression
from mosaic.ir.kinds import Kind, Product
from mosaic.ir.views import Shape, View
from mosaic.winograd.blocks import WinogradSpec
from mosaic.winograd.transforms import Transform

Transforms = tuple[Transform, Transform]


@dataclass(frozen=True, slots=True, eq=False)
class WinogradProduct(Product):
    """``result[n, y, x, group, o] = epilogue(sum over c, i, j of image[n, y + i, x + j, group, c] * filters[group, o, c, i, j])``.

    Tiles of ``outputs`` x ``outputs`` results are computed from ``lengths`` inputs, which may reach beyond the image: zeros stand
    there. The image's channels lie side by side. Once the filters are transformed and stored in panels, their view has the shape
    (groups, points, panels, c, panel width).
    """

    result: View
    image: View
    filters: View
    epilogue: Expression
    origins: tuple[int, ...]
    outputs: Shape
    taps: Shape
    panel_width: int | None = None

    @property
    def transforms(self) -> Transforms:
        """The transforms along both axes."""
        first, second = (Transform(*each) for each in zip(self.outputs, self.taps, strict=True))
        return first, second

    @property
    def lengths(self) -> Shape:
        """The inputs of a tile along both axes."""
        return tuple(each.length for each in self.transforms)

    @property
    def num_tiles(self) -> Shape:
        """How many tiles there are along both axes."""
        return tuple(-(-length // each) for length, each in zip(self.result.shape[1:3], self.outputs, strict=True))

    @property
    def spec(self) -> WinogradSpec:
        """The sizes that blocks are chosen by."""
        groups, outputs = self.result.shape[3:]
        tiles = self.result.shape[0] * math.prod(self.num_tiles)
        return WinogradSpec(self.image.dtype, tiles, math.prod(self.lengths), self.image.shape[-1], outputs, groups)

    def reaches_beyond(self, axis: int) -> bool:
        """Whether the last tile along an axis has inputs beyond the image."""
        last = (self.num_tiles[axis] - 1) * self.outputs[axis]
        return last + self.lengths[axis] > self.image.shape[1 + axis]

    @property
    def num_flops(self) -> int:
        """Those of its products."""
        spec = self.spec
        return 2 * spec.tiles * spec.points * spec.channels * spec.outputs * spec.groups

    def factors(self) -> Iterator[View]:
        """Yield both operands."""
        yield self.image
        yield self.filters

    def __str__(self) -> str:
        tile = " x ".join(map(str, self.outputs))
        return f"{self.result} = winograd {tile} of {self.image} and {self.filters}{self.ending}"


@dataclass(frozen=True, slots=True, eq=False)
class WinogradFilters(Kind):
    """``result[group, points, panels, c, panel width] = filters[group, o, c, i, j]``, transformed; zeros beyond the last o."""

    result: View
    filters: View
    origins: tuple[int, ...]
    outputs: Shape

    @property
    def transforms(self) -> Transforms:
        """The transforms along both axes."""
        first, second = (Transform(*each) for each in zip(self.outputs, self.filters.shape[3:], strict=True))
        return first, second

    @property
    def num_turns(self) -> int:
        """The multiply-adds of an element, about."""
        return self.filters.shape[3]

    def reads(self) -> Iterator[View]:
        """Yield the view it loads from."""
        yield self.filters

    def writes(self) -> Iterator[View]:
        """Yield the view it fills."""
        yield self.result

    def __str__(self) -> str:
        return f"{self.result} = winograd {' x '.join(map(str, self.outputs))} filters of {self.filters}"
