"""Vectors converted lane by lane, as C converts a scalar: between widths of integers, and to and from floats.

C says it with `__builtin_convertvector`. gcc 12 makes many instructions of that, each of which costs compile time too: 10 for 16
bytes as int32, and 11 back. So for gcc an integer changes its width by the processor's one instruction, where there is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from mosaic import c
from mosaic.c.helpers import Helper, inline_function
from mosaic.vector.vector_types import VectorType

_x = c.Name("x")
_all_lanes, _mode_as_set = c.literal(-1), c.literal(4)
_smallest_register = 16

_builtin_elements = {1: ("chars", "char"), 2: ("shorts", "short"), 4: ("ints", "int"), 8: ("longs", "long long")}
_letters = {1: "b", 2: "w", 4: "d", 8: "q"}


@lru_cache(maxsize=64)
def builtin_type(num_bytes: int, lanes: int) -> Helper:
    """Return the type that gcc declares its builtins with: int64_t may be long, not long long, and int8_t is not char."""
    plural, element = _builtin_elements[num_bytes]
    name = f"{plural}_x{lanes}"
    return Helper(name, (c.Typedef(name, c.NamedType(element), (f"vector_size({num_bytes * lanes})",)),))


@lru_cache(maxsize=256)
def convert(source: VectorType, target: VectorType) -> Helper:
    """Return ``convert_V_W(x)``: each lane converted as C converts the scalar.

    Between integers of less than four bytes and floats it goes by way of int32, which has an instruction on every processor.
    """
    name = f"convert_{source.name}_{target.name}"
    between = _integer_between(source, target)
    if between is not None:
        first, second = convert(source, between), convert(between, target)
        function = inline_function(name, target.ctype, _parameters(source), (c.Return(second(first(_x))),))
        return Helper(name, (function,), (first, second))
    steps = (*_widths_between(source, target), target)
    value: c.Expression = _x
    for each in steps:
        value = c.Call("__builtin_convertvector", (value, c.TypeArgument(each.ctype)))
    item: c.TopLevel = inline_function(name, target.ctype, _parameters(source), (c.Return(value),))
    requires = (source.helper, *(each.helper for each in steps))
    found = _by_instruction(source, target)
    if found is None:
        return Helper(name, (item,), requires)
    whole = inline_function(name, target.ctype, _parameters(source), found.body)
    item = c.CompiledIf(f"{found.condition} && !defined(__clang__)", (whole,), (item,))
    return Helper(name, (item,), (*requires, *found.requires))


def _parameters(source: VectorType) -> tuple[c.Parameter, ...]:
    return (c.Parameter(source.ctype, "x"),)


def _integer_between(source: VectorType, target: VectorType) -> VectorType | None:
    """Return int32 between a narrow integer and a float."""
    kinds = (source.element.is_float, target.element.is_float)
    narrow = source if target.element.is_float else target
    return source.of("i32") if any(kinds) and not all(kinds) and narrow.element.num_bytes < 4 else None


def _widths_between(source: VectorType, target: VectorType) -> tuple[VectorType, ...]:
    """Return the integers between two integers whose widths differ by more than a factor of two.

    gcc 12 takes a vector that comes from memory apart into scalars if it is widened or narrowed by more at once.
    """
    if source.element.is_float or target.element.is_float:
        return ()
    start, stop = source.element.num_bytes, target.element.num_bytes
    like = source if stop > start else target
    sizes = [size for size in (2, 4) if min(start, stop) < size < max(start, stop)]
    return tuple(like.of(f"{like.element.short[0]}{8 * size}") for size in (sizes if start < stop else sizes[::-1]))


@dataclass(frozen=True, slots=True)
class _Instruction:
    """The body of a conversion by gcc's builtin for one instruction, and the condition under which the processor has it."""

    condition: str
    body: c.Body
    requires: tuple[Helper, ...]


def _by_instruction(source: VectorType, target: VectorType) -> _Instruction | None:
    if source.element.is_float or target.element.is_float:
        return _to_wider_numbers(source, target)
    if source.element.num_bytes < target.element.num_bytes:
        return _widened(source, target)
    return _narrowed(source, target) if source.element.num_bytes > target.element.num_bytes else None


def _widened(source: VectorType, target: VectorType) -> _Instruction | None:
    """Return the instruction that fills a register with wider lanes; it reads the low lanes of another register."""
    size, macros = target.num_bytes, {64: "__AVX512F__", 32: "__AVX2__", 16: "__SSE4_1__"}
    if size not in macros:
        return None
    condition = "defined(__AVX512BW__)" if (size, target.element.num_bytes) == (64, 2) else f"defined({macros[size]})"
    letters = _letters[source.element.num_bytes] + _letters[target.element.num_bytes]
    sign = "s" if source.element.short[0] == "i" else "z"
    low, requires = _as_low_lanes(source)
    result = builtin_type(target.element.num_bytes, target.lanes)
    is_masked = size == 64
    more = (_zeros(result), _all_lanes) if is_masked else ()
    call = c.Call(f"__builtin_ia32_pmov{sign}x{letters}{8 * size}{'_mask' if is_masked else ''}", (low, *more))
    return _Instruction(condition, (c.Return(target.bits(call)),), (*requires, result))


def _narrowed(source: VectorType, target: VectorType) -> _Instruction | None:
    """Return the instruction that leaves narrower lanes in the low part of a register; only AVX-512 has it."""
    size = source.num_bytes
    if size not in (64, 32, 16):
        return None
    needed = ["__AVX512F__" if size == 64 else "__AVX512VL__"]
    needed += ["__AVX512BW__"] if source.element.num_bytes == 2 else []
    letters = _letters[source.element.num_bytes] + _letters[target.element.num_bytes]
    operand = builtin_type(source.element.num_bytes, source.lanes)
    register = builtin_type(
        target.element.num_bytes, max(target.num_bytes, _smallest_register) // target.element.num_bytes
    )
    call = c.Call(f"__builtin_ia32_pmov{letters}{8 * size}_mask", (_cast(operand, _x), _zeros(register), _all_lanes))
    result, requires = _low_lanes(call, target)
    condition = " && ".join(f"defined({macro})" for macro in needed)
    return _Instruction(condition, (c.Return(result),), (operand, register, *requires))


@lru_cache(maxsize=128)
def narrowed_pair(source: VectorType, is_mask: bool) -> Helper:
    """Return ``narrowed_pair_V(low, high)``: the lanes of two vectors of integers, each the lower half of its bytes.

    The bytes of an integer lie from the lowest on, on all targets; so these are the parts with even numbers. A mask, whose
    lanes are 0 or -1, is narrowed by the instruction that saturates, where there is one: it is cheaper.
    """
    target, low, high = source.narrowed_pair, c.Name("low"), c.Name("high")
    even = map(c.literal, range(0, 2 * target.lanes, 2))
    parts = c.Call("__builtin_shufflevector", (target.bits(low), target.bits(high), *even))
    name = f"narrowed_{'masks' if is_mask else 'pair'}_{source.name}"
    parameters = tuple(c.Parameter(source.ctype, each.text) for each in (low, high))
    item: c.TopLevel = inline_function(name, target.ctype, parameters, (c.Return(parts),))
    requires: tuple[Helper, ...] = (source.helper, target.helper)
    found = _packed(source, target, low, high) if is_mask else None
    if found is not None:
        packed = inline_function(name, target.ctype, parameters, found.body)
        item = c.CompiledIf(f"{found.condition} && !defined(__clang__)", (packed,), (item,))
        requires = (*requires, *found.requires)
    return Helper(name, (item,), requires)


def _packed(source: VectorType, target: VectorType, low: c.Expression, high: c.Expression) -> _Instruction | None:
    """Return AVX2's instruction that packs two registers; it takes their halves in turn, which a second one mends."""
    builtin = {4: "packssdw256", 2: "packsswb256"}.get(source.element.num_bytes)
    if builtin is None or source.num_bytes != 32:
        return None
    operand, longs = builtin_type(source.element.num_bytes, source.lanes), builtin_type(8, 4)
    packed = c.Call(f"__builtin_ia32_{builtin}", (_cast(operand, low), _cast(operand, high)))
    in_order = c.Call("__builtin_ia32_permdi256", (_cast(longs, packed), c.literal(0xD8)))
    return _Instruction("defined(__AVX2__)", (c.Return(target.bits(in_order)),), (operand, longs))


def _to_wider_numbers(source: VectorType, target: VectorType) -> _Instruction | None:
    """Return the instruction for a register of 8 bytes a lane from half as many bytes, which gcc converts in halves."""
    found = _wider_numbers.get((source.element.short, target.element.short, target.num_bytes))
    if found is None:
        return None
    builtin, macro, more = found
    narrow, wide = (
        each.helper if each.element.is_float else builtin_type(each.element.num_bytes, each.lanes)
        for each in (source, target)
    )
    call = c.Call(f"__builtin_ia32_{builtin}", (_cast(narrow, _x), *((_zeros(wide), *more) if more else ())))
    return _Instruction(f"defined({macro})", (c.Return(target.bits(call)),), (narrow, wide))


_wider_numbers: dict[tuple[str, str, int], tuple[str, str, tuple[c.Expression, ...]]] = {
    ("f32", "f64", 64): ("cvtps2pd512_mask", "__AVX512F__", (_all_lanes, _mode_as_set)),
    ("f32", "f64", 32): ("cvtps2pd256", "__AVX__", ()),
    ("i32", "f64", 64): ("cvtdq2pd512_mask", "__AVX512F__", (_all_lanes,)),
    ("i32", "f64", 32): ("cvtdq2pd256", "__AVX__", ()),
    ("u32", "f64", 64): ("cvtudq2pd512_mask", "__AVX512F__", (_all_lanes,)),
    ("f32", "i64", 64): ("cvttps2qq512_mask", "__AVX512DQ__", (_all_lanes, _mode_as_set)),
}
"""The builtin, the macro that says the processor has it, and what follows the operand and the zeros of a masked one."""


def _cast(vector: Helper, value: c.Expression) -> c.Expression:
    return c.Cast(c.NamedType(vector.name), value)


def _zeros(vector: Helper) -> c.Expression:
    return c.CompoundLiteral(c.NamedType(vector.name), (c.literal(0),))


def _as_low_lanes(source: VectorType) -> tuple[c.Expression, tuple[Helper, ...]]:
    """Return a vector as the low lanes of the smallest register that holds it."""
    lane, size = source.element.num_bytes, source.num_bytes
    register = builtin_type(lane, max(size, _smallest_register) // lane)
    if size >= _smallest_register:
        return _cast(register, _x), (register,)
    word = builtin_type(size, _smallest_register // size)
    low = c.CompoundLiteral(c.NamedType(word.name), (c.Cast(c.NamedType(_builtin_elements[size][1]), _x),))
    return _cast(register, low), (register, word)


def _low_lanes(register: c.Expression, target: VectorType) -> tuple[c.Expression, tuple[Helper, ...]]:
    """Return the low lanes of a register as a vector."""
    size = target.num_bytes
    if size >= _smallest_register:
        return target.bits(register), ()
    word = builtin_type(size, _smallest_register // size)
    return target.bits(_cast(word, register)[0]), (word,)
