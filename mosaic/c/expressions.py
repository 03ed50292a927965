"""C expressions as data.

Frozen records compared by structure, with Python operators that build them: ``i * 64 + j``. Integer literals stand for
index arithmetic and are folded while building; floating-point expressions are never rewritten.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mosaic.c.c_types import CType
from mosaic.c.identifiers import check_identifier

type_suffixes = {
    "int": "",
    "int32_t": "",
    "int64_t": "LL",
    "uint32_t": "U",
    "uint64_t": "ULL",
    "float": "f",
    "double": "",
}
"""How a literal of each type ends."""


class Expression:
    """Base of all expressions. Operators build; ``==`` compares structure (C's is `mosaic.c.operators.equal`)."""

    __slots__ = ()
    __iter__ = None

    def __add__(self, other: Operand) -> Expression:
        return _add(self, as_expression(other))

    def __radd__(self, other: Operand) -> Expression:
        return _add(as_expression(other), self)

    def __sub__(self, other: Operand) -> Expression:
        return _subtract(self, as_expression(other))

    def __rsub__(self, other: Operand) -> Expression:
        return _subtract(as_expression(other), self)

    def __mul__(self, other: Operand) -> Expression:
        return _multiply(self, as_expression(other))

    def __rmul__(self, other: Operand) -> Expression:
        return _multiply(as_expression(other), self)

    def __truediv__(self, other: Operand) -> Expression:
        return _divide(self, as_expression(other))

    def __rtruediv__(self, other: Operand) -> Expression:
        return _divide(as_expression(other), self)

    def __mod__(self, other: Operand) -> Expression:
        return _remainder(self, as_expression(other))

    def __rmod__(self, other: Operand) -> Expression:
        return _remainder(as_expression(other), self)

    def __lshift__(self, other: Operand) -> Expression:
        return Binary("<<", self, as_expression(other))

    def __rshift__(self, other: Operand) -> Expression:
        return Binary(">>", self, as_expression(other))

    def __and__(self, other: Operand) -> Expression:
        return Binary("&", self, as_expression(other))

    def __or__(self, other: Operand) -> Expression:
        return Binary("|", self, as_expression(other))

    def __xor__(self, other: Operand) -> Expression:
        return Binary("^", self, as_expression(other))

    def __lt__(self, other: Operand) -> Expression:
        return Binary("<", self, as_expression(other))

    def __le__(self, other: Operand) -> Expression:
        return Binary("<=", self, as_expression(other))

    def __gt__(self, other: Operand) -> Expression:
        return Binary(">", self, as_expression(other))

    def __ge__(self, other: Operand) -> Expression:
        return Binary(">=", self, as_expression(other))

    def __neg__(self) -> Expression:
        return IntegerLiteral(-self.value, self.ctype) if isinstance(self, IntegerLiteral) else Unary("-", self)

    def __invert__(self) -> Expression:
        return Unary("~", self)

    def __getitem__(self, index: Operand | tuple[Operand, ...]) -> Expression:
        result: Expression = self
        for each in index if isinstance(index, tuple) else (index,):
            result = Index(result, as_expression(each))
        return result

    def __bool__(self) -> bool:
        raise TypeError(
            f"bool: the C expression {self!r} has no truth value in Python; expected None or a bool here; "
            "test `is None`, or build the comparison into the emitted code with If or Conditional"
        )


@dataclass(frozen=True, slots=True)
class Name(Expression):
    """A variable, function, macro or enumerator, by name; calling it builds a `Call`."""

    text: str

    def __post_init__(self) -> None:
        check_identifier(self.text)

    def __call__(self, *arguments: Operand) -> Call:
        return Call(self.text, tuple(as_expression(argument) for argument in arguments))


@dataclass(frozen=True, slots=True)
class IntegerLiteral(Expression):
    """An integer constant of an integer type in `type_suffixes`."""

    value: int
    ctype: str = "int"


@dataclass(frozen=True, slots=True)
class FloatLiteral(Expression):
    """A floating constant, kept as its C text so that -0.0, NaN and infinities compare by what they are."""

    text: str
    ctype: str = "double"


@dataclass(frozen=True, slots=True)
class StringLiteral(Expression):
    """A string constant, given unquoted."""

    text: str


@dataclass(frozen=True, slots=True)
class Unary(Expression):
    """A prefix operator: ``-x``, ``!x``, ``~x``, ``*p``, ``&x``."""

    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary(Expression):
    """A binary operator, exactly as given: not folded."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Call(Expression):
    """A call of a function, builtin or macro by name."""

    function: str
    arguments: tuple[Expression, ...] = ()

    def __post_init__(self) -> None:
        check_identifier(self.function)


@dataclass(frozen=True, slots=True)
class CallPointer(Expression):
    """A call of a function held in a variable or member."""

    function: Expression
    arguments: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True)
class Index(Expression):
    """``base[index]``"""

    base: Expression
    index: Expression


@dataclass(frozen=True, slots=True)
class Member(Expression):
    """``base.name``, or ``base->name`` through a pointer."""

    base: Expression
    name: str
    is_through_pointer: bool = False


@dataclass(frozen=True, slots=True)
class Cast(Expression):
    """``(ctype)operand``"""

    ctype: CType
    operand: Expression


@dataclass(frozen=True, slots=True)
class Conditional(Expression):
    """``condition ? then : otherwise``; on vectors it selects lane by lane (gcc and clang)."""

    condition: Expression
    then: Expression
    otherwise: Expression


@dataclass(frozen=True, slots=True)
class SizeOf(Expression):
    """``sizeof(ctype)``"""

    ctype: CType


@dataclass(frozen=True, slots=True)
class CompoundLiteral(Expression):
    """``(ctype){values}``: a vector constant, or a struct value."""

    ctype: CType
    values: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class TypeArgument(Expression):
    """A type passed to a builtin, as in ``__builtin_convertvector(x, f32x16)``."""

    ctype: CType


Operand = Expression | int | float


def as_expression(value: Operand) -> Expression:
    """Return `value` as an expression: Python bools and ints become ``int``, floats become ``double`` literals."""
    return value if isinstance(value, Expression) else literal(value)


def literal(value: float, ctype: str | None = None) -> Expression:
    """Return the constant `value` of type `ctype`, printed so that a C compiler reads back the same bits.

    Raises:      ValueError: no literal of that type exists
    Example:
        >>> literal(0.1, "float")
        FloatLiteral(text='0.1f', ctype='float')
    """
    is_float = isinstance(value, float | np.floating)
    ctype = ctype or ("double" if is_float else "int")
    if ctype not in type_suffixes:
        raise ValueError(
            f"literal: no constant of type {ctype!r}; expected one of {', '.join(type_suffixes)}; use a Cast"
        )
    if ctype in ("float", "double"):
        return FloatLiteral(_float_text(float(value), ctype), ctype)
    if is_float:
        raise ValueError(f"literal: {value!r} is no {ctype}; expected an integer; pass 'float' or 'double' as the type")
    return IntegerLiteral(int(value), ctype)


def _float_text(value: float, ctype: str) -> str:
    suffix = type_suffixes[ctype]
    if math.isnan(value):
        return f'__builtin_nan{suffix}("")'
    if ctype == "float":
        with np.errstate(over="ignore"):
            rounded = np.float32(value)
        text = str(rounded)
    else:
        text = repr(value)
    if text.endswith("inf"):
        return f"{text[:-3]}__builtin_inf{suffix}()"
    return text + suffix


def _value(expression: Expression) -> int | None:
    return expression.value if isinstance(expression, IntegerLiteral) else None


def _fold(left: Expression, right: Expression, compute: Callable[[int, int], int]) -> Expression | None:
    """Return the literal when both sides are literals."""
    if not (isinstance(left, IntegerLiteral) and isinstance(right, IntegerLiteral)):
        return None
    ctype = left.ctype if left.ctype != "int" else right.ctype
    return IntegerLiteral(compute(left.value, right.value), ctype)


def _split_constant(expression: Expression) -> tuple[Expression, int]:
    """Split ``x + 3`` into x and 3, ``x - 3`` into x and -3, anything else into itself and 0."""
    if isinstance(expression, Binary) and expression.operator in ("+", "-"):
        constant = _value(expression.right)
        if constant is not None:
            return expression.left, constant if expression.operator == "+" else -constant
    return expression, 0


def _plus_constant(expression: Expression, constant: int) -> Expression:
    base, present = _split_constant(expression)
    total = present + constant  # (x + 3) + 4 -> x + 7
    if total == 0:  # x + 0 -> x
        return base
    return Binary("+" if total > 0 else "-", base, IntegerLiteral(abs(total)))


def _add(left: Expression, right: Expression) -> Expression:
    folded = _fold(left, right, lambda a, b: a + b)
    if folded is not None:
        return folded
    if isinstance(left, IntegerLiteral):
        return _plus_constant(right, left.value)  # 3 + x -> x + 3
    if isinstance(right, IntegerLiteral):
        return _plus_constant(left, right.value)
    return Binary("+", left, right)


def _subtract(left: Expression, right: Expression) -> Expression:
    folded = _fold(left, right, lambda a, b: a - b)
    if folded is not None:
        return folded
    if isinstance(right, IntegerLiteral):
        return _plus_constant(left, -right.value)
    if _value(left) == 0:  # 0 - x -> -x
        return Unary("-", right)
    return Binary("-", left, right)


def _multiply(left: Expression, right: Expression) -> Expression:
    folded = _fold(left, right, lambda a, b: a * b)
    if folded is not None:
        return folded
    if isinstance(left, IntegerLiteral):
        left, right = right, left  # 3 * x -> x * 3
    factor = _value(right)
    if factor == 0:  # x * 0 -> 0
        return right
    if factor == 1:  # x * 1 -> x
        return left
    if factor is not None and isinstance(left, Binary) and left.operator == "*" and _value(left.right) is not None:
        return _multiply(left.left, _multiply(left.right, right))  # (x * 3) * 4 -> x * 12
    return Binary("*", left, right)


def _divide(left: Expression, right: Expression) -> Expression:
    dividend, divisor = _value(left), _value(right)
    if divisor == 1:  # x / 1 -> x
        return left
    if dividend is not None and divisor is not None and dividend >= 0 and divisor > 0:
        return IntegerLiteral(dividend // divisor, left.ctype if isinstance(left, IntegerLiteral) else "int")
    return Binary("/", left, right)


def _remainder(left: Expression, right: Expression) -> Expression:
    dividend, divisor = _value(left), _value(right)
    if divisor == 1:  # x % 1 -> 0
        return IntegerLiteral(0)
    if dividend is not None and divisor is not None and dividend >= 0 and divisor > 0:
        return IntegerLiteral(dividend % divisor)
    return Binary("%", left, right)
