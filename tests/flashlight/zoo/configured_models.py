"""Models of transformers with a configuration and inputs of their own: the rows of the tables of this folder, and how they are built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from tests.flashlight.zoo.case import Case, Program, floats, ids
from tests.flashlight.zoo.transformers_models import randomise

Make = Callable[[torch.Generator], torch.Tensor]


@dataclass(frozen=True, slots=True)
class Row:
    """One model.

    settings:   arguments of the model's own configuration class
    inputs:     what makes each tensor of a call
    generation: settings of generate(); None where the model is called
    method:     what is called in place of the model, such as "get_image_features"
    """

    model: str
    settings: Mapping[str, Any]
    inputs: Mapping[str, Make]
    generation: Mapping[str, Any] | None = None
    attention: str = "sdpa"
    method: str = "__call__"
    tolerance: float = 1e-4


def tokens(*shape: int, vocabulary: int = 90) -> Make:
    """Make random token ids."""
    return lambda generator: ids(generator, shape, vocabulary)


def tokens_around(token: int, count: int, batch: int = 2, length: int = 7) -> Make:
    """Make token ids of which `count` from the second on are the token that stands for a part of an image or a sound."""

    def make(generator: torch.Generator) -> torch.Tensor:
        found = ids(generator, (batch, length + count), 90)
        found[:, 1 : 1 + count] = token
        return found

    return make


def normal(*shape: int) -> Make:
    """Make normally distributed numbers."""
    return lambda generator: floats(generator, *shape)


def constant(*values: Any, dtype: torch.dtype = torch.int64) -> Make:
    """Make the same values at each call."""
    return lambda generator: torch.tensor(values, dtype=dtype)


def ones(*shape: int) -> Make:
    """Make a mask that lets all pass."""
    return lambda generator: torch.ones(shape, dtype=torch.int64)


def padded(batch: int, length: int, on_the_left: bool = False) -> Make:
    """Make a mask whose last row has three padded positions."""

    def make(generator: torch.Generator) -> torch.Tensor:
        mask = torch.ones(batch, length, dtype=torch.int64)
        mask[-1, slice(3) if on_the_left else slice(-3, None)] = 0
        return mask

    return make


def cases(table: str, rows: Mapping[str, Row]) -> list[Case]:
    """Return the cases of a table's rows."""
    return [Case(f"{table}/{name}", partial(_build, row), row.tolerance) for name, row in rows.items()]


def _build(row: Row) -> Program:
    import transformers

    kind: Any = getattr(transformers, row.model)
    config = kind.config_class(**row.settings)
    model: Any = kind._from_config(config, attn_implementation=row.attention).eval()
    randomise(model)
    call = getattr(model, row.method) if row.generation is None else partial(_generate, model, dict(row.generation))

    def inputs(generator: torch.Generator) -> dict[str, Any]:
        return {name: make(generator) for name, make in row.inputs.items()}

    return Program(call, inputs)


def _generate(model: Any, settings: dict[str, Any], **given: torch.Tensor) -> Any:
    # Sampling draws from torch's own generator.
    torch.manual_seed(11)
    return model.generate(**given, **{"pad_token_id": 0, "max_new_tokens": 4, **settings})
