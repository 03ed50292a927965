"""Launches: which kernels run on which operands, in which loops, as tables. `run_functions.py` has the C that walks them.

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
from mosaic.codegen.operands import Operand
from mosaic.codegen.run_functions import run_functions
from mosaic.ir.affine import Number, Symbol, constant_part, terms_of
from mosaic.ir.loops import Turns
from mosaic.ir.views import Buffer


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
    regions_table, loops = list[c.InitializerList](), list[_LoopRow]()
    for region in regions:
        regions_table.append(_region_row(region, len(loops) if depth else None))
        loops += _loop_rows(region.launches, 0, len(loops))
    names = (*_table_names, *((turns_table,) if reads_turns else ()))
    loops_table = (_table("loop", "loops", [each.initializer(depth) for each in loops]),)
    return (
        *(c.Define(name, str(number)) for number, name in enumerate(names)),
        _place_struct(depth),
        _launch_struct,
        *((_loop_struct(depth),) if depth else ()),
        _region_struct(depth),
        _table("place", "places", [row for region in regions for row in _place_rows(region, depth)]),
        _table("launch", "launches", list(_launch_rows(launches))),
        *(loops_table if depth else ()),
        _table("region", "regions", regions_table),
        *run_functions(depth, most_operands, len(loops), reads_turns),
    )


_long = c.NamedType("long")
_kernel_type = c.Pointer(c.FunctionType(c.void, (c.pointer(c.void), _long, _long)))


def _place_struct(depth: int) -> c.Struct:
    moves = (c.Parameter(c.ArrayType(c.int64, depth), "bytes_per_turn"),) if depth else ()
    words = ",\nand bytes further for each turn of the loops around its launch" if depth else ""
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


def _region_struct(depth: int) -> c.Struct:
    names = ("first", "stop", "num_status", "status_output", *(("first_loop",) if depth else ()))
    return c.Struct(
        "region",
        tuple(c.Parameter(c.int64, name) for name in names),
        comment="Launches that run together: the first, the one behind the last. An output has places for index errors.",
    )


def _loop_struct(depth: int) -> c.Struct:
    names = ("first", "stop", "extent", "next")
    return c.Struct(
        "loop",
        (
            *(c.Parameter(c.int64, name) for name in names),
            c.Parameter(c.ArrayType(c.int64, depth), "extent_per_turn"),
        ),
        comment=(
            "Launches that run turn after turn: the first, the one behind the last; how often, and how much more for each\n"
            "turn of the loops around it. `next` is the loop behind it and those inside it."
        ),
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


def _region_row(region: RegionLaunches, first_loop: int | None) -> c.InitializerList:
    """Return the row of a region; without a number of its first loop in a program without loops."""
    places = [region.place_of(Operand(status_buffer, origin, True)) for origin in region.status_origins[:1]]
    numbers = [
        *(region.launches[0].number, region.launches[-1].number + 1),
        *(len(region.status_origins), places[0].number if places else 0),
        *([] if first_loop is None else [first_loop]),
    ]
    return c.InitializerList(tuple(map(c.literal, numbers)))


@dataclass(frozen=True, slots=True)
class _LoopRow:
    """A loop around kernels: the launches in it, its turns and the symbols they may depend on, and the loop behind it."""

    first: int
    stop: int
    extent: Number
    symbols: tuple[Symbol, ...]
    following: int

    def initializer(self, depth: int) -> c.InitializerList:
        """Return the row of the table."""
        numbers = (self.first, self.stop, constant_part(self.extent), self.following)
        return c.InitializerList((*map(c.literal, numbers), _moves(self.extent, self.symbols, depth)))


def _loop_rows(launches: Sequence[Launch], inside: int, start: int) -> list[_LoopRow]:
    """Return the loops around launches inside so many loops, each before those inside it; `start` is the first one's number."""
    rows: list[_LoopRow] = []
    for turns, group in groupby(launches, lambda launch: launch.turns[inside : inside + 1]):
        neighbours = tuple(group)
        if turns:
            number = start + len(rows)
            inner = _loop_rows(neighbours, inside + 1, number + 1)
            symbols = tuple(each.symbol for each in neighbours[0].turns[:inside])
            borders = (neighbours[0].number, neighbours[-1].number + 1)
            rows += [_LoopRow(*borders, turns[0].extent, symbols, number + 1 + len(inner)), *inner]
    return rows
