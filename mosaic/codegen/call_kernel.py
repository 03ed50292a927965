"""The kernel that calls a user's C function; the function's text stands before all kernels, once."""

from __future__ import annotations

import hashlib

from mosaic import c
from mosaic.c.helpers import Helper
from mosaic.codegen.operands import Operands
from mosaic.codegen.row_kernel import KernelCode
from mosaic.ir.calls import CallOfUser


def emit_call_kernel(call: CallOfUser, comment: str) -> KernelCode:
    """Return the kernel, whose tasks are the parts of the call."""
    operands = Operands()
    given = [operands.pointer(view) for view in call.operands]
    result = operands.pointer(call.result, is_written=True)
    text, structure = call.structure
    sizes = c.Declare(
        c.ArrayType(c.const(c.int64), len(call.sizes)), "sizes", c.InitializerList(tuple(map(c.literal, call.sizes)))
    )
    passed = c.Cast(c.const_pointer(c.NamedType(structure)), c.Name("sizes"))
    body = (
        c.Declare(c.Pointer(c.pointer(c.void), is_const=False), "operands", c.Name("context")),
        *operands.declarations(),
        sizes,
        c.call(call.function, *given, result, passed, c.Name("task"), c.literal(call.num_parts)),
    )
    helper = Helper(
        _name(call.source), (c.Verbatim(call.source),), (Helper(structure, (c.Include("stdint.h"), c.Verbatim(text))),)
    )
    return KernelCode(body, comment, (helper,), operands.listed(), call.num_parts)


def _name(source: str) -> str:
    # Helpers of one name are one text, which is written once.
    return f"source_{hashlib.sha256(source.encode()).hexdigest()[:16]}"
