"""The lines of C statements, four spaces a level."""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch

from mosaic.c.expressions import Expression, IntegerLiteral, Name
from mosaic.c.print_expression import declaration_text, expression_text
from mosaic.c.statements import (
    Assembly,
    Assign,
    AugmentedAssign,
    BlankLine,
    Block,
    Body,
    Break,
    Comment,
    Continue,
    CountedLoop,
    Declare,
    ExpressionStatement,
    For,
    If,
    InitializerList,
    Pragma,
    Return,
    Statement,
    While,
)

line_length = 120
_indent = "    "


def body_lines(body: Body, level: int) -> Iterator[str]:
    """Yield the lines of `body`, indented by `level`; directives stay at the margin."""
    for statement in body:
        for line in _lines(statement):
            yield _indent * level + line if line and not line.startswith("#") else line


def comment_lines(text: str) -> Iterator[str]:
    """Yield `text` as one C comment that no text can end early."""
    safe = text.replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?")
    lines = [line.rstrip() for line in safe.strip().splitlines()]
    if len(lines) == 1:
        yield f"/* {lines[0]} */"
        return
    for index, line in enumerate(lines):
        yield (("/* " if index == 0 else " * ") + line).rstrip() + (" */" if index == len(lines) - 1 else "")


def attribute_text(attributes: tuple[str, ...]) -> str:
    """Return ``__attribute__((...))``, or nothing."""
    return f"__attribute__(({', '.join(attributes)}))" if attributes else ""


def initial_lines(declaration: str, value: Expression | InitializerList | None) -> Iterator[str]:
    """Yield ``declaration = value;`` with long lists of values filled over lines."""
    if value is None:
        yield f"{declaration};"
        return
    text = _initial_text(value)
    if not isinstance(value, InitializerList) or len(declaration) + len(text) + 4 <= line_length:
        yield f"{declaration} = {text};"
        return
    yield f"{declaration} = {{"
    yield from _filled([_initial_text(each) for each in value.values])
    yield "};"


def _initial_text(value: Expression | InitializerList) -> str:
    if isinstance(value, InitializerList):
        return "{" + ", ".join(_initial_text(each) for each in value.values) + "}"
    return expression_text(value)


def _filled(items: list[str]) -> Iterator[str]:
    line = _indent
    for item in items:
        if len(line) + len(item) + 2 > line_length and line != _indent:
            yield line.rstrip()
            line = _indent
        line += f"{item}, "
    yield line.rstrip()


@singledispatch
def _lines(statement: Statement) -> Iterator[str]:
    """Yield the lines of one statement."""
    raise TypeError(
        f"print: {statement!r} has no C text; expected a record of mosaic.c.statements; build it from those"
    )


@_lines.register
def _(statement: Declare) -> Iterator[str]:
    attributes = attribute_text(statement.attributes)
    declaration = declaration_text(statement.ctype, statement.name)
    yield from initial_lines(f"{declaration} {attributes}".rstrip(), statement.value)


@_lines.register
def _(statement: Assign) -> Iterator[str]:
    yield f"{expression_text(statement.target)} = {expression_text(statement.value)};"


@_lines.register
def _(statement: AugmentedAssign) -> Iterator[str]:
    yield f"{expression_text(statement.target)} {statement.operator}= {expression_text(statement.value)};"


@_lines.register
def _(statement: For) -> Iterator[str]:
    variable = statement.variable
    is_unit = isinstance(statement.step, IntegerLiteral) and statement.step.value == 1
    step = f"++{variable}" if is_unit else f"{variable} += {expression_text(statement.step)}"
    start, condition = expression_text(statement.start), expression_text(Name(variable) < statement.stop)
    for pragma in statement.pragmas:
        yield f"#pragma {pragma}"
    yield f"for ({declaration_text(statement.ctype, variable)} = {start}; {condition}; {step}) {{"
    yield from body_lines(statement.body, 1)
    yield "}"


@_lines.register
def _(statement: CountedLoop) -> Iterator[str]:
    variable, step = statement.variable, statement.step
    is_down = isinstance(step, IntegerLiteral) and step.value < 0
    size = abs(step.value) if isinstance(step, IntegerLiteral) else 0
    moved = expression_text(IntegerLiteral(size)) if size else expression_text(step)
    on = f"{'--' if is_down else '++'}{variable}" if size == 1 else f"{variable} {'-=' if is_down else '+='} {moved}"
    start, condition = expression_text(statement.start), expression_text(statement.condition)
    yield f"for ({declaration_text(statement.ctype, variable)} = {start}; {condition}; {on}) {{"
    yield from body_lines(statement.body, 1)
    yield "}"


@_lines.register
def _(statement: While) -> Iterator[str]:
    yield f"while ({expression_text(statement.condition)}) {{"
    yield from body_lines(statement.body, 1)
    yield "}"


@_lines.register
def _(statement: If) -> Iterator[str]:
    yield f"if ({expression_text(statement.condition)}) {{"
    yield from body_lines(statement.then, 1)
    match statement.otherwise:
        case ():
            yield "}"
        case (If() as following,):
            first, *rest = _lines(following)
            yield f"}} else {first}"
            yield from rest
        case otherwise:
            yield "} else {"
            yield from body_lines(otherwise, 1)
            yield "}"


@_lines.register
def _(statement: Block) -> Iterator[str]:
    yield f"{{ {' '.join(comment_lines(statement.comment))}" if statement.comment else "{"
    yield from body_lines(statement.body, 1)
    yield "}"


@_lines.register
def _(statement: ExpressionStatement) -> Iterator[str]:
    yield f"{expression_text(statement.expression)};"


@_lines.register
def _(statement: Return) -> Iterator[str]:
    yield "return;" if statement.value is None else f"return {expression_text(statement.value)};"


@_lines.register
def _(statement: Break) -> Iterator[str]:
    yield "break;"


@_lines.register
def _(statement: Continue) -> Iterator[str]:
    yield "continue;"


@_lines.register
def _(statement: Comment) -> Iterator[str]:
    yield from comment_lines(statement.text)


@_lines.register
def _(statement: BlankLine) -> Iterator[str]:
    yield ""


@_lines.register
def _(statement: Pragma) -> Iterator[str]:
    yield f"#pragma {statement.text}"


@_lines.register
def _(statement: Assembly) -> Iterator[str]:
    yield "__asm__ volatile("
    for number, line in enumerate(statement.lines):
        end = "" if number == len(statement.lines) - 1 else "\\n"
        yield f'{_indent}"{line}{end}"'
    given = zip(statement.constraints, statement.inputs, strict=True)
    updated = ", ".join(f'"+v"({expression_text(value)})' for value in statement.updated)
    inputs = ", ".join(f'"{constraint}"({expression_text(value)})' for constraint, value in given)
    clobbers = ", ".join(f'"{each}"' for each in statement.clobbers)
    for text in (updated, inputs, clobbers):
        yield f"{_indent}: {text}".rstrip()
    yield ");"
