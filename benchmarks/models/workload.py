"""A model by name and a number of threads. Each contender gets both, and builds the model in its own process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmarks.models.cases import Built, built

Arrays = Sequence[np.ndarray[Any, np.dtype[Any]]]


@dataclass(frozen=True, slots=True)
class Workload:
    """A case by name, at full size or small."""

    name: str
    num_threads: int
    is_small: bool = False

    def built(self) -> Built:
        """Return the module, the same in every process, and its inputs; torch has as many threads as we are given."""
        torch.set_num_threads(self.num_threads)
        return built(self.name, self.is_small)


def arrays_of(output: Any) -> Arrays:
    """Return a model's outputs, a tensor or a tuple of them, as arrays in torch's memory."""
    return [each.numpy() for each in (output if isinstance(output, tuple) else (output,))]
