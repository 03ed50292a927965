"""The text of a C file from its data: deterministic, indented, with as few parentheses as compilers accept unwarned.

Imports the records of `mosaic.c` and the printers of expressions and statements; knows nothing about tensors.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch

from mosaic.c.print_expression import declaration_text
from mosaic.c.print_statement import attribute_text, body_lines, comment_lines, initial_lines, line_length
from mosaic.c.statements import Statement
from mosaic.c.units import (
    CompiledIf,
    Define,
    FileComment,
    FilePragma,
    Function,
    Global,
    Include,
    Parameter,
    Struct,
    TopLevel,
    TranslationUnit,
    Typedef,
    Verbatim,
)

_directives = (Include, Define, FilePragma)
_one_liners = (Include, Define, FilePragma, Typedef, Global)


def unit_text(unit: TranslationUnit) -> str:
    """Return the text of a whole file."""
    lines = list(comment_lines(unit.comment)) if unit.comment else []
    previous: TopLevel | None = None
    for item in unit.items:
        is_tight = type(item) is type(previous) and isinstance(item, _one_liners) and not getattr(item, "comment", "")
        is_headed = isinstance(previous, FileComment)
        if lines and not is_tight and not is_headed:
            lines.append("")
        lines.extend(_lines(item))
        previous = item
    return "\n".join(lines) + "\n"


def statement_text(*statements: Statement) -> str:
    """Return the text of statements, for pictures, tests and error messages."""
    return "\n".join(body_lines(statements, 0)) + "\n"


def declaration_item_text(item: TopLevel) -> str:
    """Return the text of one declaration."""
    return "\n".join(_lines(item)) + "\n"


@singledispatch
def _lines(item: TopLevel) -> Iterator[str]:
    """Yield the lines of one declaration."""
    raise TypeError(f"print: {item!r} has no C text; expected a record of mosaic.c.units; build it from those")


def _signature(function: Function) -> Iterator[str]:
    words = [word for word, is_set in (("static", function.is_static), ("inline", function.is_inline)) if is_set]
    attributes = attribute_text(function.attributes)
    head = " ".join([*words, *([attributes] if attributes else [])])
    parameters = [_parameter_text(each) for each in function.parameters] or ["void"]
    end = ";" if function.body is None else " {"
    declaration = declaration_text(function.result, function.name)
    whole = f"{head} {declaration}({', '.join(parameters)}){end}".lstrip()
    if len(whole) <= line_length:
        yield whole
        return
    yield f"{head} {declaration}(".lstrip()
    for index, parameter in enumerate(parameters):
        yield f"    {parameter}" + ("," if index < len(parameters) - 1 else f"){end}")


def _parameter_text(parameter: Parameter) -> str:
    declaration = declaration_text(parameter.ctype, parameter.name)
    return f"{declaration} {attribute_text(parameter.attributes)}".rstrip()


@_lines.register
def _(item: Function) -> Iterator[str]:
    if item.comment:
        yield from comment_lines(item.comment)
    yield from _signature(item)
    if item.body is not None:
        yield from body_lines(item.body, 1)
        yield "}"


@_lines.register
def _(item: Typedef) -> Iterator[str]:
    if item.comment:
        yield from comment_lines(item.comment)
    yield f"typedef {declaration_text(item.ctype, item.name)} {attribute_text(item.attributes)}".rstrip() + ";"


@_lines.register
def _(item: Include) -> Iterator[str]:
    yield f"#include <{item.header}>" if item.is_system else f'#include "{item.header}"'


@_lines.register
def _(item: Verbatim) -> Iterator[str]:
    yield from item.text.strip("\n").split("\n")


@_lines.register
def _(item: Define) -> Iterator[str]:
    if item.comment:
        yield from comment_lines(item.comment)
    parameters = "" if item.parameters is None else f"({', '.join(item.parameters)})"
    yield f"#define {item.name}{parameters} {item.text}".rstrip()


@_lines.register
def _(item: Global) -> Iterator[str]:
    if item.comment:
        yield from comment_lines(item.comment)
    head = "static " if item.is_static else ""
    declaration = f"{head}{declaration_text(item.ctype, item.name)} {attribute_text(item.attributes)}".rstrip()
    yield from initial_lines(declaration, item.value)


@_lines.register
def _(item: Struct) -> Iterator[str]:
    if item.comment:
        yield from comment_lines(item.comment)
    yield f"struct {item.name} {{"
    for field in item.fields:
        yield f"    {_parameter_text(field)};"
    yield "};"


@_lines.register
def _(item: CompiledIf) -> Iterator[str]:
    yield f"#if {item.condition}"
    for each in item.then:
        yield from _lines(each)
    if item.otherwise:
        yield "#else"
        for each in item.otherwise:
            yield from _lines(each)
    yield "#endif"


@_lines.register
def _(item: FileComment) -> Iterator[str]:
    yield from comment_lines(item.text)


@_lines.register
def _(item: FilePragma) -> Iterator[str]:
    yield f"#pragma {item.text}"
