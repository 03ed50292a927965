"""A square of elements from memory to memory, rows as columns, in registers."""

from __future__ import annotations

from functools import lru_cache

from mosaic import c
from mosaic.c.helpers import Helper, inline_function
from mosaic.vector.memory import load, store
from mosaic.vector.vector_types import VectorType


@lru_cache(maxsize=256)
def transpose(vector: VectorType) -> Helper:
    """Return ``transpose_V(to, rows, p, stride)``: to[i * rows + j] = p[j * stride + i] for all i and j below the lanes.

    Algorithm: the halves of pairs of vectors change places, then quarters, and so on: log2(lanes) shuffles of each vector.
    """
    name, lanes = f"transpose_{vector.name}", vector.lanes
    to, rows, p, stride = (c.Name(each) for each in ("to", "rows", "p", "stride"))
    x = [c.Name(f"x{lane}") for lane in range(lanes)]
    body: list[c.Statement] = [
        c.Declare(vector.ctype, each.text, load(vector)(p + stride * lane if lane else p))
        for lane, each in enumerate(x)
    ]
    half = lanes // 2
    while half:
        for lane in (each for each in range(lanes) if not each & half):
            body += _exchanged(vector, x[lane], x[lane + half], half)
        half //= 2
    body += [
        c.ExpressionStatement(store(vector)(to + rows * lane if lane else to, each)) for lane, each in enumerate(x)
    ]
    parameters = (
        c.Parameter(c.pointer(vector.element.ctype), "to"),
        c.Parameter(c.int64, "rows"),
        c.Parameter(c.const_pointer(vector.element.ctype), "p"),
        c.Parameter(c.int64, "stride"),
    )
    return Helper(name, (inline_function(name, c.void, parameters, tuple(body)),), (load(vector), store(vector)))


def _exchanged(vector: VectorType, one: c.Name, other: c.Name, half: int) -> tuple[c.Statement, ...]:
    """Return the statements by which the odd blocks of `half` lanes of one vector change places with the even ones of another."""
    is_odd = [bool(lane & half) for lane in range(vector.lanes)]
    low = [lane - half + vector.lanes if odd else lane for lane, odd in enumerate(is_odd)]
    high = [lane + vector.lanes if odd else lane + half for lane, odd in enumerate(is_odd)]
    kept = c.Name(f"{one.text}_{half}")

    def shuffled(order: list[int]) -> c.Expression:
        return c.Call("__builtin_shufflevector", (kept, other, *map(c.literal, order)))

    return (
        c.Declare(c.const(vector.ctype), kept.text, one),
        c.Assign(one, shuffled(low)),
        c.Assign(other, shuffled(high)),
    )
