"""Orders the axes of definitions as their results lie in memory, so that lanes fill neighbouring elements.

Before:  t[64, 32, 28, 28 by 25088, 1, 896, 32] = maximum(x[64, 32, 28, 28 by 25088, 1, 896, 32], 0.0)
After:   t[64, 28, 28, 32] = maximum(x[64, 28, 28, 32], 0.0)

A convolution stores its results with channels last, and what follows it does so too. Definitions that are to share a kernel need
their axes in one order.
"""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch

from mosaic.ir.kinds import Kind
from mosaic.ir.statements import Definition, IrProgram
from mosaic.passes.canonical_axes import in_memory_order


def order_axes(program: IrProgram) -> IrProgram:
    """Return the program with each definition's kept axes in the order of its result's strides, the largest first.

    Pre:  it comes after inlining, which compares producers and users axis by axis
    """
    return replace(program, statements=tuple(map(_ordered, program.statements)))


@singledispatch
def _ordered(statement: Kind) -> Kind:
    """Return a statement with its axes in order: what is no definition, as it is."""
    return statement


_ordered.register(Definition, in_memory_order)
