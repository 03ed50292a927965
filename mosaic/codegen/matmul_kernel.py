"""A product as one C function: batches and blocks of rows as tasks, the epilogue's expression where sums are stored."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mosaic import c
from mosaic.c.helpers import Helper
from mosaic.codegen.expressions import Emitter, Scope, Where
from mosaic.codegen.operands import Operands, address, element_type
from mosaic.codegen.registers import Lanes
from mosaic.codegen.row_kernel import KernelCode, row_indices
from mosaic.ir.expressions import Accumulated
from mosaic.ir.schedule import Schedule
from mosaic.ir.statements import Matmul
from mosaic.matmul import product as gemm
from mosaic.matmul.blocking import Blocking, MatmulSpec, num_tasks
from mosaic.matmul.packed_panel import num_packed
from mosaic.targets import Target


def num_pairs_axes(matmul: Matmul) -> int:
    """Return how many leading axes of a batch make pairs of matrices; along those after them, lines share the right matrix."""
    count = len(matmul.batch)
    while count and not matmul.right.strides[count - 1]:
        count -= 1
    return count


def matmul_spec(matmul: Matmul, num_outer: int | None = None) -> MatmulSpec:
    """Return the sizes and strides of one matrix product of the batch, of which the axes after `num_outer` are lines."""
    rows, columns, depth = matmul.sizes
    left, right = matmul.left, matmul.right
    in_place = None if matmul.panel_width else right.strides[-2]
    count = num_pairs_axes(matmul) if num_outer is None else num_outer
    place = matmul.result.ndim - 2
    strides, b_outer = left.strides[place + 1 :], tuple[tuple[int, int], ...]()
    extents = matmul.depth
    if matmul.reads_windows:
        # The factors of a row lie evenly apart, and a table says where the rows of the right operand do.
        b_outer, extents, strides = (
            tuple(zip(extents, right.strides[-1 - len(extents) : -1], strict=True)),
            (depth,),
            strides[-1:],
        )
    *outer, last = zip(extents, strides, strict=True)
    packed_from = (right.strides[-2], right.strides[-1]) if matmul.packs else None
    lines = tuple(zip(matmul.batch[count:], left.strides[count:place], strict=True))
    places = (left.strides[place], last[1], in_place, tuple(outer), packed_from, lines)
    return MatmulSpec(left.dtype, rows, columns, depth, *places, matmul.is_deep, b_outer)


def emit_matmul_kernel(matmul: Matmul, schedule: Schedule, name: str, comment: str, target: Target) -> KernelCode:
    """Return the kernel of one product; `name` is for the C function that multiplies one pair of matrices."""
    (blocking,) = schedule.blockings
    emitter = Emitter(Lanes(replace(target, vector_bytes=schedule.vector_bytes), schedule.lanes), Operands())
    left, right = emitter.operands.pointer(matmul.left), emitter.operands.pointer(matmul.right)
    count = num_pairs_axes(matmul)
    batch_axes, declarations = row_indices(matmul.batch[:count], c.Name("batch"))
    sums = emitter.local.place(matmul.left.dtype, gemm.num_sums(matmul_spec(matmul), blocking))
    packed = emitter.local.declare("packed", matmul.left.dtype, num_packed(blocking)) if matmul.packs else None
    product = emit_product(matmul, blocking, name, emitter, batch_axes, takes_sums=sums is not None)

    def multiply(first: c.Operand, last: c.Operand) -> c.Statement:
        """The call for a range of the tasks of one pair of matrices."""
        matrices = (
            address(left, matmul.left.strides[:count], batch_axes),
            address(right, matmul.right.strides[:count], batch_axes),
        )
        extra = (c.Name(parameter.name) for parameter in extra_parameters(emitter, batch_axes))
        own = (*(() if packed is None else (c.Name("packed"),)), *(() if sums is None else (sums,)))
        return c.ExpressionStatement(product(first, last, *matrices, *extra, *own))

    num_each = num_tasks(matmul_spec(matmul), blocking)
    which = _task_of_batch(matmul, num_each, schedule.per_task, declarations, multiply)
    unpack = c.Declare(c.pointer(c.pointer(c.void)), "operands", c.Name("context"))
    operands, local = emitter.operands.listed(), emitter.local
    arrays = (*local.declarations(len(operands)), *(() if packed is None else (packed,)))
    body = (unpack, *emitter.operands.declarations(), *arrays, *which)
    helpers = (*emitter.lanes.helpers.values(), product)
    return KernelCode(body, comment, helpers, operands, schedule.num_tasks, local.scratch_bytes)


def _task_of_batch(
    matmul: Matmul,
    num_each: int,
    per_task: int,
    declarations: tuple[c.Statement, ...],
    multiply: Callable[..., c.Statement],
) -> tuple[c.Statement, ...]:
    """Return what one task does: a part of a pair of matrices, of which each has `num_each`, or several small pairs."""
    pairs = matmul.batch[: num_pairs_axes(matmul)]
    batch, task = math.prod(pairs), c.Name("task")
    if batch == 1:
        axes = [
            c.Declare(c.const(c.int64), each.text, c.literal(0))
            for each in _names(row_indices(pairs, c.Name("batch"))[0])
        ]
        return (*axes, multiply(task, task + 1))
    if per_task < 2:
        index = c.Declare(c.const(c.int64), "batch", task / num_each)
        return (index, *declarations, multiply(task % num_each, task % num_each + 1))
    bounds = (
        c.Declare(c.const(c.int64), "start", task * per_task),
        c.Declare(c.const(c.int64), "stop", c.minimum(c.Name("start") + per_task, c.literal(batch))),
    )
    body = (*declarations, multiply(c.literal(0), c.literal(num_each)))
    return (*bounds, c.loop("batch", c.Name("stop"), *body, start=c.Name("start")))


def _names(axes: Sequence[c.Expression]) -> list[c.Name]:
    return list(dict.fromkeys(axis for axis in axes if isinstance(axis, c.Name)))


def extra_parameters(emitter: Emitter, batch_axes: Sequence[c.Expression]) -> tuple[c.Parameter, ...]:
    """Return the parameters an epilogue needs besides the matrices: the batch's indices and the kernel's pointers."""
    indices = tuple(c.Parameter(c.int64, axis.text, ("unused",)) for axis in _names(batch_axes))
    pointers = tuple(
        c.Parameter(declared.ctype, declared.name, ("unused",))
        for declared in emitter.operands.declarations()
        if isinstance(declared, c.Declare)
    )
    return (*indices, *pointers)


@dataclass(frozen=True, slots=True)
class LocalResult:
    """A result that stays in the kernel: a pointer to dense rows of `length`, passed as the last parameter."""

    pointer: c.Name
    length: int


def product_epilogue(
    matmul: Matmul,
    emitter: Emitter,
    batch_axes: tuple[c.Expression, ...],
    sum_dtype: np.dtype,
    local: LocalResult | None = None,
) -> gemm.Epilogue:
    """Return what stores the values of the epilogue of a product, for the sums of some lanes."""

    def epilogue(
        row: c.Expression, column: c.Expression, sums: c.Expression, lanes: c.Expression | None
    ) -> Sequence[c.Statement]:
        where = Where((*batch_axes, row, column), len(batch_axes) + 1, lanes)
        scope = Scope(frozenset(range(len(batch_axes) + 2)))
        scope.values[emitter.numbers.of(Accumulated(sum_dtype))] = sums
        value = emitter.value(matmul.epilogue, scope, where)
        if local is None:
            emitter.store(matmul.result, value, scope, where)
        else:
            place = local.pointer + row * local.length + column
            scope.statements.append(emitter.stored_densely(place, matmul.result.dtype, value, where))
        return scope.statements

    epilogue(c.Name("row"), c.Name("column"), c.Name("value"), c.Name("lanes"))  # to learn which pointers it uses
    epilogue(c.Name("row"), c.Name("column"), c.Name("value"), None)
    return epilogue


def emit_product(
    matmul: Matmul,
    blocking: Blocking,
    name: str,
    emitter: Emitter,
    batch_axes: tuple[c.Expression, ...],
    local: LocalResult | None = None,
    takes_sums: bool = False,
) -> Helper:
    """Return the C function that multiplies one pair of matrices and stores the epilogue's values.

    batch_axes: the indices of the pair; along axes of the batch after these, the function goes itself, line by line
    takes_sums: its last argument is memory for the sums
    """
    spec = matmul_spec(matmul, len(batch_axes))
    axes = (*batch_axes, *gemm.line_names(spec))

    epilogue = product_epilogue(matmul, emitter, axes, matmul.left.dtype, local)
    parameters = extra_parameters(emitter, batch_axes)
    if local is not None:
        pointer = c.pointer(element_type(matmul.result.dtype))
        parameters = (*parameters, c.Parameter(pointer, local.pointer.text))
    helpers = tuple(emitter.lanes.helpers.values())
    parts = (spec, blocking, emitter.lanes.target, name, epilogue, parameters, helpers, takes_sums)
    return gemm.emit_matmul(gemm.Matmul(*parts))
