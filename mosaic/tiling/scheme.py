"""Which tiles a product is computed in: chosen by a model of the processor, or given by the user per tensor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from composit.program import BoundProgram
from mosaic.codegen.matmul_kernel import matmul_spec
from mosaic.ir import Matmul
from mosaic.kernels.blocking import Blocking, choose_blocking
from mosaic.targets import Target


@dataclass(frozen=True, slots=True)
class TileScheme:
    """Tiles by instruction; what is not named is chosen automatically."""

    by_origin: Mapping[int, Blocking] = field(default_factory=dict)

    def blocking(self, matmul: Matmul, target: Target) -> Blocking:
        """Return the block sizes of a product as its right operand is stored."""
        chosen = self.by_origin.get(matmul.origins[0])
        return chosen or choose_blocking(matmul_spec(matmul), target)

    def panel_width(self, matmul: Matmul, target: Target) -> int:
        """Return the width of the panels that the right operand of a product should be stored in."""
        chosen = self.by_origin.get(matmul.origins[0])
        spec = replace(matmul_spec(matmul), b_depth_stride=None)
        return (chosen or choose_blocking(spec, target)).nr


def tile_scheme_of(given: Any, bound: BoundProgram) -> TileScheme:
    """Return the user's tiles by instruction."""
    return TileScheme()
