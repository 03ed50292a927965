"""Transforms the filters of Winograd convolutions: constants once and for all, other values before the convolution.

Before:  y = winograd 4 x 4 of x[n, h, w, 1, c] and w[1, o, c, 3, 3]
After:   y = winograd 4 x 4 of x[n, h, w, 1, c] and u[1, 36, o / 32, c, 32]      w constant: transformed when the model is built
         u = winograd 4 x 4 filters of w; y = ...                               w computed, or an input
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import singledispatch

from mosaic.ir.kinds import Kind
from mosaic.ir.statements import Group, IrProgram
from mosaic.ir.views import Buffer, BufferKind, View, dense_view
from mosaic.ir.winograd import WinogradFilters, WinogradProduct
from mosaic.lowering.registry import Memory
from mosaic.targets import Target
from mosaic.tiling.winograd_filters import WinogradPanels
from mosaic.winograd.blocks import panel_width


def store_filters(program: IrProgram, memory: Memory, target: Target, keep_packed: bool) -> IrProgram:
    """Return the program with all filters of Winograd convolutions in panels.

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
    constants: dict[Buffer, WinogradPanels] = field(default_factory=dict)
    known: dict[WinogradPanels, View] = field(default_factory=dict)
    first: list[Kind] = field(default_factory=list)
    packed_inputs: dict[Buffer, Buffer] = field(default_factory=dict)

    def rewritten(self, product: WinogradProduct, copies: list[WinogradFilters]) -> WinogradProduct:
        """Return the convolution on panels; what fills them when it runs goes to `copies`."""
        spec = product.spec
        width = panel_width(spec.outputs, self.target.lanes(spec.dtype.itemsize))
        panels = WinogradPanels(product.filters, width, product.outputs)
        is_input = self.keep_packed and product.filters.buffer.kind is BufferKind.INPUT
        if product.filters.buffer.kind is BufferKind.CONSTANT and not product.filters.is_moving:
            stored = self.constant(panels)
        elif is_input and not product.filters.is_moving:
            stored = self.kept(panels, product.origins)
        else:
            stored = self.memory.temporary(panels.shape, panels.view.dtype)
            copies.append(WinogradFilters(stored, product.filters, product.origins, product.outputs))
        return replace(product, filters=stored, panel_width=width)

    def constant(self, panels: WinogradPanels) -> View:
        """Return panels that are filled when the model is built."""
        if panels not in self.known:
            number = self.num_constants + len(self.constants)
            buffer = Buffer(BufferKind.CONSTANT, number, math.prod(panels.shape), panels.view.dtype)
            self.constants[buffer] = panels
            self.known[panels] = dense_view(buffer, panels.shape)
        return self.known[panels]

    def kept(self, panels: WinogradPanels, origins: tuple[int, ...]) -> View:
        """Return panels of an input that are filled first of all, and kept as long as its array."""
        if panels not in self.known:
            stored = self.memory.temporary(panels.shape, panels.view.dtype)
            self.first.append(_alone(WinogradFilters(stored, panels.view, origins, panels.outputs)))
            self.packed_inputs[stored.buffer] = panels.view.buffer
            self.known[panels] = stored
        return self.known[panels]


def _alone(filters: WinogradFilters) -> Group:
    return Group(filters.result.shape[:-1], filters.result.shape[-1], (filters,))


@singledispatch
def _with_panels(statement: Kind, store: _Store) -> list[Kind]:
    """Return a statement with the filters of its Winograd convolutions in panels, after what fills them."""
    return [statement]


@_with_panels.register
def _(group: Group, store: _Store) -> list[Kind]:
    copies: list[WinogradFilters] = []
    stages = tuple(_on_panels(stage, store, copies) for stage in group.stages)
    filled = [replace(_alone(each), turns=group.turns) for each in copies]
    return [*filled, replace(group, stages=stages)]


@singledispatch
def _on_panels(stage: Kind, store: _Store, copies: list[WinogradFilters]) -> Kind:
    return stage


@_on_panels.register
def _(stage: WinogradProduct, store: _Store, copies: list[WinogradFilters]) -> Kind:
    return store.rewritten(stage, copies)
