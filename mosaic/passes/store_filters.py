"""Stores the filters of Winograd convolutions, transformed, and of products over a table in panels.

Before:  y = winograd 4 x 4 of x[n, h, w, 1, c] and w[1, o, c, 3, 3]
After:   y = winograd 4 x 4 of x[n, h, w, 1, c] and u[1, 36, o / 32, c, 32]      w constant: transformed when the model is built
         u = winograd 4 x 4 filters of w; y = ...                               w computed, or an input
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import singledispatch

from mosaic.ir.indirect import IndirectProduct
from mosaic.ir.kinds import Kind
from mosaic.ir.statements import Definition, Group, IrProgram
from mosaic.ir.views import Buffer, BufferKind, View, dense_view
from mosaic.ir.winograd import WinogradFilters, WinogradProduct
from mosaic.lowering.registry import Memory
from mosaic.matmul.indirect_blocking import indirect_width
from mosaic.passes.canonical_axes import as_group
from mosaic.targets import Target
from mosaic.tiling.packing import Packing
from mosaic.tiling.winograd_filters import WinogradPanels
from mosaic.winograd.blocks import panel_width

Panels = WinogradPanels | Packing


def store_filters(program: IrProgram, memory: Memory, target: Target, keep_packed: bool) -> IrProgram:
    """Return the program with all such filters in panels: constants once and for all, others before they are read.

    With `keep_packed`, the panels of inputs are filled first and noted in `packed_inputs`, so that a run on the same
    array can go without.

    Pre:  statements are groups and islands
    """
    store = _Store(len(program.constants), memory, target, keep_packed)
    statements = tuple(each for statement in program.statements for each in _with_panels(statement, store))
    return replace(
        program,
        statements=(*store.first, *statements),
        constants={**program.constants, **store.constants},
        packed_inputs={**program.packed_inputs, **store.packed_inputs},
    )


@dataclass(slots=True)
class _Store:
    """The panels made so far, by what they hold."""

    num_constants: int
    memory: Memory
    target: Target
    keep_packed: bool
    constants: dict[Buffer, Panels] = field(default_factory=dict)
    known: dict[Panels, View] = field(default_factory=dict)
    first: list[Kind] = field(default_factory=list)
    packed_inputs: dict[Buffer, Buffer] = field(default_factory=dict)

    def stored(self, panels: Panels, origins: tuple[int, ...], before: list[Group]) -> View:
        """Return an array that holds the panels; what fills it when the program runs goes to `before`."""
        buffer = panels.view.buffer
        is_kept = buffer.kind is BufferKind.CONSTANT or (self.keep_packed and buffer.kind is BufferKind.INPUT)
        if panels.view.is_moving or not is_kept:
            result = self.memory.temporary(panels.shape, panels.view.dtype)
            before += _filling(panels, result, origins)
            return result
        if panels not in self.known:
            is_constant = buffer.kind is BufferKind.CONSTANT
            self.known[panels] = self._constant(panels) if is_constant else self._kept(panels, origins)
        return self.known[panels]

    def _constant(self, panels: Panels) -> View:
        """Return panels that are filled when the model is built."""
        number = self.num_constants + len(self.constants)
        buffer = Buffer(BufferKind.CONSTANT, number, math.prod(panels.shape), panels.view.dtype)
        self.constants[buffer] = panels
        return dense_view(buffer, panels.shape)

    def _kept(self, panels: Panels, origins: tuple[int, ...]) -> View:
        """Return panels of an input that are filled first of all, and kept as long as its array."""
        result = self.memory.temporary(panels.shape, panels.view.dtype)
        self.first += _filling(panels, result, origins)
        self.packed_inputs[result.buffer] = panels.view.buffer
        return result


@singledispatch
def _filling(panels: Panels, result: View, origins: tuple[int, ...]) -> Sequence[Group]:
    """Return the groups that fill panels."""
    raise TypeError(f"store_filters: nothing fills {type(panels).__name__}")


@_filling.register
def _(panels: WinogradPanels, result: View, origins: tuple[int, ...]) -> Sequence[Group]:
    filters = WinogradFilters(result, panels.view, origins, panels.outputs)
    return [Group(result.shape[:-1], result.shape[-1], (filters,))]


@_filling.register
def _(panels: Packing, result: View, origins: tuple[int, ...]) -> Sequence[Group]:
    return [as_group(Definition(target, value, origins)) for target, value in panels.copies(result)]


@singledispatch
def _with_panels(statement: Kind, store: _Store) -> list[Kind]:
    """Return a statement with its filters in panels, after what fills them."""
    return [statement]


@_with_panels.register
def _(group: Group, store: _Store) -> list[Kind]:
    before: list[Group] = []
    stages = tuple(_on_panels(stage, store, before) for stage in group.stages)
    return [*(replace(each, turns=group.turns) for each in before), replace(group, stages=stages)]


@singledispatch
def _on_panels(stage: Kind, store: _Store, before: list[Group]) -> Kind:
    return stage


@_on_panels.register
def _(stage: WinogradProduct, store: _Store, before: list[Group]) -> Kind:
    spec = stage.spec
    width = panel_width(spec.outputs, store.target.lanes(spec.dtype.itemsize))
    panels = WinogradPanels(stage.filters, width, stage.outputs)
    return replace(stage, filters=store.stored(panels, stage.origins, before), panel_width=width)


@_on_panels.register
def _(stage: IndirectProduct, store: _Store, before: list[Group]) -> Kind:
    spec = stage.spec
    width = indirect_width(spec.columns, store.target, spec.dtype.itemsize)
    panels = Packing(stage.filters, width, 1)
    return replace(stage, filters=store.stored(panels, stage.origins, before), panel_width=width)
