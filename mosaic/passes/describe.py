"""Comments of kernels in the C file: operations and shapes, the same for all uses of a kernel."""

from __future__ import annotations

from functools import singledispatch

from composit.program import Program
from mosaic.ir.calls import CallOfUser
from mosaic.ir.kinds import Kind
from mosaic.ir.loops import Loop
from mosaic.ir.statements import Group, Matmul, RowStage, Scatter
from mosaic.ir.views import listed


def describe_kernel(group: Group, program: Program) -> str:
    """Return the operations of a group and their shapes as lines of a comment."""
    return "\n".join([", ".join(operation_names(group, program)), *map(shapes_text, group.stages)])


def operation_names(group: Group, program: Program) -> list[str]:
    """Return the names of the operations a group computes, in order."""
    return [program.instructions[origin].operation.name for origin in group.origins]


@singledispatch
def shapes_text(stage: Kind) -> str:
    """Return a line that describes a stage; by default its class and its results."""
    results = ", ".join(f"[{listed(view.extents)}] {view.dtype}" for view in stage.writes())
    return f"  {type(stage).__name__} of {results}"


@shapes_text.register
def _(stage: Matmul) -> str:
    rows, columns, depth = stage.sizes
    times = f"{list(stage.batch)} times " if stage.batch else ""
    return f"  product: {times}({rows}, {depth}) @ ({depth}, {columns})"


@shapes_text.register
def _(stage: CallOfUser) -> str:
    operands = ", ".join(f"[{listed(view.extents)}]" for view in stage.operands)
    return f"  {stage.function}({operands}) in {stage.num_parts} parts"


@shapes_text.register
def _(stage: Loop) -> str:
    return "\n".join([f"  {stage.extent} turns of", *map(shapes_text, stage.body)])


@shapes_text.register
def _(stage: Scatter) -> str:
    return f"  {stage.combiner} {list(stage.result.shape)} {stage.result.dtype} at indices"


@shapes_text.register
def _(stage: RowStage) -> str:
    result = stage.result
    return f"  {stage.reducer + ' into' if stage.reducer else 'elements of'} [{listed(result.extents)}] {result.dtype}"
