"""The batch and the rows of a product, which are its positions, in another shape."""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch

from mosaic.ir.affine import moves
from mosaic.ir.expressions import map_views, views
from mosaic.ir.kinds import Kind
from mosaic.ir.statements import Matmul
from mosaic.ir.views import BufferKind, Shape, View


def with_positions(matmul: Matmul, positions: Shape) -> Matmul | None:
    """Return the same product with its batch and rows in another shape, or None if a view does not allow it.

    Pre:     the right operand is in no panels

    Before:  y[3136, 144] = x[3136, 24] @ w[24, 144]
    After:   y[56, 56, 144] = x[56, 56, 24] @ w[56, 24, 144 by 0, 144, 1]       of positions (56, 56)
    """
    count = matmul.result.ndim - 1
    # All matrices of the batch have the same right operand.
    if any(matmul.right.strides[: count - 1]):
        return None
    changed = {}
    for view in (matmul.result, matmul.left, *views(matmul.epilogue)):
        outer = View(view.buffer, view.offset, view.extents[:count], view.strides[:count]).reshape(positions)
        if outer is None:
            return None
        extents, strides = (*positions, *view.extents[count:]), outer.strides + view.strides[count:]
        changed[view] = View(view.buffer, view.offset, extents, strides)
    right = matmul.right.drop_axes(range(count - 1)).expand_dims(range(len(positions) - 1))
    right = right.broadcast_to((*positions[:-1], *right.shape[len(positions) - 1 :]))
    epilogue = map_views(matmul.epilogue, lambda view: changed[view])
    return replace(matmul, result=changed[matmul.result], left=changed[matmul.left], right=right, epilogue=epilogue)


@singledispatch
def with_most_rows(statement: Kind) -> Kind:
    """Return a statement whose rows, if it is a product, are as many as can be."""
    return statement


@with_most_rows.register
def _(matmul: Matmul) -> Matmul:
    """Return the product with its batch joined to the rows, from the last axis on, as far as the matrices lie evenly apart.

    Before:  y[8, 7, 768] = x[8, 7, 3072] @ w[8, 3072, 768 by 0, 768, 1]
    After:   y[56, 768] = x[56, 3072] @ w[3072, 768]        whose tiles of rows are full, and which packs w once

    Keys and values that the heads of an attention share stay in a batch: fuse_attention looks for equal batches.
    """
    is_given = matmul.right.buffer.kind in (BufferKind.CONSTANT, BufferKind.INPUT)
    while is_given and matmul.result.ndim > 2 and not moves(matmul.result.extents):
        *outer, last, rows = matmul.result.shape[:-1]
        joined = with_positions(matmul, (*outer, last * rows))
        if joined is None:
            return matmul
        matmul = joined
    return matmul
