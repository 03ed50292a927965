"""The language of kernels as data: kinds of values, expressions, statements, functions. Frozen records, no behaviour.

A kernel is read into this form (`reading`, `building`), checked on the way, and from here on everything is made: values
on arrays (`lanes`), Python text (`printing`), derivatives (`forward`, `reverse`), and C (in mosaic). A derivative is
a function of the same language, so it can be printed, compiled and differentiated again.

- Expressions are pure and scalar. `Select` computes only the operand that its condition chooses.
- Statements assign to variables. A call of a function is a statement, so expressions have no effects to order.
- `Push` and `Pop` keep values for the way back through a loop; only derivatives contain them.

Every variable has one kind in the whole function. Tuples do not occur: `building` makes one variable for each item.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


class Kind(Enum):
    """What a variable holds. The width of a float is chosen when the function runs or is compiled."""

    BOOL = "bool"
    INT = "int"
    FLOAT = "float"


BOOL, INT, FLOAT = Kind.BOOL, Kind.INT, Kind.FLOAT


@dataclass(frozen=True, slots=True)
class Constant:
    """A number, compared with its type and sign: 0.0 is neither 0 nor -0.0."""

    value: bool | int | float
    kind: Kind

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and self.kind is other.kind and repr(self.value) == repr(other.value)

    def __hash__(self) -> int:
        return hash((self.kind, repr(self.value)))


@dataclass(frozen=True, slots=True)
class Variable:
    """The present value of a variable."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Apply:
    """A function of the table in `scalar_functions`, by its name."""

    function: str
    operands: tuple[Expression, ...]
    kind: Kind


@dataclass(frozen=True, slots=True)
class Select:
    """``then if condition else otherwise``; the other one is not computed."""

    condition: Expression
    then: Expression
    otherwise: Expression
    kind: Kind


Expression: TypeAlias = Constant | Variable | Apply | Select


@dataclass(frozen=True, slots=True)
class Assign:
    """``target = value``."""

    target: Variable
    value: Expression
    line: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """``targets = function(arguments)``, for a function of the same unit."""

    targets: tuple[Variable, ...]
    function: str
    arguments: tuple[Expression, ...]
    line: int = 0


@dataclass(frozen=True, slots=True)
class If:
    """``if condition: then else: otherwise``."""

    condition: Expression
    then: Body
    otherwise: Body = ()
    line: int = 0


@dataclass(frozen=True, slots=True)
class While:
    """``while condition: body``; the condition is computed before each turn."""

    condition: Expression
    body: Body
    line: int = 0


@dataclass(frozen=True, slots=True)
class For:
    """``for variable in range(start, stop, step): body``, or the same turns in reversed order.

    The variable is known in the body only, and the body does not assign to it. The step is a number that is not 0.
    """

    variable: Variable
    start: Expression
    stop: Expression
    step: int
    body: Body
    is_reversed: bool = False
    line: int = 0


@dataclass(frozen=True, slots=True)
class Break:
    """Leave the innermost loop."""

    line: int = 0


@dataclass(frozen=True, slots=True)
class Continue:
    """Go on with the next turn of the innermost loop."""

    line: int = 0


@dataclass(frozen=True, slots=True)
class Return:
    """Return the values, one for each result of the function."""

    values: tuple[Expression, ...]
    line: int = 0


@dataclass(frozen=True, slots=True)
class Assert:
    """``assert condition, message``."""

    condition: Expression
    message: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Push:
    """Put a value on a stack of the function; stacks are empty at first."""

    stack: str
    value: Expression
    line: int = 0


@dataclass(frozen=True, slots=True)
class Pop:
    """Take the value off the top of a stack."""

    target: Variable
    stack: str
    line: int = 0


Statement: TypeAlias = Assign | Call | If | While | For | Break | Continue | Return | Assert | Push | Pop
Body: TypeAlias = tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Function:
    """A function: every way through its body ends with a `Return`, or never ends.

    results: the kinds of what it returns
    names:   a word for each result, by which derivatives name their variables
    place:   the file that it was read from, "" for a derivative
    """

    name: str
    parameters: tuple[Variable, ...]
    results: tuple[Kind, ...]
    names: tuple[str, ...]
    body: Body
    place: str = ""


@dataclass(frozen=True, slots=True)
class Unit:
    """Functions that call each other; the first one is the kernel."""

    functions: tuple[Function, ...]

    @property
    def entry(self) -> Function:
        """The kernel's own function."""
        return self.functions[0]

    def function(self, name: str) -> Function:
        """Return a function by its name."""
        return next(each for each in self.functions if each.name == name)
