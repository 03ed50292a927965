"""The table of elementwise functions: one row per numpy ufunc. Each row is the public function itself.

A row has numpy's name, numpy's callable, and per operand the rule of its derivative or the reason why there is none.
A new function is a new row here and a row in the C table, `mosaic/codegen/elementwise.py`. Rules longer than a line are
in `derivatives.py`, which explains xp and g. y and z are the result; x, a and b the operands.
"""

from __future__ import annotations

import numpy as np

from composit.errors import ParameterError
from composit.handle import described
from composit.numpy.elementwise import derivatives as d
from composit.numpy.elementwise.complex_values import imag_of_arrays, real_of_arrays, resolve_part
from composit.numpy.elementwise.erf import erf_of_arrays, resolve_erf
from composit.numpy.elementwise.functions import ElementwiseFunction, elementwise


def refuse_negative_power(base: object, exponent: object) -> None:
    """Raise numpy's error for an integer raised to a negative Python int."""
    if type(exponent) is int and exponent < 0:
        raise ParameterError(
            f"Integers to negative integer powers are not allowed. power: {described(base):.60} ** {exponent} was asked; make the "
            "base floating, as in x.astype(float), or the exponent, as in x ** -1.0"
        )


TRUTH = "none: the result is a truth value"
INTEGER = "none: defined for integers only"
STEP = "none: a step between neighbouring floating point numbers"


# Arithmetic

add = elementwise("add", np.add, d.pass_on, d.pass_on, commutes=True)
subtract = elementwise("subtract", np.subtract, d.pass_on, d.negate)
multiply = elementwise(
    "multiply",
    np.multiply,
    lambda xp, g, z, a, b: d.times(g, b, z),
    lambda xp, g, z, a, b: d.times(g, a, z),
    commutes=True,
)
divide = elementwise("divide", np.divide, lambda xp, g, z, a, b: g / b, lambda xp, g, z, a, b: -g * z / b)
true_divide = divide
floor_divide = elementwise("floor_divide", np.floor_divide, d.zero, d.zero)
remainder = elementwise("remainder", np.remainder, d.pass_on, lambda xp, g, z, a, b: -g * xp.floor_divide(a, b))
mod = remainder
fmod = elementwise("fmod", np.fmod, d.pass_on, lambda xp, g, z, a, b: -g * xp.trunc(a / b))
divmod = elementwise(
    "divmod",
    np.divmod,
    d.divmod_of_a,
    d.divmod_of_b,
)
power = elementwise("power", np.power, d.power_of_a, d.power_of_b, check=refuse_negative_power)
pow = power
float_power = elementwise("float_power", np.float_power, d.power_of_a, d.power_of_b)
negative = elementwise("negative", np.negative, d.negate)
positive = elementwise("positive", np.positive, d.pass_on)
absolute = elementwise("absolute", np.absolute, d.absolute)
abs = absolute
fabs = elementwise("fabs", np.fabs, d.absolute)
reciprocal = elementwise("reciprocal", np.reciprocal, lambda xp, g, y, x: -g * y * y)
square = elementwise("square", np.square, lambda xp, g, y, x: g * (2 * x))
sqrt = elementwise("sqrt", np.sqrt, lambda xp, g, y, x: g * 0.5 / y)
cbrt = elementwise("cbrt", np.cbrt, lambda xp, g, y, x: g / (3 * y * y))
sign = elementwise("sign", np.sign, d.sign)
gcd = elementwise("gcd", np.gcd, INTEGER, INTEGER, commutes=True)
lcm = elementwise("lcm", np.lcm, INTEGER, INTEGER, commutes=True)

# Exponentials and logarithms

exp = elementwise("exp", np.exp, lambda xp, g, y, x: d.times(g, y, y))
exp2 = elementwise("exp2", np.exp2, lambda xp, g, y, x: g * y * d.LN_2)
expm1 = elementwise("expm1", np.expm1, d.expm1)
log = elementwise("log", np.log, lambda xp, g, y, x: g / x)
log2 = elementwise("log2", np.log2, lambda xp, g, y, x: g / (x * d.LN_2))
log10 = elementwise("log10", np.log10, lambda xp, g, y, x: g / (x * d.LN_10))
log1p = elementwise("log1p", np.log1p, lambda xp, g, y, x: g / (1 + x))
logaddexp = elementwise(
    "logaddexp", np.logaddexp, d.logaddexp_of_a, lambda xp, g, z, a, b: d.logaddexp_of_a(xp, g, z, b, a), commutes=True
)
logaddexp2 = elementwise(
    "logaddexp2",
    np.logaddexp2,
    d.logaddexp2_of_a,
    lambda xp, g, z, a, b: d.logaddexp2_of_a(xp, g, z, b, a),
    commutes=True,
)

# Trigonometry

sin = elementwise("sin", np.sin, lambda xp, g, y, x: g * xp.cos(x))
cos = elementwise("cos", np.cos, lambda xp, g, y, x: -g * xp.sin(x))
tan = elementwise("tan", np.tan, lambda xp, g, y, x: g * (1 + y * y))
arcsin = elementwise("arcsin", np.arcsin, lambda xp, g, y, x: g / d.root(xp, (1 - x) * (1 + x), y, xp.cos))
asin = arcsin
arccos = elementwise("arccos", np.arccos, lambda xp, g, y, x: -g / d.root(xp, (1 - x) * (1 + x), y, xp.sin))
acos = arccos
arctan = elementwise("arctan", np.arctan, lambda xp, g, y, x: g / (1 + x * x))
atan = arctan
arctan2 = elementwise(
    "arctan2",
    np.arctan2,
    d.arctan2_of_a,
    d.arctan2_of_b,
)
atan2 = arctan2
hypot = elementwise(
    "hypot", np.hypot, d.hypot_of_a, lambda xp, g, z, a, b: g * (b / xp.where(z == 0, 1, z)), commutes=True
)
sinh = elementwise("sinh", np.sinh, lambda xp, g, y, x: g * xp.cosh(x))
cosh = elementwise("cosh", np.cosh, lambda xp, g, y, x: g * xp.sinh(x))
tanh = elementwise("tanh", np.tanh, lambda xp, g, y, x: g * (1 - y * y))
arcsinh = elementwise("arcsinh", np.arcsinh, lambda xp, g, y, x: g / d.root(xp, 1 + x * x, y, xp.cosh))
asinh = arcsinh
arccosh = elementwise("arccosh", np.arccosh, d.arccosh)
acosh = arccosh
arctanh = elementwise("arctanh", np.arctanh, lambda xp, g, y, x: g / ((1 - x) * (1 + x)))
atanh = arctanh
degrees = elementwise("degrees", np.degrees, d.to_degrees)
rad2deg = elementwise("rad2deg", np.rad2deg, d.to_degrees)
radians = elementwise("radians", np.radians, d.to_radians)
deg2rad = elementwise("deg2rad", np.deg2rad, d.to_radians)

# Rounding

floor = elementwise("floor", np.floor, d.zero)
ceil = elementwise("ceil", np.ceil, d.zero)
trunc = elementwise("trunc", np.trunc, d.zero)
rint = elementwise("rint", np.rint, d.zero)

# Extrema

maximum = elementwise("maximum", np.maximum, d.extremum_of_a, d.extremum_of_b, commutes=True)
minimum = elementwise("minimum", np.minimum, d.extremum_of_a, d.extremum_of_b, commutes=True)
fmax = elementwise("fmax", np.fmax, d.extremum_of_a, d.extremum_of_b, commutes=True)
fmin = elementwise("fmin", np.fmin, d.extremum_of_a, d.extremum_of_b, commutes=True)
# numpy's own clip, since with zeros it may return another sign than maximum and minimum.
clip_between = elementwise(
    "clip",
    np._core.umath.clip,  # type: ignore[attr-defined]  # numpy's stubs leave it out
    d.clip_of_x,
    d.clip_of_low,
    d.clip_of_high,
)

# Comparisons and logic

equal = elementwise("equal", np.equal, TRUTH, TRUTH, commutes=True)
not_equal = elementwise("not_equal", np.not_equal, TRUTH, TRUTH, commutes=True)
less = elementwise("less", np.less, TRUTH, TRUTH)
less_equal = elementwise("less_equal", np.less_equal, TRUTH, TRUTH)
greater = elementwise("greater", np.greater, TRUTH, TRUTH)
greater_equal = elementwise("greater_equal", np.greater_equal, TRUTH, TRUTH)
logical_and = elementwise("logical_and", np.logical_and, TRUTH, TRUTH, commutes=True)
logical_or = elementwise("logical_or", np.logical_or, TRUTH, TRUTH, commutes=True)
logical_xor = elementwise("logical_xor", np.logical_xor, TRUTH, TRUTH, commutes=True)
logical_not = elementwise("logical_not", np.logical_not, TRUTH)
isfinite = elementwise("isfinite", np.isfinite, TRUTH)
isinf = elementwise("isinf", np.isinf, TRUTH)
isnan = elementwise("isnan", np.isnan, TRUTH)
isnat = elementwise("isnat", np.isnat, TRUTH)
signbit = elementwise("signbit", np.signbit, TRUTH)

# Bits

bitwise_and = elementwise("bitwise_and", np.bitwise_and, INTEGER, INTEGER, commutes=True)
bitwise_or = elementwise("bitwise_or", np.bitwise_or, INTEGER, INTEGER, commutes=True)
bitwise_xor = elementwise("bitwise_xor", np.bitwise_xor, INTEGER, INTEGER, commutes=True)
invert = elementwise("invert", np.invert, INTEGER)
bitwise_not = invert
bitwise_invert = invert
left_shift = elementwise("left_shift", np.left_shift, INTEGER, INTEGER)
bitwise_left_shift = left_shift
right_shift = elementwise("right_shift", np.right_shift, INTEGER, INTEGER)
bitwise_right_shift = right_shift
bitwise_count = elementwise("bitwise_count", np.bitwise_count, INTEGER)

# Floating point

copysign = elementwise(
    "copysign", np.copysign, lambda xp, g, z, a, b: g * xp.copysign(1, a) * xp.copysign(1, b), d.zero
)
# The step to the neighbour is so small that the function is x itself.
nextafter = elementwise("nextafter", np.nextafter, d.pass_on, d.zero)
spacing = elementwise("spacing", np.spacing, STEP)
heaviside = elementwise("heaviside", np.heaviside, d.zero, lambda xp, g, z, a, b: xp.where(a == 0, g, 0))
frexp = elementwise("frexp", np.frexp, d.frexp)
modf = elementwise("modf", np.modf, d.modf)
ldexp = elementwise("ldexp", np.ldexp, lambda xp, g, z, a, b: xp.ldexp(g, b), INTEGER)
conjugate = elementwise("conjugate", np.conjugate, lambda xp, g, y, x: xp.conjugate(g))
conj = conjugate

# Beyond numpy's ufuncs

erf = elementwise(
    "erf", erf_of_arrays, lambda xp, g, y, x: g * (d.TWO_OVER_SQRT_PI * xp.exp(-x * x)), resolve=resolve_erf
)
real_part = elementwise("real", real_of_arrays, d.pass_on, resolve=resolve_part)
imaginary_part = elementwise("imag", imag_of_arrays, d.imag, resolve=resolve_part)

_rows = [row for row in globals().values() if isinstance(row, ElementwiseFunction)]
# Without duplicates: aliases are the same object.
ELEMENTWISE_FUNCTIONS: tuple[ElementwiseFunction, ...] = tuple(dict.fromkeys(_rows))
NAME_TO_FUNCTION = {function.name: function for function in ELEMENTWISE_FUNCTIONS}
UFUNC_TO_FUNCTION = {function.ufunc: function for function in ELEMENTWISE_FUNCTIONS}

__all__ = [  # in the order of the table
    "add",
    "subtract",
    "multiply",
    "divide",
    "true_divide",
    "floor_divide",
    "remainder",
    "mod",
    "fmod",
    "divmod",
    "power",
    "pow",
    "float_power",
    "negative",
    "positive",
    "absolute",
    "abs",
    "fabs",
    "reciprocal",
    "square",
    "sqrt",
    "cbrt",
    "sign",
    "gcd",
    "lcm",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "logaddexp",
    "logaddexp2",
    "sin",
    "cos",
    "tan",
    "arcsin",
    "asin",
    "arccos",
    "acos",
    "arctan",
    "atan",
    "arctan2",
    "atan2",
    "hypot",
    "sinh",
    "cosh",
    "tanh",
    "arcsinh",
    "asinh",
    "arccosh",
    "acosh",
    "arctanh",
    "atanh",
    "degrees",
    "rad2deg",
    "radians",
    "deg2rad",
    "floor",
    "ceil",
    "trunc",
    "rint",
    "maximum",
    "minimum",
    "fmax",
    "fmin",
    "equal",
    "not_equal",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
    "logical_not",
    "isfinite",
    "isinf",
    "isnan",
    "isnat",
    "signbit",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "invert",
    "bitwise_not",
    "bitwise_invert",
    "left_shift",
    "bitwise_left_shift",
    "right_shift",
    "bitwise_right_shift",
    "bitwise_count",
    "copysign",
    "nextafter",
    "spacing",
    "heaviside",
    "frexp",
    "modf",
    "ldexp",
    "conjugate",
    "conj",
    "erf",
]
