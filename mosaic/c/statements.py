"""C statements as data. Imports `mosaic.c.expressions` and `mosaic.c.c_types`."""

from __future__ import annotations

from dataclasses import dataclass

from mosaic.c.c_types import CType, int64
from mosaic.c.expressions import Expression, IntegerLiteral, Name, Operand, as_expression
from mosaic.c.identifiers import check_identifier


class Statement:
    """Base of all statements."""

    __slots__ = ()


Body = tuple[Statement, ...]
one = IntegerLiteral(1)


@dataclass(frozen=True, slots=True)
class Declare(Statement):
    """``ctype name = value;`` The value may be an `InitializerList` where the type is an array."""

    ctype: CType
    name: str
    value: Expression | InitializerList | None = None
    attributes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_identifier(self.name)


@dataclass(frozen=True, slots=True)
class InitializerList:
    """``{values}``, possibly nested."""

    values: tuple[Expression | InitializerList, ...]


@dataclass(frozen=True, slots=True)
class Assign(Statement):
    """``target = value;``"""

    target: Expression
    value: Expression


@dataclass(frozen=True, slots=True)
class AugmentedAssign(Statement):
    """``target operator= value;`` with `operator` such as ``"+"``."""

    target: Expression
    operator: str
    value: Expression


@dataclass(frozen=True, slots=True)
class For(Statement):
    """``for (ctype variable = start; variable < stop; variable += step) { body }`` for a positive step."""

    variable: str
    start: Expression
    stop: Expression
    body: Body
    step: Expression = one
    ctype: CType = int64
    pragmas: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_identifier(self.variable)


@dataclass(frozen=True, slots=True)
class CountedLoop(Statement):
    """``for (ctype variable = start; condition; variable += step) { body }`` for a step of either sign."""

    variable: str
    start: Expression
    condition: Expression
    step: Expression
    body: Body
    ctype: CType = int64

    def __post_init__(self) -> None:
        check_identifier(self.variable)


@dataclass(frozen=True, slots=True)
class While(Statement):
    """``while (condition) { body }``"""

    condition: Expression
    body: Body


@dataclass(frozen=True, slots=True)
class If(Statement):
    """``if (condition) { then } else { otherwise }``"""

    condition: Expression
    then: Body
    otherwise: Body = ()


@dataclass(frozen=True, slots=True)
class Block(Statement):
    """Statements in a scope of their own."""

    body: Body
    comment: str = ""


@dataclass(frozen=True, slots=True)
class ExpressionStatement(Statement):
    """An expression for its effect, usually a call."""

    expression: Expression


@dataclass(frozen=True, slots=True)
class Return(Statement):
    """``return value;``"""

    value: Expression | None = None


@dataclass(frozen=True, slots=True)
class Break(Statement):
    """``break;``"""


@dataclass(frozen=True, slots=True)
class Continue(Statement):
    """``continue;``"""


@dataclass(frozen=True, slots=True)
class Comment(Statement):
    """A comment on lines of its own."""

    text: str


@dataclass(frozen=True, slots=True)
class BlankLine(Statement):
    """An empty line, to part paragraphs."""


@dataclass(frozen=True, slots=True)
class Pragma(Statement):
    """``#pragma text``"""

    text: str


@dataclass(frozen=True, slots=True)
class Assembly(Statement):
    """``__asm__ volatile("lines" : updated : inputs : clobbers);`` for instructions that C has no word for.

    inputs:   values by constraint, in the order of their numbers, which come after those of `updated`
    updated:  variables in vector registers that the lines read and write
    """

    lines: tuple[str, ...]
    inputs: tuple[Expression, ...] = ()
    constraints: tuple[str, ...] = ()
    updated: tuple[Expression, ...] = ()
    clobbers: tuple[str, ...] = ()


def call(function: str, *arguments: Operand) -> ExpressionStatement:
    """Return the statement ``function(arguments);``."""
    return ExpressionStatement(Name(function)(*arguments))


def loop(variable: str, stop: Operand, *body: Statement, start: Operand = 0, step: Operand = 1) -> For:
    """Return ``for (int64_t variable = start; variable < stop; variable += step) { body }``."""
    return For(variable, as_expression(start), as_expression(stop), body, as_expression(step))
