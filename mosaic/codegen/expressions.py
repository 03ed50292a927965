"""Scalar expressions as C over lanes: each value is computed once, in the outermost possible loop.

A `Scope` is the body of one loop; it knows the axes of the loops around it. `Emitter.value` puts an expression into the
outermost scope that knows its axes: a load that is the same for all lanes is done before the loop over lanes.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace

import numpy as np

from mosaic import c
from mosaic.codegen.elementwise import emit_conversion, emit_function
from mosaic.codegen.index_checks import checked_index
from mosaic.codegen.local_arrays import LocalArrays
from mosaic.codegen.operands import Operands, address, number_expression
from mosaic.codegen.registers import Lanes
from mosaic.ir.affine import Symbol, split, terms_of
from mosaic.ir.expressions import (
    Accumulated,
    Apply,
    Convert,
    Expression,
    Gather,
    Literal,
    Load,
    operands,
)
from mosaic.ir.views import Buffer, BufferKind, View
from mosaic.vector import memory

Axis = int | Symbol  # an axis of the kernel's domain, or a loop inside the kernel

int64_dtype = np.dtype(np.int64)
status_buffer = Buffer(BufferKind.OUTPUT, -1, 1, int64_dtype)


@dataclass(slots=True)
class Scope:
    """Statements of one loop body, the axes it knows, and the values it has computed.

    bound:   values in registers, by the buffer of this kernel that they belong to
    places:  the address of the current lanes in each buffer stored in a local row
    indices: indices checked in this body
    """

    axes: frozenset[Axis]
    parent: Scope | None = None
    statements: list[c.Statement] = field(default_factory=list)
    values: dict[int, c.Expression] = field(default_factory=dict)
    bound: dict[Buffer, c.Expression] = field(default_factory=dict)
    places: dict[Buffer, c.Expression] = field(default_factory=dict)
    indices: dict[Gather, c.Name] = field(default_factory=dict)

    def inner(self, *axes: Axis) -> Scope:
        """Return the scope of an inner loop over further axes."""
        return Scope(self.axes | frozenset(axes), self)

    def for_axes(self, needed: frozenset[Axis]) -> Scope:
        """Return the outermost scope that knows the axes."""
        scope = self
        while scope.parent is not None and needed <= scope.parent.axes:
            scope = scope.parent
        return scope

    def find(self, expression: Expression, number: int) -> c.Expression | None:
        """Return the value of an expression computed here or outside."""
        scope: Scope | None = self
        while scope is not None:
            if isinstance(expression, Load) and expression.view.buffer in scope.bound:
                return scope.bound[expression.view.buffer]
            if number in scope.values:
                return scope.values[number]
            scope = scope.parent
        return None

    def place(self, buffer: Buffer) -> c.Expression | None:
        """Return where the current lanes of a local buffer lie."""
        scope: Scope | None = self
        while scope is not None:
            if buffer in scope.places:
                return scope.places[buffer]
            scope = scope.parent
        return None


@dataclass(slots=True)
class Where:
    """The position of a vector: one C expression per axis, the axis of the lanes, the number of valid lanes."""

    axes: tuple[c.Expression, ...]
    lane_axis: int
    count: c.Expression | None = None


@dataclass(slots=True)
class Numbers:
    """Gives equal expressions equal numbers, and says along which axes each changes.

    It looks at each record once: comparing whole trees would make the cost of a chain quadratic.

    varying: for a buffer filled in loops of this kernel, the loops whose turns change its values
    symbols: the C variable of each loop
    """

    known: dict[Hashable, int] = field(default_factory=dict)
    axes: list[frozenset[Axis]] = field(default_factory=list)
    varying: dict[Buffer, frozenset[Axis]] = field(default_factory=dict)
    symbols: dict[Symbol, c.Expression] = field(default_factory=dict)
    seen: dict[int, tuple[Expression, int]] = field(default_factory=dict)

    def of(self, expression: Expression) -> int:
        """Return the number of an expression."""
        found = self.seen.get(id(expression))
        if found is not None:
            return found[1]
        parts = tuple(map(self.of, operands(expression)))
        number = self.known.setdefault(_key(expression, parts), len(self.known))
        if number == len(self.axes):
            inner = [self.axes[part] for part in parts]
            self.axes.append(self._own_axes(expression).union(*inner))
        self.seen[id(expression)] = (expression, number)  # keeps the object alive, else its id could be reused
        return number

    def _own_axes(self, expression: Expression) -> frozenset[Axis]:
        """Return the axes along which a load or an accumulated sum changes; none for other expressions."""
        if isinstance(expression, Accumulated):
            return frozenset(range(64))
        if not isinstance(expression, Load):
            return frozenset()
        seen = [expression.view, *(gather.index.view for gather in expression.gathers)]
        return frozenset[Axis]().union(*map(self.axes_of, seen))

    def axes_of(self, view: View) -> frozenset[Axis]:
        """Return the axes and loops along which a view moves or its elements change."""
        axes: set[Axis] = {axis for axis, stride in enumerate(view.strides) if stride}
        axes.update(symbol for symbol, _ in terms_of(view.offset) if symbol in self.symbols)
        return frozenset(axes) | self.varying.get(view.buffer, frozenset())


def _key(expression: Expression, parts: tuple[int, ...]) -> Hashable:
    if isinstance(expression, Apply):
        return (expression.function, expression.dtype, parts)
    return (expression.dtype, parts) if isinstance(expression, Convert) else expression


@dataclass(slots=True)
class Emitter:
    """Emits the expressions of one kernel.

    checked:     local arrays of indices that were checked before the rows, by the places of the lanes
    streamed:    buffers whose whole vectors are stored past the caches
    bytes_ahead: loads in order fetch what lies so many bytes behind them, 0: they do not
    fetched:     buffers in the caches, because a loop before has read or filled their row
    """

    lanes: Lanes
    operands: Operands
    local: LocalArrays = field(default_factory=LocalArrays)
    num_names: int = 0
    checked: dict[Gather, c.Name] = field(default_factory=dict)
    numbers: Numbers = field(default_factory=Numbers)
    streamed: frozenset[Buffer] = frozenset()
    bytes_ahead: int = 0
    fetched: set[Buffer] = field(default_factory=set)

    def fresh(self, prefix: str) -> str:
        """Return a name not used before in the kernel."""
        self.num_names += 1
        return f"{prefix}{self.num_names}"

    def value(self, expression: Expression, scope: Scope, where: Where) -> c.Expression:
        """Return the lanes of an expression, computed in the outermost scope that knows its axes."""
        if isinstance(expression, Literal):
            return self.lanes.constant(expression.value, expression.dtype)
        number = self.numbers.of(expression)
        known = scope.find(expression, number)
        if known is not None:
            return known
        parts = tuple(self.value(part, scope, where) for part in operands(expression))
        place = scope.place(expression.view.buffer) if isinstance(expression, Load) else None
        home = scope if place is not None else scope.for_axes(self.numbers.axes[number])
        if place is not None:
            computed = self.loaded_densely(place, expression.dtype, where)
        else:
            computed = self._computed(expression, parts, home, where)
        name = self.fresh("v")
        home.statements.append(c.Declare(self.lanes.declare(self.lanes.type(expression.dtype)), name, computed))
        home.values[number] = c.Name(name)
        return c.Name(name)

    def _computed(
        self, expression: Expression, parts: tuple[c.Expression, ...], home: Scope, where: Where
    ) -> c.Expression:
        if isinstance(expression, Load):
            return self._load(expression, home, where)
        if isinstance(expression, Convert):
            return emit_conversion(self.lanes, parts[0], expression.argument.dtype, expression.dtype)
        assert isinstance(expression, Apply), "constants and accumulated sums are known before"
        dtypes = tuple(argument.dtype for argument in expression.arguments)
        last = expression.arguments[-1]
        constant = last.value if isinstance(last, Literal) else None
        return emit_function(self.lanes, expression.function, dtypes, expression.dtype, parts, constant)

    def _load(self, load: Load, home: Scope, where: Where) -> c.Expression:
        view, step = load.view, load.view.strides[where.lane_axis]
        if any(gather.index.view.strides[where.lane_axis] for gather in load.gathers):
            return self._load_lane_by_lane(load, home, where)
        place = self.address(view, where)
        for gather in load.gathers:
            place = place + self._index_for_all_lanes(gather, home, where) * gather.stride
        vector, use = self.lanes.stored_type(view.dtype), self.lanes.use
        if step == 0:
            return self.lanes.broadcast(c.dereference(place), view.dtype)
        count = where.count
        if step == 1 and count is None:
            home.statements.extend(self._fetched_ahead(view, place, where))
        if step == 1:
            loaded = (
                use(memory.load(vector))(place) if count is None else use(memory.load_partial(vector))(place, count)
            )
        elif count is None and step == 2 and vector.lanes > 2:
            loaded = use(memory.load_every_second(vector))(place)
        elif count is None:
            loaded = use(memory.load_strided(vector))(place, c.literal(step))
        else:
            loaded = use(memory.load_strided_partial(vector))(place, c.literal(step), count)
        return self.lanes.from_memory(loaded, view.dtype)

    def _fetched_ahead(self, view: View, place: c.Expression, where: Where) -> tuple[c.Statement, ...]:
        """Return the statement that fetches what the loads of later turns, or of later rows, will need."""
        is_in_loop = not isinstance(where.axes[where.lane_axis], c.IntegerLiteral)
        if not (self.bytes_ahead and is_in_loop and view.is_contiguous) or view.buffer in self.fetched:
            return ()
        return (c.call("__builtin_prefetch", place + self.bytes_ahead // view.dtype.itemsize),)

    def address(self, view: View, where: Where, is_written: bool = False) -> c.Expression:
        """Return the address of an element of a view."""
        moves, start = split(view.offset, self.numbers.symbols)
        first = replace(view, offset=start)
        place = address(self.operands.pointer(first, is_written), view.strides, where.axes)
        return place + number_expression(moves, self.numbers.symbols) if terms_of(moves) else place

    def loaded_densely(self, place: c.Expression, dtype: np.dtype, where: Where) -> c.Expression:
        """Return the lanes that lie next to each other at a place."""
        vector = self.lanes.stored_type(dtype)
        if where.count is None:
            return self.lanes.from_memory(self.lanes.use(memory.load(vector))(place), dtype)
        return self.lanes.from_memory(self.lanes.use(memory.load_partial(vector))(place, where.count), dtype)

    def _index_for_all_lanes(self, gather: Gather, scope: Scope, where: Where) -> c.Name:
        """Return an index that is the same for all lanes, checked once in the outermost loop that knows its axes."""
        home = scope.for_axes(self.numbers.axes_of(gather.index.view))
        if gather not in home.indices:
            name = home.indices[gather] = c.Name(self.fresh("index"))
            checked = self.checked_index(gather, where, c.literal(0))
            home.statements.append(c.Declare(c.const(c.int64), name.text, checked))
        return home.indices[gather]

    def checked_index(self, gather: Gather, where: Where, lane: c.Expression) -> c.Expression:
        """Return an index loaded from memory, counted from the start and reported if it is out of bounds."""
        if gather in self.checked:
            return self.checked[gather][where.axes[where.lane_axis] + lane]
        view = gather.index.view
        place = self.address(view, where) + lane * view.strides[where.lane_axis]
        status = self.operands.pointer(View(status_buffer, gather.origin, (1,), (1,)), is_written=True)
        extent = c.literal(gather.extent, "int64_t")
        return self.lanes.use(checked_index(gather.mode))(c.Cast(c.int64, c.dereference(place)), extent, status)

    def _load_lane_by_lane(self, load: Load, home: Scope, where: Where) -> c.Expression:
        """Return elements gathered lane by lane; all addresses are computed first, so that the loads do not wait."""
        vector, lane = self.lanes.stored_type(load.dtype), c.Name("lane")
        base, offset = self._gathered(load, where, lane)
        if where.count is None:
            places = c.Name(self.fresh("places"))
            home.statements.append(c.Declare(c.ArrayType(c.int64, vector.lanes), places.text))
            home.statements.append(c.loop("lane", vector.lanes, c.Assign(places[lane], offset)))
            return self.lanes.from_memory(self.lanes.use(memory.load_indexed(vector))(base, places), load.dtype)
        name = c.Name(self.fresh("gathered"))
        body = c.loop("lane", where.count, c.Assign(name[lane], c.dereference(base + offset)))
        home.statements.append(c.Declare(self.lanes.declare(vector), name.text, vector.zero))
        home.statements.append(body)
        return self.lanes.from_memory(name, load.dtype)

    def _gathered(self, load: Load, where: Where, lane: c.Expression) -> tuple[c.Expression, c.Expression]:
        """Return where a gathered array begins, and the offset of a lane's element, whose index is checked."""
        offset: c.Expression = lane * load.view.strides[where.lane_axis]
        for gather in load.gathers:
            offset = offset + self.checked_index(gather, where, lane) * gather.stride
        return self.address(load.view, where), offset

    def store(self, view: View, value: c.Expression, scope: Scope, where: Where) -> None:
        """Add the statement that stores lanes into a view; with one element, only the first lane."""
        place = self.address(view, where, is_written=True)
        scope.statements.append(self.stored(place, view, value, where))

    def copied(self, load: Load, view: View, where: Where) -> c.Statement | None:
        """Return the statement that copies scattered elements to a dense place, one by one; None for other views.

        They are bytes with a step between them, whose vector is put together lane by lane, in twice the time (one of float32 or
        float64 is not, Zen 4), or elements with an index each: a vector of them takes 1.15 of the time of copies.
        """
        step, dense = load.view.strides[where.lane_axis], view.strides[where.lane_axis] == 1
        if not dense or view.extents[where.lane_axis] == 1:
            return None
        if any(gather.index.view.strides[where.lane_axis] for gather in load.gathers):
            return self._copied_by_index(load, view, where)
        if view.dtype.itemsize > 1 or load.gathers or step in (0, 1):
            return None
        source, to = self.address(load.view, where), self.address(view, where, is_written=True)
        vector = self.lanes.stored_type(view.dtype)
        count = c.literal(vector.lanes) if where.count is None else where.count
        return c.ExpressionStatement(self.lanes.use(memory.copy_strided(vector))(to, source, c.literal(step), count))

    def _copied_by_index(self, load: Load, view: View, where: Where) -> c.Statement:
        """Return the loop that copies the elements of all lanes, or of the first lanes of a rest."""
        lane, to = c.Name("lane"), self.address(view, where, is_written=True)
        base, offset = self._gathered(load, where, lane)
        count = self.lanes.stored_type(view.dtype).lanes if where.count is None else where.count
        return c.loop("lane", count, c.Assign(c.dereference(to + lane), c.dereference(base + offset)))

    def stored_densely(self, place: c.Expression, dtype: np.dtype, value: c.Expression, where: Where) -> c.Statement:
        """Return the statement that stores lanes next to each other at a place."""
        vector, kept = self.lanes.stored_type(dtype), self.lanes.to_memory(value, dtype)
        if where.count is None:
            return c.ExpressionStatement(self.lanes.use(memory.store(vector))(place, kept))
        return c.ExpressionStatement(self.lanes.use(memory.store_partial(vector))(place, kept, where.count))

    def stored(self, place: c.Expression, view: View, value: c.Expression, where: Where) -> c.Statement:
        """Return the statement that stores lanes at a place, with the view's step from lane to lane."""
        vector, use, lanes = self.lanes.stored_type(view.dtype), self.lanes.use, self.lanes
        kept = lanes.to_memory(value, view.dtype)
        step = view.strides[where.lane_axis]
        if view.extents[where.lane_axis] == 1:
            return c.ExpressionStatement(use(memory.store_partial(vector))(place, kept, c.literal(1)))
        if step == 1 and where.count is None and view.buffer in self.streamed:
            return c.ExpressionStatement(use(memory.stream(vector))(place, kept))
        if step == 1:
            return self.stored_densely(place, view.dtype, value, where)
        count = c.literal(vector.lanes) if where.count is None else where.count
        return c.ExpressionStatement(use(memory.store_strided(vector))(place, c.literal(step), kept, count))
