"""Tables of 16 float32 numbers, looked up lane by lane.

On AVX-512 a table is one register and a lookup one instruction, on AVX2 two of each. Elsewhere it is a load per lane.
"""

from __future__ import annotations

from functools import lru_cache

from mosaic import c
from mosaic.c.helpers import Helper, inline_function
from mosaic.vector.lane_operations import select
from mosaic.vector.memory import load
from mosaic.vector.vector_types import VectorType

_index, _lane, _result = c.Name("index"), c.Name("lane"), c.Name("result")
num_entries = 16


@lru_cache(maxsize=64)
def lookup(name: str, values: tuple[float, ...], vector: VectorType) -> Helper:
    """Return ``name_V(index)``: the values that the low four bits of each lane choose.

    Raises:      ValueError: there are not 16 values, or the lanes are not float32
    """
    if len(values) != num_entries or vector.element.short != "f32":
        raise ValueError(
            f"lookup: a table {name!r} of {len(values)} numbers was asked for in lanes of {vector.element.short}; expected "
            f"{num_entries} numbers in lanes of f32; fill it up, or convert the lanes"
        )
    table, integers = _table(name, values), vector.mask
    full_name = f"{name}_{vector.name}"
    parameters = (c.Parameter(integers.ctype, "index"),)
    by_lane = c.Assign(_result[_lane], c.Name(table.name)[_index[_lane] & (num_entries - 1)])
    loop = c.For("lane", c.literal(0), c.literal(vector.lanes), (by_lane,), ctype=c.int_)
    body = (c.Declare(vector.ctype, "result"), loop, c.Return(_result))
    item: c.TopLevel = inline_function(full_name, vector.ctype, parameters, body)
    found = _by_permutation(c.Name(table.name), vector)
    if found is not None:
        macro, value = found
        whole = inline_function(full_name, vector.ctype, parameters, (c.Return(value),))
        item = c.CompiledIf(f"defined({macro}) && !defined(__clang__)", (whole,), (item,))
    return Helper(full_name, (item,), (vector.helper, integers.helper, table, load(vector), select(vector)))


def _table(name: str, values: tuple[float, ...]) -> Helper:
    numbers = c.InitializerList(tuple(c.literal(value, "float") for value in values))
    ctype = c.ArrayType(c.NamedType("float", is_const=True), len(values))
    return Helper(f"{name}_table", (c.Global(ctype, f"{name}_table", numbers),))


def _by_permutation(table: c.Name, vector: VectorType) -> tuple[str, c.Expression] | None:
    """Return the lookup as an expression, and the macro of a processor that has it."""
    if vector.num_bytes == 64:
        arguments = (load(vector)(table), _index, vector.zero, c.literal(-1))
        return "__AVX512F__", c.Call("__builtin_ia32_permvarsf512_mask", arguments)
    if vector.num_bytes == 32:
        halves = [c.Call("__builtin_ia32_permvarsf256", (load(vector)(table + at), _index)) for at in (8, 0)]
        return "__AVX2__", select(vector)((_index << 28) < 0, *halves)
    return None
