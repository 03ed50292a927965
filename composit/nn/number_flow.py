"""Data flow in bytecode: which names and calls of a function a number may reach after an instruction read it.

`s = float(x)` binds the name s; `y = x * s` uses it; `if s < 1: ...` and `print(s)` only test or show it. The bytecode
is split into statements, and each name that a statement binds may depend on each name that it loads. Source: def-use
chains (Aho, Lam, Sethi, Ullman, Compilers, section 9.2), but ignoring the order of statements, because of loops. Known
weaknesses: a number passed as an argument reaches all parameters of every function of the called name; objects are
followed only by the name of an attribute or of a container.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import CodeType
from typing import Concatenate, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Found = TypeVar("Found")

# Methods that add their argument to their object: `values.append(s)` makes `values` depend on s.
_ADDING = frozenset("append appendleft add extend insert update setdefault put".split())
_TESTS = ("COMPARE_OP", "CONTAINS_OP", "IS_OP", "UNARY_NOT", "TO_BOOL")
_TEXTS = ("FORMAT_VALUE", "FORMAT_SIMPLE", "FORMAT_WITH_SPEC", "BUILD_STRING")
_LEAVING = ("RETURN_VALUE", "YIELD_VALUE", "RETURN_GENERATOR", "LIST_APPEND", "SET_ADD", "MAP_ADD")


MAX_KNOWN_PER_FUNCTION = 2048


def _remembered(
    find: Callable[Concatenate[CodeType, Arguments], Found],
) -> Callable[Concatenate[CodeType, Arguments], Found]:
    """Cache the function's results by the identity of the code object, whose own hash reads all its constants."""
    known: dict[tuple[object, ...], tuple[CodeType, Found]] = {}

    def found(code: CodeType, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Found:
        key = (id(code), *args)
        result = known.get(key)
        if result is None:
            if len(known) >= MAX_KNOWN_PER_FUNCTION:
                known.clear()
            # Keep the code object alive, so that no other can get its id.
            result = known[key] = (code, find(code, *args, **kwargs))
        return result[1]

    return found


@dataclass(frozen=True, slots=True)
class Statement:
    """The instructions at offsets from `start` to `stop`, with the names that they load and bind.

    is_test: it ends in a jump, or binds a truth value or a text, so its numbers enter no computation
    leaves:  its value is returned, yielded or collected by a comprehension, and goes on in the caller
    """

    start: int
    stop: int
    loaded: frozenset[str]
    bound: frozenset[str]
    is_test: bool
    leaves: bool


def _name(instruction: dis.Instruction) -> str:
    text = str(instruction.argval)
    # An attribute `.text` counts as one name for all objects that have it.
    return f".{text}" if "ATTR" in instruction.opname or "METHOD" in instruction.opname else text


def _names(instruction: dis.Instruction, verb: str) -> Iterator[str]:
    """Yield the names that an instruction loads or stores; some handle two, such as LOAD_FAST_LOAD_FAST."""
    parts = instruction.opname.split("_")
    if verb not in parts or not isinstance(instruction.argval, str | tuple):
        return
    if "SUBSCR" in parts or "CONST" in parts:
        return
    if isinstance(instruction.argval, tuple):
        verbs = [part for part in parts if part in ("LOAD", "STORE")]
        yield from (name for name, each in zip(instruction.argval, verbs, strict=False) if each == verb)
    else:
        yield _name(instruction)


def _is_end(instruction: dis.Instruction, following: dis.Instruction | None) -> bool:
    name = instruction.opname
    if name.startswith("STORE_"):
        # `a, b = ...` and `a = b = ...` bind several names in one statement.
        return following is None or not following.opname.startswith(("STORE_", "COPY"))
    return name == "POP_TOP" or name in _LEAVING or name.startswith(("POP_JUMP", "JUMP_IF", "RETURN_CONST"))


@_remembered
def statements_of(code: CodeType) -> tuple[Statement, ...]:
    """Return the statements of a code object, in the order of its bytecode."""
    instructions = list(dis.get_instructions(code))
    found: list[Statement] = []
    part: list[dis.Instruction] = []
    for position, instruction in enumerate(instructions):
        part.append(instruction)
        following = instructions[position + 1] if position + 1 < len(instructions) else None
        if _is_end(instruction, following) or following is None:
            found += _statements(part)
            # STORE_FAST_LOAD_FAST also begins the next statement.
            part = [instruction] if "STORE" in instruction.opname and "LOAD" in instruction.opname else []
    return tuple(found)


def _statements(part: Sequence[dis.Instruction]) -> Iterator[Statement]:
    """Yield the statement of these instructions; `a, b = c, d` gives two, as `a = c; b = d` does."""
    size = len(part)
    while size and part[size - 1].opname.startswith(("STORE_", "SWAP")):
        size -= 1
    is_packed = [each.opname for each in part[max(size - 2, 0) : size]] == ["BUILD_TUPLE", "UNPACK_SEQUENCE"]
    names = [name for instruction in part[size:] for name in _names(instruction, "STORE")]
    values = _values(part[: size - 2 if is_packed else size])
    if len(names) < 2 or len(values) != len(names) or part[size - 1].opname == "COPY":
        yield _statement(part)
        return
    stack = values[::-1] if is_packed else values
    for instruction in part[size:]:
        if instruction.opname == "SWAP" and instruction.arg is not None:
            stack[-1], stack[-instruction.arg] = stack[-instruction.arg], stack[-1]
        for name in _names(instruction, "STORE"):
            made = _statement(stack.pop())
            yield replace(made, bound=made.bound | {name})


def _values(body: Sequence[dis.Instruction]) -> list[Sequence[dis.Instruction]]:
    """Return the instructions of each value that is on the stack at the end."""
    depths, depth = [], 0
    for instruction in body:
        depth += dis.stack_effect(instruction.opcode, instruction.arg, jump=False)
        depths.append(depth)
    ends = [max((i for i, each in enumerate(depths) if each == count), default=-1) + 1 for count in range(1, depth + 1)]
    return [body[start:end] for start, end in zip([0, *ends], ends, strict=False) if start < end]


def _statement(part: Sequence[dis.Instruction]) -> Statement:
    last = part[-1].opname
    loaded = frozenset(name for instruction in part for name in _names(instruction, "LOAD"))
    bound = frozenset(name for instruction in part for name in _names(instruction, "STORE"))
    if last == "STORE_SUBSCR":
        bound |= frozenset(_container(part))
    if last == "POP_TOP" and any(f".{name}" in loaded for name in _ADDING):
        bound |= frozenset([name for instruction in part for name in _names(instruction, "LOAD")][:1])
    made = next((each.opname for each in reversed(part) if not each.opname.startswith(("STORE_", "COPY", "SWAP"))), "")
    is_test = last.startswith(("POP_JUMP", "JUMP_IF")) or made in _TESTS or made in _TEXTS
    return Statement(part[0].offset, part[-1].offset, loaded, bound, is_test, last in _LEAVING)


def _container(part: Sequence[dis.Instruction]) -> Iterator[str]:
    """Yield the name of the container in `container[key] = value`, found by walking back over the key."""
    position = len(part) - 1
    for _ in ("key", "container"):
        depth = 0
        while depth < 1 and position > 0:
            position -= 1
            instruction = part[position]
            depth += dis.stack_effect(instruction.opcode, instruction.arg, jump=False)
    yield from [name for instruction in part[position:-1] for name in _names(instruction, "LOAD")][:1]


@_remembered
def statement_at(code: CodeType, offset: int) -> Statement | None:
    """Return the statement that an instruction belongs to."""
    return next((each for each in statements_of(code) if each.start <= offset <= each.stop), None)


@dataclass(frozen=True, slots=True)
class Flow:
    """The places that a number may reach inside one function.

    names:  may be bound to the number or to a value computed from it
    called: names of functions that may get it as an argument
    leaves: whether it may go on in the caller
    """

    names: frozenset[str] = frozenset()
    called: frozenset[str] = frozenset()
    leaves: bool = False

    def reaches(self, code: CodeType, offset: int) -> bool:
        """Return whether the instruction is in a statement that uses one of the names and is no test."""
        found = statement_at(code, offset)
        return found is not None and not found.is_test and not self.names.isdisjoint(found.loaded)


def flow_of_names(code: CodeType, names: Iterable[str], start: Statement | None = None) -> Flow:
    """Return the flow of the values of these names and of the value of the statement `start`."""
    known = set(names)
    called: set[str] = set()
    leaves = False
    rest = [each for each in statements_of(code) if not each.is_test]
    first = [] if start is None or start.is_test else [start]
    while True:
        reached = [*first, *(each for each in rest if not known.isdisjoint(each.loaded))]
        before = len(known)
        for each in reached:
            known |= each.bound
            called |= each.loaded
            leaves = leaves or each.leaves
        if len(known) == before:
            return Flow(frozenset(known), frozenset(name.removeprefix(".") for name in called), leaves)


@_remembered
def flow_of_read(code: CodeType, offset: int) -> Flow:
    """Return the flow of a number that an instruction reads."""
    return flow_of_names(code, (), statement_at(code, offset))


@_remembered
def flow_of_parameters(code: CodeType) -> Flow:
    """Return the flow of the function's arguments."""
    return flow_of_names(code, code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
