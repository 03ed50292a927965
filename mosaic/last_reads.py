"""The buffers that no later step reads: their arrays are freed, and a write may change them in place."""

from __future__ import annotations

from mosaic.compiled import CompiledProgram
from mosaic.ir.views import Buffer, View


def buffers_read_last(compiled: CompiledProgram) -> tuple[frozenset[Buffer], ...]:
    """Return for each step the buffers that neither a later step nor an output reads.

    A result that nothing reads belongs to the step that makes it; an input that nothing reads to no step.

    Example, of a program that returns d:
        b = sin(a)         a
        c = setitem(b, 0)  b: written in place
        d = exp(c)         c
    """
    later = {output.buffer for output in compiled.outputs if isinstance(output, View)}
    result: list[frozenset[Buffer]] = []
    for step in reversed(compiled.steps):
        ending = frozenset(buffer for buffer in step.touched_buffers() if buffer not in later)
        later |= ending
        result.append(ending)
    return tuple(reversed(result))
