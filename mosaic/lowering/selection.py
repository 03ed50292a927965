"""Selection: a statement that finds the k largest or smallest elements of each row, or all in order; its C, and its lowerings.

The algorithms are those of `composit.nn.operations.introselect`, which says where they come from and why equal elements
need them. Known weakness: positions are moved, not elements, so long rows read their elements in no order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from composit.nn.operations.introselect import INSERTION_LENGTH, depth_limit, is_by_heap
from composit.nn.operations.selection import RankedPosition, SelectedPositions, SortedPositions
from mosaic import c
from mosaic.c.helpers import Helper, inline_function
from mosaic.codegen.expressions import Emitter, Scope, int64_dtype
from mosaic.codegen.group_kernels import KernelRequest, emit_kernel
from mosaic.codegen.operands import Operands, element_type
from mosaic.codegen.row_kernel import KernelCode, kernel_of_rows, lanes_of
from mosaic.codegen.row_loops import Row
from mosaic.lowering.registry import Context, Value, lower
from mosaic.lowering.row_positions import RowPositions, in_rows


@dataclass(frozen=True, slots=True, eq=False)
class RowSelection(RowPositions):
    """``result[rows..., i]`` is the position of the element of ``source[rows...]`` that `calls` leave at `start + i`, by size.

    orders_nan: whether NaN is the largest, or is compared to nothing, as in C
    calls:      the functions of the C below that rearrange the positions, with their own numbers
    """

    largest: bool
    orders_nan: bool
    calls: tuple[tuple[str, tuple[int, ...]], ...]
    start: int
    origins: tuple[int, ...]

    def __str__(self) -> str:
        which = "largest" if self.largest else "smallest"
        return f"{self.result} = positions of the {which} in rows of {self.source}"


@lower.register
def _(operation: SelectedPositions, context: Context) -> Sequence[Value]:
    calls = _calls_of_selection(operation.k, context.view(0).shape[operation.axis], operation.is_sorted)
    return _selected(context, operation.axis, operation.largest, True, tuple(calls), 0)


@lower.register
def _(operation: SortedPositions, context: Context) -> Sequence[Value]:
    count = context.view(0).shape[operation.axis]
    calls = (("partition_parts", (0, count, depth_limit(max(count, 1)))), ("insert", (0, count)))
    return _selected(context, operation.axis, operation.largest, operation.orders_nan, calls, 0)


@lower.register
def _(operation: RankedPosition, context: Context) -> Sequence[Value]:
    target = operation.k - 1
    calls = (("select_ranked", (0, context.view(0).shape[operation.axis] - 1, target)),)
    return _selected(context, operation.axis, False, True, calls, target)


def _selected(
    context: Context,
    axis: int,
    largest: bool,
    orders_nan: bool,
    calls: tuple[tuple[str, tuple[int, ...]], ...],
    start: int,
) -> Sequence[Value]:
    source, result = context.view(0), context.result()
    if result.size:
        found, rows = in_rows(axis, result), in_rows(axis, source)
        context.statements.append(RowSelection(found, rows, largest, orders_nan, calls, start, (context.position,)))
    return (result,)


def _calls_of_selection(k: int, count: int, is_sorted: bool) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield what torch.topk calls."""
    if is_by_heap(k, count):
        yield "sort_first", (0, k, count)
        return
    yield "select", (k - 1, count, depth_limit(max(count, 1)))
    if is_sorted and k - 1 > INSERTION_LENGTH:
        yield "partition_parts", (0, k - 1, depth_limit(k - 1))
    if is_sorted and k > 2:
        yield "insert", (0, k - 1)


@dataclass(slots=True)
class RowSelectionEmitter:
    """Emits the selection of one row: the positions in an array, the functions that rearrange it, and the first k of it."""

    emitter: Emitter
    statement: RowSelection

    def emit(self, row: Row, scope: Scope) -> tuple[c.Statement, ...]:
        """Return the statements for one row."""
        emitter, source, result = self.emitter, self.statement.source, self.statement.result
        where, count, k = row.where(c.literal(0), None), source.shape[-1], result.shape[-1]
        given = (emitter.address(source, where), c.literal(source.strides[-1]), _places)
        stored = c.dereference(emitter.address(result, where, is_written=True) + _i * result.strides[-1])
        return (
            *scope.statements,
            emitter.local.declare("places", int64_dtype, count),
            c.loop("i", count, c.Assign(_places[_i], _i)),
            *(c.ExpressionStatement(self._used(name)(*given, *numbers)) for name, numbers in self.statement.calls),
            c.loop(
                "i", k, c.Assign(stored, _places[_i + self.statement.start] if self.statement.start else _places[_i])
            ),
        )

    def _used(self, name: str) -> Helper:
        statement = self.statement
        helpers = selection_helpers(statement.source.dtype, statement.largest, statement.orders_nan)
        return self.emitter.lanes.use(helpers[name])


@emit_kernel.register
def _(first: RowSelection, request: KernelRequest) -> KernelCode:
    emitter = Emitter(lanes_of(request.group, request.target), Operands())
    return kernel_of_rows(request.group, request.comment, RowSelectionEmitter(emitter, first))


_i, _x, _step, _places, _first, _last, _depth, _cut = map(
    c.Name, ("i", "x", "step", "places", "first", "last", "depth", "cut")
)
_target, _middle, _length, _child, _hole, _value, _low, _high, _place = map(
    c.Name, ("target", "middle", "length", "child", "hole", "value", "low", "high", "place")
)
_GIVEN = (_x, _step, _places)


@lru_cache(maxsize=32)
def selection_helpers(dtype: np.dtype, largest: bool, orders_nan: bool) -> dict[str, Helper]:
    """Return the functions for rows of a dtype; each takes the elements, their distance, the positions, and its own numbers."""
    writer = _Writer(dtype, largest, orders_nan)
    called = ("sort_first", "select", "partition_parts", "insert", "select_ranked")
    return {name: writer.helpers[name] for name in called}


def _swap(one: c.Expression, other: c.Expression) -> tuple[c.Statement, ...]:
    swapped = c.Name("swapped")
    return (c.Block((c.Declare(c.const(c.int64), "swapped", one), c.Assign(one, other), c.Assign(other, swapped))),)


def _add(name: c.Expression, amount: int) -> c.Statement:
    return c.AugmentedAssign(name, "+" if amount > 0 else "-", c.literal(abs(amount)))


class _Writer:
    """Writes the C functions for elements of one dtype, and for the largest or the smallest. A function comes after those that it calls."""

    def __init__(self, dtype: np.dtype, largest: bool, orders_nan: bool) -> None:
        self.dtype = dtype
        self.largest = largest
        self.orders_nan = orders_nan and dtype.kind == "f"
        self.suffix = f"{'largest' if largest else 'smallest'}_{dtype.name}{'' if orders_nan else '_as_in_c'}"
        self.helpers: dict[str, Helper] = {}
        self._compare()
        self._sift()
        self._select_by_heap()
        self._sort_first()
        self._insert()
        self._median()
        self._partition()
        self._partition_parts()
        self._select()
        self._select_ranked()

    def _define(self, name: str, numbers: str, body: tuple[c.Statement, ...], result: c.CType = c.void) -> None:
        parameters = (
            c.Parameter(c.const_pointer(element_type(self.dtype)), "x"),
            c.Parameter(c.int64, "step"),
            c.Parameter(c.pointer(c.int64), "places"),
            *(c.Parameter(c.int64, each) for each in numbers.split()),
        )
        full = f"{name}_{self.suffix}"
        function = c.Function(full, result, parameters, body, is_static=True)
        self.helpers[name] = Helper(full, (function,), tuple(self.helpers.values()))

    def _compare(self) -> None:
        one, other = (_x[c.Name(name) * _step] for name in ("one", "other"))
        less: c.Expression = other < one if self.largest else one < other
        if self.orders_nan:
            first, second = (one, other) if self.largest else (other, one)
            less = c.logical_or(less, c.logical_and(c.not_equal(first, first), c.equal(second, second)))
        parameters = (
            c.Parameter(c.const_pointer(element_type(self.dtype)), "x"),
            *(c.Parameter(c.int64, each) for each in ("step", "one", "other")),
        )
        name = f"comes_before_{self.suffix}"
        function = inline_function(name, c.int_, parameters, (c.Return(less),), self._comment())
        self.helpers["comes_before"] = Helper(name, (c.Include("stdint.h"), function))

    def _comment(self) -> str:
        return f"Whether an element comes before another{'; NaN is the largest' if self.orders_nan else ''}."

    def _before(self, one: c.Expression, other: c.Expression) -> c.Expression:
        return self.helpers["comes_before"](_x, _step, one, other)

    def _call(self, name: str, *numbers: c.Operand) -> c.Expression:
        return self.helpers[name](*_GIVEN, *numbers)

    def _run(self, name: str, *numbers: c.Operand) -> c.Statement:
        return c.ExpressionStatement(self._call(name, *numbers))

    def _sift(self) -> None:
        top = c.Name("top")

        def at(place: c.Expression) -> c.Expression:
            return _places[_first + place]

        parent = (_hole - 1) / 2
        body = (
            c.Declare(c.const(c.int64), "top", _hole),
            c.Declare(c.int64, "child", _hole),
            c.While(
                _child < (_length - 1) / 2,
                (
                    c.Assign(_child, _child * 2 + 2),
                    c.If(self._before(at(_child), at(_child - 1)), (_add(_child, -1),)),
                    c.Assign(at(_hole), at(_child)),
                    c.Assign(_hole, _child),
                ),
            ),
            c.If(
                c.logical_and(c.equal(_length % 2, 0), c.equal(_child, (_length - 2) / 2)),
                (c.Assign(at(_hole), at(_child * 2 + 1)), c.Assign(_hole, _child * 2 + 1)),
            ),
            c.While(
                c.logical_and(_hole > top, self._before(at(parent), _value)),
                (c.Assign(at(_hole), at(parent)), c.Assign(_hole, parent)),
            ),
            c.Assign(at(_hole), _value),
        )
        self._define("sift", "first hole length value", body)

    def _select_by_heap(self) -> None:
        parent = c.Name("parent")
        body = (
            c.Declare(c.const(c.int64), "length", _middle - _first),
            c.Declare(c.int64, "parent", _length / 2),
            c.While(
                parent > 0,
                (_add(parent, -1), self._run("sift", _first, parent, _length, _places[_first + parent])),
            ),
            c.loop(
                "i",
                _last,
                c.If(
                    self._before(_places[_i], _places[_first]),
                    (
                        c.Declare(c.const(c.int64), "smaller", _places[_i]),
                        c.Assign(_places[_i], _places[_first]),
                        self._run("sift", _first, 0, _length, c.Name("smaller")),
                    ),
                ),
                start=_middle,
            ),
        )
        self._define("select_by_heap", "first middle last", body)

    def _sort_first(self) -> None:
        end = c.Name("end")
        body = (
            self._run("select_by_heap", _first, _middle, _last),
            c.Declare(c.int64, "end", _middle),
            c.While(
                end - _first > 1,
                (
                    _add(end, -1),
                    c.Declare(c.const(c.int64), "largest", _places[end]),
                    c.Assign(_places[end], _places[_first]),
                    self._run("sift", _first, 0, end - _first, c.Name("largest")),
                ),
            ),
        )
        self._define("sort_first", "first middle last", body)

    def _insert(self) -> None:
        body = c.loop(
            "i",
            _last,
            c.Declare(c.const(c.int64), "value", _places[_i]),
            c.Declare(c.int64, "place", _i),
            # As libstdc++: among the first elements one that is smaller than all goes there past NaN, which has no order.
            c.If(
                c.logical_and(_i - _first < INSERTION_LENGTH, self._before(_value, _places[_first])),
                (
                    c.While(
                        _place > _first,
                        (c.Assign(_places[_place], _places[_place - 1]), _add(_place, -1)),
                    ),
                ),
            ),
            c.While(
                c.logical_and(_place > _first, self._before(_value, _places[_place - 1])),
                (c.Assign(_places[_place], _places[_place - 1]), _add(_place, -1)),
            ),
            c.Assign(_places[_place], _value),
            start=_first + 1,
        )
        self._define("insert", "first last", (body,))

    def _median(self) -> None:
        one, other, third = (c.Name(name) for name in ("one", "other", "third"))

        def choose(a: c.Expression, b: c.Expression, yes: c.Expression, no: c.Expression) -> c.Expression:
            return c.Conditional(self._before(_places[a], _places[b]), yes, no)

        def returned(a: c.Expression, b: c.Expression, first: c.Expression, no: c.Expression) -> c.If:
            return c.If(self._before(_places[a], _places[b]), (c.Return(first),), (c.Return(no),))

        rising = returned(other, third, other, choose(one, third, third, one))
        falling = returned(one, third, one, choose(other, third, third, other))
        body = c.If(self._before(_places[one], _places[other]), (rising,), (falling,))
        self._define("median", "one other third", (body,), c.int64)

    def _partition(self) -> None:
        median, pivot = c.Name("median"), c.Name("pivot")
        three = (_first + 1, _first + (_last - _first) / 2, _last - 1)
        body = (
            c.Declare(c.const(c.int64), "median", self._call("median", *three)),
            *_swap(_places[_first], _places[median]),
            c.Declare(c.const(c.int64), "pivot", _places[_first]),
            c.Declare(c.int64, "low", _first + 1),
            c.Declare(c.int64, "high", _last),
            c.While(
                c.literal(1),
                (
                    c.While(self._before(_places[_low], pivot), (_add(_low, 1),)),
                    _add(_high, -1),
                    c.While(self._before(pivot, _places[_high]), (_add(_high, -1),)),
                    c.If(_low >= _high, (c.Return(_low),)),
                    *_swap(_places[_low], _places[_high]),
                    _add(_low, 1),
                ),
            ),
        )
        self._define("partition", "first last", body, c.int64)

    def _partition_parts(self) -> None:
        again = c.Name(f"partition_parts_{self.suffix}")(*_GIVEN, _cut, _last, _depth)
        body = c.While(
            _last - _first > INSERTION_LENGTH,
            (
                c.If(c.equal(_depth, 0), (self._run("sort_first", _first, _last, _last), c.Return())),
                _add(_depth, -1),
                c.Declare(c.const(c.int64), "cut", self._call("partition", _first, _last)),
                c.ExpressionStatement(again),
                c.Assign(_last, _cut),
            ),
        )
        self._define("partition_parts", "first last depth", (body,))

    def _select(self) -> None:
        by_heap = (
            self._run("select_by_heap", _first, _target + 1, _last),
            *_swap(_places[_first], _places[_target]),
            c.Return(),
        )
        body = (
            c.Declare(c.int64, "first", c.literal(0)),
            c.While(
                _last - _first > 3,
                (
                    c.If(c.equal(_depth, 0), by_heap),
                    _add(_depth, -1),
                    c.Declare(c.const(c.int64), "cut", self._call("partition", _first, _last)),
                    c.If(_cut <= _target, (c.Assign(_first, _cut),), (c.Assign(_last, _cut),)),
                ),
            ),
            self._run("insert", _first, _last),
        )
        self._define("select", "target last depth", body)

    def _select_ranked(self) -> None:
        middle, pivot = c.Name("middle"), c.Name("pivot")

        def order(smaller: c.Expression, larger: c.Expression) -> c.Statement:
            return c.If(self._before(_places[larger], _places[smaller]), _swap(_places[smaller], _places[larger]))

        body = (
            c.While(
                _last > _first + 1,
                (
                    c.Declare(c.const(c.int64), "middle", _first + (_last - _first) / 2),
                    *_swap(_places[middle], _places[_first + 1]),
                    order(_first + 1, _last),
                    order(_first, _last),
                    order(_first + 1, _first),
                    c.Declare(c.const(c.int64), "pivot", _places[_first]),
                    c.Declare(c.int64, "low", _first + 1),
                    c.Declare(c.int64, "high", _last),
                    *self._meet_in_the_middle(pivot),
                    *_swap(_places[_first], _places[_high]),
                    c.If(_high <= _target, (c.Assign(_first, _low),)),
                    c.If(_high >= _target, (c.Assign(_last, _high - 1),)),
                ),
            ),
            c.If(c.equal(_last, _first + 1), (order(_first, _last),)),
        )
        self._define("select_ranked", "first last target", body)

    def _meet_in_the_middle(self, pivot: c.Expression) -> tuple[c.Statement, ...]:
        """Exchange elements on the wrong side of the pivot until the two places have passed each other."""
        step = (
            _add(_low, 1),
            c.While(self._before(_places[_low], pivot), (_add(_low, 1),)),
            _add(_high, -1),
            c.While(self._before(pivot, _places[_high]), (_add(_high, -1),)),
        )
        exchanged = (*_swap(_places[_low], _places[_high]), *step)
        return (*step, c.While(_high >= _low, exchanged))
