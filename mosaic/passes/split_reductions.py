"""Splits a long reduction to few values into two, so that threads can share it.

Before:  s = sum of x[4000000]
After:   p[128] = sum of x[128, 31250] over the second axis; s = sum of p

The split depends on the length alone, never on the number of threads, so the bits do not either.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import singledispatch

import numpy as np

from mosaic.ir.expressions import Load
from mosaic.ir.kinds import Kind
from mosaic.ir.statements import POSITION_REDUCERS, Definition, IrProgram
from mosaic.ir.views import numbers_only
from mosaic.lowering.registry import Memory
from mosaic.passes.canonical_axes import canonical

shortest_split = 1 << 18
"""Shorter reductions stay whole: one thread is done before a second could help."""
most_results = 8
most_parts = 128


def split_reductions(program: IrProgram, memory: Memory) -> IrProgram:
    """Return the program with each long reduction as a reduction of parts and one over the parts.

    Pre:  statements are definitions, matmuls, scatters and islands
    """
    parts = (part for statement in program.statements for part in _split(statement, memory))
    return replace(program, statements=tuple(parts))


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
    if len(flat.reduced) != 1 or length < shortest_split or flat.result.size > most_results:
        return (definition,)
    parts = _num_parts(length)
    shaped = flat.reshaped(flat.result.shape, (parts, length // parts)) if parts > 1 else None
    if shaped is None:
        return (definition,)
    kept = (*flat.result.shape, parts)
    partial = memory.temporary(kept, flat.result.dtype)
    first = Definition(partial, shaped.expression, flat.origins, (length // parts,), flat.reducer)
    return first, Definition(flat.result, Load(partial), flat.origins, (parts,), flat.reducer)


def _num_parts(length: int) -> int:
    """Return the largest divisor that is no more than `most_parts`."""
    return next(parts for parts in range(most_parts, 0, -1) if length % parts == 0)
