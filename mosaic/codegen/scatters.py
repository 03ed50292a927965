"""Scatters (np.add.at and kin) as C, in one order whatever the number of threads.

Loops over the serial axes are around the loop over lanes, so that an index that is the same for all lanes is checked
once per vector. Where each lane has its own index, lanes are combined one by one, in order.
"""

from __future__ import annotations

from dataclasses import dataclass

from mosaic import c
from mosaic.codegen.expressions import Emitter, Scope, Where
from mosaic.codegen.operands import address, element_type
from mosaic.codegen.reducers import combine
from mosaic.codegen.row_loops import Row, loop_along_row
from mosaic.ir.statements import Scatter
from mosaic.vector import memory

_operators = {"add": "+", "multiply": "*"}
"""Combiners that are an operator of C for one element; by "replace" it is assigned, extrema are compared."""
_comparisons = {"maximum": ">", "minimum": "<"}


@dataclass(slots=True)
class ScatterEmitter:
    """Emits a scatter for one row."""

    emitter: Emitter
    scatter: Scatter

    def emit(self, row: Row, scope: Scope) -> tuple[c.Statement, ...]:
        """Return the statements for one row."""
        variables = tuple(self.emitter.fresh("s") for _ in self.scatter.serial)
        first = len(row.axes) + 1
        inner = scope.inner(*range(first, first + len(variables)))
        loop_along_row(self.emitter, row, inner, self._emit_body, tuple(c.Name(each) for each in variables))
        statements = tuple(inner.statements)
        for variable, extent in reversed(tuple(zip(variables, self.scatter.serial, strict=True))):
            statements = (c.loop(variable, extent, *statements),)
        return (*self._zeros(row), *scope.statements, *statements)

    def _zeros(self, row: Row) -> tuple[c.Statement, ...]:
        """Return the loop that fills a row with zeros; C compilers call memset for it."""
        zeroed = self.scatter.zeroed
        if zeroed is None:
            return ()
        index = c.Name(self.emitter.fresh("i"))
        pointer = self.emitter.operands.pointer(zeroed, is_written=True)
        place = address(pointer, zeroed.strides, (*row.axes, index))
        return (c.loop(index.text, zeroed.shape[-1], c.Assign(c.dereference(place), c.literal(0))),)

    def _emit_body(self, scope: Scope, where: Where) -> None:
        value = self.emitter.value(self.scatter.expression, scope, where)
        emit = self._emit_vector if self._is_dense(where.lane_axis) else self._emit_lane_by_lane
        emit(value, scope, where)

    def _is_dense(self, lane_axis: int) -> bool:
        """Whether the lanes go to neighbouring places."""
        moves = any(gather.index.view.strides[lane_axis] for gather in self.scatter.gathers)
        return not moves and not self.scatter.is_in_order and self.scatter.result.strides[lane_axis] == 1

    def _place(self, where: Where, lane: c.Expression) -> c.Expression:
        """Return the address of a lane's element."""
        result = self.scatter.result
        place = address(self.emitter.operands.pointer(result, is_written=True), result.strides, where.axes)
        place = place + lane * result.strides[where.lane_axis]
        for gather in self.scatter.gathers:
            place = place + self.emitter.checked_index(gather, where, lane) * gather.stride
        return place

    def _emit_vector(self, value: c.Expression, scope: Scope, where: Where) -> None:
        lanes, dtype = self.emitter.lanes, self.scatter.result.dtype
        place, vector = c.Name(self.emitter.fresh("place")), lanes.stored_type(dtype)
        declared = c.Declare(c.pointer(element_type(dtype)), place.text, self._place(where, c.literal(0)))
        if self.scatter.combiner == "replace":
            scope.statements += [declared, self.emitter.stored_densely(place, dtype, value, where)]
            return
        if where.count is None:
            before = lanes.use(memory.load(vector))(place)
        else:
            before = lanes.use(memory.load_partial(vector))(place, where.count)
        combined = combine(lanes, self.scatter.combiner, dtype, before, value)
        scope.statements += [declared, self.emitter.stored_densely(place, dtype, combined, where)]

    def _emit_lane_by_lane(self, value: c.Expression, scope: Scope, where: Where) -> None:
        lanes, dtype, lane = self.emitter.lanes, self.scatter.result.dtype, c.Name("lane")
        name, vector = c.Name(self.emitter.fresh("added")), lanes.stored_type(dtype)
        declared = c.Declare(lanes.declare(vector), name.text, lanes.to_memory(value, dtype))
        place = c.dereference(self._place(where, lane))
        stop = c.literal(vector.lanes) if where.count is None else where.count
        scope.statements += [declared, c.loop("lane", stop, self._combined(place, name[lane]))]

    def _combined(self, place: c.Expression, element: c.Expression) -> c.Statement:
        """Return the statement that combines one element into its place."""
        combiner = self.scatter.combiner
        if combiner in _operators:
            return c.AugmentedAssign(place, _operators[combiner], element)
        if combiner not in _comparisons:
            return c.Assign(place, element)
        wins: c.Expression = c.Binary(_comparisons[combiner], element, place)
        if self.scatter.result.dtype.kind == "f":
            wins = wins | c.not_equal(element, element)  # NaN stays, as in numpy
        return c.Assign(place, c.Conditional(wins, element, place))
