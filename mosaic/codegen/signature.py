"""What the text of a kernel depends on: the group with its buffers numbered by first use.

Groups with equal signatures are emitted once; only the places their operands have in memory differ.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from mosaic.codegen.expressions import status_buffer
from mosaic.ir import Definition, Group, Loop, Matmul, RowStage, Scatter, Stage
from mosaic.ir_affine import Number, Symbol, constant_part, terms_of
from mosaic.ir_expressions import Apply, Convert, Expression, Gather, Load, Position
from mosaic.ir_views import Buffer, View


@dataclass(slots=True)
class Signature:
    """Numbers buffers and places in the order in which a group names them."""

    buffers: dict[Buffer, int] = field(default_factory=dict)
    places: dict[tuple[Buffer, int], int] = field(default_factory=dict)
    symbols: dict[Symbol, int] = field(default_factory=dict)

    def of(self, group: Group) -> Hashable:
        """Return the signature of a group."""
        stages = tuple(self._stage(stage) for stage in group.stages)
        local = tuple(sorted(self.buffers[buffer] for buffer in group.local if buffer in self.buffers))
        return (group.rows, group.length, stages, local)

    def _stage(self, stage: Stage | Definition) -> Hashable:
        if isinstance(stage, Matmul):
            operands = (self._view(stage.left), self._view(stage.right), stage.panel_width)
            return ("matmul", *operands, self._expression(stage.epilogue), self._view(stage.result))
        if isinstance(stage, Loop):
            return self._loop(stage)
        value = self._expression(stage.expression)
        if isinstance(stage, Scatter):
            moves = tuple(self._gather(gather) for gather in stage.gathers)
            return (stage.combiner, value, self._view(stage.result), moves, stage.num_rows, stage.is_in_order)
        assert isinstance(stage, RowStage), "groups hold no definitions"
        return (value, self._view(stage.result), stage.reducer, stage.serial, stage.is_along_row)

    def _loop(self, loop: Loop) -> Hashable:
        symbol = self.symbols.setdefault(loop.symbol, len(self.symbols))
        starts = tuple(self._expression(one.start) for one in loop.carried)
        carried = tuple((self._local(one.state), self._local(one.following)) for one in loop.carried)
        body = tuple(self._stage(part) for part in loop.body)
        return ("loop", symbol, self._number(loop.extent), starts, carried, body)

    def _local(self, view: View) -> int:
        return self.buffers.setdefault(view.buffer, len(self.buffers))

    def _number(self, number: Number) -> Hashable:
        moves = tuple((self.symbols[symbol], coefficient) for symbol, coefficient in terms_of(number))
        return (constant_part(number), moves)

    def _view(self, view: View) -> Hashable:
        number = self.buffers.setdefault(view.buffer, len(self.buffers))
        place = self.places.setdefault((view.buffer, constant_part(view.offset)), len(self.places))
        moves = self._number(view.offset - constant_part(view.offset))
        return (number, place, view.dtype, view.shape, view.strides, moves)

    def _expression(self, expression: Expression) -> Hashable:
        if isinstance(expression, Load):
            return ("load", self._view(expression.view), *(self._gather(gather) for gather in expression.gathers))
        if isinstance(expression, Position):
            return ("position", self._number(expression.view.offset), expression.view.strides)
        if isinstance(expression, Apply):
            parts = tuple(self._expression(argument) for argument in expression.arguments)
            return (expression.function, expression.dtype, *parts)
        if isinstance(expression, Convert):
            return ("convert", expression.dtype, self._expression(expression.argument))
        return expression

    def _gather(self, gather: Gather) -> Hashable:
        # The origin is a place too: where an index error is reported.
        status = self.places.setdefault((status_buffer, gather.origin), len(self.places))
        return (self._expression(gather.index), gather.extent, gather.stride, gather.mode, status)
