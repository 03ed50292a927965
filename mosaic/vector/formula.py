"""A function of vectors while it is being written: named steps, constants in the element type, helpers collected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from mosaic import c
from mosaic.c.helpers import Helper, inline_function
from mosaic.vector.conversions import convert
from mosaic.vector.lane_operations import any_beyond, fma, limit, select
from mosaic.vector.memory import broadcast
from mosaic.vector.vector_types import VectorType


@dataclass(frozen=True, slots=True)
class FloatFormat:
    """Where the parts of a floating-point number are."""

    mantissa_bits: int
    bias: int
    sign_mask: int
    round_constant: float
    min_normal: float

    @property
    def one_bits(self) -> int:
        """Return the bits of 1."""
        return self.bias << self.mantissa_bits

    @property
    def min_normal_bits(self) -> int:
        """Return the bits of the smallest normal number."""
        return 1 << self.mantissa_bits

    @property
    def infinity_bits(self) -> int:
        """Return the bits of infinity."""
        return (2 * self.bias + 1) << self.mantissa_bits


formats = {
    "f32": FloatFormat(23, 127, -(2**31), 1.5 * 2**23, 2.0**-126),
    "f64": FloatFormat(52, 1023, -(2**63), 1.5 * 2**52, 2.0**-1022),
}
"""`round_constant`: adding it leaves the nearest integer in the low bits of the sum (|x| < 2**22, 2**51)."""


@dataclass(slots=True)
class Formula:
    """The statements of one function ``name_V(...)`` so far, and what they call."""

    vector: VectorType
    has_fma: bool
    statements: list[c.Statement] = field(default_factory=list)
    helpers: dict[str, Helper] = field(default_factory=dict)

    @property
    def format(self) -> FloatFormat:
        """Return the layout of the element type."""
        return formats[self.vector.element.short]

    @property
    def integers(self) -> VectorType:
        """Return the type of the lanes' bits, which is also that of comparisons."""
        return self.vector.mask

    def number(self, value: float) -> c.Expression:
        """Return a constant of the element type."""
        return self.vector.literal(value)

    def integer(self, value: int) -> c.Expression:
        """Return an integer constant as wide as an element."""
        return self.integers.literal(value)

    def let(self, name: str, value: c.Expression, vector: VectorType | None = None) -> c.Name:
        """Name a step of the computation, of the function's own vector type unless another is given."""
        self.statements.append(c.Declare((vector or self.vector).ctype, name, value))
        return c.Name(name)

    def assign(self, name: c.Name, value: c.Expression) -> None:
        """Give a named step another value."""
        self.statements.append(c.Assign(name, value))

    @contextmanager
    def when(self, condition: c.Expression) -> Iterator[None]:
        """Put the steps written in the `with` block under a condition on the whole vector that seldom holds."""
        outer, self.statements = self.statements, []
        yield
        unlikely = c.Call("__builtin_expect", (condition, c.literal(0)))
        outer.append(c.If(unlikely, tuple(self.statements)))
        self.statements = outer

    def comment(self, text: str) -> None:
        """Say what the next steps do."""
        self.statements.append(c.Comment(text))

    def call(self, helper: Helper, *arguments: c.Operand) -> c.Expression:
        """Return a call, and remember the helper."""
        self.helpers[helper.name] = helper
        return helper(*arguments)

    def constant(self, value: float) -> c.Expression:
        """Return a whole vector of a constant, for arguments of functions."""
        return self.call(broadcast(self.vector), self.number(value))

    def fma(self, a: c.Expression, b: c.Expression, addend: c.Expression) -> c.Expression:
        """Return a * b + addend."""
        return self.call(fma(self.vector, self.has_fma), a, b, addend)

    def select(self, condition: c.Expression, a: c.Expression, b: c.Expression) -> c.Expression:
        """Return a where the condition holds, else b."""
        return self.call(select(self.vector), condition, a, b)

    def bits(self, x: c.Expression) -> c.Expression:
        """Return the bits of floating lanes as integers."""
        return c.Cast(self.integers.ctype, x)

    def from_bits(self, x: c.Expression) -> c.Expression:
        """Return the floating lanes with these bits."""
        return c.Cast(self.vector.ctype, x)

    def any_outside(self, name: str, bits: c.Expression, low: int, high: int) -> c.Name:
        """Name whether the bits of some lane are not from `low` to below `high`, read as unsigned integers."""
        limit = self.call(broadcast(self.integers), self.integer(high - low))
        found = self.call(any_beyond(self.integers), bits - self.integer(low), limit)
        self.statements.append(c.Declare(c.int_, name, found))
        return c.Name(name)

    def third_of_bits(self, name: str, x: c.Expression) -> c.Name:
        """Name a third of the bits of x as an integer, right in its first 23 or 52 bits."""
        number = self.call(convert(self.integers, self.vector), self.bits(x)) * self.number(1 / 3)
        return self.let(name, self.call(convert(self.vector, self.integers), number), self.integers)

    def polynomial(self, name: str, x: c.Expression, coefficients: Sequence[float]) -> c.Name:
        """Evaluate a polynomial, lowest order first, by Horner's scheme."""
        *rest, highest = coefficients
        result = self.let(name, self.constant(highest))
        for coefficient in reversed(rest):
            self.statements.append(c.Assign(result, self.fma(result, x, self.constant(coefficient))))
        return result

    def split_polynomial(self, name: str, x: c.Expression, coefficients: Sequence[float]) -> c.Name:
        """Evaluate a long polynomial as even and odd part, which the processor computes side by side."""
        square = self.let(f"{name}_square", x * x)
        even = self.polynomial(f"{name}_even", square, coefficients[::2])
        odd = self.polynomial(f"{name}_odd", square, coefficients[1::2])
        return self.let(name, self.fma(odd, x, even))

    def magnitude(self, name: str, x: c.Expression) -> c.Name:
        """Name |x|."""
        return self.let(name, self.from_bits(self.bits(x) & ~self.integer(self.format.sign_mask)))

    def not_above(self, x: c.Expression, high: float) -> c.Expression:
        """Return x, or `high` where x is larger; a NaN stays."""
        return self.call(limit(self.vector, "minimum"), self.constant(high), x)

    def not_below(self, x: c.Expression, low: float) -> c.Expression:
        """Return x, or `low` where x is smaller; a NaN stays."""
        return self.call(limit(self.vector, "maximum"), self.constant(low), x)

    def with_sign_of(self, magnitude: c.Expression, x: c.Expression) -> c.Expression:
        """Return a lane's non-negative magnitude with the sign of x."""
        return self.from_bits(self.bits(magnitude) | (self.bits(x) & self.integer(self.format.sign_mask)))

    def finish(self, name: str, result: c.Expression, comment: str, *, parameters: tuple[str, ...] = ("x",)) -> Helper:
        """Return the finished function ``name_V`` of the parameters."""
        full_name = f"{name}_{self.vector.name}"
        body = (*self.statements, c.Return(result))
        declared = tuple(c.Parameter(self.vector.ctype, each) for each in parameters)
        function = inline_function(full_name, self.vector.ctype, declared, body, comment)
        requires = (self.vector.helper, self.integers.helper, *self.helpers.values())
        return Helper(full_name, (function,), requires)
