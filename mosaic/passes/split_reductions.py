"""Splits a long reduction to few values into two, so that threads can share it.

Before:  s = sum of x[4000000]
After:   p[128] = sum of x[128, 31250] over the second axis; s = sum of p

Sums of columns, such as the gradient of a bias, are split where there are too few columns for several tasks.

Before:  s[64] = sum of x[12544, 64] over the first axis
After:   p[49, 64] = sum of x[49, 256, 64] over the second axis; s[64] = sum of p over the first axis

The split depends on the length alone, never on the number of threads, so the bits do not either.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import singledispatch

import numpy as np

from mosaic.ir.expressions import Load, loads
from mosaic.ir.kinds import Kind
from mosaic.ir.statements import POSITION_REDUCERS, Definition, IrProgram
from mosaic.ir.views import numbers_only
from mosaic.lowering.registry import Memory
from mosaic.passes.canonical_axes import canonical

shortest_split = 1 << 18
"""Shorter reductions stay whole: one thread is done before a second could help."""
most_results = 8
most_parts = 128

shortest_columns = 1 << 16
"""Elements from which on sums of columns are split: 20 us of one thread against 2 of one more kernel."""
most_columns = 256
"""More columns are several tasks as they are."""
column_part = 1 << 14
"""The fewest elements of a part: a task's."""


def split_reductions(program: IrProgram, memory: Memory) -> IrProgram:
    """Return the program with each long reduction as a reduction of parts and one over the parts.

    Pre:  statements are definitions, matmuls, scatters and islands
    """
    return replace(program, statements=tuple(_in_two(program.statements, memory)))


def _in_two(statements: Iterable[Kind], memory: Memory) -> Iterator[Kind]:
    """Yield the statements, and reductions over parts only before their first reader: sums of the same operand stay neighbours."""
    waiting: list[Kind] = []
    for statement in statements:
        results = {view.buffer for each in waiting for view in each.writes()}
        if any(view.buffer in results for view in (*statement.reads(), *statement.writes())):
            yield from waiting
            waiting = []
        first, *rest = _split(statement, memory)
        yield first
        waiting += rest
    yield from waiting


@singledispatch
def _split(statement: Kind, memory: Memory) -> tuple[Kind, ...]:
    """Return a reduction in two, where that pays; anything else as it is."""
    return (statement,)


@_split.register
def _(definition: Definition, memory: Memory) -> tuple[Kind, ...]:
    # any, all and searches mostly end long before the last element, so they are not split.
    if definition.reducer in (None, *POSITION_REDUCERS) or definition.result.dtype == np.bool_:
        return (definition,)
    flat = canonical(definition)
    length = math.prod(numbers_only(flat.reduced))
    most = _most_parts(length, flat.result.size, is_across=all(abs(each) != 1 for each in _steps(flat)))
    if len(flat.reduced) != 1 or most < 2:
        return (definition,)
    parts = next(parts for parts in range(most, 0, -1) if length % parts == 0)
    shaped = flat.reshaped(flat.result.shape, (parts, length // parts)) if parts > 1 else None
    if shaped is None:
        return (definition,)
    # Results beside each other, as the first kernel fills them and the second reads them.
    partial = memory.temporary((parts, *flat.result.shape), flat.result.dtype)
    turned = partial.transpose((*range(1, partial.ndim), 0))
    first = Definition(turned, shaped.expression, flat.origins, (length // parts,), flat.reducer)
    return first, Definition(flat.result, Load(turned), flat.origins, (parts,), flat.reducer)


def _steps(flat: Definition) -> Iterator[int]:
    """Yield how far apart neighbours along the last reduced axis lie in memory."""
    return (load.view.strides[-1] for load in loads(flat.expression))


def _most_parts(length: int, num_results: int, is_across: bool) -> int:
    """Return how many parts a reduction of so many elements to each result may have; 1: it stays whole.

    is_across: it reduces columns, not rows, of which each could be a task
    """
    if num_results <= most_results:
        return most_parts if length >= shortest_split else 1
    is_split = is_across and num_results <= most_columns and length * num_results >= shortest_columns
    return min(most_parts, length * num_results // column_part) if is_split else 1
