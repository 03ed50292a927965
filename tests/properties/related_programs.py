"""Random programs whose operands are related: x op x, x op x[::-1], 1 op x, max(x, 1) op x.

A compiler that sees both operands simplifies. The functions are those whose result every processor computes to the last
bit, and the dtypes all that C has; integers include both ends of their range.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np

from tests.properties.random_programs import SHAPES, SPECIAL, RandomProgram, Writer

BINARY = (
    "add subtract multiply divide floor_divide remainder fmod maximum minimum fmax fmin copysign logical_and logical_or "
    "logical_xor bitwise_and bitwise_or bitwise_xor left_shift right_shift equal not_equal less less_equal greater "
    "greater_equal floor_divide remainder fmod gcd lcm heaviside nextafter"
).split()
OPERATORS = "+ - * / // % & | ^ << >> < <= > >= == != // %".split()
UNARY = (
    "negative positive absolute square sign floor ceil trunc rint signbit isnan isinf isfinite logical_not invert sqrt "
    "reciprocal fabs conjugate"
).split()
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
EXACT_REDUCTIONS = "max min any all argmax argmin count_nonzero".split()
RELATED = (
    "{x}",
    "{x}[::-1]",
    "{x}[..., ::-1]",
    "{x}.T",
    "-{x}",
    "~{x}",
    "({x} + 0)",
    "xp.maximum({x}, {one})",
    "xp.maximum(-{x}, {one})",
    "({x} * {x})",
    "({x} != 0).astype({x}.dtype)",
    "{one}",
    "{zero}",
    "(-{one})",
    "xp.abs({x})",
    "({x} > 0)",
    "{x}[..., :1]",
    "xp.where({x} > {one}, {x}, {one})",
)


class RelatedWriter(Writer):
    """Draws lines whose operands are made of the same value."""

    dtypes = (*INTEGERS, *INTEGERS, "float32", "float64", "bool")
    kinds = "fiub"

    def _makers(self) -> list[Callable[[], str | None]]:
        others = [self._one, self._reduced, self._movement, self._chosen, self._converted]
        return [self._pair] * 8 + [self._pair_with_other] * 2 + others

    def _add_input(self, name: str) -> None:
        dtype = np.dtype(self._pick(self.dtypes))
        if dtype.kind not in "iu":
            self._add_input_of(name, dtype, [self._number(dtype) for _ in range(60)])
            return
        limits = np.iinfo(dtype)
        ends = [limits.min, limits.min + 1, limits.max, limits.max - 1, 0, 1, 2, limits.bits, limits.bits - 1]
        low = 0 if dtype.kind == "u" else -9
        self._add_input_of(name, dtype, [self._pick([*ends, *[self.source.randint(low, 12)] * 20]) for _ in range(60)])

    def _number(self, dtype: np.dtype) -> float:
        if dtype.kind == "b":
            return self.source.randrange(2)
        return self._pick(SPECIAL) if self.source.randrange(5) == 0 else self.source.randint(-40, 40) / 8

    def _add_input_of(self, name: str, dtype: np.dtype, numbers: list[float]) -> None:
        shape = self._pick([shape for shape in SHAPES if math.prod(shape) <= len(numbers)])
        value = np.array(numbers[: math.prod(shape)], dtype).reshape(shape)
        self.program.inputs[name] = self.values[name] = value

    def _related(self, x: str) -> str:
        name = self.values[x].dtype.name
        words = {"x": x, "one": f"np.{name}(1)", "zero": f"np.{name}(0)"}
        return str(self._pick(RELATED)).format(**words)

    def _joined(self, left: str, right: str) -> str:
        if self.source.randrange(2):
            return f"{left} {self._pick(OPERATORS)} {right}"
        return f"xp.{self._pick(BINARY)}({left}, {right})"

    def _pair(self) -> str | None:
        x = self._value()
        assert x is not None
        left, right = x, self._related(x)
        if self.source.randrange(3) == 0:
            left = self._related(x)
        return self._joined(right, left) if self.source.randrange(2) else self._joined(left, right)

    def _pair_with_other(self) -> str | None:
        x, y = self._value(), self._value()
        assert x is not None
        assert y is not None
        return self._joined(self._related(x), self._related(y))

    def _one(self) -> str | None:
        x = self._value()
        assert x is not None
        return f"xp.{self._pick(UNARY)}({self._related(x)})"

    def _reduced(self) -> str | None:
        x = self._value()
        assert x is not None
        exact = self.values[x].dtype.kind != "f"
        name = self._pick([*EXACT_REDUCTIONS, *(["sum", "prod", "cumsum", "cumprod"] * 2 if exact else [])])
        axis = "" if self.source.randrange(3) == 0 else f", axis={self._axis(x)}"
        return f"xp.{name}({self._related(x)}{axis})"

    def _chosen(self) -> str | None:
        x = self._value()
        assert x is not None
        parts = [self._related(x) for _ in range(3)]
        if self.source.randrange(2):
            return f"xp.where({parts[0]}, {parts[1]}, {parts[2]})"
        if self.values[x].dtype.kind == "f":
            # Between arrays of limits, numpy takes the limit of two equal zeros, between single ones the value: which loop
            # it runs depends on strides.
            name = self.values[x].dtype.name
            return f"xp.clip({parts[0]}, -np.{name}(1), np.{name}(1))"
        return f"xp.clip({parts[0]}, {parts[1]}, {parts[2]})"

    def _converted(self) -> str | None:
        x = self._value("iub")  # a float out of range is converted as the processor likes
        return None if x is None else f"{x}.astype({self._pick(self.dtypes)!r})"


def related_program(source: random.Random, num_lines: int = 6) -> RandomProgram:
    """Return a random program of related operands."""
    with np.errstate(all="ignore"):
        return RelatedWriter(source, safe=False, errors=False).write(num_lines)
