"""np.convolve and np.correlate: a sum over a sliding window, and two loops for the ends, where the window reaches out.

numpy sums there over fewer elements, and does not multiply by zeros, which would make NaN of an infinity:

    correlate(a, v, "full")[i] = sum over j <= i of a[j] * v[len(v) - 1 - i + j]        for i < len(v) - 1
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from composit.numpy.statistics.correlations import Convolve, Correlate
from mosaic.ir.affine import Symbol, symbol_number
from mosaic.ir.expressions import Apply, Expression, Load, convert
from mosaic.ir.loops import Loop
from mosaic.ir.statements import Definition
from mosaic.ir.views import View
from mosaic.lowering.registry import Context, Value, lower
from mosaic.lowering.scans import at_turn


@lower.register
def _(operation: Convolve, context: Context) -> Sequence[Value]:
    longer, shorter = context.view(0), context.view(1)
    if longer.size < shorter.size:
        longer, shorter = shorter, longer
    return (_correlated(context, operation.mode, longer, _reversed(shorter), context.result()),)


@lower.register
def _(operation: Correlate, context: Context) -> Sequence[Value]:
    a, v, result = context.view(0), context.view(1), context.result()
    if a.size >= v.size:
        return (_correlated(context, operation.mode, a, v, result),)
    _correlated(context, operation.mode, v, a, _reversed(result))
    return (result,)


def _reversed(vector: View) -> View:
    return vector.slice_axis(0, vector.size - 1, vector.size, -1)


def _correlated(context: Context, mode: str, a: View, v: View, result: View) -> View:
    """Append what fills the result: ``sum over j of a[i + j] * v[j]``, for all i at which some j is in both.

    Mode "full" keeps all places, "same" as many as a has, "valid" those at which all of v is in a.

    Reference: numpy, `_pyarray_correlate`
    """
    num_before = {"full": v.size - 1, "same": v.size // 2, "valid": 0}[mode]
    num_inside = a.size - v.size + 1
    num_after = result.size - num_before - num_inside
    windows = View(a.buffer, a.offset, (num_inside, v.size), (*a.strides, *a.strides))
    inside = result.slice_axis(0, num_before, num_inside)
    context.statements.append(_sum(context, inside, windows, v.broadcast_to(windows.shape)))
    if num_before:
        i = Symbol(f"i{context.position}", num_before)
        start = num_before - symbol_number(i)  # of v
        count = v.size - start
        parts = a.slice_axis(0, 0, count), v.slice_axis(0, start, count)
        _append_end(context, i, result, parts)
    if num_after:
        i = Symbol(f"j{context.position}", num_after)
        start = num_inside + symbol_number(i)  # of a
        count = a.size - start
        parts = a.slice_axis(0, start, count), v.slice_axis(0, 0, count)
        _append_end(context, i, result.slice_axis(0, num_before + num_inside, num_after), parts)
    return result


def _append_end(context: Context, symbol: Symbol, result: View, parts: tuple[View, View]) -> None:
    """Append a loop in which each turn fills one element, with a sum over as many elements as the turn says."""
    body = _sum(context, at_turn(result, 0, symbol), *parts)
    context.statements.append(Loop(symbol, symbol.most, (body,)))


def _sum(context: Context, result: View, left: View, right: View) -> Definition:
    dtype = result.dtype
    factors: tuple[Expression, ...] = (convert(Load(left), dtype), convert(Load(right), dtype))
    reducer = "logical_or" if dtype == np.bool_ else "add"
    product = Apply("multiply", factors, dtype)
    return Definition(result, product, (context.position,), left.extents[result.ndim :], reducer)
