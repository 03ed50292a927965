"""gcc's builtins for one instruction on a whole vector, where C has no operator and gcc no builtin for every target.

gcc also turns a loop over lanes around a scalar builtin into such an instruction, but at great cost: one exp of 16 lanes
takes it 40 ms with loops and 2 ms with these. The machine code and its results are the same. Rows only: what has no row
is a loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from mosaic import c
from mosaic.vector.vector_types import VectorType


@dataclass(frozen=True, slots=True)
class Instruction:
    """A builtin, the macro that says the processor has it, and its operands: names of vectors, or integers."""

    builtin: str
    macro: str
    operands: tuple[str | int, ...]

    def call(self, *vectors: c.Expression) -> c.Expression:
        """Return the call of the builtin, with other vectors than the names if they are given, in their order."""
        given = iter(vectors)
        return c.Call(
            self.builtin,
            tuple(next(given, c.Name(each)) if isinstance(each, str) else c.literal(each) for each in self.operands),
        )


def instruction(name: str, vector: VectorType) -> Instruction | None:
    """Return the instruction that computes the function on whole vectors of that type, if gcc has one."""
    return _rows.get((name, vector.element.short, vector.num_bytes))


_all_lanes, _mode_as_set = -1, 4
_rounding_modes = {"floor": 1, "ceil": 2, "trunc": 3, "rint": _mode_as_set}
"""The immediate operand of roundps. Everywhere the mode is as set when a program starts: to even."""

_extrema = {"maximum": "max", "minimum": "min"}
"""Of these instructions the second operand comes out if the two are equal or one is NaN."""


def _rows_of(short: str, letters: str) -> dict[tuple[str, str, int], Instruction]:
    """Return the rows of one element type, by function, element and bytes; instructions call it ``ps`` or ``pd``."""
    rows = {
        ("fma", 64): (f"vfmadd{letters}512_mask", "__AVX512F__", ("a", "b", "c", _all_lanes, _mode_as_set)),
        ("fma", 32): (f"vfmadd{letters}256", "__FMA__", ("a", "b", "c")),
        ("fma", 16): (f"vfmadd{letters}", "__FMA__", ("a", "b", "c")),
        ("sqrt", 64): (f"sqrt{letters}512_mask", "__AVX512F__", ("x", "x", _all_lanes, _mode_as_set)),
        ("sqrt", 32): (f"sqrt{letters}256", "__AVX__", ("x",)),
        ("sqrt", 16): (f"sqrt{letters}", "__SSE2__", ("x",)),
    }
    for name, word in _extrema.items():
        rows |= {
            (name, 64): (f"{word}{letters}512_mask", "__AVX512F__", ("a", "b", "a", _all_lanes, _mode_as_set)),
            (name, 32): (f"{word}{letters}256", "__AVX__", ("a", "b")),
            (name, 16): (f"{word}{letters}", "__SSE2__", ("a", "b")),
        }
    for name, mode in _rounding_modes.items():
        rows |= {
            (name, 64): (f"rndscale{letters}_mask", "__AVX512F__", ("x", mode, "x", _all_lanes, _mode_as_set)),
            (name, 32): (f"round{letters}256", "__AVX__", ("x", mode)),
            (name, 16): (f"round{letters}", "__SSE4_1__", ("x", mode)),
        }
    rows |= {
        ("stream", 64): (f"movnt{letters}512", "__AVX512F__", ("p", "x")),
        ("stream", 32): (f"movnt{letters}256", "__AVX__", ("p", "x")),
        ("stream", 16): (f"movnt{letters}", "__SSE2__", ("p", "x")),
    }
    scale = f"scalef{letters}"
    rows |= {
        ("scale", 64): (f"{scale}512_mask", "__AVX512F__", ("x", "n", "x", _all_lanes, _mode_as_set)),
        ("scale", 32): (f"{scale}256_mask", "__AVX512VL__", ("x", "n", "x", _all_lanes)),
        ("scale", 16): (f"{scale}128_mask", "__AVX512VL__", ("x", "n", "x", _all_lanes)),
    }
    return {
        (name, short, num_bytes): Instruction(f"__builtin_ia32_{builtin}", macro, operands)
        for (name, num_bytes), (builtin, macro, operands) in rows.items()
    }


def _rows_of_int32() -> dict[tuple[str, str, int], Instruction]:
    rows = {("i32", 64, "any"): Instruction("__builtin_ia32_ptestmd512", "__AVX512F__", ("x", "x", _all_lanes))}
    for name, word in _extrema.items():
        rows["i32", 64, name] = Instruction(
            f"__builtin_ia32_p{word}sd512_mask", "__AVX512F__", ("a", "b", "a", _all_lanes)
        )
        rows["i32", 32, name] = Instruction(f"__builtin_ia32_p{word}sd256", "__AVX2__", ("a", "b"))
        rows["i32", 16, name] = Instruction(f"__builtin_ia32_p{word}sd128", "__SSE4_1__", ("a", "b"))
    return {(name, short, num_bytes): row for (short, num_bytes, name), row in rows.items()}


def _rows_of_int64() -> dict[tuple[str, str, int], Instruction]:
    """Return the rows of 64-bit extrema: gcc declares them with long long, so `x` and `y` are the operands in that type."""
    rows = {}
    for (name, word), (short, letter) in product(_extrema.items(), (("i64", "s"), ("u64", "u"))):
        for num_bytes, macro in ((64, "__AVX512F__"), (32, "__AVX512VL__"), (16, "__AVX512VL__")):
            builtin = f"__builtin_ia32_p{word}{letter}q{8 * num_bytes}_mask"
            rows[name, short, num_bytes] = Instruction(builtin, macro, ("x", "y", "x", _all_lanes))
    return rows


_products_of_halves = {
    ("multiply_halves", "u64", 64): Instruction(
        "__builtin_ia32_pmuludq512_mask", "__AVX512F__", ("x", "y", "zeros", _all_lanes)
    ),
    ("multiply_halves", "u64", 32): Instruction("__builtin_ia32_pmuludq256", "__AVX2__", ("x", "y")),
    ("multiply_halves", "u64", 16): Instruction("__builtin_ia32_pmuludq128", "__SSE2__", ("x", "y")),
}


_not_less = 5
"""The immediate operand of vpcmpu."""


def _rows_of_comparisons() -> dict[tuple[str, str, int], Instruction]:
    """Return the rows of `beyond`: bit i of the answer says whether lane i of x, as unsigned, is at least the limit."""
    rows = {}
    for short, letter in (("i32", "d"), ("i64", "q")):
        for num_bytes, macro in ((64, "__AVX512F__"), (32, "__AVX512VL__"), (16, "__AVX512VL__")):
            builtin = f"__builtin_ia32_ucmp{letter}{8 * num_bytes}_mask"
            rows["beyond", short, num_bytes] = Instruction(builtin, macro, ("x", "limit", _not_less, _all_lanes))
    return rows


_rows = {
    **_rows_of("f32", "ps"),
    **_rows_of("f64", "pd"),
    **_rows_of_int32(),
    **_rows_of_int64(),
    **_rows_of_comparisons(),
    **_products_of_halves,
}
