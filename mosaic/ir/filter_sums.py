"""`FilterSums`: the gradient of a convolution's filters, a sum over positions for each tap, output and channel; by tiles or lanes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from mosaic.ir.kinds import Kind
from mosaic.ir.views import Shape, View
from mosaic.matmul.filter_blocking import FilterSpec


@dataclass(frozen=True, slots=True, eq=False)
class FilterSums(Kind):
    """``result[group, o, c, k...] = sum over n, p of image[n, strides * p + dilation * k, group, c] * g[n, p, group, o]``.

    There are two axes of positions. Both factors may lie in memory anyhow; nothing else is stored than what fits in L2.
    """

    result: View
    image: View
    g: View
    origins: tuple[int, ...]
    strides: Shape
    dilation: Shape

    @property
    def kernel(self) -> Shape:
        """The extents of the axes of taps."""
        return self.result.shape[3:]

    @property
    def spec(self) -> FilterSpec:
        """The sizes of one group, as blocks are chosen by them."""
        _, outputs, channels, *kernel = self.result.shape
        return FilterSpec(
            self.image.dtype,
            self.result.shape[0],
            outputs,
            channels,
            tuple(kernel),
            self.g.shape[:3],
            self.strides,
            self.dilation,
        )

    @property
    def num_flops(self) -> int:
        """Two per multiply-add."""
        return 2 * math.prod(self.result.shape) * math.prod(self.g.shape[:3])

    def reads(self) -> Iterator[View]:
        """Yield both factors."""
        yield self.image
        yield self.g

    def writes(self) -> Iterator[View]:
        """Yield the array that it fills."""
        yield self.result

    def __str__(self) -> str:
        return f"{self.result} = sums over positions of {self.image} times {self.g}"


@dataclass(frozen=True, slots=True, eq=False)
class GroupSums(FilterSums):
    """The same where groups are narrow: lanes run along the channels of all groups, which lie side by side in both factors.

    A group has as many outputs as channels, a power of two and at most as many as a vector has lanes.
    """

    @property
    def num_channels(self) -> int:
        """The channels of all groups."""
        return self.result.shape[0] * self.result.shape[2]

    def __str__(self) -> str:
        return f"{FilterSums.__str__(self)}, lanes along groups"
