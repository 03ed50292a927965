"""A model by name and a number of threads. Each contender gets both, and builds the model in its own process."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmarks.models.cases import built
from benchmarks.module_workload import Built


@dataclass(frozen=True, slots=True)
class Workload:
    """A case by name, at full size or small."""

    name: str
    num_threads: int
    is_small: bool = False
    onnx_path: Path | None = None

    def exported(self, path: Path | None) -> Workload:
        """Return the same workload with the path of its exported module."""
        return replace(self, onnx_path=path)

    def built(self) -> Built:
        """Return the module, the same in every process, and its inputs; torch has as many threads as we are given."""
        torch.set_num_threads(self.num_threads)
        return built(self.name, self.is_small)
