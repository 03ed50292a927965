"""What differs between two programs that the same lines of Python built: a constant, a shape, an operation, an option.

Operations are compared in order, each with the scalars and arrays it takes; what follows from a difference (the types of
later results) is not one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from composit.keys import Key
from composit.nn.core import UserFunction
from composit.operation import Input, Operation, OperationKind, Scalar
from composit.program import Instruction, Program
from composit.source import describe_source, line_number
from mosaic.passes.pipeline import Request

Line = tuple[str, int]

_LONGEST_WORD = 60


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs, from the earlier program to the later one.

    what:   "constant", "shape", "dtype", "parameter", "call", "operation", "number of operations", "operands",
            "option NAME" or "nothing"
    place:  the line that built it, as a traceback shows it; empty for options
    advice: what to write instead
    """

    what: str
    before: str
    now: str
    place: str
    advice: str


@dataclass(frozen=True, slots=True)
class FunctionCall(Operation):
    """Stands for a call that equals only itself, without keeping its function alive."""

    function_name: str
    token: Key
    kind = OperationKind.FUNCTION

    @property
    def name(self) -> str:
        return self.function_name


def without_functions(program: Program) -> Program:
    """Return the program for a record: it holds no functions of users."""
    instructions = tuple(
        dataclasses.replace(each, operation=FunctionCall(each.operation.name, each.operation.structure()))
        if isinstance(each.operation, UserFunction) or each.operation.runs_at_call
        else each
        for each in program.instructions
    )
    return dataclasses.replace(program, instructions=instructions)


def lines_of(program: Program) -> frozenset[Line]:
    """Return the files and lines that built the program's operations."""
    return frozenset(_line(program, position) for position in _operations(program))


def differences(before: Request, now: Request) -> list[Difference]:
    """Return the differences, in the order of the later program; if there are none, one entry that says so."""
    found = [*_program_differences(before.program, now.program), *_option_differences(before, now)]
    return list({(each.what, each.before, each.now): each for each in reversed(found)}.values())[::-1] or [_nothing]


def _operations(program: Program) -> list[int]:
    return [position for position, instruction in enumerate(program.instructions) if instruction.operands]


def _line(program: Program, position: int) -> Line:
    source = program.labels[position].source
    return ("", 0) if source is None else (source[0].co_filename, line_number(source))


def _place(program: Program, position: int) -> str:
    return describe_source(program.labels[position].source)


def _program_differences(before: Program, now: Program) -> Iterator[Difference]:
    first, second = _operations(before), _operations(now)
    keys = [_keys(program, positions) for program, positions in ((before, first), (now, second))]
    is_aligned = keys[0] == keys[1]
    steps = [("equal", 0, len(first), 0, len(second))] if is_aligned else _steps(*keys)
    found = False
    for step, start, stop, other, end in steps:
        if step != "equal":
            yield _replaced(before, now, first[start:stop], second[other:end])
            found = True
            continue
        for one, two in zip(first[start:stop], second[other:end], strict=True):
            for each in _instruction_differences(before, now, one, two):
                yield each
                found = True
    if is_aligned and not found:
        yield from _operand_differences(before, now, first, second)


def _keys(program: Program, positions: Sequence[int]) -> list[tuple[str, Line]]:
    return [(program.instructions[position].operation.name, _line(program, position)) for position in positions]


def _steps(first: Sequence[Any], second: Sequence[Any]) -> list[tuple[str, int, int, int, int]]:
    return list(SequenceMatcher(None, first, second, autojunk=False).get_opcodes())


def _replaced(before: Program, now: Program, first: Sequence[int], second: Sequence[int]) -> Difference:
    place = _place(now, second[0]) if second else _place(before, first[0])
    old, new = _names(before, first), _names(now, second)
    if first and second:
        return Difference(
            "operation",
            old,
            new,
            place,
            "Python took another path: let the graph choose, as with cnp.where(condition, x, y), or compile each path once",
        )
    return Difference(
        "number of operations",
        f"{len(_operations(before))}",
        f"{len(_operations(now))} ({new or old} {'more' if new else 'less'})",
        place,
        "the graph grows or shrinks with each step: end it by value = cnp.asarray(cnp.evaluate(value)), and go on from that",
    )


def _names(program: Program, positions: Sequence[int]) -> str:
    names = [program.instructions[position].operation.name for position in positions]
    return _short(", ".join(names))


def _instruction_differences(before: Program, now: Program, one: int, two: int) -> Iterator[Difference]:
    first, second = before.instructions[one], now.instructions[two]
    place = _place(now, two)
    if len(first.operands) == len(second.operands):
        for left, right in zip(first.operands, second.operands, strict=True):
            yield from _leaf_differences(before.instructions[left[0]], now.instructions[right[0]], second, now, place)
    if first.operation.structure() != second.operation.structure():
        yield from _parameter_differences(first.operation, second.operation, place)


def _leaf_differences(
    first: Instruction, second: Instruction, user: Instruction, program: Program, place: str
) -> Iterator[Difference]:
    if isinstance(first.operation, Scalar) and isinstance(second.operation, Scalar):
        if first.operation.structure() != second.operation.structure():
            yield Difference(
                "constant", first.operation.name, second.operation.name, place, _constant_advice(user, program)
            )
        return
    if not (isinstance(first.operation, Input) and isinstance(second.operation, Input)):
        return
    (old,), (new,) = first.types, second.types
    if old.dtype != new.dtype:
        advice = f'convert it before: x.astype("{old.dtype}")'
        yield Difference("dtype", str(old), str(new), place, advice)
    if old.shape != new.shape:
        advice = "C is compiled for shapes: pad the array to one shape, or build and compile once for each shape and keep the models"
        yield Difference("shape", str(old), str(new), place, advice)


def _constant_advice(user: Instruction, program: Program) -> str:
    operands = [program.instructions[source] for source, _ in user.operands]
    others = [each.types[0].dtype for each in operands if not isinstance(each.operation, Scalar)]
    dtype = others[0] if others else user.types[0].dtype
    return (
        f'make it an input: value = cnp.asarray(value, "{dtype}"); evaluate then takes each value without compiling, and'
        " mosaic.compile wants it in inputs=[..., value]"
    )


def _parameter_differences(first: Operation, second: Operation, place: str) -> Iterator[Difference]:
    if isinstance(second, FunctionCall):
        advice = (
            "each call of a wrapped or numpy function is an operation of its own: build the graph once and evaluate it with"
            " inputs={x: array}, or compile it once"
        )
        yield Difference("call", f"{first.name}()", f"another {second.name}()", place, advice)
        return
    advice = "a parameter is part of the code: compile once for each, or compute it from an input"
    pairs = list(_fields_that_differ(first, second)) or [(first.name, second.name)]
    for old, new in pairs:
        yield Difference("parameter", _short(old), _short(new), place, advice)


def _fields_that_differ(first: Operation, second: Operation) -> Iterator[tuple[str, str]]:
    fields = getattr(first, "__dataclass_fields__", {}) if type(first) is type(second) else {}
    for name in fields:
        old, new = repr(getattr(first, name)), repr(getattr(second, name))
        if old != new:
            yield f"{name}={old}", f"{name}={new}"


def _operand_differences(
    before: Program, now: Program, first: Sequence[int], second: Sequence[int]
) -> Iterator[Difference]:
    for one, two in zip(first, second, strict=True):
        if before.instructions[one].operands != now.instructions[two].operands:
            old, new = _operand_words(before, one), _operand_words(now, two)
            advice = "the same operations read other values: build the graph in the same order each time"
            yield Difference("operands", old, new, _place(now, two), advice)
            return
    if before.outputs != now.outputs:
        advice = "other values were asked for: ask for all of them at once, and use those you need"
        yield Difference("operands", f"outputs {before.outputs}", f"outputs {now.outputs}", "", advice)


def _operand_words(program: Program, position: int) -> str:
    sources = [source for source, _ in program.instructions[position].operands]
    return _short(", ".join(f"{program.instructions[source].operation.name} %{source}" for source in sources))


def _option_differences(before: Request, now: Request) -> Iterator[Difference]:
    for each in dataclasses.fields(now.options):
        old, new = getattr(before.options, each.name), getattr(now.options, each.name)
        if old != new:
            before_word, now_word = (_short(getattr(value, "name", repr(value))) for value in (old, new))
            advice = "each combination of options is a program of its own: pass the same ones each time"
            yield Difference(f"option {each.name}", before_word, now_word, "", advice)
    if len(before.program.inputs) == len(now.program.inputs) and before.inputs != now.inputs:
        advice = "give the same tensors as inputs, in the same order"
        yield Difference("option inputs", f"{len(before.inputs)} inputs", f"{len(now.inputs)} inputs", "", advice)


_nothing = Difference(
    "nothing",
    "the same program",
    "the same program",
    "",
    "keep the model that mosaic.compile returned; arrays whose values change belong in inputs=[...]. evaluate keeps a limited"
    " number of programs, and those of the last clear_prepared_programs() are gone",
)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_WORD else f"{text[: _LONGEST_WORD - 3]}..."
