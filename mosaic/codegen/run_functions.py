"""The C functions that walk the tables of launches: `run_launches`, `run_loops` where there are loops, and `mosaic_run`.

They are the same for every program but for sizes of arrays.
"""

from __future__ import annotations

from mosaic import c
from mosaic.runtime.abi import RUN_SYMBOL

_function, _loops_function, _runtime = "run_launches", "run_loops", c.Name("runtime")
_runtime_type = c.Pointer(c.NamedType("struct mosaic_runtime", is_const=True))
_arrays = c.Pointer(c.void, is_const=True)  # void *const: one array of a table
_run_parameters = (
    c.Parameter(c.Pointer(_arrays), "inputs"),
    c.Parameter(c.Pointer(_arrays), "outputs"),
    c.Parameter(c.pointer(c.const(c.NamedType("unsigned char"))), "constants"),
    c.Parameter(c.pointer(c.NamedType("unsigned char")), "arena"),
    c.Parameter(_runtime_type, "runtime"),
)


def run_functions(depth: int, most_operands: int, num_loops: int, reads_turns: bool) -> tuple[c.Function, ...]:
    """Return the functions of a file, for loops nested so deep; `reads_turns` says whether kernels read their turns."""
    in_loops = (_run_loops(depth, num_loops),) if depth else ()
    return (_run_launches(depth, most_operands, reads_turns), *in_loops, _run_function(depth))


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


def _run_loops(depth: int, num_loops: int) -> c.Function:
    """Return the function that runs launches of which some stand in loops; it calls itself for what is inside a loop."""
    first, stop, loop, around = (c.Name(name) for name in ("first", "stop", "loop", "depth"))
    own = c.Name("own")
    turn, axis = c.Name("turns")[around], c.Name("axis")
    extent = c.AugmentedAssign(c.Name("extent"), "+", c.Name("turns")[axis] * _of(own, "extent_per_turn")[axis])
    inside = _call(_loops_function, c.Name("turns"), around + 1, _of(own, "first"), _of(own, "stop"), loop + 1)
    body = (
        c.Declare(c.Pointer(c.NamedType("struct loop", is_const=True)), "own", c.Name("loops") + loop),
        c.Declare(c.int64, "extent", _of(own, "extent")),
        c.loop("axis", depth, extent),
        _call(_function, c.Name("turns"), first, _of(own, "first")),
        c.loop("turn", c.Name("extent"), c.Assign(turn, c.Name("turn")), inside),
        c.Assign(turn, c.literal(0)),
        c.Assign(first, _of(own, "stop")),
        c.Assign(loop, _of(own, "next")),
    )
    is_among = c.logical_and(loop < num_loops, c.Member(c.Name("loops")[loop], "first") < stop)
    return c.Function(
        _loops_function,
        c.void,
        (
            *_run_parameters,
            c.Parameter(c.pointer(c.int64), "turns"),
            *(c.Parameter(c.int64, each.text) for each in (around, first, stop, loop)),
        ),
        (c.While(is_among, body), _call(_function, c.Name("turns"), first, stop)),
        is_static=True,
        attributes=("noinline",),  # gcc would inline it into itself
        comment="Runs launches inside so many loops; the next loop that may be among them has the number `loop`.",
    )


def _run_function(depth: int) -> c.Function:
    """Return the function that runs a region, after clearing its places for index errors."""
    region, slot = c.Name("region"), c.Name("slot")
    status = c.Cast(c.pointer(c.int64), c.Name("outputs")[_of(region, "status_output")])
    region_type = c.Pointer(c.NamedType("struct region", is_const=True))
    first, stop = _of(region, "first"), _of(region, "stop")
    turns = c.Declare(c.ArrayType(c.int64, depth), "turns", c.InitializerList((c.literal(0),)))
    in_loops = _call(_loops_function, c.Name("turns"), c.literal(0), first, stop, _of(region, "first_loop"))
    body = (
        c.Declare(region_type, "region", c.Name("regions") + _of(_runtime, "region")),
        c.loop("slot", _of(region, "num_status"), c.Assign(status[slot], c.literal(0))),
        *((turns, in_loops) if depth else (_call(_function, first, stop),)),
    )
    return c.Function(RUN_SYMBOL, c.void, _run_parameters, body)


def _call(function: str, *more: c.Operand) -> c.Statement:
    """Return the call of a function that takes the parameters of `mosaic_run` and more."""
    return c.call(function, *(c.Name(parameter.name) for parameter in _run_parameters), *more)
