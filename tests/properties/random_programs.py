"""Random programs as text: lines of numpy spoken to numpy and to composit alike, so that a failure can be read.

A program is drawn with numpy at hand: what is drawn fits the shapes of the values made so far, or, now and then, does
not, and is then kept for the error it raises.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SHAPES = ((), (1,), (3,), (4,), (2, 3), (3, 1), (1, 4), (3, 4), (2, 1, 3), (2, 3, 4), (0, 3), (3, 3), (17,), (5, 16))
DTYPES = ("float32", "float64", "int32", "int64", "bool")
SPECIAL = (0.0, -0.0, math.inf, -math.inf, math.nan, 1.0, -1.0, 1e-40, 1e30, 0.5)
LARGEST_SIZE = 600
PERIOD = 197  # of numbers in an input that is larger
LARGEST_INDEX = 10**6
PAD_MODES = ("constant", "edge", "reflect", "wrap")


def _words(text: str) -> list[str]:
    return text.split()


UNARY = _words(
    "negative positive absolute exp exp2 expm1 log log2 log10 log1p sqrt cbrt square reciprocal sin cos "
    "tan arctan sinh cosh tanh arcsinh floor ceil trunc rint sign signbit isnan isinf isfinite "
    "logical_not invert degrees radians fabs spacing"
)
BINARY = _words(
    "add subtract multiply divide floor_divide remainder fmod power float_power maximum minimum fmax fmin "
    "arctan2 hypot copysign nextafter logaddexp logaddexp2 heaviside ldexp gcd lcm logical_and logical_or "
    "logical_xor bitwise_and bitwise_or bitwise_xor left_shift right_shift equal not_equal less "
    "less_equal greater greater_equal"
)
OPERATORS = _words("+ - * / // % ** & | ^ << >> < <= > >= == !=")
SCALARS = ("0", "1", "2", "-3", "7", "0.5", "-0.0", "2.0", "1e-3", "True", "False", "np.float32(2)", "np.int64(3)")
REDUCTIONS = _words("sum prod max min mean any all argmax argmin var std count_nonzero ptp")
# Sums whose order numpy chooses, and functions whose last bits differ from one library to the next.
SAFE_UNARY = _words(
    "negative positive absolute sqrt square floor ceil trunc rint sign isnan isfinite logical_not exp tanh log"
)
SAFE_BINARY = _words(
    "add subtract multiply divide maximum minimum logical_and logical_or equal not_equal less less_equal "
    "greater greater_equal"
)
SAFE_OPERATORS = _words("+ - * / < <= > >= == !=")


@dataclass(frozen=True, slots=True)
class Line:
    """One statement `name = text`, and what numpy says to it: a value, or the class of an error."""

    name: str
    text: str
    value: Any
    error: type[BaseException] | None = None


@dataclass(slots=True)
class RandomProgram:
    """Inputs by name, and the lines in order."""

    inputs: dict[str, np.ndarray] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)

    def __str__(self) -> str:
        made = [f"{name} = {_array_text(value)}" for name, value in self.inputs.items()]
        made = [re.sub(r"\b(nan|inf)\b", r"np.\1", line) for line in made]
        return "\n".join(made + [f"{line.name} = {line.text}" for line in self.lines])

    def run(self, xp: Any, inputs: dict[str, Any], on_error: Callable[[Line, BaseException], None]) -> dict[str, Any]:
        """Return the values that the lines have in the namespace `xp`."""
        values = dict(inputs)
        for line in self.lines:
            try:
                values[line.name] = say(xp, line.text, values)
            except Exception as error:  # noqa: BLE001  # any class may be the right one; the caller judges
                on_error(line, error)
        return values


def _array_text(value: np.ndarray) -> str:
    numbers = f"np.array({value.ravel()[:PERIOD].tolist()!r}, {value.dtype.name!r})"
    if value.size > LARGEST_SIZE:
        return f"np.resize({numbers}, {value.shape})"
    # An empty array says too little in a list.
    return f"np.array({value.tolist()!r}, {value.dtype.name!r})" if value.size else f"{numbers}.reshape({value.shape})"


def say(xp: Any, text: str, values: dict[str, Any]) -> Any:
    """Return what the expression is in the namespace `xp`."""
    return eval(text, {"xp": xp, "np": np, "written": written, "updated": updated}, values)


def written(x: Any, view: Callable[[Any], Any], value: Any) -> Any:
    """Return a copy of x into which a value was written through a view."""
    y = x.copy()
    view(y)[...] = value
    return y


def updated(x: Any, function: Callable[..., Any], views: Callable[[Any], tuple[Any, Any]]) -> Any:
    """Return a copy of x in which one view was changed in place by another, as y[1:] += y[:-1] does."""
    y = x.copy()
    target, operand = views(y)
    function(target, operand, out=target)
    return y


class Writer:
    """Draws the lines of a program one after another."""

    dtypes: tuple[str, ...] = DTYPES
    kinds = "fib"  # of the values that a line may have
    largest_size = LARGEST_SIZE

    def __init__(self, source: random.Random, safe: bool, errors: bool) -> None:
        self.source = source
        self.safe = safe
        self.errors = errors
        self.program = RandomProgram()
        self.values: dict[str, Any] = {}

    def write(self, num_lines: int) -> RandomProgram:
        for position in range(self.source.randint(1, 3)):
            self._add_input(f"a{position}")
        makers = self._makers()
        attempts = 0
        while len(self.program.lines) < num_lines and attempts < 20 * num_lines:
            attempts += 1
            self._try(self._pick(makers)())
        return self.program

    def _makers(self) -> list[Callable[[], str | None]]:
        """Return what draws lines, as often as it shall."""
        makers = [self._elementwise, self._elementwise, self._unary, self._scalar, self._reduction, self._movement]
        return [*makers, self._joining, self._indexing, self._choosing, self._matmul, self._creation, self._rest]

    def _pick(self, options: Sequence[Any]) -> Any:
        return options[self.source.randrange(len(options))]

    def _add_input(self, name: str) -> None:
        shape, dtype = self._pick(SHAPES), np.dtype(self._pick(self.dtypes))
        size = math.prod(shape)
        if dtype.kind == "f":
            numbers = [self.source.randint(-40, 40) / 8 for _ in range(size)]
            if self.source.randrange(4) == 0:
                numbers = [self._pick(SPECIAL) if self.source.randrange(3) == 0 else number for number in numbers]
        elif dtype.kind == "i":
            numbers = [self.source.randint(-5, 6) for _ in range(size)]
        else:
            numbers = [self.source.randrange(2) for _ in range(size)]
        value = np.array(numbers, dtype).reshape(shape)
        self.program.inputs[name] = self.values[name] = value

    def _try(self, text: str | None) -> None:
        if text is None:
            return
        name = f"v{len(self.program.lines)}"
        try:
            value = say(np, text, self.values)
        except Exception as error:  # noqa: BLE001  # numpy's class is what is recorded
            if self.errors and isinstance(error, ValueError | TypeError | IndexError | OverflowError):
                self.program.lines.append(Line(name, text, None, type(error)))
            return
        for part in value if isinstance(value, list | tuple) else [value]:
            if (
                not isinstance(part, np.ndarray | np.generic)
                or part.size > self.largest_size
                or part.dtype.kind not in self.kinds
            ):
                return
            if self.safe and part.dtype not in ("float32", "float64", "int32", "int64", "bool"):
                return
        self.program.lines.append(Line(name, text, value))
        if isinstance(value, list | tuple):
            return
        self.values[name] = value

    def _value(self, kinds: str = "", ndim: int = 0) -> str | None:
        names = [n for n, v in self.values.items() if v.dtype.kind in (kinds or self.kinds) and v.ndim >= ndim]
        return self._pick(names[-6:] if self.source.randrange(2) else names) if names else None

    def _axis(self, x: str, several: bool = False) -> Any:
        ndim = self.values[x].ndim
        axes = [*range(-ndim, ndim)]
        if self.errors and self.source.randrange(20) == 0:
            return self._pick([ndim, -ndim - 1])
        if several and ndim > 1 and self.source.randrange(2):
            return tuple(self.source.sample(range(ndim), self.source.randint(0, ndim)))
        return self._pick(axes) if axes else 0

    def _unary(self) -> str | None:
        x = self._value()
        if self.source.randrange(4) == 0:
            return f"{self._pick('-+~')}{x}" if not self.safe else f"-{x}"
        return f"xp.{self._pick(SAFE_UNARY if self.safe else UNARY)}({x})"

    def _elementwise(self) -> str | None:
        x, y = self._value(), self._value()
        if self.source.randrange(2):
            return f"{x} {self._pick(SAFE_OPERATORS if self.safe else OPERATORS)} {y}"
        name = self._pick(SAFE_BINARY if self.safe else BINARY)
        if self.source.randrange(6) == 0:
            return f"xp.{name}({x}, {y}, dtype={self._pick(DTYPES[:4])!r})"
        return f"xp.{name}({x}, {y})"

    def _scalar(self) -> str | None:
        pair = [self._value(), self._pick(SCALARS)]
        if self.source.randrange(2):
            pair.reverse()
        if self.source.randrange(2):
            return f"{pair[0]} {self._pick(SAFE_OPERATORS if self.safe else OPERATORS)} {pair[1]}"
        return f"xp.{self._pick(SAFE_BINARY if self.safe else BINARY)}({pair[0]}, {pair[1]})"

    def _reduction(self) -> str | None:
        x = self._value()
        name = self._pick(REDUCTIONS[:7] if self.safe else REDUCTIONS)
        several = name not in ("argmax", "argmin")
        options = [] if self.source.randrange(3) == 0 else [f"axis={self._axis(x, several)}"]
        if self.source.randrange(3) == 0:
            options.append("keepdims=True")
        if name in ("sum", "prod", "mean", "var", "std") and self.source.randrange(4) == 0:
            options.append(f"dtype={self._pick(DTYPES[:2] if name in ('mean', 'var', 'std') else DTYPES[:4])!r}")
        if name in ("var", "std") and self.source.randrange(3) == 0:
            options.append("ddof=1")
        if name in ("sum", "prod", "max", "min") and not self.safe and self.source.randrange(6) == 0:
            options.append(f"initial={self._pick(['0', '1', '2.5', '-3'])}")
        if name in ("sum", "any", "all", "mean") and not self.safe and self.source.randrange(8) == 0:
            options.append(f"where={x} > 0")
        method = self.source.randrange(3) == 0 and name not in ("count_nonzero", "ptp")
        return f"{x}.{name}({', '.join(options)})" if method else f"xp.{name}({', '.join([x, *options])})"

    def _movement(self) -> str | None:
        x = self._value()
        shape = self.values[x].shape
        ndim, size = len(shape), math.prod(shape)
        order = self.source.sample(range(ndim), ndim)
        lengths = self._lengths(size)
        return self._pick(
            [
                f"xp.transpose({x}, {tuple(order)})",
                f"{x}.T",
                f"xp.reshape({x}, {lengths})",
                f"{x}.reshape({lengths})",
                f"xp.expand_dims({x}, {self.source.randint(-ndim - 1, ndim)})",
                f"xp.squeeze({x})",
                f"xp.squeeze({x}, axis={self._axis(x)})",
                f"xp.swapaxes({x}, {self._axis(x)}, {self._axis(x)})",
                f"xp.moveaxis({x}, {self._axis(x)}, {self._axis(x)})",
                f"xp.broadcast_to({x}, {(self.source.randint(1, 3), *shape)})",
                f"xp.ravel({x})",
                f"xp.flip({x}, axis={self._axis(x)})",
                f"xp.roll({x}, {self.source.randint(-3, 3)}, axis={self._axis(x)})",
                f"xp.repeat({x}, {self.source.randint(0, 3)}, axis={self._axis(x)})",
                f"xp.tile({x}, {self.source.randint(0, 3)})",
                f"xp.pad({x}, {self.source.randint(0, 2)}, mode={self._pick(PAD_MODES)!r})",
                f"xp.pad({x}, ({self.source.randint(0, 2)}, {self.source.randint(0, 2)}), constant_values=3)",
            ]
        )

    def _lengths(self, size: int) -> tuple[int, ...]:
        divisors = [d for d in range(1, size + 1) if size % d == 0] or [1]
        first = self._pick(divisors)
        return self._pick([(first, -1), (-1, first), (size,), (first, size // first), (1, size, 1)])

    def _joining(self) -> str | None:
        x = self._value()
        same = [n for n, v in self.values.items() if v.shape == self.values[x].shape]
        names = ", ".join(self._pick(same) for _ in range(self.source.randint(1, 3)))
        length = self.values[x].shape[0] if self.values[x].ndim else 1
        return self._pick(
            [
                f"xp.concatenate(({names},), axis={self._axis(x)})",
                f"xp.concatenate(({names},), axis=None)",
                f"xp.stack(({names},), axis={self._axis(x)})",
                f"xp.hstack(({names},))",
                f"xp.vstack(({names},))",
                f"xp.split({x}, {self._pick([1, 2, 3, max(length, 1)])}, axis={self._axis(x)})",
                f"xp.array_split({x}, {self.source.randint(1, 4)}, axis={self._axis(x)})[-1]",
                f"xp.split({x}, [{self.source.randint(-2, 2)}, {self.source.randint(0, 5)}], axis={self._axis(x)})[1]",
            ]
        )

    def _indexing(self) -> str | None:
        x = self._value(ndim=1) or self._value()
        i = self._value("i", 0)
        indices = [self.source.randint(-3, 3) for _ in range(self.source.randint(1, 4))]
        basic = ", ".join(self._entry() for _ in range(self.source.randint(1, self.values[x].ndim + 1)))
        options = [f"{x}[{basic}]"] * 4 + [
            f"{x}[{indices}]",
            f"{x}[{indices}, {self.source.randint(-2, 2)}]",
            f"{x}[:, {indices}]",
            f"xp.take({x}, {indices}, axis={self._axis(x)})",
            f"xp.take({x}, {indices}, mode={self._pick(['wrap', 'clip'])!r})",
            f"{x}[..., {indices[:1]}]",
        ]
        if i is not None:
            mode = self._pick(["wrap", "clip"] if self._may_wrap(x, i) else ["clip", "clip"])
            options += [f"xp.take({x}, {i}, mode={mode!r}, axis={self._axis(x)})", f"{x}[{i}]"]
        return self._pick(options)

    def _may_wrap(self, x: str, i: str) -> bool:
        """numpy wraps by taking the length away again and again: 2**60 takes it years, a length of 0 for ever."""
        index = self.values[i]
        return self.values[x].size > 0 and bool(np.all((index > -LARGEST_INDEX) & (index < LARGEST_INDEX)))

    def _entry(self) -> str:
        def bound() -> str:
            return self._pick(["", "", str(self.source.randint(-4, 4))])

        step = self._pick(["", "", ":2", ":-1", ":-2"])
        return self._pick([str(self.source.randint(-3, 3)), f"{bound()}:{bound()}{step}", "...", "None", ":"])

    def _choosing(self) -> str | None:
        x, y, c = self._value(), self._value(), self._value("b") or self._value()
        scalar = self._pick(SCALARS)
        return self._pick(
            [
                f"xp.where({c}, {x}, {y})",
                f"xp.where({c}, {scalar}, {y})",
                f"xp.where({c}, {x}, {scalar})",
                f"xp.clip({x}, {self._pick(['0', '-1', '0.5', 'None'])}, {self._pick(['2', '3.5', 'None'])})",
                f"xp.clip({x}, {y}, {scalar})",
                f"{x}.astype({self._pick(DTYPES)!r})",
                f"{x}.clip(0, 2)",
                f"xp.nan_to_num({x})",
            ]
        )

    def _matmul(self) -> str | None:
        x, y = self._value(ndim=1), self._value(ndim=1)
        if x is None or y is None:
            return None
        return self._pick(
            [
                f"{x} @ {y}",
                f"{x} @ {x}.T",
                f"xp.matmul({x}, {y})",
                f"xp.dot({x}, {y})",
                f"xp.swapaxes({x}, -1, -2) @ {x}",
            ]
            + ([] if self.safe else [f"xp.outer({x}, {y})", f"xp.inner({x}, {y})", f"xp.tensordot({x}, {y}, axes=1)"])
        )

    def _creation(self) -> str | None:
        x = self._value()
        dtype = self._pick(DTYPES)
        return self._pick(
            [
                f"xp.zeros_like({x})",
                f"xp.ones_like({x}, dtype={dtype!r})",
                f"xp.full_like({x}, {self._pick(['2', '-1.5', 'True'])})",
                f"xp.full({self.values[x].shape}, {self._pick(SCALARS)})",
                f"xp.arange({self.source.randint(-3, 9)}, dtype={dtype!r})",
                f"xp.arange({self.source.randint(0, 3)}, 9, {self._pick(['2', '0.7', '3'])})",
                f"xp.linspace(0, {self.source.randint(1, 5)}, {self.source.randint(0, 6)})",
                f"xp.eye({self.source.randint(1, 4)}, 3, k={self.source.randint(-1, 1)}, dtype={dtype!r})",
                f"xp.ones({self.source.randint(0, 4)}, dtype={dtype!r})",
            ]
        )

    def _rest(self) -> str | None:
        x = self._value(ndim=1)
        if x is None:
            return None
        options = [f"xp.tril({x})", f"xp.triu({x}, 1)", f"xp.diagonal({x})", f"xp.trace({x})", f"xp.diag({x})"]
        options += [
            f"xp.cumsum({x}, axis={self._axis(x)})",
            f"xp.cumsum({x})",
            f"xp.round({x}, 1)",
            f"xp.meshgrid({x}, {x})[0]",
        ]
        options += [
            f"xp.cumprod({x}, axis={self._axis(x)})",
            f"xp.average({x}, axis={self._axis(x)})",
            f"xp.rot90({x})",
        ]
        options += [
            f"xp.atleast_2d({x})",
            f"xp.atleast_3d({x})",
            f"xp.modf({x})",
            f"xp.divmod({x}, 3)",
            f"xp.frexp({x})",
        ]
        options += [f"xp.real({x})", f"xp.angle({x})", f"xp.isclose({x}, 1)", f"xp.einsum('...->...', {x})"]
        return self._pick(options)


def random_program(
    source: random.Random, num_lines: int = 8, safe: bool = False, errors: bool = False
) -> RandomProgram:
    """Return a random program; `safe` ones have only what backends other than numpy compute alike."""
    with np.errstate(all="ignore"):
        return Writer(source, safe, errors).write(num_lines)


def is_known(part: Any) -> bool:
    """Return whether a result is one that further lines may take: small, and of numbers."""
    return isinstance(part, np.ndarray | np.generic) and part.size <= LARGEST_SIZE and part.dtype.kind in "fib"


def parts(value: Any) -> Iterator[Any]:
    """Yield a value, or each of several."""
    if isinstance(value, list | tuple):
        yield from value
    else:
        yield value
