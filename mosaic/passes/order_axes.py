"""Orders the axes of definitions as their results lie in memory, so that lanes fill neighbouring elements.

Before:  t[64, 32, 28, 28 by 25088, 1, 896, 32] = maximum(x[64, 32, 28, 28 by 25088, 1, 896, 32], 0.0)
After:   t[64, 28, 28, 32] = maximum(x[64, 28, 28, 32], 0.0)

A convolution stores its results with channels last, and what follows it does so too. In the order of numpy's axes, lanes would
run along an axis whose elements lie apart, and axes that are dense in memory would not merge. Where few channels, such as the
three of an image, would leave most lanes empty, the order stays as it is.
"""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch

from mosaic.ir.affine import most
from mosaic.ir.kinds import Kind
from mosaic.ir.statements import Definition, IrProgram
from mosaic.ir.views import View
from mosaic.passes.canonical_axes import canonical
from mosaic.passes.loop_groups import fewest_lanes


def order_axes(program: IrProgram) -> IrProgram:
    """Return the program with each definition's kept axes in the order of its result's strides, the largest first.

    Pre:  it comes after inlining, which compares producers and users axis by axis
    """
    return replace(program, statements=tuple(map(_ordered, program.statements)))


@singledispatch
def _ordered(statement: Kind) -> Kind:
    """Return a statement with its axes in order: what is no definition, as it is."""
    return statement


@_ordered.register
def _(definition: Definition) -> Definition:
    order = _order_in_memory(definition.result)
    if order == tuple(range(len(order))):
        return definition
    ordered = definition.transposed(order)
    return ordered if most(canonical(ordered).result.extents[-1]) >= fewest_lanes else definition


def _order_in_memory(result: View) -> tuple[int, ...]:
    """Return the axes from the outermost in memory inward; those of length 1 stay where they are."""
    long = [axis for axis, extent in enumerate(result.extents) if extent != 1]
    places = iter(sorted(long, key=lambda axis: -abs(result.strides[axis])))
    return tuple(next(places) if extent != 1 else axis for axis, extent in enumerate(result.extents))
