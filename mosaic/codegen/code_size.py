"""How much C a function gives the compiler: its operations once helpers are inlined and loops over lanes unrolled.

One operation takes gcc about 0.05 ms, whatever it is. May import C records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from mosaic import c
from mosaic.c.walk import Part, parts

size_of_call = 8
"""Of a call that stays one: arguments are moved, and what is in registers is spilled around it."""

unrolled_turns = 16
"""gcc unrolls a loop completely up to so many turns (max-completely-peel-times)."""

_lane_instructions = frozenset(
    f"__builtin_{name}{suffix}"
    for name in ("fma", "sqrt", "floor", "ceil", "trunc", "rint", "copysign", "fabs")
    for suffix in ("", "f")
)
_operations = (c.Unary, c.Binary, c.Index, c.Conditional, c.CompoundLiteral, c.CallPointer, c.If, c.AugmentedAssign)


def code_size(body: c.Body, inlined: Mapping[str, int]) -> int:
    """Return the operations of statements; `inlined` are the sizes of the functions that are put in place of calls."""
    return sum(_size(statement, inlined) for statement in body)


def _size(part: Part, inlined: Mapping[str, int]) -> int:
    if isinstance(part, c.For):
        turns = num_turns(part) if any(name not in inlined for name in calls(part.body)) else 1
        return turns * code_size(part.body, inlined) + 1
    inner = sum(_size(each, inlined) for each in parts(part))
    if isinstance(part, c.Call):
        return inner + inlined.get(part.function, _size_of_outer_call(part.function))
    return inner + isinstance(part, _operations)


def _size_of_outer_call(function: str) -> int:
    """Return the size of a call of what no helper defines: an instruction, or a function of the C library."""
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
