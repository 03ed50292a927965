"""Words about kernels for the reader of the C file: what is computed, in which shapes; nothing that differs by use."""

from __future__ import annotations

from composit.program import Program
from mosaic.ir import Definition, Group, Loop, Matmul, Scatter, Stage


def describe_kernel(group: Group, program: Program) -> str:
    """Return the operations of a group and their shapes as lines of a comment."""
    return "\n".join([", ".join(operation_names(group, program)), *map(_shapes, group.stages)])


def operation_names(group: Group, program: Program) -> list[str]:
    """Return the names of the operations a group computes, in order."""
    return [program.instructions[origin].operation.name for origin in group.origins]


def _shapes(stage: Stage | Definition) -> str:
    if isinstance(stage, Matmul):
        rows, columns, depth = stage.sizes
        times = f"{list(stage.batch)} times " if stage.batch else ""
        return f"  product: {times}({rows}, {depth}) @ ({depth}, {columns})"
    if isinstance(stage, Loop):
        return "\n".join([f"  {stage.extent} turns of", *map(_shapes, stage.body)])
    result = stage.result
    if isinstance(stage, Scatter):
        return f"  {stage.combiner} {list(result.shape)} {result.dtype} at indices"
    return f"  {stage.reducer + ' into' if stage.reducer else 'elements of'} {list(result.shape)} {result.dtype}"
