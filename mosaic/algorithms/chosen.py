"""`compiled.algorithms`: what was chosen for a compiled model, to look at, save and measure."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from mosaic.algorithms.choosing import Choice, Estimate
from mosaic.algorithms.measuring import Progress, measured_seconds
from mosaic.algorithms.saved import save_choices
from mosaic.targets import Target


@dataclass(frozen=True, slots=True, eq=False)
class ChosenAlgorithms:
    """The algorithm of each operation that has any, in the order of the program.

    Example:
        >>> import composit.numpy as cnp, mosaic
        >>> x, w = cnp.ones((4, 8), dtype="float32"), cnp.ones((8, 16), dtype="float32")
        >>> print(mosaic.compile(x @ w, inputs=[x]).algorithms)
        matmul of float32[4, 8], float32[8, 16]: gemm (default)
    """

    choices: tuple[Choice, ...]
    target: Target
    num_threads: int
    _times: dict[int, Mapping[str, float]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.choices)

    def __iter__(self) -> Iterator[Choice]:
        return iter(self.all_known())

    def __str__(self) -> str:
        return "\n".join(f"{each.occurrence}: {each.algorithm.name} ({each.reason})" for each in self.choices)

    __repr__ = __str__

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the choices as JSON; `mosaic.compile(..., algorithms=path)` takes them again for the same program and target.

        Raises:  OSError: the file cannot be written
        """
        save_choices(path, self.choices, self.target)

    def measure(self, progress: Progress = lambda stage, share: None) -> None:
        """Time all algorithms of each operation, or take their times from the cache; `explain` then tells them."""
        occurrences = [each.occurrence for each in self.choices]
        self._times.update(measured_seconds(occurrences, self.target, self.num_threads, progress))

    def all_known(self) -> tuple[Choice, ...]:
        """Return the choices, with what has been measured since they were made."""
        return tuple(self._with_times(each) for each in self.choices)

    def _with_times(self, choice: Choice) -> Choice:
        times = self._times.get(choice.position)
        if not times:
            return choice
        return replace(choice, estimates=tuple(_with_time(each, times) for each in choice.estimates))


def _with_time(estimate: Estimate, times: Mapping[str, float]) -> Estimate:
    return replace(estimate, seconds=times.get(estimate.name, estimate.seconds))
