"""Groups statements into kernels: one each without fusion."""

from __future__ import annotations

from dataclasses import replace

from mosaic.ir import Definition, Group, IrProgram, Island, Matmul, Statement
from mosaic.lowering.registry import Memory
from mosaic.passes.canonical_axes import as_group


def form_groups(program: IrProgram, memory: Memory, fuse: bool) -> IrProgram:
    """Return the program with every definition and matmul in a group."""
    return replace(program, statements=tuple(map(alone, program.statements)))


def alone(statement: Statement) -> Group | Island:
    """Return a statement as a group of its own."""
    if isinstance(statement, Definition):
        return as_group(statement)
    if isinstance(statement, Matmul):
        return Group(statement.result.shape[:-1], statement.result.shape[-1], (statement,))
    return statement
