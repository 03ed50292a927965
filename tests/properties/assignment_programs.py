"""Random programs of views and writes: every statement is text that numpy and composit take alike.

A program is drawn with numpy at hand, so that most statements fit the shapes of the values made so far; a few do not and
are kept for the error. Floating-point numbers stay few halves, so that every result is exact in any order of computing.
"""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.properties import index_texts

SHAPES = ((6,), (4,), (1,), (), (3, 4), (2, 3), (4, 1), (3, 3), (2, 3, 4), (2, 1, 3), (0, 3), (2, 2, 2, 2))
DTYPES = ("float64", "float64", "int64", "int64", "float32", "int32", "bool", "complex64", "complex128")
SCALARS = ("0", "1", "-2", "3", "0.5", "-1.5", "True", "np.float32(2)", "np.int64(5)", "2j")
OPERATORS = ("+=", "-=", "*=", "|=", "&=", "//=", "/=", "**=", "<<=", "^=", "%=", "@=")
LARGEST_SIZE = 64
LARGEST_NUMBER = 2.0**30


class Writer:
    """Draws the statements of a program one after another."""

    def __init__(self, source: random.Random) -> None:
        self.source = source
        self.statements: list[str] = []
        self.values: dict[str, Any] = {}
        self.count = 0

    def write(self, num_statements: int) -> list[str]:
        """Return a program of about so many statements."""
        for _ in range(self.source.randint(1, 3)):
            self._try(self._creation())
        makers = self._makers()
        for _ in range(4 * num_statements):
            if len(self.statements) >= num_statements or self._is_large():
                break
            self._try(self.pick(makers)())
        return self.statements

    def _makers(self) -> list[Callable[[], str]]:
        many = [self._basic_view, self._view, self._view, self._view, self._assignment, self._assignment, self._update]
        some = [self._element_update, self._in_place_function, self._out, self._result, self._copy, self._loop]
        return [*many, *many, *some, *some, self._creation, self._forget, self._flat, self._scatter]

    def pick(self, options: Sequence[Any]) -> Any:
        return options[self.source.randrange(len(options))]

    def some(self, *options: str) -> str:
        """Return one of the texts."""
        return self.pick(options)  # type: ignore[no-any-return]  # a text

    def new_name(self) -> str:
        self.count += 1
        return f"v{self.count}"

    def name(self, ndim: int = 0, kinds: str = "fibc") -> str:
        """Return the name of a live array: a late one rather than an early one."""
        names = [n for n, v in self.values.items() if v.ndim >= ndim and v.dtype.kind in kinds]
        names = names or list(self.values)
        return self.pick(names[-4:] if self.source.randrange(2) else names)  # type: ignore[no-any-return]

    def _is_large(self) -> bool:
        return any(v.dtype.kind in "fc" and v.size and np.abs(v).max() > LARGEST_NUMBER for v in self.values.values())

    def _try(self, statement: str) -> None:
        before = dict(self.values)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                exec(statement, {"xp": np, "np": np}, self.values)
            except (ValueError, TypeError, IndexError, OverflowError):
                self.values = before
                if self.source.randrange(6) == 0:
                    self.statements.append(statement)
                return
            except Exception:  # noqa: BLE001  # of no interest here
                self.values = before
                return
        # Counters of loops are of no use to later statements.
        self.values = {name: value for name, value in self.values.items() if not isinstance(value, int)}
        if all(_is_kept(value) for value in self.values.values()):
            self.statements.append(statement)
        else:
            self.values = before

    def _creation(self) -> str:
        shape, dtype = self.pick(SHAPES), self.pick(DTYPES)
        size = math.prod(shape)
        numbers = [self.source.randint(-9, 9) for _ in range(size)]
        made = f"np.array({numbers}).reshape({shape})"
        return self.some(
            f"{self.new_name()} = xp.array({made}, {dtype!r})",
            f"{self.new_name()} = xp.array({made}, {dtype!r}, order='F')",
            f"{self.new_name()} = xp.array({made}.T, {dtype!r}).T",
            f"{self.new_name()} = xp.arange({size}).reshape({shape})",
            f"{self.new_name()} = xp.zeros({shape}, {dtype!r}, order={self.some('C', 'F')!r})",
            f"{self.new_name()} = xp.arange({float(size)}).reshape({shape}, order='F')",
        )

    def _basic_view(self) -> str:
        x = self.name(1)
        return f"{self.new_name()} = {x}[{index_texts.basic(self.source, self.values[x].ndim)}]"

    def _axis(self, x: str) -> int:
        ndim = self.values[x].ndim
        return self.source.randint(-ndim, ndim - 1 if self.source.randrange(20) else ndim) if ndim else 0

    def _view(self) -> str:
        x = self.name(self.source.randrange(3))
        value = self.values[x]
        ndim, order = value.ndim, self.some("C", "F", "A", "K")
        axes = tuple(self.source.sample(range(ndim), ndim))
        lengths = index_texts.lengths(self.source, value.size)
        a, b = self._axis(x), self._axis(x)
        text = self.some(
            f"{x}.T",
            f"xp.transpose({x}, {axes})",
            f"{x}.transpose({axes})",
            f"{x}.reshape({lengths})",
            f"xp.reshape({x}, {lengths}, order={self.some('C', 'F', 'A')!r})",
            f"xp.ravel({x})",
            f"{x}.ravel({order!r})",
            f"xp.expand_dims({x}, {a})",
            f"xp.squeeze({x})",
            f"{x}.squeeze()",
            f"xp.swapaxes({x}, {a}, {b})",
            f"xp.moveaxis({x}, {a}, {b})",
            f"xp.diagonal({x}, {self.source.randint(-1, 1)})",
            f"{x}.diagonal()",
            f"{x}.real",
            f"{x}.imag",
            f"{x}[...]",
            f"{x}.view()",
            f"{x}",
            f"xp.flip({x}, {a})",
            f"xp.rot90({x})",
            f"xp.atleast_2d({x})",
            f"xp.split({x}, 2, axis={a})[1]",
            f"xp.array_split({x}, 2, axis={a})[0]",
            f"xp.asarray({x})",
            f"list({x})[{self.source.randint(-1, 1)}]",
            f"xp.broadcast_to({x}, {(2, *value.shape)})",
            f"xp.matrix_transpose({x})",
            f"xp.unstack({x})[0]",
            f"{x}[()]",
            f"{x}[None]",
            f"{x}.swapaxes({a}, {b})",
            f"xp.rollaxis({x}, {a})",
            f"xp.real({x})",
            f"xp.lib.stride_tricks.sliding_window_view({x}, 2, axis={a})",
        )
        return f"{self.new_name()} = {text}"

    def _value_for(self, shape: tuple[int, ...], x: str) -> str:
        """Return a text whose value often broadcasts to the shape."""
        fitting = [n for n, v in self.values.items() if _broadcasts(v.shape, shape)]
        own = [f"{x}[{index_texts.basic(self.source, self.values[x].ndim)}]", f"{x}[::-1]", f"{x}.T", x]
        numbers = [self.source.randint(-9, 9) for _ in range(math.prod(shape))]
        exact = f"np.array({numbers}).reshape({shape})"
        row = str([self.source.randint(-9, 9) for _ in range(shape[-1] if shape else 1)])
        options = [self.pick(SCALARS), self.pick(SCALARS), exact, row, self.pick(own), self.name()]
        if fitting:
            options += [self.pick(fitting), f"{self.pick(fitting)} + 1", f"{self.pick(fitting)} * 2"]
        return self.pick(options)  # type: ignore[no-any-return]  # a text

    def _index(self, x: str) -> str:
        integers = self.name(0, "i")
        return index_texts.any_index(self.source, x, self.values[x].shape, integers)

    def _assignment(self) -> str:
        x = self.name(self.source.randrange(2))
        index = self._index(x)
        value = self._value_for(self._chosen_shape(x, index), x)
        # With a mask numpy reads overlapping values while it writes: what comes out is not defined.
        if _is_mask(index):
            value = f"({value}) + 0"
        return f"{x}[{index}] = {value}"

    def _chosen_shape(self, x: str, index: str) -> tuple[int, ...]:
        try:
            return np.shape(eval(f"{x}[{index}]", {"np": np, "xp": np}, self.values))
        except (IndexError, ValueError, TypeError):
            return ()

    def _element_update(self) -> str:
        x = self.name(1)
        index = self._index(x)
        value = self._value_for(self._chosen_shape(x, index), x)
        return f"{x}[{index}] {self.pick(OPERATORS[:4])} {value}"

    def _update(self) -> str:
        x = self.name()
        operator = self.pick(OPERATORS[:3] if self.source.randrange(3) else OPERATORS)
        if operator == "**=" and not self.values[x].ndim:
            # The power of one number has other last bits than that of an array with axes.
            operator = "*="
        value = self.pick(SCALARS) if operator in ("*=", "**=", "<<=") else self._value_for(self.values[x].shape, x)
        return f"{x} {operator} {value}"

    def _in_place_function(self) -> str:
        x, y = self.name(1), self.name()
        mask = self.some(f"{x} > 0", f"{x} != 1", "True", f"xp.isfinite({x})", "[True]")
        value = self._value_for(self.values[x].shape, x)
        a = self._axis(x)
        return self.some(
            f"xp.put({x}, {index_texts.integers(self.source)}, {value}, mode={self.some('wrap', 'clip')!r})",
            f"{x}.put([0, -1, 0], {value})",
            f"xp.copyto({x}, ({value}) + 0)",
            f"xp.copyto({x}, ({value}) + 0, where={mask})",
            f"xp.copyto({x}, {y} + 0, casting='unsafe')",
            f"xp.fill_diagonal({x}, {value})",
            f"xp.fill_diagonal({x}, {self.pick(SCALARS)}, wrap=True)",
            f"xp.putmask({x}, {mask}, {value})",
            f"xp.place({x}, {mask}, ({value}) + 0)",
            f"xp.put_along_axis({x}, xp.argsort({x}, axis={a}), {self.pick(SCALARS)}, axis={a})",
            f"{x}.sort()",
            f"{x}.sort(axis={a})",
            f"{x}[...].fill({self.pick(SCALARS)})",
            f"{x}[...].real = ({value}) + 0",
            f"{x}.imag = {value}",
            f"{x}.T[...] = {value}",
            f"{x}.reshape(-1)[::2] = {self.pick(SCALARS)}",
            f"{x}.partition(0)",
            f"xp.nan_to_num({x}, copy=False)",
            f"{x}.real[...] = {self.pick(SCALARS)}",
        )

    def _out(self) -> str:
        x, y, z = self.name(), self.name(), self.name()
        value = self._value_for(self.values[x].shape, x)
        a, out = self._axis(y), self.some("", f"{self.new_name()} = ")
        return out + self.some(
            f"xp.add({x}, {value}, out={x})",
            f"xp.add({y}, {value}, {x})",
            f"xp.subtract({y}, {value}, out=({x},))",
            f"xp.multiply({x}, {self.pick(SCALARS)}, out={x}, where={x} > 0)",
            f"xp.add({x}, {y}, out={z}, casting='unsafe')",
            f"xp.negative({y}, out={x})",
            f"xp.clip({x}, 0, 2, out={x})",
            f"xp.cumsum({x}, axis={self._axis(x)}, out={x})",
            f"xp.max({y}, axis={a}, out={x})",
            f"xp.take({y}, {index_texts.integers(self.source)}, axis={a}, out={x}, mode='clip')",
            f"xp.minimum({x}, {value}, out={x}[::-1])",
            f"xp.concatenate([{y} + 0, {y} + 0], out={x})",
            f"xp.stack([{y} + 0, {y} + 0], out={x})",
            f"{x}.round(out={x})",
            f"xp.add({x}, {value}, out={x}.T)",
            f"xp.greater({x}, {value}, out={z})",
        )

    def _result(self) -> str:
        x, y = self.name(), self.name()
        text = self.some(
            f"{x} + {y}",
            f"{x} - 1",
            f"{x} * 2",
            f"-{x}",
            f"{x} > {y}",
            f"xp.where({x} > 0, {x}, {y})",
            f"{x}[{self._index(x)}]",
            f"{x}.max()",
            f"{x}[{self._index(x)}]",
            f"xp.concatenate(({x}, {y}))",
            f"xp.sort({x})",
            f"xp.maximum({x}, {self.pick(SCALARS)})",
            f"xp.zeros_like({x})",
            f"xp.argsort({x}, kind='stable')",
        )
        return f"{self.new_name()} = {text}"

    def _copy(self) -> str:
        x = self.name()
        text = self.some(
            f"{x}.copy()",
            f"{x}.copy(order={self.some('C', 'F', 'A', 'K')!r})",
            f"xp.array({x})",
            f"xp.array({x}, copy=None)",
            f"xp.asfortranarray({x})",
            f"xp.ascontiguousarray({x})",
            f"{x}.flatten({self.some('C', 'F', 'A', 'K')!r})",
            f"{x}.astype({self.pick(DTYPES)!r})",
            f"{x}.astype({self.pick(DTYPES)!r}, copy=False)",
            f"xp.copy({x})",
            f"+{x}",
            f"xp.require({x}, requirements='F')",
            f"xp.asanyarray({x}, order='F')",
        )
        return f"{self.new_name()} = {text}"

    def _loop(self) -> str:
        x = self.name(1)
        value = self.pick(SCALARS)
        row, i = self.new_name(), self.new_name()
        return self.some(
            f"for {row} in {x}: {row} += {value}",
            f"for {row} in {x}: {row}[...] = {value}",
            f"for {i}, {row} in enumerate({x}): {row} *= 2; {x}[{i}] -= 1",
            f"for {row} in {x}.T: {row}[...] = {x}[0, ...]",
            f"for {row} in range(len({x})): {x}[{row}] = {x}[-1] + {row}",
            f"{x}[0], {x}[-1] = {x}[-1].copy(), {x}[0].copy()",
            f"{x}[0], {x}[-1] = {x}[-1], {x}[0]",
            f"{x}[[0, -1]] = {x}[[-1, 0]]",
        )

    def _forget(self) -> str:
        return f"del {self.name()}" if len(self.values) > 3 else self._creation()

    def _flat(self) -> str:
        x = self.name(1)
        size = self.values[x].size
        return self.some(
            f"{x}.flat[{self.source.randint(-size - 1, size)}] = {self.pick(SCALARS)}",
            f"{x}.flat[{index_texts.entry_of_slice(self.source)}] = {self.pick(SCALARS)}",
            # As with masks: numpy writes before it has read all.
            f"{x}.flat = ({self._value_for((size,), x)}) + 0",
            f"{x}.flat[[0, 0]] = {self.pick(SCALARS)}",
            f"{self.new_name()} = {x}.flat[{index_texts.entry_of_slice(self.source)}]",
        )

    def _scatter(self) -> str:
        writable = [n for n, v in self.values.items() if v.ndim and v.flags.writeable]
        # numpy's `at` writes to some arrays that are read-only.
        x = self.pick(writable) if writable else self.name(1)
        index = self._index(x)
        # What `at` reads while it writes is not defined either.
        value = f"({self._value_for(self._chosen_shape(x, index), x)}) + 0"
        return self.some(
            f"xp.add.at({x}, ({index}), {value})",
            f"xp.subtract.at({x}, {index_texts.integers(self.source)}, {self.pick(SCALARS)})",
            f"xp.maximum.at({x}, ({index}), {value})",
            f"xp.negative.at({x}, {index_texts.integers(self.source)})",
        )


def _is_mask(index: str) -> bool:
    return any(sign in index for sign in "<>=Tb")


def _is_kept(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic) and value.size <= LARGEST_SIZE and value.dtype.kind in "fibc"


def _broadcasts(given: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(given, wanted) == wanted
    except ValueError:
        return False
