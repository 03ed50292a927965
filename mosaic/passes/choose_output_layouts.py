"""Lays outputs out in the order of axes that numpy gives results of elementwise functions.

Before:  t[1000, 1000] = x.T + 1, which reads columns and writes rows
After:   t.T[1000, 1000] = x + 1 over axes in the order of memory: one pass

Reference: numpy.nditer, order "K".
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from mosaic.ir.expressions import Uniform, views
from mosaic.ir.statements import Definition, IrProgram, read_views, written_views
from mosaic.ir.views import Buffer, View, dense_view
from mosaic.lowering.registry import Memory
from mosaic.passes.inline_elementwise import is_movement


def choose_output_layouts(program: IrProgram, memory: Memory) -> IrProgram:
    """Return the program with outputs that one elementwise definition fills, and nothing reads, in numpy's order.

    A reshaped result, (x.T + 1).reshape(-1), stays in row-major order: its axes are others than the definition's.

    What reads arrays that are stored in another order than numpy's stays in row-major order.

    Pre:  statements are definitions, matmuls, scatters and islands
    """
    delivered = Counter(output.buffer for output in program.outputs if isinstance(output, View))
    whole = {output for output in program.outputs if isinstance(output, View)}
    read = {view.buffer for statement in program.statements for view in read_views(statement)}
    writers = Counter(view.buffer for statement in program.statements for view in written_views(statement))
    statements, moved = [], dict[Buffer, View]()
    for statement in program.statements:
        if (
            isinstance(statement, Definition)
            and _is_free(statement)
            and memory.reordered.isdisjoint(_read_by(statement))
        ):
            buffer = statement.result.buffer
            order = memory_order(statement)
            is_only = delivered[buffer] == 1 and writers[buffer] == 1 and buffer not in read
            if is_only and statement.result in whole and order != tuple(range(len(order))):
                moved[buffer] = _in_order(statement.result, order)
                statement = replace(statement, result=moved[buffer]).transposed(order)
        statements.append(statement)
    outputs = tuple(_moved(output, moved) for output in program.outputs)
    return replace(program, statements=tuple(statements), outputs=outputs)


def _read_by(definition: Definition) -> set[Buffer]:
    return {view.buffer for view in views(definition.expression)}


def _is_free(definition: Definition) -> bool:
    """Whether the definition computes elements, rather than only moves them to their places."""
    return definition.reducer is None and definition.result.covers_buffer and not is_movement(definition.expression)


def _moved(output: View | Uniform, moved: dict[Buffer, View]) -> View | Uniform:
    return moved.get(output.buffer, output) if isinstance(output, View) else output


def _in_order(result: View, order: tuple[int, ...]) -> View:
    """Return the whole of a buffer as an array whose axes lie in memory in that order, outermost first."""
    places = tuple(order.index(axis) for axis in range(len(order)))
    return dense_view(result.buffer, tuple(result.shape[axis] for axis in order)).transpose(places)


def memory_order(definition: Definition) -> tuple[int, ...]:
    """Return the axes from the outermost in memory inward, by the strides of what is read; ties stay in row-major order."""
    order: list[int] = []
    for axis in range(len(definition.result.shape)):
        place = len(order)
        for other in range(len(order) - 1, -1, -1):
            is_outside = _lies_outside(definition, axis, order[other])
            if is_outside is False:
                break
            if is_outside:
                place = other
        order.insert(place, axis)
    return tuple(order)


def _lies_outside(definition: Definition, axis: int, other: int) -> bool | None:
    """Whether every view has this axis outside the other; None if no view moves along both."""
    found = [
        abs(view.strides[axis]) > abs(view.strides[other])
        for view in views(definition.expression)
        if view.strides[axis] and view.strides[other]
    ]
    return all(found) if found else None
