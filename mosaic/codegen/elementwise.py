"""The C of elementwise functions on vectors: a table of expressions, by name and kind of operands.

A row is keyed by numpy's name and the kind of the loop's first operand ("f" float, "i" signed, "u" unsigned, "b" bool).
exp, sin and the like are calls of `mosaic.vector.functions`. A function that is in neither runs through numpy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from mosaic import c
from mosaic.c.helpers import Helper, inline_function
from mosaic.c.walk import Part, parts
from mosaic.codegen.code_size import Weights, weights_of
from mosaic.codegen.registers import Lanes, bool_dtype
from mosaic.targets import Target
from mosaic.vector import constant_division, division, functions, lane_operations
from mosaic.vector.vector_types import VectorType, vector_type

Arguments = Sequence[c.Expression]
Emit = Callable[[Lanes, np.dtype, Arguments], c.Expression]


def is_compiled(name: str, dtypes: Sequence[np.dtype]) -> bool:
    """Whether generated C can compute the function on operands of these dtypes."""
    if any(dtype.kind == "f" and dtype.itemsize not in (4, 8) for dtype in dtypes):
        return False
    if len(set(dtypes)) > 1:
        return (
            False  # numpy compares int64 with uint64 by value, ldexp takes a float and an integer: C has no such loops
        )
    kind = dtypes[0].kind
    is_algorithm = kind == "f" and (name in functions.names or name in _formulas)
    return is_algorithm or (name, kind) in _rows or (name, kind) in division.names


def is_row(name: str, dtype: np.dtype) -> bool:
    """Whether the function of such operands is a few operations, not an algorithm."""
    return (name, dtype.kind) in _rows or name == "where" or name in functions.rounding_names


def emit_function(
    lanes: Lanes,
    name: str,
    dtypes: Sequence[np.dtype],
    result: np.dtype,
    arguments: Arguments,
    constant: object = None,
) -> c.Expression:
    """Return the function applied to vectors; `dtypes` and `result` are those of its loop.

    constant: the value of the last argument, where it is known
    """
    dtype = dtypes[0]
    if isinstance(constant, int) and constant_division.is_faster(name, lanes.type(dtype), constant):
        divide = constant_division.division_by(name, lanes.type(dtype), constant, lanes.target)
        return lanes.use(divide)(*arguments[:-1])
    if (name, dtype.kind) in _rows or name in _formulas:
        return _from_row(lanes, name, tuple(dtypes), result, arguments)
    if dtype.kind == "f" and name in functions.names:
        return lanes.use(functions.vector_function(name, lanes.type(dtype), lanes.target))(*arguments)
    return lanes.use(division.division(name, lanes.type(dtype), lanes.target))(*arguments)


def _from_row(
    lanes: Lanes, name: str, dtypes: tuple[np.dtype, ...], result: np.dtype, arguments: Arguments
) -> c.Expression:
    helper = row_helper(name, dtypes, result, lanes.lanes, lanes.target)
    if helper is not None:
        return lanes.use(helper)(*arguments)
    return _emit_row(lanes, name, dtypes, arguments)


def _emit_row(lanes: Lanes, name: str, dtypes: tuple[np.dtype, ...], arguments: Arguments) -> c.Expression:
    if name == "where":
        return _where(lanes, dtypes[1], arguments)
    emit = _formulas.get(name) or _rows[name, dtypes[0].kind]
    return emit(lanes, dtypes[0], arguments)


_largest_in_line = 2
"""Operations of a row that are written where the value is used; more of them are a function with the row's name."""


@lru_cache(maxsize=1024)
def row_helper(
    name: str, dtypes: tuple[np.dtype, ...], result: np.dtype, num_lanes: int, target: Target
) -> Helper | None:
    """Return a row as the function ``name_V(a, b, c)``, which can be called, or None if it is a mere operator."""
    lanes = Lanes(target, num_lanes)
    operands = tuple(map(c.Name, "abc"[: len(dtypes)]))
    value = _emit_row(lanes, name, dtypes, operands)
    if _num_operations(value, weights_of(lanes.type(result).ctype)) <= _largest_in_line:
        return None
    types = tuple(map(lanes.type, dtypes))
    parameters = tuple(
        c.Parameter(lanes.declare(vector), operand.text) for vector, operand in zip(types, operands, strict=True)
    )
    # As many lanes may have truth values of another width, beside wider numbers.
    own_mask = "" if types[-1].mask == lanes.mask else f"_{lanes.mask.name}"
    full_name = f"{name}_{types[-1].name}{own_mask}"
    function = inline_function(full_name, lanes.declare(lanes.type(result)), parameters, (c.Return(value),))
    return Helper(full_name, (function,), tuple(lanes.helpers.values()))


def _num_operations(expression: Part, weights: Weights) -> int:
    own = weights.get(expression.operator, 1) if isinstance(expression, c.Binary) else 0
    own += isinstance(expression, c.Unary | c.Call)
    return own + sum(_num_operations(part, weights) for part in parts(expression))


def emit_conversion(lanes: Lanes, value: c.Expression, source: np.dtype, target: np.dtype) -> c.Expression:
    """Return a vector converted as numpy's astype converts each element."""
    if source == target:
        return value
    if target == bool_dtype:
        return lanes.as_mask(c.not_equal(value, lanes.type(source).literal(0)), lanes.type(source))
    if source == bool_dtype:
        return _number_of_truth(lanes, value, lanes.type(target))
    return lanes.converted(value, lanes.type(source), lanes.type(target))


def _number_of_truth(lanes: Lanes, mask: c.Expression, target: VectorType) -> c.Expression:
    """Return 1 where the mask holds, else 0."""
    if not target.element.is_float or target.mask != lanes.mask:
        return lanes.converted(-mask, lanes.mask, target)
    lanes.declare(target)
    one = int.from_bytes(np.ones(1, f"f{target.element.num_bytes}").tobytes(), "little")
    return target.bits(mask & lanes.mask.literal(one))


def _binary(operator: str) -> Emit:
    return lambda lanes, dtype, args: c.Binary(operator, args[0], args[1])


def _comparison(operator: str) -> Emit:
    def emit(lanes: Lanes, dtype: np.dtype, args: Arguments) -> c.Expression:
        return lanes.as_mask(c.Binary(operator, args[0], args[1]), lanes.type(dtype))

    return emit


def _is_true(lanes: Lanes, dtype: np.dtype, value: c.Expression) -> c.Expression:
    return emit_conversion(lanes, value, dtype, bool_dtype)


def _is_false(lanes: Lanes, dtype: np.dtype, value: c.Expression) -> c.Expression:
    """Return where a value is zero. AVX has one instruction for it; for "is not zero" gcc takes AVX-512's masks, two more."""
    if dtype == bool_dtype:
        return ~value
    return lanes.as_mask(c.equal(value, lanes.type(dtype).literal(0)), lanes.type(dtype))


def _logical_and(lanes: Lanes, dtype: np.dtype, args: Arguments) -> c.Expression:
    x, y = (_is_true(lanes, dtype, each) for each in args)
    return x & y


def _logical_or(lanes: Lanes, dtype: np.dtype, args: Arguments) -> c.Expression:
    x, y = (_is_false(lanes, dtype, each) for each in args)
    return ~(x & y)


def _logical_xor(lanes: Lanes, dtype: np.dtype, args: Arguments) -> c.Expression:
    x, y = (_is_false(lanes, dtype, each) for each in args)
    return x ^ y


def _logical_not(lanes: Lanes, dtype: np.dtype, args: Arguments) -> c.Expression:
    return _is_false(lanes, dtype, args[0])


def _same(lanes: Lanes, dtype: np.dtype, args: Arguments) -> c.Expression:
    return args[0]


def _negative(lanes: Lanes, dtype: np.dtype, args: Arguments) -> c.Expression:
    return -args[0]


def _square(lanes: Lanes, dtype: np.dtype, args: Arguments) -> c.Expression:
    return args[0] * args[0]


def _reciprocal(lanes: Lanes, dtype: np.dtype, args: Arguments) -> c.Expression:
    return lanes.constant(1, dtype) / args[0]


def _extremum(name: str) -> Emit:
    return lambda lanes, dtype, args: lanes.use(lane_operations.extremum(lanes.type(dtype), name))(*args)


def _select(
    lanes: Lanes, dtype: np.dtype, mask: c.Expression, chosen: c.Expression, other: c.Expression
) -> c.Expression:
    """Select by a raw comparison of vectors of that dtype."""
    return lanes.use(lane_operations.select(lanes.type(dtype)))(mask, chosen, other)


def _extremum_without_nan(operator: str) -> Emit:
    def emit(lanes: Lanes, dtype: np.dtype, args: Arguments) -> c.Expression:
        x, y = args
        wins = c.Binary(operator, x, y) | c.not_equal(y, y)  # a NaN never wins against a number
        return _select(lanes, dtype, wins, x, y)

    return emit


def _clip(below: str, above: str) -> Emit:
    """Replace x by a limit where x compares so with it."""

    def emit(lanes: Lanes, dtype: np.dtype, args: Arguments) -> c.Expression:
        x, low, high = args
        raised = _limited(lanes, dtype, below, x, low)
        return _limited(lanes, dtype, above, raised, high)

    return emit


def _limited(lanes: Lanes, dtype: np.dtype, beyond: str, x: c.Expression, limit: c.Expression) -> c.Expression:
    """The limit where x lies beyond it, and where it is NaN itself."""
    wins = c.Binary(beyond, x, limit)
    return _select(lanes, dtype, wins | c.not_equal(limit, limit) if dtype.kind == "f" else wins, limit, x)


def _magnitude_bits(lanes: Lanes, dtype: np.dtype, value: c.Expression) -> c.Expression:
    bits = lanes.type(dtype).mask
    lanes.declare(bits)
    ones = c.literal(2 ** (8 * dtype.itemsize - 1) - 1, bits.element.ctype.name)
    return bits.bits(value) & ones


def _absolute_float(lanes: Lanes, dtype: np.dtype, args: Arguments) -> c.Expression:
    return lanes.type(dtype).bits(_magnitude_bits(lanes, dtype, args[0]))


def _absolute_integer(lanes: Lanes, dtype: np.dtype, args: Arguments) -> c.Expression:
    return _select(lanes, dtype, args[0] < lanes.type(dtype).literal(0), -args[0], args[0])


def _signbit(lanes: Lanes, dtype: np.dtype, args: Arguments) -> c.Expression:
    vector = lanes.type(dtype)
    lanes.declare(vector.mask)
    return lanes.as_mask(vector.mask.bits(args[0]) >> (8 * vector.mask.element.num_bytes - 1), vector)


def _sign(lanes: Lanes, dtype: np.dtype, args: Arguments) -> c.Expression:
    zero, x = lanes.constant(0, dtype), args[0]
    below = lanes.constant(-1, dtype) if dtype.kind != "u" else zero
    rest = _select(lanes, dtype, c.equal(x, zero), zero, x) if dtype.kind == "f" else zero  # a NaN stays
    negative = rest if dtype.kind == "u" else _select(lanes, dtype, x < zero, below, rest)
    return _select(lanes, dtype, x > zero, lanes.constant(1, dtype), negative)


def _is_nan(lanes: Lanes, dtype: np.dtype, args: Arguments) -> c.Expression:
    return lanes.as_mask(c.not_equal(args[0], args[0]), lanes.type(dtype))


def _magnitude_compared(operator: str) -> Emit:
    def emit(lanes: Lanes, dtype: np.dtype, args: Arguments) -> c.Expression:
        vector = lanes.type(dtype)
        infinity = vector.literal(float("inf"))
        return lanes.as_mask(c.Binary(operator, _absolute_float(lanes, dtype, args), infinity), vector)

    return emit


def _without_low_bits(lanes: Lanes, dtype: np.dtype, value: c.Expression, dropped: int) -> c.Expression:
    """Round a float32 by its bits to one whose `dropped` lowest are zero: to the nearest, a tie to the even one; NaN may change."""
    bits = vector_type(np.dtype(np.uint32), lanes.lanes)
    lanes.declare(bits)
    whole = bits.bits(value)
    last = (whole >> bits.literal(dropped)) & bits.literal(1)
    rounded = (whole + bits.literal(2 ** (dropped - 1) - 1) + last) & bits.literal(2**32 - 2**dropped)
    return lanes.type(dtype).bits(rounded)


def _round_to_bfloat16(lanes: Lanes, dtype: np.dtype, args: Arguments) -> c.Expression:
    rounded = _without_low_bits(lanes, dtype, args[0], 16)
    return _select(lanes, dtype, c.not_equal(args[0], args[0]), args[0], rounded)


def _round_to_float16(lanes: Lanes, dtype: np.dtype, args: Arguments) -> c.Expression:
    x, size = args[0], _absolute_float(lanes, dtype, args)
    normal = _without_low_bits(lanes, dtype, size, 13)
    is_large = c.Binary(">", normal, lanes.constant(65504, dtype))
    normal = _select(lanes, dtype, is_large, lanes.constant(math.inf, dtype), normal)
    # Below 2**-14 the numbers of float16 are multiples of 2**-24, to which float32 rounds beside 0.5.
    half = lanes.constant(0.5, dtype)
    rounded = _select(lanes, dtype, c.Binary("<", size, lanes.constant(2.0**-14, dtype)), (size + half) - half, normal)
    bits = vector_type(np.dtype(np.uint32), lanes.lanes)
    lanes.declare(bits)
    signed = bits.bits(rounded) | (bits.bits(x) & bits.literal(2**31))
    return _select(lanes, dtype, c.not_equal(x, x), x, lanes.type(dtype).bits(signed))


def _bits_as(kind: str) -> Emit:
    """Read the bits of numbers as numbers of another kind and of the same size."""

    def emit(lanes: Lanes, dtype: np.dtype, args: Arguments) -> c.Expression:
        vector = lanes.type(np.dtype(f"{kind}{dtype.itemsize}"))
        lanes.declare(vector)
        return vector.bits(args[0])

    return emit


def _always(value: bool) -> Emit:
    return lambda lanes, dtype, args: lanes.constant(value, bool_dtype)


def _scaled(factor: float) -> Emit:
    # numpy computes the factor in the loop's own precision.
    return lambda lanes, dtype, args: args[0] * lanes.constant(factor, dtype)


def _left_shift(lanes: Lanes, dtype: np.dtype, args: Arguments) -> c.Expression:
    width = 8 * dtype.itemsize
    vector = lanes.type(dtype)
    shifted = args[0] << (args[1] & vector.literal(width - 1))
    return _select(lanes, dtype, _is_small_shift(lanes, dtype, args[1]), shifted, lanes.constant(0, dtype))


def _right_shift(lanes: Lanes, dtype: np.dtype, args: Arguments) -> c.Expression:
    width = 8 * dtype.itemsize
    vector = lanes.type(dtype)
    is_small = _is_small_shift(lanes, dtype, args[1])
    shifted = args[0] >> (args[1] & vector.literal(width - 1))
    # Shifting everything out leaves the sign of a signed number in every bit.
    emptied = lanes.constant(0, dtype) if dtype.kind == "u" else args[0] >> vector.literal(width - 1)
    return _select(lanes, dtype, is_small, shifted, emptied)


def _is_small_shift(lanes: Lanes, dtype: np.dtype, count: c.Expression) -> c.Expression:
    unsigned = vector_type(np.dtype(f"u{dtype.itemsize}"), lanes.lanes)
    lanes.declare(unsigned)
    return unsigned.bits(count) < unsigned.literal(8 * dtype.itemsize)


def _where(lanes: Lanes, dtype: np.dtype, args: Arguments) -> c.Expression:
    vector = lanes.type(dtype)
    condition = lanes.converted(args[0], lanes.mask, vector.mask)
    return lanes.use(lane_operations.select(vector))(condition, args[1], args[2])


def _logaddexp(exponential: str, of_two: float, factor: float) -> Emit:
    """max(x, y) + log(1 + exp(-|x - y|)); of equal ones, which may be infinite, x + log(2)."""

    def emit(lanes: Lanes, dtype: np.dtype, args: Arguments) -> c.Expression:
        (x, y), vector = args, lanes.type(dtype)
        exp, log1p = (
            lanes.use(functions.vector_function(name, vector, lanes.target)) for name in (exponential, "log1p")
        )
        distance = _absolute_float(lanes, dtype, (x - y,))
        apart = log1p(exp(-distance)) * lanes.constant(factor, dtype)
        larger = lanes.use(lane_operations.extremum(vector, "maximum"))(x, y)
        return _select(lanes, dtype, c.equal(x, y), x + lanes.constant(of_two, dtype), larger + apart)

    return emit


def _for_kinds(kinds: str, rows: dict[str, Emit]) -> dict[tuple[str, str], Emit]:
    return {(name, kind): emit for name, emit in rows.items() for kind in kinds}


_comparisons = {
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
    "equal": "==",
    "not_equal": "!=",
}
_numbers = {
    "add": _binary("+"),
    "subtract": _binary("-"),
    "multiply": _binary("*"),
    "negative": _negative,
    "positive": _same,
    "conjugate": _same,
    "square": _square,
    "sign": _sign,
    "maximum": _extremum("maximum"),
    "minimum": _extremum("minimum"),
    "clip": _clip("<", ">"),
    "logical_and": _logical_and,
    "logical_or": _logical_or,
    "logical_xor": _logical_xor,
    "logical_not": _logical_not,
    **{name: _comparison(operator) for name, operator in _comparisons.items()},
}
_floats = {
    "divide": _binary("/"),
    "reciprocal": _reciprocal,
    "absolute": _absolute_float,
    "fabs": _absolute_float,
    "fmax": _extremum_without_nan(">"),
    "fmin": _extremum_without_nan("<"),
    "isnan": _is_nan,
    "isinf": _magnitude_compared("=="),
    "isfinite": _magnitude_compared("<"),
    "signbit": _signbit,
    # Of float32 alone.
    "round_to_bfloat16": _round_to_bfloat16,
    "round_to_float16": _round_to_float16,
    "clip_by_arrays": _clip("<=", ">="),  # of two equal zeros numpy takes the limit's sign, if limits are arrays
    "deg2rad": _scaled(np.pi / 180.0),
    "radians": _scaled(np.pi / 180.0),
    "rad2deg": _scaled(180.0 / np.pi),
    "degrees": _scaled(180.0 / np.pi),
}
_integers = {
    "fmax": _extremum("maximum"),
    "fmin": _extremum("minimum"),
    "left_shift": _left_shift,
    "right_shift": _right_shift,
    "isnan": _always(False),
    "isinf": _always(False),
    "isfinite": _always(True),
    "floor": _same,
    "ceil": _same,
    "trunc": _same,
}
_truths = {
    "add": _binary("|"),
    "multiply": _binary("&"),
    "maximum": _binary("|"),
    "minimum": _binary("&"),
    "fmax": _binary("|"),
    "fmin": _binary("&"),
    "absolute": _same,
    "logical_and": _binary("&"),
    "logical_or": _binary("|"),
    "logical_xor": _binary("^"),
    "logical_not": _logical_not,
    "isnan": _always(False),
    "isinf": _always(False),
    "isfinite": _always(True),
    "where": _where,
    # Of masks, where true is -1: as bits, which is less work for processor and compiler than a comparison. Not x & ~y, for
    # which gcc 12 tests the bytes of x twice, the second time under a mask.
    "less": lambda lanes, dtype, args: args[1] < args[0],
    "less_equal": lambda lanes, dtype, args: ~args[0] | args[1],
    "greater": lambda lanes, dtype, args: args[0] < args[1],
    "greater_equal": lambda lanes, dtype, args: args[0] | ~args[1],
    "equal": lambda lanes, dtype, args: ~(args[0] ^ args[1]),
    "not_equal": _binary("^"),
}
_bits = {
    "bitwise_and": _binary("&"),
    "bitwise_or": _binary("|"),
    "bitwise_xor": _binary("^"),
    "invert": lambda lanes, dtype, args: ~args[0],
}
_rows = {
    **_for_kinds("fiu", _numbers),
    **_for_kinds("fiu", {f"bits_as_{kind}": _bits_as(kind) for kind in "fiu"}),
    **_for_kinds("f", _floats),
    **_for_kinds("iu", _integers),
    **_for_kinds("i", {"absolute": _absolute_integer}),
    **_for_kinds("u", {"absolute": _same}),
    **_for_kinds("b", _truths),
    **_for_kinds("iub", _bits),
}
_formulas = {
    "logaddexp": _logaddexp("exp", math.log(2), 1.0),
    "logaddexp2": _logaddexp("exp2", 1.0, 1 / math.log(2)),
}
"""Functions of floats that are written by others, and are no few operations."""
