"""Operations lane by lane that C has no operator for: fma, sqrt, rounding, select, minimum and maximum.

clang has builtins for whole vectors; for gcc it is a builtin of the processor, or a loop over lanes around a scalar builtin.
"""

from __future__ import annotations

from functools import lru_cache

from mosaic import c
from mosaic.c.helpers import Helper, inline_function
from mosaic.vector.conversions import builtin_type, convert
from mosaic.vector.instructions import Instruction, instruction
from mosaic.vector.vector_types import VectorType

_a, _b, _c, _x, _lane, _mask, _result = (c.Name(name) for name in ("a", "b", "c", "x", "lane", "mask", "result"))

_rounding = ("sqrt", "floor", "ceil", "trunc", "rint")


def _parameters(vector: VectorType, *names: str) -> tuple[c.Parameter, ...]:
    return tuple(c.Parameter(vector.ctype, name) for name in names)


def _by_builtin(vector: VectorType, name: str, arguments: tuple[c.Name, ...]) -> Helper:
    """Return ``name_V``: the compiler's builtin for whole vectors where there is one, else a loop over lanes."""
    full_name = f"{name}_{vector.name}"
    parameters = _parameters(vector, *(argument.text for argument in arguments))
    suffix = "f" if vector.element.num_bytes == 4 else ""
    elementwise = f"__builtin_elementwise_{name}"
    scalar = c.Name(f"__builtin_{name}{suffix}")
    lanes = (
        c.Declare(vector.ctype, "result"),
        c.For(
            "lane",
            c.literal(0),
            c.literal(vector.lanes),
            (c.Assign(_result[_lane], scalar(*(argument[_lane] for argument in arguments))),),
            ctype=c.int_,
        ),
        c.Return(_result),
    )

    def function(*body: c.Statement) -> tuple[c.TopLevel, ...]:
        return (inline_function(full_name, vector.ctype, parameters, body),)

    otherwise = function(*lanes)
    found = instruction(name, vector)
    if found is not None:
        # clang has dropped builtins of gcc's one by one.
        condition = f"defined({found.macro}) && (!defined(__clang__) || __has_builtin({found.builtin}))"
        otherwise = (c.CompiledIf(condition, function(c.Return(found.call())), otherwise),)
    whole = function(c.Return(c.Name(elementwise)(*arguments)))
    item = c.CompiledIf(f"__has_builtin({elementwise})", whole, otherwise)
    return Helper(full_name, (item,), (vector.helper,))


@lru_cache(maxsize=256)
def fma(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``fma_V(a, b, c)``: a * b + c, rounded once where the processor can; the same bits from any compiler."""
    if has_fma:
        return _by_builtin(vector, "fma", (_a, _b, _c))
    name = f"fma_{vector.name}"
    body = (c.Return(_a * _b + _c),)
    return Helper(
        name, (inline_function(name, vector.ctype, _parameters(vector, "a", "b", "c"), body),), (vector.helper,)
    )


@lru_cache(maxsize=256)
def rounding(vector: VectorType, name: str) -> Helper:
    """Return ``name_V(x)`` for sqrt, floor, ceil, trunc and rint (to even)."""
    if name not in _rounding:
        raise ValueError(
            f"rounding: {name!r} was asked for; expected one of {', '.join(_rounding)}; see mosaic.vector.functions"
        )
    return _by_builtin(vector, name, (_x,))


@lru_cache(maxsize=256)
def select(vector: VectorType) -> Helper:
    """Return ``select_V(mask, a, b)``: a in the lanes where mask is -1, b where it is 0."""
    name, bits = f"select_{vector.name}", vector.mask
    chosen = (_mask & bits.bits(_a)) | (~_mask & bits.bits(_b))
    body = (c.Return(vector.bits(chosen) if vector != bits else chosen),)
    parameters = (c.Parameter(bits.ctype, "mask"), *_parameters(vector, "a", "b"))
    return Helper(name, (inline_function(name, vector.ctype, parameters, body),), (vector.helper, bits.helper))


@lru_cache(maxsize=256)
def extremum(vector: VectorType, name: str) -> Helper:
    """Return ``minimum_V(a, b)`` or ``maximum_V(a, b)`` as numpy has them: a NaN on either side comes out.

    Of equal operands (0.0 and -0.0) the second is returned, as numpy's vector code does.
    """
    if name not in ("minimum", "maximum"):
        raise ValueError(f"extremum: {name!r} was asked for; expected minimum or maximum; see mosaic.vector.functions")
    full_name, choose = f"{name}_{vector.name}", select(vector)
    is_nan = c.not_equal(_a, _a)  # a NaN on the left wins; one on the right is what is left over
    wins = _a < _b if name == "minimum" else _a > _b
    function = _extremum_function(
        vector, full_name, choose((wins | is_nan) if vector.element.is_float else wins, _a, _b)
    )
    item: c.TopLevel = function
    found = instruction(name, vector)
    if found is not None:
        whole = _extremum_function(vector, full_name, choose(is_nan, _a, found.call()))
        if not vector.element.is_float:
            whole = _extremum_by_instruction(vector, full_name, found)
        condition = f"defined({found.macro}) && !defined(__clang__)"
        item = c.CompiledIf(condition, (whole,), (function,))
    is_long = vector.element.short in _longs
    return Helper(full_name, (item,), (choose, builtin_type(8, vector.lanes)) if is_long else (choose,))


_longs = ("i64", "u64")


def _extremum_by_instruction(vector: VectorType, name: str, found: Instruction) -> c.Function:
    if vector.element.short not in _longs:
        return _extremum_function(vector, name, found.call())
    wide = c.NamedType(builtin_type(8, vector.lanes).name)
    body = (
        c.Declare(wide, "x", c.Cast(wide, _a)),
        c.Declare(wide, "y", c.Cast(wide, _b)),
        c.Return(vector.bits(found.call())),
    )
    return inline_function(name, vector.ctype, _parameters(vector, "a", "b"), body)


def _extremum_function(vector: VectorType, name: str, result: c.Expression) -> c.Function:
    return inline_function(name, vector.ctype, _parameters(vector, "a", "b"), (c.Return(result),))


@lru_cache(maxsize=256)
def limit(vector: VectorType, name: str) -> Helper:
    """Return ``minimum_of_limit_V(a, b)`` or ``maximum_of_limit_V(a, b)`` for a limit a that is a number: a NaN in b stays."""
    full_name = f"{name}_of_limit_{vector.name}"
    wins = _a < _b if name == "minimum" else _a > _b
    function = _extremum_function(vector, full_name, select(vector)(wins, _a, _b))
    item: c.TopLevel = function
    found = instruction(name, vector)
    if found is not None:
        condition = f"defined({found.macro}) && !defined(__clang__)"
        item = c.CompiledIf(condition, (_extremum_function(vector, full_name, found.call()),), (function,))
    return Helper(full_name, (item,), (select(vector),))


_combiners = {"sum": "+", "product": "*"}


@lru_cache(maxsize=256)
def horizontal(vector: VectorType, name: str) -> Helper:
    """Return ``horizontal_name_V(x)``: all lanes combined pairwise, halves first, in the same order everywhere.

    Names: sum, product, minimum, maximum. Lane i meets lane i + lanes / 2, then lanes / 4, and so on.
    """
    full_name = f"horizontal_{name}_{vector.name}"
    requires: tuple[Helper, ...] = (vector.helper,) if name in _combiners else (extremum(vector, name),)
    body: list[c.Statement] = []
    half = vector.lanes // 2
    while half >= 1:
        order = tuple(c.literal((lane + half) % vector.lanes) for lane in range(vector.lanes))
        shifted = c.Call("__builtin_shufflevector", (_x, _x, *order))
        combined = c.Binary(_combiners[name], _x, shifted) if name in _combiners else requires[0](_x, shifted)
        body.append(c.Assign(_x, combined))
        half //= 2
    body.append(c.Return(_x[0]))
    function = inline_function(full_name, vector.element.ctype, _parameters(vector, "x"), tuple(body))
    return Helper(full_name, (function,), requires)


@lru_cache(maxsize=256)
def any_lane(mask: VectorType) -> Helper:
    """Return ``any_V(mask)``: whether the condition holds in some lane. Halves are combined, 64 bits at a time."""
    name = f"any_{mask.name}"
    wide = mask if mask.num_bytes < 8 else VectorType(mask.of("i64").element, mask.num_bytes // 8)
    bits = c.Name("bits")
    body: list[c.Statement] = [c.Declare(wide.ctype, "bits", wide.bits(_mask) if wide != mask else _mask)]
    half = wide.lanes // 2
    while half >= 1:
        order = tuple(c.literal((lane + half) % wide.lanes) for lane in range(wide.lanes))
        body.append(c.AugmentedAssign(bits, "|", c.Call("__builtin_shufflevector", (bits, bits, *order))))
        half //= 2
    body.append(c.Return(c.not_equal(bits[0], 0)))
    item: c.TopLevel = inline_function(name, c.int_, _parameters(mask, "mask"), tuple(body))
    words = VectorType(mask.of("i32").element, max(mask.num_bytes // 4, 1))
    found = instruction("any", words)
    if found is not None:
        declared = c.Declare(words.ctype, "x", words.bits(_mask) if words != mask else _mask)
        tested = (declared, c.Return(c.not_equal(found.call(), 0)))
        whole = inline_function(name, c.int_, _parameters(mask, "mask"), tested)
        item = c.CompiledIf(f"defined({found.macro}) && !defined(__clang__)", (whole,), (item,))
    return Helper(name, (item,), (mask.helper, wide.helper, words.helper))


@lru_cache(maxsize=256)
def any_beyond(integers: VectorType) -> Helper:
    """Return ``any_beyond_V(x, limit)``: whether some lane of x, as an unsigned number, is not below the limit.

    A range is one such comparison: low <= x < high where x - low, as unsigned, is below high - low.
    """
    name, limit = f"any_beyond_{integers.name}", c.Name("limit")
    unsigned = integers.of(f"u{integers.element.short[1:]}")
    reaches = c.Cast(integers.ctype, unsigned.bits(_x) >= unsigned.bits(limit))
    parameters = _parameters(integers, "x", "limit")
    item: c.TopLevel = inline_function(name, c.int_, parameters, (c.Return(any_lane(integers)(reaches)),))
    found = instruction("beyond", integers)
    if found is not None:
        # The builtins have long long where int64_t may be long.
        lanes = c.NamedType(f"{name}_lanes")
        element = c.NamedType("long long") if integers.element.num_bytes == 8 else c.int32
        declared = c.Typedef(lanes.name, element, (f"vector_size({integers.num_bytes})",))
        body = (c.Return(c.not_equal(found.call(c.Cast(lanes, _x), c.Cast(lanes, limit)), 0)),)
        condition = f"defined({found.macro}) && !defined(__clang__)"
        item = c.CompiledIf(condition, (declared, inline_function(name, c.int_, parameters, body)), (item,))
    return Helper(name, (item,), (integers.helper, unsigned.helper, any_lane(integers)))


@lru_cache(maxsize=256)
def exponent_as_number(integers: VectorType, vector: VectorType) -> Helper:
    """Return ``exponent_V(x)``: integers whose mantissa bits are 0, such as e * 2**23, as numbers.

    Of 64 bits only AVX-512 converts lanes; elsewhere e is added to the bits of a number whose last place is 1.
    """
    name = f"exponent_{vector.name}"
    converted = inline_function(
        name, vector.ctype, _parameters(integers, "x"), (c.Return(convert(integers, vector)(_x)),)
    )
    requires = (vector.helper, integers.helper, convert(integers, vector))
    if vector.element.num_bytes == 4:
        return Helper(name, (converted,), requires)
    offset = c.Name("offset")
    summed = c.Cast(vector.ctype, (_x >> 52) + c.Cast(integers.ctype, offset))
    body = (
        c.Declare(vector.ctype, "offset", vector.filled(vector.literal(1.5 * 2**52))),
        c.Return((summed - offset) * vector.literal(2.0**52)),
    )
    by_addition = inline_function(name, vector.ctype, _parameters(integers, "x"), body)
    return Helper(name, (c.CompiledIf("defined(__AVX512DQ__)", (converted,), (by_addition,)),), requires)
