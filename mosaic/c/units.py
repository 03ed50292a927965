"""The top level of a C file as data: functions, typedefs, includes, structs. Imports the statements and what they import."""

from __future__ import annotations

from dataclasses import dataclass

from mosaic.c.c_types import CType
from mosaic.c.expressions import Expression
from mosaic.c.identifiers import check_identifier
from mosaic.c.statements import Body, InitializerList


class TopLevel:
    """Base of all declarations at file level."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a function, or one field of a struct."""

    ctype: CType
    name: str
    attributes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_identifier(self.name)


@dataclass(frozen=True, slots=True)
class Function(TopLevel):
    """A function; without a body (None), its prototype."""

    name: str
    result: CType
    parameters: tuple[Parameter, ...]
    body: Body | None
    is_static: bool = False
    is_inline: bool = False
    attributes: tuple[str, ...] = ()
    comment: str = ""

    def __post_init__(self) -> None:
        check_identifier(self.name)


@dataclass(frozen=True, slots=True)
class Typedef(TopLevel):
    """``typedef ctype name __attribute__((attributes));``"""

    name: str
    ctype: CType
    attributes: tuple[str, ...] = ()
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Include(TopLevel):
    """``#include <header>``, or with quotes."""

    header: str
    is_system: bool = True


@dataclass(frozen=True, slots=True)
class Verbatim(TopLevel):
    """C that a user wrote, as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Define(TopLevel):
    """``#define name text``; of what mosaic writes the only place where C is text, for what has no other form."""

    name: str
    text: str = ""
    parameters: tuple[str, ...] | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Global(TopLevel):
    """A variable at file level: a table of constants when const with values."""

    ctype: CType
    name: str
    value: Expression | InitializerList | None = None
    is_static: bool = True
    attributes: tuple[str, ...] = ()
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Struct(TopLevel):
    """``struct name { fields };``"""

    name: str
    fields: tuple[Parameter, ...]
    comment: str = ""


@dataclass(frozen=True, slots=True)
class CompiledIf(TopLevel):
    """``#if condition`` ... ``#else`` ... ``#endif`` around declarations."""

    condition: str
    then: tuple[TopLevel, ...]
    otherwise: tuple[TopLevel, ...] = ()


@dataclass(frozen=True, slots=True)
class FileComment(TopLevel):
    """A comment between declarations: a heading."""

    text: str


@dataclass(frozen=True, slots=True)
class FilePragma(TopLevel):
    """``#pragma text`` between declarations."""

    text: str


@dataclass(frozen=True, slots=True)
class TranslationUnit:
    """One C file."""

    items: tuple[TopLevel, ...]
    comment: str = ""
