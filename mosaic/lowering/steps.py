"""Scans: a loop whose turn is the lowered step.

A carried value lies in one of two ways. If the values of all turns are stacked anyway, for a derivative or as a result, the stack
is the memory of the loop: turn i reads place i and fills place i + 1, and nothing is copied. Else a turn hands it on to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import singledispatch

from composit.nn.scans.body import Body
from composit.nn.scans.scan_operation import Scan
from composit.operation import TensorType
from mosaic.ir.affine import Number, Symbol, symbol_number
from mosaic.ir.expressions import Expression, Load, Uniform
from mosaic.ir.kinds import Kind, with_views
from mosaic.ir.loops import Carried, Loop
from mosaic.ir.statements import Definition, Matmul, Scatter, Statement
from mosaic.ir.views import Buffer, Shape, View, dense_view
from mosaic.lowering.inner_programs import lower_real_inner
from mosaic.lowering.registry import Context, NoLowering, Value, lower


@lower.register
def _(operation: Scan, context: Context) -> Sequence[Value]:
    numbers = operation.read_outputs([context.reads(index) for index in range(operation.num_results)])
    body = operation.body.restricted(numbers)
    found = dict(zip(numbers, _Steps(operation, body, context).values(), strict=True))
    # A result that nothing reads has no statement.
    return [found[index] if index in found else context.result(index) for index in range(operation.num_results)]


@dataclass(frozen=True, slots=True)
class _State:
    """Where a carried value lies.

    before, after: what a turn reads, and what the next one reads
    last:          the value after the last turn
    stack:         the values of all turns, one more than there are turns; None if a turn hands its value on
    """

    before: View
    after: View
    last: View
    stack: View | None


@dataclass(slots=True)
class _Turn:
    """The statements of one turn, and the values of its outputs."""

    statements: list[Statement]
    outputs: list[Value]
    context: Context

    def store(self, number: int, result: View, may_read: bool) -> None:
        """Put an output where a turn leaves it: computed right there if possible, else copied.

        may_read: whether the turn may read what it has put there
        """
        value = self.outputs[number]
        if not result.size:
            return
        if isinstance(value, View) and self._is_own(value) and (may_read or not self._is_read(value.buffer)):
            self._move(value.buffer, result)
        else:
            self._copy(value, result)

    def following(self, number: int, result: View) -> View:
        """Return where a turn leaves the next turn's value: where it is computed, or a copy in `result`."""
        value = self.outputs[number]
        if isinstance(value, View) and self._is_own(value):
            return value
        if result.size:
            self._copy(value, result)
        return result

    def _copy(self, value: Value, result: View) -> None:
        expression: Expression = value.literal if isinstance(value, Uniform) else Load(value)
        self.statements.append(Definition(result, expression, (self.context.position,)))

    def _is_own(self, value: View) -> bool:
        """Whether a value is a whole array that statements of this turn fill, which could as well fill another."""
        writers = [each for each in self.statements if any(view.buffer is value.buffer for view in each.writes())]
        return value.covers_buffer and bool(writers) and all(map(_fills_any_array, writers))

    def _is_read(self, buffer: Buffer) -> bool:
        return any(view.buffer is buffer for each in self.statements for view in each.reads())

    def _move(self, buffer: Buffer, result: View) -> None:
        """Let statements fill and read a part of a larger array in place of an array of its own."""

        def moved(view: View) -> View:
            if view.buffer is not buffer:
                return view
            return replace(view, buffer=result.buffer, offset=result.offset + view.offset)

        self.statements[:] = [with_views(each, moved) for each in self.statements]
        self.outputs[:] = [moved(each) if isinstance(each, View) else each for each in self.outputs]


@singledispatch
def _fills_any_array(statement: Kind) -> bool:
    """Whether a statement can fill a part of an array that moves with the turns."""
    return False


@_fills_any_array.register
def _(statement: Definition) -> bool:
    return statement.base is None


@_fills_any_array.register
def _(statement: Matmul) -> bool:
    return True


@dataclass(slots=True)
class _Steps:
    """Lowers one scan. body: with only the outputs that something reads."""

    scan: Scan
    body: Body
    context: Context
    symbol: Symbol = field(init=False)
    place: Number = field(init=False)

    def __post_init__(self) -> None:
        length = self.scan.length
        self.symbol = Symbol(f"i{self.context.position}", max(length, 1))
        turn = symbol_number(self.symbol)
        self.place = length - 1 - turn if self.scan.is_reversed else turn

    def values(self) -> list[Value]:
        """Return the last carried values and the stacked ones."""
        count, types = self.body.num_carried, self.body.output_types
        if not self.scan.length:
            empty = [self.context.memory.temporary((0, *each.shape), each.dtype) for each in types[count:]]
            return [*self.context.operands[:count], *empty]
        states = [self._state(number, types[number]) for number in range(count)]
        statements = list[Statement]()
        inner = replace(self.context, statements=statements, is_read=())
        turn = _Turn(statements, lower_real_inner(self.body.program, self._inputs(states), inner), self.context)
        for number, state in enumerate(states):
            if state.stack is not None:
                turn.store(number, state.after, may_read=False)
        stacks = [self._stacked(n, states, turn) for n in range(count, len(turn.outputs))]
        for number, state in enumerate(states):
            if state.stack is None:
                states[number] = replace(state, after=turn.following(number, state.after))
        self._append_loop(states, turn.statements)
        return [*(state.last for state in states), *stacks]

    def _state(self, number: int, value_type: TensorType) -> _State:
        """Return the memory of a carried value, which holds its start."""
        shape, dtype = value_type.shape, value_type.dtype
        memory, start = self.context.memory, self.context.operands[number]
        if not self._is_stacked(number):
            before, after = memory.temporary(shape, dtype), memory.temporary(shape, dtype)
            return _State(before, after, before, None)
        length = self.scan.length
        stack = memory.temporary((length + 1, *shape), dtype)
        is_reversed = self.scan.is_reversed
        # Turn i fills the place behind the one that it reads, in its own direction.
        earlier, later = (1, 0) if is_reversed else (0, 1)
        first, last = (length, 0) if is_reversed else (0, length)
        self.context.copy(start, _at(stack, first))
        return _State(_at(stack, self.place + earlier), _at(stack, self.place + later), _at(stack, last), stack)

    def _is_stacked(self, number: int) -> bool:
        """Whether the values of all turns are read: those before each step, or those after it."""
        outputs = self.body.program.outputs
        return self._own_input(number) in outputs[self.body.num_carried :] or (
            outputs[number] in outputs[self.body.num_carried :]
        )

    def _own_input(self, number: int) -> tuple[int, int] | None:
        """Return the reference to a carried value at the start of a step."""
        places = {n: (position, 0) for position, n in zip(self.body.program.inputs, self.body.numbers, strict=True)}
        return places.get(number)

    def _inputs(self, states: Sequence[_State]) -> list[Value]:
        """Return what the step reads, in the order of its inputs."""
        first = self.body.num_carried
        last = first + self.scan.num_along
        found: list[Value] = []
        for number in self.body.numbers:
            operand = self.context.operands[number]
            if number < first:
                found.append(states[number].before)
            elif number >= last:
                found.append(operand)
            elif isinstance(operand, Uniform):
                found.append(Uniform(operand.literal, operand.shape[1:]))
            else:
                found.append(_at(operand, self.place))
        return found

    def _stacked(self, number: int, states: Sequence[_State], turn: _Turn) -> Value:
        """Return what an output is in all turns: a part of the memory of a carried value, or an array of its own."""
        outputs, length = self.body.program.outputs, self.scan.length
        for place, state in enumerate(states):
            if state.stack is None:
                continue
            is_start, is_end = outputs[number] == self._own_input(place), outputs[number] == outputs[place]
            if is_start or is_end:
                return state.stack.slice_axis(0, int(is_start == self.scan.is_reversed), length)
        shape: Shape = (length, *self.body.output_types[number].shape)
        stack = self.context.memory.temporary(shape, self.body.output_types[number].dtype)
        turn.store(number, _at(stack, self.place), may_read=True)
        return stack

    def _append_loop(self, states: Sequence[_State], statements: Sequence[Statement]) -> None:
        carried, grown = list[Carried](), list[View]()
        for number, state in enumerate(states):
            if state.stack is not None:
                grown.append(state.stack)
            elif state.before.size:
                start = self.context.operands[number]
                first = start.literal if isinstance(start, Uniform) else Load(start)
                carried.append(Carried(state.before, state.after, first))
        body = tuple(part for each in statements for part in _without_base(each))
        if body:
            loop = Loop(self.symbol, self.scan.length, body, tuple(carried), tuple(grown))
            self.context.statements.append(loop)


def _at(view: View, place: Number) -> View:
    """Return the part of a view at an index along the first axis, which may move with the turns."""
    return view.slice_axis(0, place, 1).drop_axes((0,))


@singledispatch
def _without_base(statement: Kind) -> list[Kind]:
    """Return a write to a part of an array as a copy of the array and the write to the copy: a turn has no other's array."""
    if any(statement.bases()):
        raise NoLowering(
            f"{type(statement).__name__} in a step writes to a part of an array, which has no lowering to C"
        )
    return [statement]


@_without_base.register
def _(statement: Definition) -> list[Kind]:
    if statement.base is None:
        return [statement]
    return [_copied(statement.base, statement.result, statement.origins), replace(statement, base=None)]


@_without_base.register
def _(statement: Scatter) -> list[Kind]:
    if statement.base is None:
        return [statement]
    return [_copied(statement.base, statement.result, statement.origins), replace(statement, base=None)]


def _copied(base: View, result: View, origins: tuple[int, ...]) -> Definition:
    return Definition(dense_view(result.buffer, base.shape), Load(base), origins)
