"""Random programs whose operands are related: x op x, x op x[::-1], 1 op x, x[1:] op x[:-1], a[1:] += a[:-1].

A compiler that sees both operands simplifies. The functions are those whose result every processor computes to the last
bit, and the dtypes all that C has, with those that numpy computes between compiled parts; integers include both ends of
their range, and arrays are longer than a vector of any processor. Sums and products of matrices are drawn of numbers that
leave nothing to round, so that their order does not matter.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.properties.random_programs import PERIOD, RandomProgram, Writer

SHAPES = (
    *((), (1,), (3,), (4,), (17,), (67,), (150,), (17,), (67,), (150,)),
    *((2, 3), (3, 1), (1, 4), (3, 3), (9, 17), (3, 66), (9, 17), (3, 66), (1, 1), (2, 1, 3), (2, 3, 4), (2, 3, 19)),
    *((0,), (0, 3), (2, 0)),
)
BINARY = (
    "add subtract multiply divide floor_divide remainder fmod maximum minimum fmax fmin copysign logical_and logical_or "
    "logical_xor bitwise_and bitwise_or bitwise_xor left_shift right_shift equal not_equal less less_equal greater "
    "greater_equal floor_divide remainder fmod gcd lcm heaviside nextafter ldexp divmod"
).split()
OPERATORS = "+ - * / // % & | ^ << >> < <= > >= == != // %".split()
UNARY = (
    "negative positive absolute square sign floor ceil trunc rint signbit isnan isinf isfinite logical_not invert sqrt "
    "reciprocal fabs conjugate modf frexp real imag nan_to_num spacing iscomplex isreal bitwise_count fix"
).split()
LARGEST_ADDED = 2.0**40  # numpy adds integers as float64 for a mean
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float32", "float64")
BY_NUMPY = ("float16", "complex64", "complex128")  # C has none of them
SPECIAL = (0.0, -0.0, math.inf, -math.inf, math.nan, 1.0, -1.0, 1e-40, 1e30, 65504.0, 0.5)
EXACT_REDUCTIONS = "max min any all argmax argmin count_nonzero ptp nanargmax nanmax nanmin".split()
SUMS = ["sum", "prod", "cumsum", "cumprod", "sum", "cumsum", "trace", "diff"]
RUNNING = "add multiply maximum minimum logical_and logical_or bitwise_and bitwise_or bitwise_xor fmax".split()
RELATED = (
    *("{x}", "{x}", "-{x}", "~{x}", "({x} + 0)", "({x} * {x})", "{x}.copy()", "xp.abs({x})", "xp.square({x})"),
    *("{x}[::-1]", "{x}[..., ::-1]", "{x}.T", "{x}[..., :1]", "{x}[:1]", "xp.roll({x}, 1)", "{x}[::-1].T"),
    *("{x}.ravel()[::-1].reshape({x}.shape)", "xp.broadcast_to({x}[..., -1:], {x}.shape)", "{x}[..., None]"),
    *(
        "xp.maximum({x}, {one})",
        "xp.maximum(-{x}, {one})",
        "xp.minimum({x}, {zero})",
        "xp.where({x} > {one}, {x}, {one})",
    ),
    *("({x} != 0).astype({x}.dtype)", "({x} > 0)", "xp.sign({x})", "({x} - {x})", "({x} == {x})", "xp.isnan({x})"),
    *("{one}", "{zero}", "(-{one})", "(-{zero})", "xp.zeros_like({x})", "(-xp.zeros_like({x}))", "xp.ones_like({x})"),
)
OVERLAPPING = (
    *(
        ("{x}[1:]", "{x}[:-1]"),
        ("{x}[..., 1:]", "{x}[..., :-1]"),
        ("{x}[::2]", "{x}[:({x}.shape or (0,))[0] + 1 >> 1]"),
    ),
    *(("{x}[:-1]", "{x}[:0:-1]"), ("{x}[..., :2]", "{x}[..., -2:]"), ("{x}[1::2]", "{x}[1::2][::-1]")),
)
VIEWS = (
    "y",
    "y[::2]",
    "y[::-1]",
    "y.T",
    "y[..., 1:]",
    "y[1:]",
    "y[-1]",
    "y[..., 0]",
    "y[:0]",
    "y.reshape(-1)",
    "y[None]",
)
PAIRS_OF_VIEWS = (
    *(("y[1:]", "y[:-1]"), ("y[:-1]", "y[1:]"), ("y", "y[::-1]"), ("y", "y.T"), ("y[..., 1:]", "y[..., :-1]")),
    *(("y[::2]", "y[:1]"), ("y", "y[..., :1]"), ("y.reshape(-1)[1:]", "y.reshape(-1)[:-1]"), ("y[0]", "y[-1]")),
)
UPDATES = "add subtract multiply floor_divide remainder bitwise_and bitwise_or bitwise_xor left_shift maximum".split()
ORDERLY = ("sort({})", "argsort({}, kind='stable')", "median({})", "flip({})", "unique_values({})", "nonzero({})")


class RelatedWriter(Writer):
    """Draws lines whose operands are made of the same value."""

    shapes = SHAPES
    related = RELATED
    dtypes = (*INTEGERS, *INTEGERS, *FLOATS * 3, *BY_NUMPY, "bool", "bool")
    kinds = "fiubc"

    def _makers(self) -> list[Callable[[], str | None]]:
        others = [self._one, self._reduced, self._movement, self._chosen, self._converted, self._written, self._updated]
        seldom = [
            self._running,
            self._power,
            self._product,
            self._joining,
            self._orderly,
            self._indexing,
            self._creation,
        ]
        return [self._pair] * 12 + [self._overlapping, self._pair_with_other] * 3 + others * 2 + seldom

    def _add_input(self, name: str) -> None:
        dtype = np.dtype(self._pick(self.dtypes))
        shape = self._pick(self.shapes)
        numbers = [self._number(dtype) for _ in range(min(math.prod(shape), PERIOD))]
        value = np.resize(np.array(numbers, dtype), shape)
        if self.source.randrange(6) == 0:
            value = np.asfortranarray(value)
        self.program.inputs[name] = self.values[name] = value

    def _number(self, dtype: np.dtype) -> complex:
        if dtype.kind == "b":
            return self.source.randrange(2)
        if dtype.kind in "fc":
            number = self._pick(SPECIAL) if self.source.randrange(5) == 0 else self.source.randint(-40, 40) / 8
            number = min(number, 6e4) if dtype == np.float16 and math.isfinite(number) else number
            return complex(number, self.source.randint(-8, 8) / 8) if dtype.kind == "c" else number
        limits = np.iinfo(dtype)
        ends = [limits.min, limits.min + 1, limits.max, limits.max - 1, 0, 1, 2, limits.bits, limits.bits - 1]
        return (
            self._pick(ends) if self.source.randrange(3) == 0 else self.source.randint(0 if limits.min == 0 else -9, 12)
        )

    def _name(self) -> str:
        name = self._value()
        if name is not None and self.values[name].size < 2:  # seldom: most values with no element make others of them
            name = self._value()
        assert name is not None
        return name

    def _related(self, x: str) -> str:
        return self._filled(str(self._pick(self.related)), x)

    def _filled(self, text: str, x: str) -> str:
        name = self.values[x].dtype.name
        return text.format(x=x, one=f"np.{name}(1)", zero=f"np.{name}(0)")

    def _joined(self, left: str, right: str) -> str:
        if self.source.randrange(2):
            return f"{left} {self._pick(OPERATORS)} {right}"
        return f"xp.{self._pick(BINARY)}({left}, {right})"

    def _pair(self) -> str | None:
        x = self._name()
        left, right = x, self._related(x)
        if self.source.randrange(3) == 0:
            left = self._related(x)
        return self._joined(right, left) if self.source.randrange(2) else self._joined(left, right)

    def _overlapping(self) -> str | None:
        x = self._name()
        left, right = (self._filled(text, x) for text in self._pick(OVERLAPPING))
        return self._joined(right, left) if self.source.randrange(2) else self._joined(left, right)

    def _pair_with_other(self) -> str | None:
        return self._joined(self._related(self._name()), self._related(self._name()))

    def _one(self) -> str | None:
        return f"xp.{self._pick(UNARY)}({self._related(self._name())})"

    def _reduced(self) -> str | None:
        x = self._name()
        name = self._pick([*EXACT_REDUCTIONS, *self._exact_sums(x)])
        if name in ("trace", "diff"):
            return f"xp.{name}({x})"
        axis = self._pick(["", f", axis={self._axis(x, name in ('sum', 'max', 'min', 'any', 'all'))}", ", axis=-1"])
        is_exact = name == "mean" or (name in SUMS and self.values[x].dtype.kind == "f")
        text = x if is_exact else self._related(x)
        return f"xp.{name}({text}{axis}{self._options(name, x)})"

    def _options(self, name: str, x: str) -> str:
        options = []
        if name not in ("cumsum", "cumprod") and self.source.randrange(4) == 0:
            options.append(", keepdims=True")
        if name in ("sum", "prod", "cumsum", "cumprod") and self.source.randrange(4) == 0:
            options.append(f", dtype={self._pick(INTEGERS if self.values[x].dtype.kind in 'iub' else FLOATS)!r}")
        if name in ("sum", "prod", "max", "min") and self.source.randrange(5) == 0:
            options.append(f", initial={self._pick(['0', '1', '3', 'True'])}")
        if name in ("sum", "any", "all", "mean") and self.source.randrange(5) == 0:
            options.append(f", where={x}{self._pick([' > 0', ' == ' + x, '[..., :1] != 0'])}")
        return "".join(options)

    def _exact_sums(self, x: str) -> list[str]:
        if not self._adds_exactly(x):
            return []
        value = self.values[x]
        has_mean = value.dtype.kind == "f" or bool(np.all(np.abs(value.astype(float)) < LARGEST_ADDED))
        return [*SUMS, "mean"] if has_mean else SUMS

    def _adds_exactly(self, x: str) -> bool:
        """Return whether sums and means of products of the numbers are exact in any order."""
        value = self.values[x]
        if value.dtype.kind not in "fc":
            return True
        finite = np.abs(value[np.isfinite(value)]) * 8
        return value.dtype in FLOATS and bool(
            np.all((finite <= 64) & (finite == np.rint(finite))) and finite.sum() < 2**24
        )

    def _running(self) -> str | None:
        x = self._name()
        name = self._pick(RUNNING[2:] if self.values[x].dtype.kind in "fc" else RUNNING)
        return f"xp.{name}.{self._pick(['accumulate', 'reduce'])}({x}, axis={self._axis(x)})"

    def _power(self) -> str | None:
        x = self._name()
        if self.values[x].dtype.kind in "iub" and self.source.randrange(2):
            return f"xp.power({self._related(x)}, {self._related(x)})"
        # numpy takes roots of arrays, and calls pow for scalars, whose last bit is a library's.
        exponents = "0 1 2 -1 0.5" if self.values[x].dtype.kind == "f" and self.values[x].ndim else "0 1 2"
        return f"({self._related(x)}) ** {self._pick(exponents.split())}"

    def _product(self) -> str | None:
        x = self._name()
        if not self._adds_exactly(x):
            return None
        return self._pick(
            [f"{x} @ {x}.T", f"{x}.T @ {x}", f"xp.dot({x}, {x}[::-1])", f"xp.outer({x}, {x})", f"{x} @ {x}"]
        )

    def _orderly(self) -> str | None:
        return f"xp.{self._pick(ORDERLY).format(self._name())}"

    def _chosen(self) -> str | None:
        x = self._name()
        parts = [self._related(x) for _ in range(3)]
        return f"xp.{self._pick(['where', 'clip', 'clip'])}({', '.join(parts)})"

    def _converted(self) -> str | None:
        x = self._name()
        dtype = np.dtype(self._pick(self.dtypes))
        return f"{x}.astype({dtype.name!r})" if self._can_convert(self.values[x], dtype) else None

    def _can_convert(self, value: Any, dtype: np.dtype) -> bool:
        """A float out of range is converted to an integer as the processor likes."""
        if value.dtype.kind not in "fc" or dtype.kind not in "iu":
            return True
        limits = np.iinfo(dtype)
        return value.dtype.kind == "f" and bool(np.all((value > max(limits.min, -(2.0**31))) & (value < 100)))

    def _written(self) -> str | None:
        x = self._name()
        value = self._pick(["{x}", "{x}[::-1]", "{x}.T", "{x}[..., :1]", "{x}[:1]", "{one}", "{zero}"])
        return f"written({x}, lambda y: {self._pick(VIEWS)}, {self._filled(value, x)})"

    def _updated(self) -> str | None:
        x = self._name()
        target, operand = self._pick(PAIRS_OF_VIEWS)
        return f"updated({x}, xp.{self._pick(UPDATES)}, lambda y: ({target}, {operand}))"


class LargeWriter(RelatedWriter):
    """Draws programs of arrays so large that compiled code splits its loops; no two axes make more than the largest array."""

    shapes = ((9, 40_000), (9, 40_000), (40_000,), (9, 1), ())
    related = tuple(text for text in RELATED if "None" not in text)
    largest_size = 360_000

    def _makers(self) -> list[Callable[[], str | None]]:
        others = [self._one, self._reduced, self._reduced, self._chosen, self._converted, self._updated, self._running]
        return [self._pair] * 6 + [self._overlapping, self._pair_with_other] * 2 + others


def related_program(source: random.Random, num_lines: int = 6) -> RandomProgram:
    """Return a random program of related operands."""
    writer = LargeWriter if source.randrange(40) == 0 else RelatedWriter
    with np.errstate(all="ignore"):
        return writer(source, safe=False, errors=False).write(num_lines)
