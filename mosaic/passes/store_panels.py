"""Stores the right operand of each product in panels: constants once and for all, other values just before the product.

Before:  y = x[m, k] @ w[k, n]
After:   y = x[m, k] @ panels[n / nr, k, nr]          w constant: packed when the model is built
         panels[n / nr, k, nr] = w[k, n]; y = ...     w computed: a copy that runs before
         y = x[m, k] @ w[k, n] in panels              w read by one product only: each task packs the panel it needs

A right operand that few rows use and whose columns lie side by side is read in place, as are windows along the lines of an image
where an algorithm says so.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import singledispatch
from itertools import groupby

import numpy as np

from mosaic.codegen.matmul_kernel import num_pairs_axes
from mosaic.ir.kinds import Kind
from mosaic.ir.loops import Turns
from mosaic.ir.statements import Bfloat16Matmul, Definition, Group, IrProgram, Matmul, Statement
from mosaic.ir.views import Buffer, BufferKind, View, dense_view
from mosaic.lowering.registry import Memory
from mosaic.matmul.bfloat16_product import WIDTH
from mosaic.matmul.blocking import Blocking, few_rows
from mosaic.passes.canonical_axes import as_group
from mosaic.tiling.packing import Packing
from mosaic.tiling.pairs import PairPacking

BlockingOfPanels = Callable[[Matmul], Blocking]
"""Returns the block sizes of a product once its right operand is stored in panels."""


def store_panels(program: IrProgram, memory: Memory, blocking: BlockingOfPanels, keep_packed: bool) -> IrProgram:
    """Return the program with every product's right operand in panels or readable in place.

    With `keep_packed`, the panels of inputs are filled first and noted in `packed_inputs`, so that a run on the same
    array can go without.

    Pre:  statements are groups and islands
    Post: a Matmul has a panel_width, or a right operand whose last stride is 1.
    """
    packer = _Packer(program, memory, blocking, keep_packed, _num_readers(program))
    statements = packer.packed_statements()
    constants = {**program.constants, **packer.packed}
    return replace(
        program, statements=(*packer.first, *statements), constants=constants, packed_inputs=packer.packed_inputs
    )


def _num_readers(program: IrProgram) -> Counter[View]:
    """Return how many products have a view as their right operand."""
    return Counter(product.right for group in program.groups for product in group.products)


@singledispatch
def _turns_of(statement: Kind) -> tuple[Turns, ...]:
    """Return the loops around a statement, the outermost first."""
    return ()


@_turns_of.register
def _(statement: Group) -> tuple[Turns, ...]:
    return statement.turns


@dataclass(slots=True)
class _Packer:
    program: IrProgram
    memory: Memory
    blocking: BlockingOfPanels
    keep_packed: bool
    num_readers: Counter[View]
    packed: dict[Buffer, Packing] = field(default_factory=dict)
    known: dict[Packing, View] = field(default_factory=dict)
    first: list[Statement] = field(default_factory=list)
    packed_inputs: dict[Buffer, Buffer] = field(default_factory=dict)

    def packed_statements(self) -> list[Statement]:
        """Return all statements with panels filled before the products; constant panels of a loop before the loop."""
        statements: list[Statement] = []
        for turns, together in groupby(self.program.statements, lambda each: _turns_of(each)[:1]):
            neighbours = list(together)
            changing = {view.buffer for each in neighbours for view in each.writes()} if turns else set[Buffer]()
            inner: list[Statement] = []
            for statement in neighbours:
                copies, rewritten = _on_panels(statement, self)
                for copy in copies:
                    # Panels that no turn changes are filled before the loop.
                    is_before = turns and not any(view.buffer in changing or view.is_moving for view in copy.reads())
                    filled = as_group(copy) if is_before else replace(as_group(copy), turns=_turns_of(statement))
                    (statements if is_before else inner).append(filled)
                inner.append(rewritten)
            if turns:  # panels filled in one turn are out of date in the next
                self.known = {key: panels for key, panels in self.known.items() if key.view.buffer not in changing}
            statements += inner
        return statements

    def rewritten(self, matmul: Matmul, copies: list[Definition], is_alone: bool) -> Matmul:
        """Return the product on panels; the statements that fill them go to `copies`. `is_alone`: not part of a larger kernel."""
        blocking = self.blocking(matmul)
        width = blocking.nr
        right = matmul.right
        # A matrix that differs in each turn of a loop is packed in the turn.
        is_constant = right.buffer.kind is BufferKind.CONSTANT and not right.is_moving
        is_readable = right.strides[-1] == 1 and (len(matmul.depth) == 1 or matmul.reads_windows)
        num_rows = matmul.sizes[0] * math.prod(matmul.batch[num_pairs_axes(matmul) :])
        is_in_place = num_rows <= few_rows if matmul.is_in_place is None else matmul.is_in_place
        if not is_constant and is_in_place and is_readable:
            return matmul
        # A batch axis along which the operand does not change is stored once.
        used = tuple(1 if stride == 0 else extent for extent, stride in zip(right.shape, right.strides, strict=True))
        count = len(matmul.batch)
        if is_alone and self._is_packed_by_tasks(matmul, blocking) and used == right.shape:
            return replace(matmul, panel_width=width, packs=True)
        packing = Packing(replace(right, extents=(*used[:count], *right.shape[count:])), width, count)
        panels = self._stored(packing, matmul, copies)
        strides = tuple(
            0 if extent == 1 else stride for extent, stride in zip(panels.shape, panels.strides, strict=True)
        )
        shape = (*matmul.batch, *panels.shape[-3:])
        kept = (*strides[:count], *panels.strides[-3:])
        left = _with_long_runs(matmul)
        return replace(matmul, left=left, right=View(panels.buffer, 0, shape, kept), panel_width=width)

    def rewritten_in_pairs(self, matmul: Bfloat16Matmul, copies: list[Definition]) -> Bfloat16Matmul:
        """Return a product of bfloat16 on panels of pairs."""
        panels = self._stored(PairPacking(matmul.right, WIDTH, 0), matmul, copies)
        return replace(matmul, right=panels, panel_width=WIDTH)

    def _stored(self, packing: Packing, matmul: Matmul, copies: list[Definition]) -> View:
        """Return panels, the same for the same matrix; the statements that fill them go to `copies`."""
        panels = self.known.get(packing)
        if panels is None:
            view = packing.view
            is_constant = view.buffer.kind is BufferKind.CONSTANT and not view.is_moving
            panels = self._constant(packing) if is_constant else self._filled(packing, matmul, copies)
            self.known[packing] = panels
        return panels

    def _is_packed_by_tasks(self, matmul: Matmul, blocking: Blocking) -> bool:
        """Whether each panel is read by one task only, so that the task may pack it; kept panels are not a task's."""
        right, (rows, _, _) = matmul.right, matmul.sizes
        is_kept = self.keep_packed and right.buffer.kind is BufferKind.INPUT
        is_fixed = right.buffer.kind is not BufferKind.CONSTANT and not right.is_moving and not is_kept
        return is_fixed and len(matmul.depth) == 1 and self.num_readers[right] == 1 and blocking.row_block >= rows

    def _constant(self, packing: Packing) -> View:
        number = len(self.program.constants) + len(self.packed)
        buffer = Buffer(BufferKind.CONSTANT, number, int(np.prod(packing.shape)), packing.dtype)
        self.packed[buffer] = packing
        return dense_view(buffer, packing.shape)

    def _filled(self, packing: Packing, matmul: Matmul, copies: list[Definition]) -> View:
        """Return panels that are filled when the program runs: before the product, or first of all if they are kept."""
        view = packing.view
        if not (self.keep_packed and view.buffer.kind is BufferKind.INPUT) or view.is_moving:
            return self._computed(packing, matmul, copies)
        own: list[Definition] = []
        panels = self._computed(packing, matmul, own)
        self.first.extend(map(as_group, own))
        self.packed_inputs[panels.buffer] = view.buffer
        return panels

    def _computed(self, packing: Packing, matmul: Matmul, copies: list[Definition]) -> View:
        """Append the copies that fill panels: one into whole panels, one of the remaining columns into the last."""
        panels = self.memory.temporary(packing.shape, packing.dtype)
        copies += [Definition(target, value, matmul.origins) for target, value in packing.copies(panels)]
        return panels


def _with_long_runs(matmul: Matmul) -> View:
    """Return the left operand with neighbouring axes of the depth as one where they lie evenly: in panels they do anyway."""
    left = matmul.left
    for axis in reversed(range(len(matmul.batch) + 1, left.ndim - 1)):
        left = left.joined(axis) or left
    return left


@singledispatch
def _on_panels(statement: Kind, packer: _Packer) -> tuple[list[Definition], Kind]:
    """Return the copies that fill computed panels, and the statement with its products on panels."""
    return [], statement


@_on_panels.register
def _(group: Group, packer: _Packer) -> tuple[list[Definition], Kind]:
    copies: list[Definition] = []
    is_alone = len(group.stages) == 1 and not group.turns
    products: dict[Kind, Kind] = {each: _product_on_panels(each, packer, copies, is_alone) for each in group.products}
    return copies, replace(group, stages=tuple(products.get(stage, stage) for stage in group.stages))


@singledispatch
def _product_on_panels(product: Matmul, packer: _Packer, copies: list[Definition], is_alone: bool) -> Matmul:
    return packer.rewritten(product, copies, is_alone)


@_product_on_panels.register
def _(product: Bfloat16Matmul, packer: _Packer, copies: list[Definition], is_alone: bool) -> Matmul:
    return packer.rewritten_in_pairs(product, copies)
