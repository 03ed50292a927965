"""`Case`: one program of the zoo, and the tensors that it is tried on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

# Makes the tensors of a call from a generator, so that a second call gives others of the same shapes.
MakeInputs = Callable[[torch.Generator], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Program:
    """A program of torch: called with tensors by name, it returns tensors in containers of any kind."""

    function: Callable[..., Any]
    inputs: MakeInputs


@dataclass(frozen=True, slots=True)
class Case:
    """A program with a name, which is built when it is needed.

    tolerance: of the largest value; 1e-4 where nothing says why it is another
    """

    name: str
    build: Callable[[], Program]
    tolerance: float = 1e-4
    options: Mapping[str, Any] = field(default_factory=dict)


def ids(generator: torch.Generator, shape: tuple[int, ...], vocabulary: int, first: int = 5) -> torch.Tensor:
    """Return random token ids that are none of the special ones, which stand first."""
    return torch.randint(first, vocabulary, shape, generator=generator)


def floats(generator: torch.Generator, *shape: int) -> torch.Tensor:
    """Return normally distributed numbers."""
    return torch.randn(*shape, generator=generator)
