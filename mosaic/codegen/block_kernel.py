"""A product, stages along its rows and a second product as one C function: a block of rows at a time stays in the cache."""

from __future__ import annotations

from dataclasses import dataclass

from mosaic import c
from mosaic.c.helpers import Helper
from mosaic.codegen.expressions import Emitter, Scope
from mosaic.codegen.local_arrays import LocalArrays
from mosaic.codegen.matmul_kernel import LocalResult, emit_product, extra_parameters, matmul_spec
from mosaic.codegen.operands import Operands, address, element_type
from mosaic.codegen.registers import Lanes
from mosaic.codegen.row_kernel import KernelCode, lanes_of, row_indices, schedule_of
from mosaic.codegen.row_loops import Row
from mosaic.codegen.row_stages import RowEmitter
from mosaic.ir.schedule import Schedule
from mosaic.ir.statements import Group, Matmul, RowStage
from mosaic.matmul.blocking import num_panels
from mosaic.matmul.product import num_sums
from mosaic.targets import Target


@dataclass(frozen=True, slots=True)
class _Block:
    """The parts of an attention group, and their names in C."""

    group: Group
    before: Matmul
    stages: tuple[RowStage, ...]
    after: Matmul
    schedule: Schedule

    @property
    def num_blocks(self) -> int:
        return -(-self.group.most_rows[-1] // self.schedule.block_rows)


_scores, _weights, _row, _start = (c.Name(name) for name in ("scores", "weights", "row", "row_start"))


def emit_block_kernel(group: Group, name: str, comment: str, target: Target) -> KernelCode:
    """Return the kernel of a group that begins and ends with a product; a task is one block of rows."""
    before, after = group.products
    block = _Block(group, before, group.row_stages, after, schedule_of(group))
    emitter = Emitter(Lanes(target, target.lanes(before.left.dtype.itemsize)), Operands())
    along = Emitter(lanes_of(group, target), emitter.operands, emitter.local)
    axes, declarations = row_indices(before.batch, c.Name("batch"))
    lefts = emitter.operands.pointer(before.left)
    rights = [emitter.operands.pointer(matmul.right) for matmul in (before, after)]
    arrays = _local_arrays(block, emitter.local)
    rows = _rows(block, along, axes)
    local = LocalResult(_scores, group.most_length)
    blockings = block.schedule.blockings
    # One after the other, both products keep their sums in the same place.
    specs = [matmul_spec(each, len(axes)) for each in (before, after)]
    most_sums = max(map(num_sums, specs, blockings))
    sums = emitter.local.place(before.left.dtype, most_sums)
    given = () if sums is None else (sums,)
    # Emit both products before either is called: emitting one can add pointers to the shared argument list.
    emit_product(after, blockings[1], f"{name}_values", emitter, axes)
    first = emit_product(before, blockings[0], f"{name}_scores", emitter, axes, local, takes_sums=bool(given))
    second = emit_product(after, blockings[1], f"{name}_values", emitter, axes, takes_sums=bool(given))
    shared = tuple(c.Name(parameter.name) for parameter in extra_parameters(emitter, axes))
    operands = emitter.operands.listed()
    left = address(lefts, before.left.strides[: len(before.batch)], axes)
    body = (
        c.Declare(c.pointer(c.pointer(c.void)), "operands", c.Name("context")),
        *emitter.operands.declarations(),
        *emitter.local.declarations(len(operands)),
        c.Declare(c.const(c.int64), "batch", c.Name("task") / block.num_blocks),
        c.Declare(c.const(c.int64), "block", c.Name("task") % block.num_blocks),
        *declarations,
        *arrays,
        _call(block, first, 0, left, rights[0], axes, (*shared, _scores, *given)),
        rows,
        _call(block, second, 1, _weights, rights[1], axes, (*shared, *given)),
    )
    helpers = (*emitter.lanes.helpers.values(), *along.lanes.helpers.values(), first, second)
    return KernelCode(body, comment, helpers, operands, block.schedule.num_tasks, emitter.local.scratch_bytes)


def _local_arrays(block: _Block, local: LocalArrays) -> tuple[c.Statement, ...]:
    """Declare the block's local rows; the pointers are shifted so that rows keep their numbers in the whole."""
    length, dtype = block.group.most_length, block.before.result.dtype
    pointer = c.pointer(element_type(dtype))
    start = c.Name("block") * block.schedule.block_rows
    return (
        local.declare("score_rows", dtype, block.schedule.block_rows * length),
        local.declare("weight_rows", dtype, block.schedule.block_rows * length),
        c.Declare(c.const(c.int64), "row_start", start),
        c.Declare(
            c.const(c.int64), "row_stop", c.minimum(_start + block.schedule.block_rows, block.group.most_rows[-1])
        ),
        c.Declare(pointer, "scores", c.Name("score_rows") - _start * length),
        c.Declare(pointer, "weights", c.Name("weight_rows") - _start * length),
    )


def _rows(block: _Block, along: Emitter, axes: tuple[c.Expression, ...]) -> c.Statement:
    """Return the loop over the rows of a block, from scores to weights."""
    length = block.group.most_length
    places = {
        block.before.result.buffer: _scores + _row * length,
        block.stages[-1].result.buffer: _weights + _row * length,
    }
    line = Row((*axes, _row), c.literal(0), c.literal(length), length)
    scope = Scope(frozenset(range(len(block.group.rows))))
    statements = RowEmitter(along, block.stages, frozenset(), block.schedule.phases, places).emit(line, scope)
    return c.loop("row", c.Name("row_stop"), *statements, start=_start)


def _call(
    block: _Block,
    product: Helper,
    number: int,
    left: c.Expression,
    right: c.Expression,
    axes: tuple[c.Expression, ...],
    extra: tuple[c.Expression, ...],
) -> c.Statement:
    """Call a product for all panels of the block's rows."""
    matmul = (block.before, block.after)[number]
    panels = num_panels(matmul_spec(matmul, len(axes)), block.schedule.blockings[number])
    first = c.Name("block") * panels
    matrix = address(right, matmul.right.strides[: len(axes)], axes)
    return c.ExpressionStatement(product(first, first + panels, left, matrix, *extra))
