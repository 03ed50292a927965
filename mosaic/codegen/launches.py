"""Launches: which kernels run on which operands, as two tables, and the functions that walk them.

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


def run_symbol(region: int) -> str:
    """Return the name of the function that runs a region."""
    return RUN_SYMBOL if region == 0 else f"{RUN_SYMBOL}_{region}"


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
    """Return the tables of all launches, the function that runs a part of them, and the function of each region."""
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
        _table("place", "places", [row for region in regions for row in _place_rows(region, depth)]),
        _table("launch", "launches", list(_launch_rows(launches))),
        _run_launches(depth, most_operands),
        *(_run_function(index, region, depth, reads_turns) for index, region in enumerate(regions)),
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


def _run_launches(depth: int, most_operands: int) -> c.Function:
    """Return the function that runs the launches from one to before another."""
    number, launch, operands = c.Name("number"), c.Name("launch"), c.Name("operands")
    launch_type = c.Pointer(c.NamedType("struct launch", is_const=True))
    body = (
        c.Declare(launch_type, "launch", c.Name("launches") + number),
        c.Declare(c.ArrayType(c.pointer(c.void), most_operands), "operands"),
        c.loop("operand", _of(launch, "num_operands"), *_find_operand(depth)),
        c.Declare(
            c.const(c.NamedType("long long")),
            "start_ns",
            c.Conditional(_of(_runtime, "kernel_ns"), c.CallPointer(_of(_runtime, "clock_ns")), c.literal(0)),
        ),
        c.ExpressionStatement(
            c.CallPointer(
                _of(_runtime, "parallel_for"), (_runtime, _of(launch, "kernel"), operands, _of(launch, "num_tasks"))
            )
        ),
        c.If(
            _of(_runtime, "kernel_ns"),
            (
                c.AugmentedAssign(
                    _of(_runtime, "kernel_ns")[number],
                    "+",
                    c.CallPointer(_of(_runtime, "clock_ns")) - c.Name("start_ns"),
                ),
            ),
        ),
    )
    return c.Function(
        _function,
        c.void,
        (
            c.Parameter(_runtime_type, "runtime"),
            c.Parameter(c.Pointer(c.Pointer(_arrays, is_const=True)), "tables"),
            *((c.Parameter(c.const_pointer(c.int64), "turns"),) if depth else ()),
            c.Parameter(c.int64, "first"),
            c.Parameter(c.int64, "stop"),
        ),
        (c.loop("number", c.Name("stop"), *body, start=c.Name("first")),),
        is_static=True,
        comment="Runs launches in order, each on all threads if it has several tasks; keeps their times while profiling.",
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


_run_parameters = (
    c.Parameter(c.Pointer(_arrays), "inputs"),
    c.Parameter(c.Pointer(_arrays), "outputs"),
    c.Parameter(c.pointer(c.const(c.NamedType("unsigned char"))), "constants"),
    c.Parameter(c.pointer(c.NamedType("unsigned char")), "arena"),
    c.Parameter(_runtime_type, "runtime"),
)


def _run_function(index: int, region: RegionLaunches, depth: int, reads_turns: bool) -> c.Function:
    """Return the function that runs a region, after clearing its places for index errors."""
    turns = (c.Declare(c.ArrayType(c.int64, depth), "turns", c.InitializerList((c.literal(0),))),) if depth else ()
    blocks = [
        ("constant_block", c.Cast(c.pointer(c.void), c.Name("constants"))),
        ("arena_block", c.Name("arena")),
        *([("turns_block", c.Name("turns"))] if reads_turns else []),
    ]
    tables = (c.Name("inputs"), c.Name("outputs"), *(c.address_of(c.Name(name)) for name, _ in blocks))
    of_tables = c.ArrayType(c.Pointer(_arrays, is_const=True), len(tables))
    declared = (
        *(c.Declare(_arrays, name, value) for name, value in blocks),
        c.Declare(of_tables, "tables", c.InitializerList(tables)),
    )
    body = (
        *((*turns, *declared) if reads_turns else (*declared, *turns)),
        *_cleared(region),
        *_runs(region.launches, {}, depth),
    )
    return c.Function(run_symbol(index), c.void, _run_parameters, body)


def _cleared(region: RegionLaunches) -> tuple[c.Statement, ...]:
    """Return the loop that clears the places for index errors, which are next to each other."""
    if not region.status_origins:
        return ()
    first = region.place_of(Operand(status_buffer, region.status_origins[0], True))
    status, slot = c.Name("status"), c.Name("slot")
    return (
        c.Declare(c.pointer(c.int64), "status", c.Name("outputs")[first.number]),
        c.loop("slot", len(region.status_origins), c.Assign(status[slot], c.literal(0))),
    )


def _runs(launches: Sequence[Launch], symbols: Mapping[Symbol, c.Expression], depth: int) -> tuple[c.Statement, ...]:
    """Return the statements that run launches in order; `symbols` are the turns of the loops around all of them.

    Neighbours in the same loop stand in one.
    """
    inside, statements = len(symbols), list[c.Statement]()
    for turns, group in groupby(launches, lambda launch: launch.turns[inside : inside + 1]):
        neighbours = tuple(group)
        if not turns:
            more = (c.Name("turns"),) if depth else ()
            first, stop = neighbours[0].number, neighbours[-1].number + 1
            statements.append(c.call(_function, _runtime, c.Name("tables"), *more, first, stop))
            continue
        turn, stop_turn = c.Name(f"turn_{inside}"), number_expression(turns[0].extent, symbols)
        body = _runs(neighbours, {**symbols, turns[0].symbol: turn}, depth)
        statements.append(c.loop(turn.text, stop_turn, c.Assign(c.Name("turns")[inside], turn), *body))
    return tuple(statements)
