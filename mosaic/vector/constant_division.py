"""Integer division by a constant: a multiplication by its reciprocal, on whole vectors of 64-bit integers.

Compilers do it by themselves for smaller integers; those of 64 bits they take apart, since no processor multiplies such
vectors to 128 bits. Here the upper half of that product is put together from products of 32-bit halves.

Reference: Granlund and Montgomery, "Division by Invariant Integers using Multiplication" (1994).
"""

from __future__ import annotations

from functools import lru_cache

from mosaic import c
from mosaic.c.helpers import Helper, inline_function
from mosaic.targets import Target
from mosaic.vector.conversions import builtin_type
from mosaic.vector.division import division
from mosaic.vector.formula import Formula
from mosaic.vector.instructions import instruction
from mosaic.vector.vector_types import VectorType

_a, _b = c.Name("a"), c.Name("b")
_half_mask = c.literal(2**32 - 1, "uint64_t")


def is_faster(name: str, vector: VectorType, divisor: int) -> bool:
    """Whether there is a function for that divisor which beats the division of two vectors."""
    return name in ("floor_divide", "remainder") and vector.element.short in ("i64", "u64") and abs(divisor) > 1


@lru_cache(maxsize=256)
def division_by(name: str, vector: VectorType, divisor: int, target: Target) -> Helper:
    """Return ``name_by_D_V(a)``: numpy's floor_divide or remainder by a constant that is not 0, 1 or -1."""
    f = Formula(vector, target.has_fma)
    full_name = f"{name}_by_{divisor}".replace("-", "minus_")
    quotient = f.let("quotient", _quotient(f, divisor))
    result = quotient if name == "floor_divide" else _a - quotient * f.number(divisor)
    fast = f.finish(full_name, result, f"{name} by {divisor}: a product with the reciprocal", parameters=("a",))
    # Without products of halves on vectors (aarch64) the compiler's own way lane by lane is the best.
    plain, general = Formula(vector, target.has_fma), division(name, vector, target)
    value = plain.call(general, _a, plain.constant(divisor))
    slow = plain.finish(full_name, value, f"{name} by {divisor}", parameters=("a",))
    return Helper(
        fast.name, (c.CompiledIf("defined(__SSE2__)", fast.items, slow.items),), (*fast.requires, *slow.requires)
    )


def _quotient(f: Formula, divisor: int) -> c.Expression:
    if not f.vector.element.is_signed:
        return _unsigned_quotient(f, divisor)
    if divisor > 0 and divisor & (divisor - 1) == 0:
        return _a >> f.number(divisor.bit_length() - 1)
    return _signed_quotient(f, divisor)


def _signed_quotient(f: Formula, divisor: int) -> c.Expression:
    """Round down by way of numbers from 0 to 2**63: a // d is ~(~a // d), and a // -d is ~((a - 1) // d)."""
    unsigned = f.vector.of("u64")
    if divisor > 0:
        flipped = f.let("flipped", _a < f.number(0))
        magnitude = unsigned.bits(_a ^ flipped)
    else:
        flipped = f.let("flipped", _a > f.number(0))
        magnitude = unsigned.bits((_a - f.number(1)) ^ ~flipped)
    size = abs(divisor)
    shift = (size - 1).bit_length()  # 2**shift is the divisor or the next power of two
    reciprocal = -(-(2 ** (63 + shift)) // size)
    product = f.call(_multiply_high(unsigned), magnitude, _filled(unsigned, reciprocal))
    return f.vector.bits(product >> unsigned.literal(shift - 1)) ^ flipped


def _unsigned_quotient(f: Formula, divisor: int) -> c.Expression:
    if divisor & (divisor - 1) == 0:
        return _a >> f.number(divisor.bit_length() - 1)
    shift = (divisor - 1).bit_length()
    reciprocal = 2**64 * (2**shift - divisor) // divisor + 1  # without its bit 64, which the average below adds
    product = f.let("product", f.call(_multiply_high(f.vector), _a, _filled(f.vector, reciprocal)))
    average = ((_a - product) >> f.number(1)) + product
    return average >> f.number(shift - 1)


def _filled(vector: VectorType, value: int) -> c.Expression:
    return vector.filled(vector.literal(value))


@lru_cache(maxsize=16)
def _multiply_high(vector: VectorType) -> Helper:
    """Return ``multiply_high_V(a, b)``: the upper halves of the products, from four products of 32-bit halves."""
    name, multiply = f"multiply_high_{vector.name}", _multiply_halves(vector)
    low, first, second = c.Name("low"), c.Name("first"), c.Name("second")
    half, upper_a, upper_b = c.literal(32), c.Name("upper_a"), c.Name("upper_b")
    body = (
        c.Declare(vector.ctype, "upper_a", _a >> half),
        c.Declare(vector.ctype, "upper_b", _b >> half),
        c.Declare(vector.ctype, "low", multiply(_a, _b)),
        c.Declare(vector.ctype, "first", multiply(upper_a, _b) + (low >> half)),
        c.Declare(vector.ctype, "second", multiply(_a, upper_b) + (first & _half_mask)),
        c.Return(multiply(upper_a, upper_b) + (first >> half) + (second >> half)),
    )
    parameters = (c.Parameter(vector.ctype, "a"), c.Parameter(vector.ctype, "b"))
    return Helper(name, (inline_function(name, vector.ctype, parameters, body),), (vector.helper, multiply))


@lru_cache(maxsize=16)
def _multiply_halves(vector: VectorType) -> Helper:
    """Return ``multiply_halves_V(a, b)``: the products of the lower halves, an instruction that gcc does not find."""
    name = f"multiply_halves_{vector.name}"
    parameters = (c.Parameter(vector.ctype, "a"), c.Parameter(vector.ctype, "b"))
    product = c.Return((_a & _half_mask) * (_b & _half_mask))
    item: c.TopLevel = inline_function(name, vector.ctype, parameters, (product,))
    halves = VectorType(vector.of("i32").element, 2 * vector.lanes)
    wide = c.NamedType(builtin_type(8, vector.lanes).name)
    found = instruction("multiply_halves", vector)
    if found is not None:
        zeros = c.Declare(wide, "zeros", c.CompoundLiteral(wide, (c.literal(0),)))
        body = (
            c.Declare(halves.ctype, "x", halves.bits(_a)),
            c.Declare(halves.ctype, "y", halves.bits(_b)),
            *((zeros,) if "zeros" in found.operands else ()),
            c.Return(vector.bits(found.call())),
        )
        whole = inline_function(name, vector.ctype, parameters, body)
        item = c.CompiledIf(f"defined({found.macro}) && !defined(__clang__)", (whole,), (item,))
    return Helper(name, (item,), (vector.helper, halves.helper, builtin_type(8, vector.lanes)))
