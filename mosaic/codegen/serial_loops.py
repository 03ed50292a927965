"""Loops inside kernels, such as running sums: carried values stay in registers from turn to turn.

On long rows each turn handles several vectors: memory is read in longer pieces, and the additions of one vector overlap
those of another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch

from mosaic import c
from mosaic.codegen.expressions import Emitter, Scope, Where
from mosaic.codegen.operands import number_expression
from mosaic.codegen.row_loops import Row, loop_along_row
from mosaic.ir.expressions import Load
from mosaic.ir.kinds import Kind
from mosaic.ir.loops import Loop, loops_of
from mosaic.ir.statements import RowStage
from mosaic.ir.views import Buffer


@dataclass(slots=True)
class LoopEmitter:
    """Emits a loop for one row.

    stored:   results that the loop writes to memory
    wide:     vectors in each turn
    unrolled: turns that the compiler unrolls where each handles one vector
    """

    emitter: Emitter
    loop: Loop
    stored: frozenset[Buffer]
    wide: int
    unrolled: int

    def emit(self, row: Row, scope: Scope) -> tuple[c.Statement, ...]:
        """Return the statements for one row."""
        self._note_turns()
        start = self._emit_wide(row, scope)
        loop_along_row(self.emitter, row, scope, self._emit_one, start=start)
        return tuple(scope.statements)

    def _note_turns(self) -> None:
        """Note the values that change in each turn, so that the emitter does not move them out of the loop."""
        varying = self.emitter.numbers.varying
        for loop in loops_of(self.loop):
            for buffer in loop.own_buffers():
                varying[buffer] = varying.get(buffer, frozenset()) | {loop.symbol}

    def _emit_one(self, scope: Scope, where: Where) -> None:
        statements = self.turns(self.loop, [scope], [where])
        scope.statements += statements

    def _emit_wide(self, row: Row, scope: Scope) -> c.Operand:
        """Handle several vectors in each turn; return the end."""
        if self.wide == 1:
            return 0
        lanes = self.emitter.lanes.lanes
        step, index = self.wide * lanes, c.Name(self.emitter.fresh("i"))
        places = [row.where(index + turn * lanes, None) for turn in range(self.wide)]
        scopes = [scope.inner(len(row.axes)) for _ in places]
        statements = self.turns(self.loop, scopes, places)
        before = [each for one in scopes for each in one.statements]
        stop = row.stop - (step - 1) if row.is_range else row.whole_steps(step)
        scope.statements.append(c.loop(index.text, stop, *before, *statements, start=row.start, step=step))
        return row.whole_steps(step)

    def turns(self, loop: Loop, scopes: Sequence[Scope], places: Sequence[Where]) -> tuple[c.Statement, ...]:
        """Return the loop over turns and the statements after it; preparations go to the scopes, one per vector."""
        symbol = c.Name(self.emitter.fresh("turn"))
        self.emitter.numbers.symbols[loop.symbol] = symbol
        inner = [scope.inner(loop.symbol) for scope in scopes]
        states = [
            self._start(loop, scope, turn, where) for scope, turn, where in zip(scopes, inner, places, strict=True)
        ]
        body: list[c.Statement] = []
        for part in loop.body:
            body += emit_in_turn(part, self, inner, places)
        for turn, where, names in zip(inner, places, states, strict=True):
            self._hand_on(loop, turn, where, names)
        body += _taken(inner)
        stop = number_expression(loop.extent, self.emitter.numbers.symbols)
        pragmas = (f"GCC unroll {self.unrolled}",) if len(places) == 1 and self.unrolled > 1 else ()
        run = c.For(symbol.text, c.literal(0), stop, tuple(body), pragmas=pragmas)
        return (run, *self._final_values(loop, scopes, places, states))

    def _final_values(
        self, loop: Loop, scopes: Sequence[Scope], places: Sequence[Where], states: Sequence[Sequence[c.Name]]
    ) -> list[c.Statement]:
        """Bind the carried values for later statements; return the stores of those in memory."""
        stores = Scope(frozenset())
        for scope, where, names in zip(scopes, places, states, strict=True):
            for one, name in zip(loop.carried, names, strict=True):
                scope.bound[one.state.buffer] = name
                if one.state.buffer in self.stored:
                    self.emitter.store(one.state, name, stores, where)
        return stores.statements

    def _start(self, loop: Loop, scope: Scope, turn: Scope, where: Where) -> list[c.Name]:
        """Declare the carried values with their start values."""
        names = []
        for one in loop.carried:
            name, vector = c.Name(self.emitter.fresh("carried")), self.emitter.lanes.type(one.state.dtype)
            start = self.emitter.value(one.start, scope, where)
            scope.statements.append(c.Declare(self.emitter.lanes.declare(vector), name.text, start))
            turn.bound[one.state.buffer] = name
            names.append(name)
        return names

    def stage(self, part: RowStage, scope: Scope, where: Where) -> None:
        """Compute a stage for one vector, and store it where it is kept."""
        value = self.emitter.value(part.expression, scope, where)
        scope.bound[part.result.buffer] = value
        if part.result.buffer in self.stored:
            self.emitter.store(part.result, value, scope, where)

    def _hand_on(self, loop: Loop, scope: Scope, where: Where, names: Sequence[c.Name]) -> None:
        """Assign the carried values for the next turn; all are read before any is replaced."""
        values = [self.emitter.value(Load(one.following), scope, where) for one in loop.carried]
        if len(values) > 1:
            values = [
                self._kept(value, one.state.buffer, scope) for value, one in zip(values, loop.carried, strict=True)
            ]
        scope.statements += [c.Assign(name, value) for name, value in zip(names, values, strict=True)]

    def _kept(self, value: c.Expression, buffer: Buffer, scope: Scope) -> c.Expression:
        name = c.Name(self.emitter.fresh("next"))
        ctype = self.emitter.lanes.declare(self.emitter.lanes.type(buffer.dtype))
        scope.statements.append(c.Declare(ctype, name.text, value))
        return name


@singledispatch
def emit_in_turn(part: Kind, loops: LoopEmitter, scopes: Sequence[Scope], places: Sequence[Where]) -> list[c.Statement]:
    """Return what a turn does for a part of a loop's body, for several vectors at once."""
    raise TypeError(f"emit_in_turn: {type(part).__name__} does not run inside a kernel")


@emit_in_turn.register
def _(part: RowStage, loops: LoopEmitter, scopes: Sequence[Scope], places: Sequence[Where]) -> list[c.Statement]:
    for scope, where in zip(scopes, places, strict=True):
        loops.stage(part, scope, where)
    return _taken(scopes)


@emit_in_turn.register
def _(part: Loop, loops: LoopEmitter, scopes: Sequence[Scope], places: Sequence[Where]) -> list[c.Statement]:
    nested = loops.turns(part, scopes, places)
    return [*_taken(scopes), *nested]


def _taken(scopes: Sequence[Scope]) -> list[c.Statement]:
    """Return and clear the statements of the scopes."""
    statements = [each for scope in scopes for each in scope.statements]
    for scope in scopes:
        scope.statements.clear()
    return statements
