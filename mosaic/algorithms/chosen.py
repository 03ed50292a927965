"""`compiled.algorithms`: what was chosen for a compiled model, to look at, save and measure."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from composit.errors import UnsupportedAlgorithmError
from composit.program import Program
from mosaic.algorithms import attention
from mosaic.algorithms.attention import scores_of
from mosaic.algorithms.choosing import Choice, Estimate
from mosaic.algorithms.measuring import Progress, measured_seconds
from mosaic.algorithms.registry import SELECTORS, algorithms_of
from mosaic.algorithms.saved import save_choices
from mosaic.compiled import CompiledProgram
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
    _times: dict[tuple[int, str], Mapping[str, float]] = field(default_factory=dict)

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
        times = self._times.get(choice.occurrence.key)
        if not times:
            return choice
        return replace(choice, estimates=tuple(_with_time(each, times) for each in choice.estimates))


def _with_time(estimate: Estimate, times: Mapping[str, float]) -> Estimate:
    return replace(estimate, seconds=times.get(estimate.name, estimate.seconds))


def settled(choices: Sequence[Choice], program: Program, compiled: CompiledProgram) -> tuple[Choice, ...]:
    """Return the choices as they came about: attention is one kernel only where its parts allow it.

    Raises:  UnsupportedAlgorithmError: it was to be one kernel by name
    """
    kernels = [frozenset(kernel.origins) for kernel in compiled.kernels]
    return tuple(_settled(each, program, kernels) for each in choices)


def _settled(choice: Choice, program: Program, kernels: Sequence[frozenset[int]]) -> Choice:
    occurrence = choice.occurrence
    if occurrence.operation != attention.NAME or choice.algorithm.name != attention.FUSED:
        return choice
    scores = scores_of(program, choice.position)
    if any({choice.position, scores} <= origins for origins in kernels):
        return choice
    why_not = "its parts have other readers, or shapes or dtypes that one kernel does not take together"
    if choice.reason in SELECTORS:
        facts = tuple(
            replace(each, num_cycles=None, why_not=why_not) if each.name == attention.FUSED else each
            for each in choice.estimates
        )
        unfused = algorithms_of(attention.NAME)[attention.UNFUSED]
        return Choice(occurrence, unfused, choice.reason, facts)
    raise UnsupportedAlgorithmError(
        f"algorithms: 'fused' was asked for {occurrence}, which it cannot take: {why_not}; those that can: 'unfused'"
    )
