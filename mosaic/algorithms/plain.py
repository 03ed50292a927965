"""The algorithm of pooling and of elementwise and movement operations that people ask about: each has one, `direct`."""

from __future__ import annotations

from mosaic.algorithms.costs import memory_cycles, num_bytes
from mosaic.algorithms.record import Algorithm, Case
from mosaic.algorithms.registry import register
from mosaic.lowering.registry import lower

_ROWS = (
    *((f"max_pool{rank}d", "maxima of windows, lanes along channels or along the last axis") for rank in (1, 2, 3)),
    *((f"avg_pool{rank}d", "sums of windows, lanes along channels or along the last axis") for rank in (1, 2, 3)),
    ("relu", "element by element, in the kernel of what it follows"),
    ("reshape", "a view where strides express it, else a copy"),
)


def _num_cycles(case: Case) -> float:
    return memory_cycles(num_bytes((*case.operand_types, *case.types)), case.target)


for _operation, _summary in _ROWS:
    register(Algorithm(_operation, "direct", _summary, lower, _num_cycles))
