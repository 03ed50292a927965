"""Launches: which kernels run on which operands, as tables, and the functions that walk them.

    static const struct place places[] = {{INPUTS, 0, 0}, {ARENA, 0, 0}, {ARENA, 0, 0}, {OUTPUTS, 0, 0}};
    static const struct launch launches[] = {{kernel_0, 1, 2, 0}, {kernel_1, 1, 2, 2}};

A row of data costs gcc about 0.02 ms. A call with a table of pointers on the stack, which these rows stand for, costs 0.5 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from mosaic import c
from mosaic.codegen.expressions import status_buffer
from mosaic.codegen.local_arrays import scratch_buffer
from mosaic.codegen.operands import Operand, number_expression
from mosaic.ir.affine import Number, Symbol, constant_part, terms_of
from mosaic.ir.loops import Turns
from mosaic.ir.views import Buffer
from mosaic.runtime.abi import RUN_SYMBOL


@dataclass(frozen=True, slots=True)
class Launch:
    """One run of a kernel: function, operands, number in the profile, scratch bytes per thread, loops around it.

    symbols: the loops whose turns it reads
    """

    function: str
    operands: tuple[Operand, ...]
    num_tasks: int
    number: int
    scratch_bytes: int = 0
    symbols: tuple[Symbol, ...] = ()
    turns: tuple[Turns, ...] = ()

    @property
    def all_operands(self) -> tuple[Operand, ...]:
        """The operands as the kernel finds them in its table; the threads' parts of the arena come last."""
        return (*self.operands, Operand(scratch_buffer, 0, True)) if self.scratch_bytes else self.operands

    @property
    def num_places(self) -> int:
        """How many pointers the kernel finds in its table: those to operands, then those to turns."""
        return len(self.all_operands) + len(self.symbols)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operand lies: bytes behind the start of an array, which has a number in a table of arrays."""

    table: str
    number: int
    num_bytes: Number


PlaceOf = Callable[[Operand], Place]

turns_table = "TURNS"
inputs_table, outputs_table, constants_table, arena_table = _table_names = ("INPUTS", "OUTPUTS", "CONSTANTS", "ARENA")


@dataclass(frozen=True, slots=True)
class RegionLaunches:
    """The launches of a region in order, where their operands lie, and the instructions that may find an index out of bounds."""

    launches: tuple[Launch, ...]
    place_of: PlaceOf
    status_origins: tuple[int, ...]


def operand_places(
    inputs: Mapping[Buffer, int],
    outputs: Mapping[Buffer, int],
    constants: Mapping[Buffer, int],
    arena: Mapping[Buffer, int],
    slots: Mapping[int, int],
) -> PlaceOf:
    """Return where operands lie: positions in the tables of inputs and outputs, or bytes into a block.

    `slots` are the places of index errors by instruction, counted in the output that holds them.
    """

    def place(operand: Operand) -> Place:
        buffer, itemsize = operand.buffer, operand.buffer.dtype.itemsize
        num_bytes = operand.offset * itemsize
        if buffer is status_buffer:
            num_bytes = slots[constant_part(operand.offset)] * itemsize
        if buffer in inputs:
            return Place(inputs_table, inputs[buffer], num_bytes)
        if buffer in outputs:
            return Place(outputs_table, outputs[buffer], num_bytes)
        if buffer in constants:
            return Place(constants_table, 0, constants[buffer] + num_bytes)
        return Place(arena_table, 0, arena[buffer] + num_bytes)

    return place


def launch_items(regions: Sequence[RegionLaunches]) -> tuple[c.TopLevel, ...]:
    """Return the tables of all launches, the function that runs some of them, and `mosaic_run`."""
    launches = [launch for region in regions for launch in region.launches]
    if not launches:
        return ()
    depth = max(len(launch.turns) for launch in launches)
    most_operands = max(launch.num_places for launch in launches)
    reads_turns = any(launch.symbols for launch in launches)
    names = (*_table_names, *((turns_table,) if reads_turns else ()))
    return (
        *(c.Define(name, str(number)) for number, name in enumerate(names)),
        _place_struct(depth),
        _launch_struct,
        _region_struct,
        _table("place", "places", [row for region in regions for row in _place_rows(region, depth)]),
        _table("launch", "launches", list(_launch_rows(launches))),
        _table("region", "regions", list(map(_region_row, regions))),
        _run_launches(depth, most_operands, reads_turns),
        _run_function(regions, depth),
    )


_long, _function = c.NamedType("long"), "run_launches"
_kernel_type = c.Pointer(c.FunctionType(c.void, (c.pointer(c.void), _long, _long)))
_runtime_type = c.Pointer(c.NamedType("struct mosaic_runtime", is_const=True))
_arrays = c.Pointer(c.void, is_const=True)  # void *const: one array of a table


def _place_struct(depth: int) -> c.Struct:
    moves = (c.Parameter(c.ArrayType(c.int64, depth), "bytes_per_turn"),) if depth else ()
    words = ", and bytes further for each turn of the loops around its launch" if depth else ""
    return c.Struct(
        "place",
        (c.Parameter(c.int32, "table"), c.Parameter(c.int32, "number"), c.Parameter(c.int64, "num_bytes"), *moves),
        comment=f"Where an operand lies: bytes behind the start of an array, which has a number in a table{words}.",
    )


_launch_struct = c.Struct(
    "launch",
    (
        c.Parameter(_kernel_type, "kernel"),
        c.Parameter(_long, "num_tasks"),
        c.Parameter(c.int32, "num_operands"),
        c.Parameter(c.int32, "first_place"),
    ),
    comment="A run of a kernel; its operands lie at places next to each other.",
)


_region_struct = c.Struct(
    "region",
    (
        c.Parameter(c.int64, "first"),
        c.Parameter(c.int64, "stop"),
        c.Parameter(c.int64, "num_status"),
        c.Parameter(c.int64, "status_output"),
    ),
    comment="Launches that run together: the first, the one behind the last. An output has places for index errors.",
)


def _table(struct: str, name: str, rows: Sequence[c.InitializerList]) -> c.Global:
    element = c.NamedType(f"struct {struct}", is_const=True)
    return c.Global(c.ArrayType(element, len(rows)), name, c.InitializerList(tuple(rows)))


def _place_rows(region: RegionLaunches, depth: int) -> Iterator[c.InitializerList]:
    for launch in region.launches:
        symbols = [turns.symbol for turns in launch.turns]
        for operand in launch.all_operands:
            place = region.place_of(operand)
            start = (c.Name(place.table), c.literal(place.number), c.literal(constant_part(place.num_bytes)))
            yield c.InitializerList((*start, _moves(place.num_bytes, symbols, depth)) if depth else start)
        for symbol in launch.symbols:
            num_bytes = c.literal(symbols.index(symbol) * np.dtype(np.int64).itemsize)
            yield c.InitializerList((c.Name(turns_table), c.literal(0), num_bytes, _moves(0, symbols, depth)))


def _moves(num_bytes: Number, symbols: Sequence[Symbol], depth: int) -> c.InitializerList:
    """Return the bytes that a place moves with a turn of each loop, the outermost first."""
    found = dict(terms_of(num_bytes))
    moves = [found.pop(symbol, 0) for symbol in symbols]
    assert not found, "a place moves with the loops around its launch only"
    return c.InitializerList(tuple(map(c.literal, moves + [0] * (depth - len(moves)))))


def _launch_rows(launches: Sequence[Launch]) -> Iterator[c.InitializerList]:
    first_place = 0
    for launch in launches:
        count = launch.num_places
        numbers = (launch.num_tasks, count, first_place)
        yield c.InitializerList((c.Name(launch.function), *map(c.literal, numbers)))
        first_place += count


_run_parameters = (
    c.Parameter(c.Pointer(_arrays), "inputs"),
    c.Parameter(c.Pointer(_arrays), "outputs"),
    c.Parameter(c.pointer(c.const(c.NamedType("unsigned char"))), "constants"),
    c.Parameter(c.pointer(c.NamedType("unsigned char")), "arena"),
    c.Parameter(_runtime_type, "runtime"),
)


def _region_row(region: RegionLaunches) -> c.InitializerList:
    numbers = [region.launches[0].number, region.launches[-1].number + 1, len(region.status_origins)]
    places = [region.place_of(Operand(status_buffer, origin, True)) for origin in region.status_origins[:1]]
    return c.InitializerList(tuple(map(c.literal, [*numbers, *([each.number for each in places] or [0])])))


def _run_launches(depth: int, most_operands: int, reads_turns: bool) -> c.Function:
    """Return the function that runs the launches from one to before another."""
    launch_type = c.Pointer(c.NamedType("struct launch", is_const=True))
    launch = (
        c.Declare(launch_type, "launch", c.Name("launches") + c.Name("number")),
        c.Declare(c.ArrayType(c.pointer(c.void), most_operands), "operands"),
        c.loop("operand", _of(c.Name("launch"), "num_operands"), *_find_operand(depth)),
        *_timed_run(),
    )
    return c.Function(
        _function,
        c.void,
        (
            *_run_parameters,
            *((c.Parameter(c.const_pointer(c.int64), "turns"),) if depth else ()),
            c.Parameter(c.int64, "first"),
            c.Parameter(c.int64, "stop"),
        ),
        (*_tables(reads_turns), c.loop("number", c.Name("stop"), *launch, start=c.Name("first"))),
        is_static=True,
        comment="Runs launches in order, each on all threads if it has several tasks; keeps their times while profiling.",
    )


def _tables(reads_turns: bool) -> tuple[c.Statement, ...]:
    """Return the declaration of the tables of arrays, in the order of their names; all but the first two hold one array."""
    blocks = [
        ("constant_block", c.Cast(c.pointer(c.void), c.Name("constants"))),
        ("arena_block", c.Name("arena")),
        *([("turns_block", c.Cast(c.pointer(c.void), c.Name("turns")))] if reads_turns else []),
    ]
    tables = (c.Name("inputs"), c.Name("outputs"), *(c.address_of(c.Name(name)) for name, _ in blocks))
    table_type = c.ArrayType(c.Pointer(_arrays, is_const=True), len(tables))
    return (
        *(c.Declare(_arrays, name, value) for name, value in blocks),
        c.Declare(table_type, "tables", c.InitializerList(tables)),
    )


def _timed_run() -> tuple[c.Statement, ...]:
    """Return the statements that run a kernel on its operands, and count its time while profiling."""
    launch, counters = c.Name("launch"), _of(_runtime, "kernel_ns")
    now = c.CallPointer(_of(_runtime, "clock_ns"))
    arguments = (_runtime, _of(launch, "kernel"), c.Name("operands"), _of(launch, "num_tasks"))
    elapsed = c.AugmentedAssign(counters[c.Name("number")], "+", now - c.Name("start_ns"))
    return (
        c.Declare(c.const(c.NamedType("long long")), "start_ns", c.Conditional(counters, now, c.literal(0))),
        c.ExpressionStatement(c.CallPointer(_of(_runtime, "parallel_for"), arguments)),
        c.If(counters, (elapsed,)),
    )


_runtime = c.Name("runtime")


def _of(record: c.Expression, member: str) -> c.Expression:
    return c.Member(record, member, is_through_pointer=True)


def _find_operand(depth: int) -> tuple[c.Statement, ...]:
    """Return the statements that put the address of an operand into the kernel's table."""
    operand, place, own = c.Name("operand"), c.Name("place"), c.Name("operands")[c.Name("operand")]
    place_type = c.Pointer(c.NamedType("struct place", is_const=True))
    start = c.Cast(c.pointer(c.NamedType("unsigned char")), c.Name("tables")[_of(place, "table")][_of(place, "number")])
    declared = c.Declare(place_type, "place", c.Name("places") + (_of(c.Name("launch"), "first_place") + operand))
    if not depth:
        return (declared, c.Assign(own, start + _of(place, "num_bytes")))
    loop = c.Name("loop")
    moved = c.AugmentedAssign(c.Name("num_bytes"), "+", c.Name("turns")[loop] * _of(place, "bytes_per_turn")[loop])
    return (
        declared,
        c.Declare(c.int64, "num_bytes", _of(place, "num_bytes")),
        c.loop("loop", depth, moved),
        c.Assign(own, start + c.Name("num_bytes")),
    )


def _run_function(regions: Sequence[RegionLaunches], depth: int) -> c.Function:
    """Return the function that runs a region, after clearing its places for index errors."""
    region, slot = c.Name("region"), c.Name("slot")
    status = c.Cast(c.pointer(c.int64), c.Name("outputs")[_of(region, "status_output")])
    turns = (c.Declare(c.ArrayType(c.int64, depth), "turns", c.InitializerList((c.literal(0),))),) if depth else ()
    region_type = c.Pointer(c.NamedType("struct region", is_const=True))
    body = (
        c.Declare(region_type, "region", c.Name("regions") + _of(_runtime, "region")),
        c.loop("slot", _of(region, "num_status"), c.Assign(status[slot], c.literal(0))),
        *turns,
        *(_run_with_loops(index, each, depth) for index, each in enumerate(regions) if _has_loops(each)),
        _run(_of(region, "first"), _of(region, "stop"), depth),
    )
    return c.Function(RUN_SYMBOL, c.void, _run_parameters, body)


def _has_loops(region: RegionLaunches) -> bool:
    return any(launch.turns for launch in region.launches)


def _run_with_loops(index: int, region: RegionLaunches, depth: int) -> c.Statement:
    """Return the statement that runs a region with loops around kernels, and leaves."""
    is_asked_for = c.equal(_of(_runtime, "region"), index)
    return c.If(is_asked_for, (*_runs(region.launches, {}, depth), c.Return()))


def _run(first: c.Operand, stop: c.Operand, depth: int) -> c.Statement:
    turns = (c.Name("turns"),) if depth else ()
    return c.call(_function, *(c.Name(parameter.name) for parameter in _run_parameters), *turns, first, stop)


def _runs(launches: Sequence[Launch], symbols: Mapping[Symbol, c.Expression], depth: int) -> tuple[c.Statement, ...]:
    """Return the statements that run launches in order; `symbols` are the turns of the loops around all of them.

    Neighbours in the same loop stand in one.
    """
    inside, statements = len(symbols), list[c.Statement]()
    for turns, group in groupby(launches, lambda launch: launch.turns[inside : inside + 1]):
        neighbours = tuple(group)
        if not turns:
            statements.append(_run(neighbours[0].number, neighbours[-1].number + 1, depth))
            continue
        turn, stop_turn = c.Name(f"turn_{inside}"), number_expression(turns[0].extent, symbols)
        body = _runs(neighbours, {**symbols, turns[0].symbol: turn}, depth)
        statements.append(c.loop(turn.text, stop_turn, c.Assign(c.Name("turns")[inside], turn), *body))
    return tuple(statements)
