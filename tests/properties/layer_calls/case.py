"""A random call of composit.nn with torch's call of the same meaning, and the operands of both.

Operands are drawn anew for each run of one compiled program. Some reach the function through a view that the graph makes of what is
given (transposed, flipped, every second element, broadcast), and arrays are given in several layouts of memory.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import composit as cnp

Array = np.ndarray[Any, np.dtype[Any]]
Shape = tuple[int, ...]
# Any, in functions: they take arrays, our tensors or torch's.
Function = Callable[..., Any]
Make = Callable[[np.random.Generator], Array]


@dataclass(frozen=True, slots=True)
class View:
    """How an operand is stored, and what the graph and torch make of it."""

    store: Callable[[Array], Array]
    ours: Function
    theirs: Function


def _same(x: Any) -> Any:
    return x


def _every_second(array: Array) -> Array:
    if not array.ndim:
        return array
    wide = np.ones((*array.shape[:-1], 2 * array.shape[-1] + 1), array.dtype)
    wide[..., 1::2] = array
    return wide


def _seconds(x: Any) -> Any:
    return x[..., 1::2] if x.ndim else x


VIEWS = {
    "plain": View(_same, _same, _same),
    "transposed": View(
        lambda array: np.ascontiguousarray(array.T), lambda x: x.T, lambda x: x.permute(*reversed(range(x.ndim)))
    ),
    "flipped": View(
        lambda array: np.ascontiguousarray(np.flip(array)),
        lambda x: cnp.flip(x),
        lambda x: x.flip(tuple(range(x.ndim))),
    ),
    "every second": View(_every_second, _seconds, _seconds),
}


def broadcast_along(shape: Shape, axis: int) -> View:
    """An operand that is equal along an axis, and stored once."""

    def store(array: Array) -> Array:
        return np.ascontiguousarray(np.take(array, [0], axis))

    return View(store, lambda x: cnp.broadcast_to(x, shape), lambda x: x.expand(shape))


def layouts_of(array: Array) -> dict[str, Array]:
    """The same array in several layouts of memory."""
    strided = np.zeros(tuple(2 * length + 1 for length in array.shape), array.dtype)
    inside = strided[(*(slice(1, None, 2) for _ in array.shape), ...)]
    inside[...] = array
    return {
        "C": array,
        "F": np.array(array, order="F"),
        "strided": inside,
        "negative": np.flip(np.ascontiguousarray(np.flip(array))),
    }


@dataclass(frozen=True, slots=True)
class Operand:
    """One argument: how its array is drawn, and the view of that array which the function gets."""

    make: Make
    view: str | View = "plain"
    is_free: bool = True  # whether derivatives by it are compared: torch has none by weights of classes

    def fixed(self) -> Operand:
        return replace(self, is_free=False)

    def stored(self, generator: np.random.Generator, dtype: str) -> Array:
        array = np.asarray(self.make(generator))
        if array.dtype == np.float64:
            array = array.astype(dtype)
        return np.asarray(self.seen.store(array))

    @property
    def seen(self) -> View:
        return VIEWS[self.view] if isinstance(self.view, str) else self.view


@dataclass(frozen=True, slots=True)
class Case:
    """One call.

    text:   what a person would write
    smooth: whether the second derivative exists nearly everywhere and in torch
    """

    text: str
    ours: Function
    theirs: Function | None
    operands: tuple[Operand, ...]
    smooth: bool = False

    def arrays(self, seed: int, dtype: str) -> list[Array]:
        generator = np.random.default_rng(seed)
        return [operand.stored(generator, dtype) for operand in self.operands]


class Draw:
    """Draws the parameters of calls from one seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.choice = self._random.choice
        self.integer = self._random.randint

    def chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def each(self, count: int, choices: Sequence[Any]) -> tuple[Any, ...]:
        """Return one choice for each of `count` axes."""
        return tuple(self.choice(choices) for _ in range(count))

    def view(self, shape: Shape) -> str | View:
        if not shape or self.chance(0.55):
            return "plain"
        axis = self.integer(0, len(shape) - 1)
        if self.chance(0.2) and shape[axis] > 1:
            return broadcast_along(shape, axis)
        return str(self.choice(["transposed", "flipped", "every second"]))

    def normal(self, *shape: int, scale: float = 1.0) -> Operand:
        return Operand(lambda generator: generator.normal(size=shape) * scale, self.view(shape))

    def with_ties(self, *shape: int) -> Operand:
        """Numbers of which many are equal; 0 has both signs."""
        return Operand(lambda generator: np.round(generator.normal(size=shape) * 2) / 2, self.view(shape))

    def uniform(self, low: float, high: float, *shape: int) -> Operand:
        return Operand(lambda generator: generator.uniform(low, high, size=shape), self.view(shape))

    def below(self, high: int, *shape: int) -> Operand:
        return Operand(lambda generator: generator.integers(0, high, size=shape), self.view(shape))

    def truth(self, *shape: int, share: float = 0.6) -> Operand:
        return Operand(lambda generator: generator.random(shape) < share, self.view(shape))

    def signs(self, *shape: int) -> Operand:
        return Operand(lambda generator: np.where(generator.random(shape) < 0.5, -1.0, 1.0), self.view(shape))
