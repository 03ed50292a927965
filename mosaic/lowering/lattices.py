"""Recursions over the steps of a lattice (`nn.losses.ctc`): a loop in which each turn reads what the turn before has filled.

States lie between borders of values that change nothing, so that a move by one state or two is a slice:

    for t below 4, growing a[5, n, states + 2]:
        a[t + 1, :, 2:] = x[t] + logaddexp(logaddexp(a[t, :, 2:], a[t, :, 1:-1]), where(may_skip, a[t, :, :-2], -inf))
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from composit.nn.losses.lattices import MOVES, PathRecurrence, PathSums
from mosaic.ir.affine import Symbol
from mosaic.ir.expressions import Apply, Expression, Load, literal
from mosaic.ir.loops import Loop
from mosaic.ir.statements import Definition
from mosaic.ir.views import View
from mosaic.lowering.registry import Context, Value, lower
from mosaic.lowering.scans import at_turn

_BORDER = max(MOVES)


def _slice(view: View, axis: int, start: int, count: int) -> View:
    return view.slice_axis(axis, start, count)


def _append_loop(context: Context, symbol: Symbol, turn: Definition, grown: View) -> None:
    context.statements.append(Loop(symbol, symbol.most, (turn,), (), (grown,)))


@lower.register
def _(operation: PathSums, context: Context) -> Sequence[Value]:
    steps, number, count = context.types[0].shape
    dtype, scores, may_skip = context.types[0].dtype, context.view(0), context.view(1)
    if not context.types[0].size:
        return (context.result(),)
    lowest = literal(-math.inf, dtype)
    sums = context.memory.temporary((steps + 1, number, count + _BORDER), dtype)
    context.define(sums, lowest)
    context.define(_slice(_slice(sums, 0, 0, 1), 2, _BORDER - 1, 1), literal(0, dtype))
    symbol = Symbol(f"t{context.position}", steps)
    before, after = at_turn(_slice(sums, 0, 0, steps), 0, symbol), at_turn(_slice(sums, 0, 1, steps), 0, symbol)
    stay, one, two = (Load(_slice(before, 1, _BORDER - move, count)) for move in MOVES)
    skipped = Apply("where", (Load(may_skip), two, lowest), dtype)
    ways = Apply("logaddexp", (Apply("logaddexp", (stay, one), dtype), skipped), dtype)
    total = Apply("add", (Load(at_turn(scores, 0, symbol)), ways), dtype)
    turn = Definition(_slice(after, 1, _BORDER, count), total, (context.position,))
    _append_loop(context, symbol, turn, sums)
    return (_slice(_slice(sums, 0, 1, steps), 2, _BORDER, count),)


@lower.register
def _(operation: PathRecurrence, context: Context) -> Sequence[Value]:
    steps, number, count = context.types[0].shape
    dtype, x = context.types[0].dtype, context.view(0)
    if not context.types[0].size:
        return (context.result(),)
    found = context.memory.temporary((steps, number, count + _BORDER), dtype)
    context.define(found, literal(0, dtype))
    border = 0 if operation.is_backward else _BORDER
    result = _slice(found, 2, border, count)
    first = steps - 1 if operation.is_backward else 0
    context.copy(_slice(x, 0, first, 1), _slice(result, 0, first, 1))
    if steps > 1:
        _append_turns(context, x, found, result, operation.is_backward)
    return (result,)


def _append_turns(context: Context, x: View, found: View, result: View, is_backward: bool) -> None:
    """Append the loop over all steps but the first, or from the last but one to the first."""
    steps, _, count = x.shape
    symbol = Symbol(f"t{context.position}", steps - 1)
    start, direction = (steps - 2, -1) if is_backward else (1, 1)

    def now(view: View) -> View:
        return at_turn(view.slice_axis(0, start, steps - 1, direction), 0, symbol)

    def later(view: View) -> View:
        return at_turn(view.slice_axis(0, start + is_backward, steps - 1, direction), 0, symbol)

    before = at_turn(found.slice_axis(0, start - direction, steps - 1, direction), 0, symbol)
    total: Expression = Load(now(x))
    for move in MOVES:
        share = _with_border(context, context.view(1 + move)) if is_backward else context.view(1 + move)
        seen = _slice(before, 1, move if is_backward else _BORDER - move, count)
        factor = Load(_slice(later(share), 1, move if is_backward else 0, count))
        total = Apply("add", (total, Apply("multiply", (factor, Load(seen)), x.dtype)), x.dtype)
    _append_loop(context, symbol, Definition(now(result), total, (context.position,)), found)


def _with_border(context: Context, share: View) -> View:
    """Return an array with zeros behind the states, where a move from a state leads out of the lattice."""
    steps, number, count = share.shape
    stored = context.memory.temporary((steps, number, count + _BORDER), share.dtype)
    context.define(stored, literal(0, np.dtype(share.dtype)))
    context.copy(share, _slice(stored, 2, 0, count))
    return stored
