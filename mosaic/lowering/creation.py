"""Created arrays: one value everywhere needs no memory. Other creations have known values and are folded before."""

from __future__ import annotations

from collections.abc import Sequence

from composit.numpy.creation.from_nothing import Full
from mosaic.ir.expressions import Uniform, literal
from mosaic.lowering.registry import Context, Value, lower


@lower.register
def _(operation: Full, context: Context) -> Sequence[Value]:
    return (Uniform(literal(operation.element().item(), operation.dtype), operation.shape),)
