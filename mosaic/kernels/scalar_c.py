"""The C of functions of numbers: operators, functions of the C library, and helpers where Python means something else.

Python's % and // follow the sign of the divisor, its integers have no division trap, and numpy's maximum keeps NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from composit.kernels.language import FLOAT, INT, Apply, Constant, Expression, Kind
from composit.kernels.scalar_functions import num_factors
from mosaic import c
from mosaic.c.helpers import Helper, inline_function


@dataclass(frozen=True, slots=True)
class FloatType:
    """The C type of a kernel's floats: its name, and how functions and literals of it end."""

    name: str
    suffix: str

    @property
    def ctype(self) -> c.NamedType:
        """The type."""
        return c.NamedType(self.name)


DOUBLE, FLOAT32 = FloatType("double", ""), FloatType("float", "f")

_OPERATORS = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
    "equal": "==",
    "not_equal": "!=",
    "bitwise_and": "&",
    "bitwise_or": "|",
    "bitwise_xor": "^",
}
# numpy's name, and the C library's where it is another one.
_LIBRARY = {
    **{name: name for name in "sqrt cbrt exp exp2 expm1 log log2 log10 log1p sin cos tan sinh cosh tanh erf".split()},
    **{name: name for name in "floor ceil trunc rint hypot fmod copysign".split()},
    **{f"arc{name}": f"a{name}" for name in "sin cos tan sinh cosh tanh".split()},
    "arctan2": "atan2",
    "power": "pow",
}
_TESTS = {"isnan": "isnan", "isinf": "isinf", "isfinite": "isfinite"}
_TO_INTEGER = {"int": "", "round_to_int": "rint", "floor_to_int": "floor", "ceil_to_int": "ceil"}

_Body = Callable[[FloatType], tuple[str, c.Body]]
_x, _y = c.Name("x"), c.Name("y")


def ctype_of(kind: Kind, floats: FloatType) -> c.NamedType:
    """Return the C type of a kind."""
    return floats.ctype if kind is FLOAT else c.int64 if kind is INT else c.int_


def constant(value: Constant, floats: FloatType) -> c.Expression:
    """Return a constant."""
    if value.kind is FLOAT:
        return c.literal(float(value.value), floats.name)
    return c.literal(int(value.value), "int64_t" if value.kind is INT else "int")


def apply(
    expression: Apply, operands: Sequence[c.Expression], floats: FloatType, helpers: dict[str, Helper]
) -> c.Expression:
    """Return the C of a function; the helpers that it needs are added."""
    name, kind = expression.function, expression.operands[0].kind
    if num_factors(expression):
        return _product(expression, operands[0], floats, helpers)
    if name in _OPERATORS:
        return c.Binary(_OPERATORS[name], *operands)
    if name == "negative":
        return c.Unary("-", operands[0])
    if name == "logical_not":
        return c.Unary("!", operands[0])
    if name == "float":
        return c.Cast(floats.ctype, operands[0])
    if name in _TESTS:
        return c.Call(_TESTS[name], tuple(operands))
    if name in _TO_INTEGER:
        rounding = _TO_INTEGER[name]
        rounded = c.Call(f"{rounding}{floats.suffix}", tuple(operands)) if rounding and kind is FLOAT else operands[0]
        return c.Cast(c.int64, rounded)
    if name == "absolute" and kind is FLOAT:
        return c.Call(f"fabs{floats.suffix}", tuple(operands))
    if name in _LIBRARY and kind is FLOAT:
        return c.Call(f"{_LIBRARY[name]}{floats.suffix}", tuple(operands))
    helper = _helper(name, kind, floats)
    helpers[helper.name] = helper
    return helper(*operands)


def _product(expression: Apply, base: c.Expression, floats: FloatType, helpers: dict[str, Helper]) -> c.Expression:
    """Return a small power as a product; a base that is more than a name is computed once."""
    count = num_factors(expression)
    if isinstance(base, c.Name):
        return _times(base, count)
    ctype = ctype_of(expression.kind, floats)
    name = f"power_{count}_{ctype.name}"
    body = (c.Return(_times(_x, count)),)
    helpers[name] = Helper(name, (inline_function(name, ctype, (c.Parameter(ctype, "x"),), body),))
    return helpers[name](base)


def _times(base: c.Expression, count: int) -> c.Expression:
    result = base
    for _ in range(count - 1):
        result = c.Binary("*", result, base)
    return result


def _helper(name: str, kind: Kind, floats: FloatType) -> Helper:
    """Return a function of one or two numbers of a kind, under a name with its type."""
    ctype = ctype_of(kind, floats)
    bodies = _OF_FLOATS if kind is FLOAT else _OF_INTEGERS
    parameters, body = bodies[name](floats)
    full = f"{name}_{ctype.name}"
    function = inline_function(full, ctype, tuple(c.Parameter(ctype, each) for each in parameters), body)
    return Helper(full, (c.Include("stdint.h"), c.Include("math.h"), function))


def _absolute(floats: FloatType) -> tuple[str, c.Body]:
    return "x", (c.Return(c.Conditional(_x < c.literal(0), c.Unary("-", _x), _x)),)


def _sign(floats: FloatType) -> tuple[str, c.Body]:
    """0 for both zeros, as numpy's; NaN is its own sign."""
    zero, one = c.literal(0.0, floats.name), c.literal(1.0, floats.name)
    of_others = c.Conditional(_x < zero, c.Unary("-", one), c.Conditional(c.equal(_x, zero), zero, _x))
    return "x", (c.Return(c.Conditional(_x > zero, one, of_others)),)


def _extremum(operator: str) -> _Body:
    """NaN where one of them is: x != x holds for NaN only."""

    def made(floats: FloatType) -> tuple[str, c.Body]:
        is_first = c.logical_or(c.Binary(operator, _x, _y), c.not_equal(_x, _x))
        return "xy", (c.Return(c.Conditional(is_first, _x, _y)),)

    return made


def _remainder_of_floats(floats: FloatType) -> tuple[str, c.Body]:
    """Python's: the sign of the divisor, which a zero takes too."""
    rest, zero = c.Name("rest"), c.literal(0.0, floats.name)
    differs = c.not_equal(rest < zero, _y < zero)
    adjust = c.If(differs, (c.AugmentedAssign(rest, "+", _y),))
    keep_sign = c.Assign(rest, c.Call(f"copysign{floats.suffix}", (zero, _y)))
    return "xy", (
        c.Declare(floats.ctype, "rest", c.Call(f"fmod{floats.suffix}", (_x, _y))),
        c.If(c.not_equal(rest, zero), (adjust,), (c.If(c.equal(rest, zero), (keep_sign,)),)),
        c.Return(rest),
    )


def _quotient_of_floats(floats: FloatType) -> tuple[str, c.Body]:
    """Python's: from the remainder, so that x == y * (x // y) + x % y; the quotient is rounded to the nearest whole number."""
    rest, zero, one = c.Name("rest"), c.literal(0.0, floats.name), c.literal(1.0, floats.name)
    quotient, whole = c.Name("quotient"), c.Name("whole")
    differs = c.logical_and(c.not_equal(rest, zero), c.not_equal(rest < zero, _y < zero))
    is_low = c.Binary("-", quotient, whole) > c.literal(0.5, floats.name)
    sign_of_zero = c.Call(f"copysign{floats.suffix}", (zero, c.Binary("/", _x, _y)))
    return "xy", (
        c.If(c.equal(_y, zero), (c.Return(c.Binary("/", _x, _y)),)),
        c.Declare(floats.ctype, "rest", c.Call(f"fmod{floats.suffix}", (_x, _y))),
        c.Declare(floats.ctype, "quotient", c.Binary("/", c.Binary("-", _x, rest), _y)),
        c.If(differs, (c.AugmentedAssign(quotient, "-", one),)),
        c.If(c.equal(quotient, zero), (c.Return(sign_of_zero),)),
        c.Declare(floats.ctype, "whole", c.Call(f"floor{floats.suffix}", (quotient,))),
        c.Return(c.Conditional(is_low, c.Binary("+", whole, one), whole)),
    )


def _divisor_is_special() -> tuple[c.Statement, ...]:
    """numpy's integers: x // 0 and x % 0 are 0, and the quotient of the smallest number by -1 stays itself."""
    return (c.If(c.equal(_y, c.literal(0)), (c.Return(c.literal(0)),)),)


def _quotient_of_integers(floats: FloatType) -> tuple[str, c.Body]:
    unsigned = c.NamedType("uint64_t")
    negated = c.Cast(c.int64, c.Binary("-", c.Cast(unsigned, c.literal(0)), c.Cast(unsigned, _x)))
    rest = c.Binary("%", _x, _y)
    is_above = c.logical_and(c.not_equal(rest, c.literal(0)), c.not_equal(rest < c.literal(0), _y < c.literal(0)))
    return "xy", (
        *_divisor_is_special(),
        c.If(c.equal(_y, c.literal(-1)), (c.Return(negated),)),
        c.Return(c.Binary("-", c.Binary("/", _x, _y), is_above)),
    )


def _remainder_of_integers(floats: FloatType) -> tuple[str, c.Body]:
    rest = c.Name("rest")
    differs = c.logical_and(c.not_equal(rest, c.literal(0)), c.not_equal(rest < c.literal(0), _y < c.literal(0)))
    return "xy", (
        c.If(c.logical_or(c.equal(_y, c.literal(0)), c.equal(_y, c.literal(-1))), (c.Return(c.literal(0)),)),
        c.Declare(c.int64, "rest", c.Binary("%", _x, _y)),
        c.Return(c.Conditional(differs, c.Binary("+", rest, _y), rest)),
    )


def _power_of_integers(floats: FloatType) -> tuple[str, c.Body]:
    """By squaring, modulo 2 ** 64 as numpy has it; the exponent is not negative."""
    unsigned = c.NamedType("uint64_t")
    result, square = c.Name("result"), c.Name("square")
    turn = (
        c.If(c.Binary("&", _y, c.literal(1)), (c.AugmentedAssign(result, "*", square),)),
        c.AugmentedAssign(square, "*", square),
        c.AugmentedAssign(_y, ">>", c.literal(1)),
    )
    return "xy", (
        c.Declare(unsigned, "result", c.literal(1)),
        c.Declare(unsigned, "square", c.Cast(unsigned, _x)),
        c.While(_y > c.literal(0), turn),
        c.Return(c.Cast(c.int64, result)),
    )


_OF_FLOATS: dict[str, _Body] = {
    "sign": _sign,
    "minimum": _extremum("<"),
    "maximum": _extremum(">"),
    "remainder": _remainder_of_floats,
    "floor_divide": _quotient_of_floats,
}
_OF_INTEGERS: dict[str, _Body] = {
    "absolute": _absolute,
    "remainder": _remainder_of_integers,
    "floor_divide": _quotient_of_integers,
    "power": _power_of_integers,
}


LIBRARY_NAMES = frozenset(f"{name}{suffix}" for name in (*_LIBRARY.values(), *_TESTS, "fabs") for suffix in ("", "f"))
"""Names of the C library, which no variable may hide."""


def is_cheap(expression: Expression) -> bool:
    """Whether a function takes a few cycles: an operator, not a call of the C library."""
    if not isinstance(expression, Apply):
        return True
    return expression.function not in _LIBRARY or expression.function in (
        "sqrt",
        "floor",
        "ceil",
        "trunc",
        "rint",
        "copysign",
    )
