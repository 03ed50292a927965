"""`IndirectProduct`: a product whose rows lie anywhere in an array, found by a table of offsets."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from mosaic.ir.expressions import Expression
from mosaic.ir.kinds import Product
from mosaic.ir.views import Shape, View
from mosaic.matmul.blocking import MatmulSpec


@dataclass(frozen=True, slots=True, eq=False)
class IndirectProduct(Product):
    """``result[p..., group, o] = epilogue(sum over k, c of windows[p..., group, k..., c] * filters[group, k..., c, o])``.

    All positions p are rows of one product, whatever their distances are: its kernel computes the offset of each row and of each
    tap once, in a table. The channels c of a window lie side by side. Once the filters are stored in panels, their view has the
    shape (groups, panels, depth, panel width).
    """

    result: View
    windows: View
    filters: View
    epilogue: Expression
    origins: tuple[int, ...]
    panel_width: int | None = None

    @property
    def positions(self) -> Shape:
        """The extents of the axes of positions."""
        return self.result.shape[:-2]

    @property
    def taps(self) -> Shape:
        """The extents of the axes of taps."""
        return self.windows.shape[self.result.ndim - 1 : -1]

    @property
    def spec(self) -> MatmulSpec:
        """The sizes of the product of one group, as blocks are chosen by them; its rows have no stride."""
        channels, columns = self.windows.shape[-1], self.result.shape[-1]
        return MatmulSpec(
            self.windows.dtype, math.prod(self.positions), columns, math.prod(self.taps) * channels, channels
        )  # fmt: skip

    @property
    def num_groups(self) -> int:
        """How many products there are."""
        return self.result.shape[-2]

    @property
    def num_flops(self) -> int:
        """Two per multiply-add."""
        spec = self.spec
        return 2 * self.num_groups * spec.rows * spec.columns * spec.depth

    def factors(self) -> Iterator[View]:
        """Yield both operands."""
        yield self.windows
        yield self.filters

    def __str__(self) -> str:
        return f"{self.result} = {self.windows} by a table @ {self.filters}{self.ending}"
