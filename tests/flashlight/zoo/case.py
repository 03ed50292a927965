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


def in_dtype(case: Case, dtype: torch.dtype, tolerance: float) -> Case:
    """Return the case of the same model with weights and inputs of another floating dtype."""

    def build() -> Program:
        program = case.build()
        model: Any = program.function  # Any: a module, as models are
        model.to(dtype)

        def inputs(generator: torch.Generator) -> dict[str, Any]:
            given = program.inputs(generator)
            return {
                name: value.to(dtype) if isinstance(value, torch.Tensor) and value.is_floating_point() else value
                for name, value in given.items()
            }

        return Program(model, inputs)

    return Case(f"{case.name} in {str(dtype).removeprefix('torch.')}", build, tolerance)


def under_autocast(case: Case, dtype: torch.dtype, tolerance: float) -> Case:
    """Return the case with torch.autocast around each call."""

    def build() -> Program:
        program = case.build()

        def call(**given: Any) -> Any:
            with torch.autocast("cpu", dtype=dtype):
                return program.function(**given)

        return Program(call, program.inputs)

    return Case(f"{case.name} under autocast to {str(dtype).removeprefix('torch.')}", build, tolerance)


def ids(generator: torch.Generator, shape: tuple[int, ...], vocabulary: int, first: int = 5) -> torch.Tensor:
    """Return random token ids that are none of the special ones, which stand first."""
    return torch.randint(first, vocabulary, shape, generator=generator)


def floats(generator: torch.Generator, *shape: int) -> torch.Tensor:
    """Return normally distributed numbers."""
    return torch.randn(*shape, generator=generator)
