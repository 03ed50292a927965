"""Exchanges the operands of products whose results are only read transposed, as is the gradient of w in `x @ w.T`.

Before:  d[128, 512] = x[128, 256 by 1, 128] @ g[256, 512]
         m[512, 128] = add(old[512, 128], d[512, 128 by 1, 512])
After:   d[512, 128] = g[512, 256 by 1, 512] @ x[256, 128]
         m[512, 128] = add(old[512, 128], d[512, 128])

(x.T @ g).T is g.T @ x, sum by sum. So an optimizer reads gradients in the order of its weights: lane by lane from a column, an
update of Adam takes five times as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import singledispatch

from mosaic.ir.expressions import gathered_views
from mosaic.ir.kinds import Kind, with_views
from mosaic.ir.statements import Bfloat16Matmul, IrProgram, Matmul, Statement, read_views
from mosaic.ir.views import View, dense_view
from mosaic.lowering.registry import Memory
from mosaic.passes.uses import readers

fewest_columns = 16
"""A product of fewer columns leaves lanes empty, which costs more than reading its result by columns."""


def exchange_products(program: IrProgram, memory: Memory) -> IrProgram:
    """Return the program in which products store their results in the order in which all their users read them.

    Those of convolutions stay as they are, with channels last.

    Pre:  axes of definitions are in order, so that a user that stores its result as the product does reads it by rows
    """
    statements, kept = list(program.statements), memory.reordered.union(program.delivered)
    users = readers(statements)
    for position, product in enumerate(statements):
        exchanged = exchange(product)
        if exchanged is None or exchanged.result.buffer in kept:
            continue
        places = users.get(exchanged.result.buffer, [])
        if places and all(_reads_only(exchanged.result, statements[place]) for place in places):
            statements[position] = _stored_by_rows(exchanged, exchanged.result)
            for place in places:
                statements[place] = _stored_by_rows(statements[place], exchanged.result)
    return replace(program, statements=tuple(statements))


@singledispatch
def exchange(statement: Kind) -> Matmul | None:
    """Return a statement as a product of exchanged operands, which fills the same elements; None if it is none of two matrices."""
    return None


@exchange.register
def _(product: Matmul) -> Matmul | None:
    is_whole = product.result.covers_buffer and not product.result.is_moving
    is_whole = is_whole and product.is_in_place is None  # an algorithm has settled how the right operand is read
    if not is_whole or len(product.depth) != 1 or min(product.result.shape[-2:]) < fewest_columns:
        return None
    return product.exchanged()


@exchange.register
def _(product: Bfloat16Matmul) -> Matmul | None:
    return None


def _reads_only(transposed: View, statement: Statement) -> bool:
    """Whether a statement reads a buffer as this view, in whatever shape."""
    if not statement.is_compiled:
        return False
    gathered = (view for expression in statement.expressions() for view in gathered_views(expression))
    seen = (view for view in read_views(statement) if view.buffer is transposed.buffer)
    return not any(view.buffer is transposed.buffer for view in gathered) and _are_all(transposed, tuple(seen))


def _are_all(transposed: View, seen: Sequence[View]) -> bool:
    return all(view.size == transposed.size and view.reshape(transposed.shape) == transposed for view in seen)


def _stored_by_rows(statement: Statement, transposed: View) -> Statement:
    """Return a statement that finds the view's elements in the buffer in row-major order."""
    buffer = transposed.buffer
    return with_views(statement, lambda view: dense_view(buffer, view.shape) if view.buffer is buffer else view)
