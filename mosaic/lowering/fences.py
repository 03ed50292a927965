"""Fences of `nn.checkpoint`: the operands under other names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from composit.nn.fencing import Fenced
from mosaic.ir.fences import Fence
from mosaic.ir.views import Buffer, View, dense_view
from mosaic.lowering.registry import Context, Value, lower


@lower.register
def _(operation: Fenced, context: Context) -> Sequence[Value]:
    given = context.operands[: operation.num_results]
    views = [value for value in given if isinstance(value, View) and value.size]
    names = {buffer: context.memory.fenced(buffer) for buffer in dict.fromkeys(view.buffer for view in views)}
    if names:
        results, sources = (tuple(map(_whole, buffers)) for buffers in (names.values(), names))
        context.statements.append(Fence(results, sources, (context.position,)))
    return [
        replace(value, buffer=names.get(value.buffer, value.buffer)) if isinstance(value, View) else value
        for value in given
    ]


def _whole(buffer: Buffer) -> View:
    return dense_view(buffer, (buffer.num_elements,))
