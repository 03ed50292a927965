"""The tiles of a product: chosen by a model of the processor, or given by the user per tensor.

A tensor that is the right operand of products gives their panels: tiles of (depth block, panel width) in its own axes. A
tensor that is the result of a product gives its blocks: the outer level's rows are a task's, the innermost level is the
tile of sums held in registers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from composit.apply import as_tensor
from composit.errors import ParameterError
from composit.handle import described
from composit.operation import Operation, OperationKind, TensorType
from composit.program import BoundProgram
from composit.value import identity_of
from mosaic.codegen.matmul_kernel import matmul_spec
from mosaic.ir.statements import Matmul
from mosaic.lowering.registry import has_lowering
from mosaic.matmul.blocking import Blocking, MatmulSpec, choose_blocking
from mosaic.targets import Target
from mosaic.tiling.layout import Layout, TileLevel


@dataclass(frozen=True, slots=True)
class Tiles:
    """The user's tiles for one product; None where the choice is automatic."""

    mr: int | None = None
    nr: int | None = None
    depth_block: int | None = None
    row_block: int | None = None

    def merged(self, other: Tiles) -> Tiles:
        """Return these tiles, with missing ones taken from others."""
        return Tiles(
            self.mr or other.mr,
            self.nr or other.nr,
            self.depth_block or other.depth_block,
            self.row_block or other.row_block,
        )


@dataclass(frozen=True, slots=True)
class TileScheme:
    """The user's tiles by the instruction of a product; all others are chosen automatically."""

    by_origin: Mapping[int, Tiles] = field(default_factory=dict)

    def blocking(self, matmul: Matmul, target: Target) -> Blocking:
        """Return the block sizes of a product as its right operand is stored."""
        return self._blocking(matmul, matmul_spec(matmul), target)

    def blocking_of_panels(self, matmul: Matmul, target: Target) -> Blocking:
        """Return the block sizes of a product once its right operand is stored in panels."""
        return self._blocking(matmul, replace(matmul_spec(matmul), b_depth_stride=None), target)

    def _blocking(self, matmul: Matmul, spec: MatmulSpec, target: Target) -> Blocking:
        wanted = self.by_origin.get(matmul.origins[0], Tiles())
        row_block = wanted.row_block and min(wanted.row_block, spec.rows)
        chosen = choose_blocking(spec, target, row_block)
        nr = _checked_width(wanted.nr, spec, target) or chosen.nr
        most_rows = max(1, target.num_vector_registers * target.lanes(spec.dtype.itemsize) // nr - 1)
        mr = min(wanted.mr or chosen.mr, spec.rows, chosen.mr if wanted.mr is None and nr == chosen.nr else most_rows)
        depth_block = min(wanted.depth_block or chosen.depth_block, spec.depth)
        return replace(chosen, mr=mr, nr=nr, depth_block=depth_block)


def _checked_width(width: int | None, spec: MatmulSpec, target: Target) -> int | None:
    lanes = target.lanes(spec.dtype.itemsize)
    if width is not None and (width % lanes or width // lanes >= target.num_vector_registers):
        raise ParameterError(
            f"tile_scheme: panels of {width} columns of {spec.dtype} were asked for on {target.name}; expected a multiple "
            f"of its {lanes} lanes that leaves registers free; for example {4 * lanes}"
        )
    return width


def tile_scheme_of(given: Any, bound: BoundProgram) -> TileScheme:
    """Return the user's mapping from tensors to tile levels, by instruction.

    Raises: ParameterError: a tensor is neither the right operand nor the result of a product here
    """
    if given is None:
        return TileScheme()
    if isinstance(given, TileScheme):
        return given
    if not isinstance(given, Mapping):
        raise ParameterError(
            f"tile_scheme: {described(given):.80} of type {type(given).__name__} was given; expected a mapping from tensors to a "
            "TileLevel, several of them or a Layout, such as {weight: TileLevel((768, 64))}"
        )
    found: dict[int, Tiles] = {}
    for tensor, layout in given.items():
        handle = as_tensor(tensor)
        levels = _levels(layout)
        Layout(levels).check(handle.shape)
        positions = _positions(handle.node, bound)
        tiles = [each for position in positions for each in _tiles(position, levels, bound)]
        if not tiles:
            raise ParameterError(
                f"tile_scheme: {described(handle)} has tiles, and is neither the right operand nor the result of a product of "
                "matrices among what is compiled; give tiles for the weights or the results of products"
            )
        for origin, wanted in tiles:
            found[origin] = found.get(origin, Tiles()).merged(wanted)
    return TileScheme(found)


def _levels(layout: Any) -> tuple[TileLevel, ...]:
    given = layout.levels if isinstance(layout, Layout) else layout
    levels = tuple(given) if isinstance(given, tuple | list) else (given,)
    if levels and all(isinstance(level, TileLevel) for level in levels):
        return levels
    raise ParameterError(
        f"tile_scheme: {layout!r:.80} was given for a tensor; expected a TileLevel, several of them from the outermost in, or a "
        "Layout of some; write TileLevel((768, 64)) for tiles of that shape"
    )


def _positions(node: Any, bound: BoundProgram) -> list[int]:
    """Return the instructions that compute a node."""
    wanted = identity_of(node, 0)
    return [
        position for position, other in enumerate(bound.nodes) if other is not None and identity_of(other, 0) == wanted
    ]


def _tiles(position: int, levels: Sequence[TileLevel], bound: BoundProgram) -> list[tuple[int, Tiles]]:
    """Return the products that a tensor's tiles apply to, with the tiles."""
    instructions = bound.program.instructions
    found: list[tuple[int, Tiles]] = []
    operation = instructions[position].operation
    outer, inner = levels[0].tile_shape[-2:], levels[-1].tile_shape[-2:]
    if len(inner) < 2:
        return []  # a vector has neither panels nor blocks
    if operation.kind is OperationKind.CONTRACTION and has_lowering(operation):
        found.append((position, Tiles(mr=inner[0], nr=inner[1], row_block=outer[0] if len(levels) > 1 else None)))
    for origin, instruction in enumerate(instructions):
        if instruction.operation.is_matrix_product:
            for source, is_transposed in _seen_through_views(instruction.operands[1][0], bound):
                if source == position:
                    depth, width = reversed(outer) if is_transposed else outer
                    found.append((origin, Tiles(nr=width, depth_block=depth)))
    return found


def _seen_through_views(position: int, bound: BoundProgram) -> Iterator[tuple[int, bool]]:
    """Yield an instruction and those that it is a view of, with whether the last two axes are swapped."""
    is_transposed = False
    yield position, is_transposed
    instruction = bound.program.instructions[position]
    while instruction.operation.is_view and has_lowering(instruction.operation):
        position, index = instruction.operands[0]
        source = bound.program.instructions[position]
        is_transposed ^= _transposes(instruction.operation, source.types[index])
        yield position, is_transposed
        instruction = source


def _transposes(view: Operation, operand: TensorType) -> bool:
    """Return whether an operation swaps the last two axes of a row-major array."""
    strides, length = [], 1
    for extent in reversed(operand.shape):
        strides.append(length)
        length *= extent
    # An array of one element in memory is enough: only strides matter.
    rows = np.lib.stride_tricks.as_strided(np.empty(1, np.int8), operand.shape, strides[::-1])
    seen = view.view_of(rows)
    return seen.ndim > 1 and min(seen.shape[-2:]) > 1 and abs(seen.strides[-2]) < abs(seen.strides[-1])
