"""The size of a C function for the compiler: its operations after inlining helpers and unrolling loops over lanes.

One operation takes gcc about 0.05 ms, whatever it is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from mosaic import c
from mosaic.c.walk import Part, parts

size_of_call = 8
"""Operations of a call: moving arguments, and spilling registers around it."""

unrolled_turns = 16
"""gcc unrolls a loop completely up to so many turns (max-completely-peel-times)."""

size_of_division = 4
"""Operations of a division, per lane: extract, divide, insert."""

size_of_byte_product = 8
"""Operations of a product of bytes: widen, multiply, narrow."""

_no_weights: Mapping[str, int] = {}
_integers = re.compile(r"[iu](?P<bits>\d+)x(?P<lanes>\d+)")
_lane_instructions = frozenset(
    f"__builtin_{name}{suffix}"
    for name in ("fma", "sqrt", "floor", "ceil", "trunc", "rint", "copysign", "fabs")
    for suffix in ("", "f")
)
_operations = (c.Unary, c.Index, c.Conditional, c.CompoundLiteral, c.CallPointer, c.If, c.AugmentedAssign)


Weights = Mapping[str, int]
"""Sizes of operators that are not one instruction."""


def function_size(function: c.Function, inlined: Mapping[str, int]) -> int:
    """Return the operations of a function, with those that its type of vectors has no instruction for in their parts."""
    return code_size(function.body or (), inlined, weights_of(function.result))


def code_size(body: c.Body, inlined: Mapping[str, int], weights: Weights = _no_weights) -> int:
    """Return the operations of statements; `inlined` are the sizes of the functions that are put in place of calls."""
    return sum(_size(statement, inlined, weights) for statement in body)


def weights_of(result: c.CType) -> Weights:
    """Return the weights in a function with that result: processors multiply no bytes and divide no integers in vectors."""
    found = _integers.fullmatch(result.name) if isinstance(result, c.NamedType) else None
    if found is None:
        return _no_weights
    lanes = int(found["lanes"])
    division = {"/": size_of_division * lanes, "%": size_of_division * lanes}
    return division | {"*": size_of_byte_product} if found["bits"] == "8" else division


def _size(part: Part, inlined: Mapping[str, int], weights: Weights) -> int:
    if isinstance(part, c.For):
        turns = num_turns(part) if any(name not in inlined for name in calls(part.body)) else 1
        return turns * code_size(part.body, inlined, weights) + 1
    inner = sum(_size(each, inlined, weights) for each in parts(part))
    if isinstance(part, c.Call):
        return inner + inlined.get(part.function, _size_of_outer_call(part.function))
    if isinstance(part, c.Binary):
        return inner + weights.get(part.operator, 1)
    return inner + isinstance(part, _operations)


def _size_of_outer_call(function: str) -> int:
    """Return the size of a call of a builtin or of a function of the C library."""
    is_instruction = function in _lane_instructions or function.startswith(_instruction_prefixes)
    return 1 if is_instruction else size_of_call


_instruction_prefixes = (
    "__builtin_ia32_",
    "__builtin_elementwise_",
    "__builtin_shufflevector",
    "__builtin_convertvector",
)


def num_turns(loop: c.For) -> int:
    """Return how many copies of its body the compiler may make: its turns where they are few and known, else one."""
    start, stop, step = loop.start, loop.stop, loop.step
    if not all(isinstance(each, c.IntegerLiteral) for each in (start, stop, step)) or "GCC unroll 1" in loop.pragmas:
        return 1
    assert isinstance(start, c.IntegerLiteral)
    assert isinstance(stop, c.IntegerLiteral)
    assert isinstance(step, c.IntegerLiteral)
    turns = -(-(stop.value - start.value) // step.value)
    return max(1, turns) if turns <= unrolled_turns else 1


def calls(body: Iterable[Part]) -> Counter[str]:
    """Return how often the text of statements calls each function."""
    found: Counter[str] = Counter()
    stack = list(body)
    while stack:
        part = stack.pop()
        if isinstance(part, c.Call):
            found[part.function] += 1
        stack.extend(parts(part))
    return found
