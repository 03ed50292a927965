"""Matrix products: a tiled kernel for float32 and float64, a definition with a sum for every other dtype."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from composit.numpy.products.einsums import Einsum
from composit.numpy.products.matrix_products import Matmul
from mosaic.ir import statements as ir
from mosaic.ir.expressions import Accumulated, Apply, Expression, Load, convert, literal
from mosaic.ir.views import Shape, View
from mosaic.lowering.registry import Context, NoLowering, Value, lower

Append = Callable[[Context, View, View, View, np.dtype], None]
"""Appends a product of matrices, result[..., m, n] = left[..., m, k] @ right[..., k, n], to a context."""


@lower.register
def _(operation: Matmul, context: Context) -> Sequence[Value]:
    return lower_matmul(context, append_product)


def lower_matmul(context: Context, append: Append) -> Sequence[Value]:
    """Return numpy's product of vectors, matrices or stacks of these; `append` says how matrices are multiplied."""
    left, right = context.view(0), context.view(1)
    shape, dtype = context.types[0].shape, context.types[0].dtype
    result = context.result()
    if result.size == 0:
        return (result,)
    is_row, is_column = left.ndim == 1, right.ndim == 1
    left = left.expand_dims((0,)) if is_row else left
    right = right.expand_dims((1,)) if is_column else right
    batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    matrix = result.expand_dims((len(batch),)) if is_row else result
    matrix = matrix.expand_dims((matrix.ndim,)) if is_column else matrix
    left = left.broadcast_to((*batch, *left.shape[-2:]))
    right = right.broadcast_to((*batch, *right.shape[-2:]))
    append(context, matrix, left, right, dtype)
    assert result.shape == shape
    return (result,)


def append_product(context: Context, result: View, left: View, right: View, dtype: np.dtype) -> None:
    """Append ``result[..., m, n] = left[..., m, k] @ right[..., k, n]`` by tiles or by sums, as suits the shapes."""
    # A product with one column reads the matrix once: a sum per row, as fast as memory, and no tile to fill. So does one with
    # one row where the columns of the right matrix are dense: `x @ w.T` of a linear layer.
    is_by_columns = result.shape[-2] == 1 and right.strides[-2] == 1 < right.strides[-1]
    if is_tiled(dtype, left, right) and result.shape[-1] > 1 and not is_by_columns:
        append_tiles(context, result, left, right, dtype)
    else:
        append_sums(context, result, left, right, dtype)


def is_tiled(dtype: np.dtype, left: View, right: View) -> bool:
    """Whether there are tiles in registers for a product."""
    return dtype in (np.float32, np.float64) and left.dtype == right.dtype == dtype and left.shape[-1] > 0


def append_tiles(
    context: Context, result: View, left: View, right: View, dtype: np.dtype, is_in_place: bool | None = None
) -> None:
    """Append a product by tiles in registers.

    is_in_place: whether the right operand is read where it lies, with columns side by side; None leaves it to `store_panels`
    """
    if is_in_place and right.strides[-1] != 1:
        right = context.copy(right, context.memory.temporary(right.shape, right.dtype))
    origins = (context.position,)
    context.statements.append(ir.Matmul(result, left, right, Accumulated(dtype), origins, is_in_place=is_in_place))


def append_sums(context: Context, result: View, left: View, right: View, dtype: np.dtype) -> None:
    """Append a product as a sum for each element of the result."""
    depth, count = left.shape[-1], result.ndim
    domain = (*result.shape, depth)
    # (..., m, 1, k) and (..., 1, n, k)
    first = left.expand_dims((count - 1,)).broadcast_to(domain)
    second = right.transpose((*range(count - 2), count - 1, count - 2)).expand_dims((count - 2,)).broadcast_to(domain)
    _append_sum(context, result, first, second, dtype, (depth,))


def _append_sum(context: Context, result: View, left: View, right: View, dtype: np.dtype, reduced: Shape) -> None:
    """Append a sum of products of two views over the same domain."""
    factors: tuple[Expression, ...] = (convert(Load(left), dtype), convert(Load(right), dtype))
    reducer = "logical_or" if dtype == np.dtype(bool) else "add"
    if prod(reduced) == 0:
        context.define(result, literal(0, dtype))
        return
    context.define(result, Apply("multiply", factors, dtype), reducer, reduced)


@lower.register
def _(operation: Einsum, context: Context) -> Sequence[Value]:
    inputs, output = operation.subscripts.replace(" ", "").split("->")
    terms = inputs.split(",")
    if len(terms) > 2 or "." in inputs:
        raise NoLowering("einsum of more than two operands, or with an ellipsis, has no lowering to C")
    dtype, result = context.types[0].dtype, context.result()
    operands = [_diagonal(context.view(index), term) for index, term in enumerate(terms)]
    extents = {label: view.shape[term.index(label)] for view, term in operands for label in term}
    summed = [label for label in dict.fromkeys(inputs.replace(",", "")) if label not in output]
    if result.size == 0 or (len(operands) == 2 and _append_matmul(context, operands, output, result)):
        return (result,)
    order = [*output, *summed]
    domain = tuple(extents[label] for label in order)
    aligned = [_aligned(view, term, order).broadcast_to(domain) for view, term in operands]
    reduced = domain[len(output) :]
    if len(aligned) == 2:
        _append_sum(context, result, aligned[0], aligned[1], dtype, reduced)
    elif 0 in reduced:
        context.define(result, literal(0, dtype))
    else:
        context.define(result, convert(Load(aligned[0]), dtype), "add" if reduced else None, reduced)
    return (result,)


def _diagonal(view: View, term: str) -> tuple[View, str]:
    """Return the view with each label once: a repeated label walks along the diagonal."""
    labels = "".join(dict.fromkeys(term))
    extents = tuple(view.shape[term.index(label)] for label in labels)
    strides = tuple(
        sum(stride for stride, other in zip(view.strides, term, strict=True) if other == label) for label in labels
    )
    return View(view.buffer, view.offset, extents, strides), labels


def _aligned(view: View, term: str, order: Sequence[str]) -> View:
    """Return the view with its axes in the order of `order`, of length 1 where it has none."""
    moved = view.transpose([term.index(label) for label in order if label in term])
    return moved.expand_dims([axis for axis, label in enumerate(order) if label not in term])


def _append_matmul(context: Context, operands: Sequence[tuple[View, str]], output: str, result: View) -> bool:
    """Append a matmul if the labels split into batch, m, n and k with one label each for m, n and k."""
    (left, left_term), (right, right_term) = operands
    shared = [label for label in left_term if label in right_term]
    batch = [label for label in output if label in shared]
    depth = [label for label in shared if label not in output]
    rows = [label for label in left_term if label not in shared]
    columns = [label for label in right_term if label not in shared]
    is_matmul = len(depth) == len(rows) == len(columns) == 1 and rows[0] in output and columns[0] in output
    if not is_matmul:
        return False
    matrix = _aligned(result, output, [*batch, *rows, *columns])
    append_product(
        context,
        matrix,
        _aligned(left, left_term, [*batch, *rows, *depth]),
        _aligned(right, right_term, [*batch, *depth, *columns]),
        result.dtype,
    )
    return True
