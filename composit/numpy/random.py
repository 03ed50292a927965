"""Random numbers, drawn by numpy's own generators when the call is made: numpy's numbers, the same at each evaluation.

May import apply, arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from composit.apply import as_tensor, input_of

__all__ = [
    "Generator",
    "choice",
    "default_rng",
    "exponential",
    "normal",
    "permutation",
    "rand",
    "randint",
    "randn",
    "random",
    "random_sample",
    "seed",
    "standard_normal",
    "uniform",
]


def _drawn(value: Any) -> Any:
    """Return drawn numbers as a tensor: an array as a fresh input, a single number as a scalar."""
    return input_of(value) if isinstance(value, np.ndarray) else as_tensor(np.asarray(value)[()])


def _known(value: Any) -> Any:
    # A tensor among the parameters decides what is drawn now, so it is read.
    return np.asarray(value) if hasattr(value, "__lazy_tensor__") else value


def _drawing(function: Callable[..., Any]) -> Callable[..., Any]:
    def draw(*args: Any, **kwargs: Any) -> Any:
        known = {name: _known(value) for name, value in kwargs.items()}
        return _drawn(function(*map(_known, args), **known))

    draw.__name__ = draw.__qualname__ = function.__name__
    draw.__doc__ = f"Return drawn numbers as a tensor. See np.random.{function.__name__}."
    return draw


class Generator:
    """numpy's random generator with tensors as results: every distribution of np.random.Generator, drawn at the call.

    Example:
        >>> import composit as cnp
        >>> cnp.random.default_rng(0).normal(size=(2, 3)).shape
        (2, 3)
    """

    __slots__ = ("_generator",)

    def __init__(self, bit_generator: np.random.BitGenerator | np.random.Generator) -> None:
        self._generator = np.random.default_rng(bit_generator)

    @property
    def bit_generator(self) -> np.random.BitGenerator:
        """The source of bits, shared with numpy."""
        return self._generator.bit_generator

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        return _drawing(getattr(self._generator, name))

    def shuffle(self, x: Any, axis: int = 0) -> None:
        """Raise: shuffling in place is not possible here."""
        raise TypeError(
            f"shuffle: {x!r:.60} would be changed in place; a tensor is a value; write x = rng.permutation(x,"
            f" axis={axis})"
        )

    def spawn(self, n_children: int) -> list[Generator]:
        """Return independent generators. See np.random.Generator.spawn."""
        return [Generator(child) for child in self._generator.spawn(n_children)]


def default_rng(seed: Any = None) -> Generator:
    """Return a generator of numpy's default kind. See np.random.default_rng."""
    return Generator(np.random.default_rng(seed))


def seed(seed: Any = None) -> None:
    """Seed numpy's global generator, which the functions of this module draw from. See np.random.seed."""
    np.random.seed(seed)


rand = _drawing(np.random.rand)
randn = _drawing(np.random.randn)
random = _drawing(np.random.random)
random_sample = _drawing(np.random.random_sample)
normal = _drawing(np.random.normal)
standard_normal = _drawing(np.random.standard_normal)
uniform = _drawing(np.random.uniform)
randint = _drawing(np.random.randint)
choice = _drawing(np.random.choice)
permutation = _drawing(np.random.permutation)
exponential = _drawing(np.random.exponential)
