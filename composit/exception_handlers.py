"""Finds out from Python's exception tables whether a `try` around the user's call would catch an error of the call.

`try: c = cholesky(a)` / `except LinAlgError: ...` relies on the error coming at the call, so operations that can raise because
of values compute there. `with`, `finally`, generators and comprehensions have entries in the same tables but catch nothing.

Reference: Objects/exception_handling_notes.txt of CPython, for the table; dis, for the instructions of handlers
"""

from __future__ import annotations

import builtins
import dis
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

import numpy as np

from composit.source import is_internal

# The classes of numpy's errors that depend on values; not Exception and BaseException, which are too general.
_ERRORS_OF_VALUES = (ValueError, ArithmeticError, LookupError, np.linalg.LinAlgError)

# A handler's class as it is written: `np.linalg.LinAlgError` is ("np", "linalg", "LinAlgError").
_Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Clauses:
    """The `except` clauses of all `try` statements around an instruction.

    paths:   the classes in the clauses, as written; an empty path for a computed class
    is_bare: whether a clause names no class
    """

    paths: tuple[_Path, ...]
    is_bare: bool


# By the id of a code object, as in `composit/source.py`, and the instruction.
_known: dict[tuple[int, int], _Clauses | None] = {}
_known_code: list[CodeType] = []
_NOT_LOOKED_AT = _Clauses((), False)
MAX_KNOWN_CALLS = 1 << 14


def is_caught() -> bool:
    """Return whether a `try` around the user's call may catch an error of a value.

    In the function that makes the call, any `except` counts. In its callers in the same file, an `except` counts whose class
    fits an error of a value, `except Exception` included. In other files, an `except` counts only if it names such a class or
    a subclass, as LinAlgError or ValueError: programs that run other programs have `except Exception` around all of them.
    """
    frame: FrameType | None = sys._getframe(1)
    file = None
    while frame is not None:
        code = frame.f_code
        if not is_internal(code):
            # Most functions have an empty table.
            clauses = _clauses_around(code, frame.f_lasti) if code.co_exceptiontable else None
            if clauses is not None and (file is None or _fit(clauses, frame.f_globals, code.co_filename == file)):
                return True
            file = file or code.co_filename
        frame = frame.f_back
    return False


def _fit(clauses: _Clauses, names: Mapping[str, Any], is_near: bool) -> bool:
    """Return whether a clause is for errors of values; in the same file, whether it may catch one."""
    if is_near and clauses.is_bare:
        return True
    for path in clauses.paths:
        value = _resolved(path, names)
        for each in value if isinstance(value, tuple) else (value,):
            if not isinstance(each, type):
                if is_near:
                    return True
            elif issubclass(each, _ERRORS_OF_VALUES) or (
                is_near and any(issubclass(error, each) for error in _ERRORS_OF_VALUES)
            ):
                return True
    return False


def _resolved(path: _Path, names: Mapping[str, Any]) -> object:
    """Return the object of a dotted name, None if it is not known without running code."""
    if not path:
        return None
    value = names.get(path[0], getattr(builtins, path[0], None))
    for name in path[1:]:
        value = getattr(value, name, None)
    return value


def _clauses_around(code: CodeType, offset: int) -> _Clauses | None:
    key = (id(code), offset)
    known = _known.get(key, _NOT_LOOKED_AT)
    if known is not _NOT_LOOKED_AT:
        return known
    if len(_known) >= MAX_KNOWN_CALLS:
        # The answers first: without its code object, an id could mean another one.
        _known.clear()
        _known_code.clear()
    _known_code.append(code)
    found = _known[key] = _find_clauses(code, offset)
    return found


def _find_clauses(code: CodeType, offset: int) -> _Clauses | None:
    """Return the clauses of all handlers around an instruction, from the inside out; None without any."""
    table = list(_entries(code.co_exceptiontable))
    instructions = list(dis.get_instructions(code))
    position_of = {instruction.offset: position for position, instruction in enumerate(instructions)}
    handlers: list[_Clauses] = []
    seen: set[int] = set()
    while (target := _target(table, offset)) is not None and target not in seen:
        seen.add(target)
        clauses = _read_handler(instructions, position_of, target)
        if clauses is not None:
            handlers.append(clauses)
        offset = target
    if not handlers:
        return None
    return _Clauses(tuple(path for each in handlers for path in each.paths), any(each.is_bare for each in handlers))


def _target(table: Sequence[tuple[int, int, int]], offset: int) -> int | None:
    return next((target for start, end, target in table if start <= offset < end), None)


def _entries(table: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (start, end, target) in bytes. An entry is four numbers, six bits per byte; the fourth is not needed here."""
    numbers = _numbers(table)
    for start in numbers:
        length, target, _ = next(numbers), next(numbers), next(numbers)
        yield 2 * start, 2 * (start + length), 2 * target


def _numbers(table: bytes) -> Iterator[int]:
    value = 0
    for byte in table:
        value = value << 6 | byte & 0x3F
        if not byte & 0x40:
            yield value
            value = 0


# Instructions that end a statement or begin another construct. A handler that reaches one before it compares the error with
# a class is a `finally` or the end of a `with`, not an `except`.
_NO_EXPRESSION = (
    "STORE_", "DELETE_", "POP_TOP", "POP_EXCEPT", "RERAISE", "RAISE", "RETURN", "PUSH_EXC_INFO", "WITH_EXCEPT_START",
    "BEFORE_WITH", "YIELD", "IMPORT",
)  # fmt: skip


def _read_handler(
    instructions: Sequence[dis.Instruction], position_of: Mapping[int, int], target: int
) -> _Clauses | None:
    """Return the clauses of a handler that is an `except`, None for any other.

    `except E` is PUSH_EXC_INFO, instructions that load E, CHECK_EXC_MATCH and a jump to the next clause; `except` alone is
    PUSH_EXC_INFO, POP_TOP. Other handlers clean up names, or iterators of generators and comprehensions.
    """
    position = position_of[target]
    if instructions[position].opname != "PUSH_EXC_INFO":
        return None
    paths: list[_Path] = []
    is_except = False
    clause: int | None = position + 1
    while clause is not None:
        if instructions[clause].opname == "POP_TOP":
            return _Clauses(tuple(paths), True)
        test = _test_of(instructions, clause)
        if test is None:
            break
        is_except = True
        paths += _paths(instructions[clause:test])
        clause = _next_clause(instructions, position_of, test)
    return _Clauses(tuple(paths), False) if is_except else None


def _test_of(instructions: Sequence[dis.Instruction], start: int) -> int | None:
    for position in range(start, len(instructions)):
        name = instructions[position].opname
        if name in ("CHECK_EXC_MATCH", "CHECK_EG_MATCH"):
            return position
        # `except*` first makes a list of the errors that are left to be raised.
        if name.startswith(_NO_EXPRESSION):
            return None
    return None


def _next_clause(instructions: Sequence[dis.Instruction], position_of: Mapping[int, int], test: int) -> int | None:
    """Return the position of the next clause: the target of the jump after the test."""
    for instruction in instructions[test + 1 : test + 8]:
        if "JUMP" in instruction.opname:
            return position_of.get(instruction.argval)
    return None


def _paths(expression: Sequence[dis.Instruction]) -> list[_Path]:
    paths: list[_Path] = []
    for instruction in expression:
        name = instruction.opname
        if name == "LOAD_ATTR" and paths:
            # An attribute of a computed value is computed too.
            paths[-1] = (*paths[-1], str(instruction.argval)) if paths[-1] else ()
        elif name in ("LOAD_GLOBAL", "LOAD_NAME"):
            paths.append((str(instruction.argval),))
        elif name.startswith(("LOAD_FAST", "LOAD_DEREF", "LOAD_CLASSDEREF", "CALL")):
            paths.append(())
    return paths
