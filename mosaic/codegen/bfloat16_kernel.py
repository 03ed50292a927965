"""A product of bfloat16 as one C function: blocks of rows as tasks, the epilogue's expression where sums are stored."""

from __future__ import annotations

import numpy as np

from mosaic import c
from mosaic.codegen.expressions import Emitter
from mosaic.codegen.matmul_kernel import extra_parameters, product_epilogue
from mosaic.codegen.operands import Operands
from mosaic.codegen.registers import Lanes
from mosaic.codegen.row_kernel import KernelCode
from mosaic.ir.schedule import Schedule
from mosaic.ir.statements import Bfloat16Matmul
from mosaic.matmul.bfloat16_product import Bfloat16Product, Bfloat16Spec, emit_bfloat16_product, num_sums
from mosaic.targets import Target

_sums = np.dtype(np.float32)


def bfloat16_spec(matmul: Bfloat16Matmul) -> Bfloat16Spec:
    """Return the sizes of a product."""
    rows, columns, depth = matmul.sizes
    return Bfloat16Spec(rows, columns, depth)


def emit_bfloat16_kernel(
    matmul: Bfloat16Matmul, schedule: Schedule, name: str, comment: str, target: Target
) -> KernelCode:
    """Return the kernel of one product; `name` is for the C function that multiplies."""
    (blocking,) = schedule.blockings
    emitter = Emitter(Lanes(target, schedule.lanes), Operands())
    left, right = emitter.operands.pointer(matmul.left), emitter.operands.pointer(matmul.right)
    epilogue = product_epilogue(matmul, emitter, (), _sums)
    parameters, helpers = extra_parameters(emitter, ()), tuple(emitter.lanes.helpers.values())
    product = emit_bfloat16_product(
        Bfloat16Product(bfloat16_spec(matmul), blocking, target, name, epilogue, parameters, helpers)
    )
    local = emitter.local
    sums = local.declare("sums", _sums, num_sums(blocking))
    operands = emitter.operands.listed()
    task = c.Name("task")
    call = product(task, task + 1, left, right, *(c.Name(each.name) for each in parameters), c.Name("sums"))
    body = (
        c.Declare(c.pointer(c.pointer(c.void)), "operands", c.Name("context")),
        *emitter.operands.declarations(),
        *local.declarations(len(operands)),
        sums,
        c.ExpressionStatement(call),
    )
    return KernelCode(body, comment, (*helpers, product), operands, schedule.num_tasks, local.scratch_bytes)
