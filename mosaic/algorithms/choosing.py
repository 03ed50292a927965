"""Which algorithm computes each node of a program: a choice per instruction, made before lowering."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from composit.errors import UnsupportedAlgorithmError
from composit.node import Node
from composit.program import Program
from composit.source import describe_source
from mosaic.algorithms.keys import Wanted, wanted_by
from mosaic.algorithms.occurrence import Occurrence, occurrences
from mosaic.algorithms.record import Algorithm, Case
from mosaic.algorithms.registry import algorithms_of, custom_of, those_that_can
from mosaic.algorithms.saved import is_saved, names_saved
from mosaic.targets import Target

Measure = Callable[[Sequence[Occurrence]], Mapping[tuple[int, str], Mapping[str, float]]]
"""Returns for each occurrence, by its key, the measured seconds of each algorithm that takes it."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is known of one algorithm for one node: its cycles by the model of cost, or why it cannot; its time if measured."""

    name: str
    num_cycles: float | None
    why_not: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The algorithm of one instruction.

    reason:    "default", "guess", "measured", or what named it
    estimates: of all algorithms of the operation, in the order in which they were registered
    """

    occurrence: Occurrence
    algorithm: Algorithm
    reason: str
    estimates: tuple[Estimate, ...]

    @property
    def position(self) -> int:
        """The position of the instruction."""
        return self.occurrence.position


def choose(
    given: Any,
    program: Program,
    known: Collection[int],
    target: Target,
    nodes: Sequence[Node | None] = (),
    measure: Measure | None = None,
    precision: str = "",
) -> tuple[Choice, ...]:
    """Return a choice for each instruction that has algorithms to choose from.

    given:       what the user passed as `algorithms=` (see `mosaic.algorithms.keys`); None for the default everywhere
    known:       the positions of instructions whose values are known before the program runs
    nodes:       the node of each instruction, where keys may be tensors
    measure:     times algorithms, where "measured" is asked for
    precision:   algorithms of this precision are taken before others, where nothing is named

    Raises:      ParameterError: a key names nothing here, or a name is not that of an algorithm
                 UnsupportedAlgorithmError: an algorithm asked for by name cannot take the shapes or dtypes
    """
    found = list(occurrences(program, known, target))
    wanted = _wanted(given, found, nodes, target)
    times: Mapping[tuple[int, str], Mapping[str, float]] = {}
    timed = [each for each in found if wanted.get(each.key, ("", ""))[0] == "measured"]
    if timed and measure is not None:
        times = measure(timed)
    cases = _Cases(precision)
    return tuple(
        cases.choice(each, *wanted.get(each.key, ("default", "default")), times.get(each.key, {})) for each in found
    )


def _wanted(given: Any, found: Sequence[Occurrence], nodes: Sequence[Node | None], target: Target) -> Wanted:
    if given is None:
        return {}
    if is_saved(given):
        return names_saved(given, found, target)
    return wanted_by(given, found, nodes)


@dataclass(frozen=True, slots=True)
class _Cases:
    """The estimates of cases, each made once: a network has many equal layers."""

    precision: str
    estimates: dict[tuple[object, ...], tuple[Estimate, ...]] = field(default_factory=dict)

    def choice(self, occurrence: Occurrence, name: str, reason: str, times: Mapping[str, float]) -> Choice:
        """Return the choice for one occurrence."""
        algorithms = algorithms_of(occurrence.operation)
        estimates = self.of(occurrence, algorithms)
        if times:
            estimates = tuple(replace(each, seconds=times.get(each.name)) for each in estimates)
        return Choice(occurrence, self._chosen(occurrence, name, algorithms, estimates), reason, estimates)

    def of(self, occurrence: Occurrence, algorithms: Mapping[str, Algorithm]) -> tuple[Estimate, ...]:
        """Return the estimates of all algorithms."""
        case = occurrence.case
        shapes = (case.operand_types, case.types, case.is_constant, case.is_entering, case.is_leaving)
        key = (occurrence.operation, case.operation.structure(), *shapes)
        if key not in self.estimates:
            self.estimates[key] = tuple(_estimate(each, case) for each in algorithms.values())
        return self.estimates[key]

    def _chosen(
        self, occurrence: Occurrence, name: str, algorithms: Mapping[str, Algorithm], estimates: Sequence[Estimate]
    ) -> Algorithm:
        if name not in ("default", "guess", "measured"):
            return _named(occurrence, name, algorithms)
        able = [each for each in estimates if not each.why_not]
        kept = [each for each in able if self.precision and algorithms[each.name].precision == self.precision]
        kept = kept or [each for each in able if algorithms[each.name].is_default]
        if not kept:
            raise UnsupportedAlgorithmError(
                f"{_asked(occurrence, name)}; no algorithm of {occurrence.operation} takes it"
            )
        timed = [each for each in kept if each.seconds is not None]
        if timed:
            return algorithms[min(timed, key=lambda each: each.seconds or 0.0).name]
        return algorithms[min(kept, key=lambda each: each.num_cycles or 0.0).name]


def _estimate(algorithm: Algorithm, case: Case) -> Estimate:
    why_not = algorithm.why_not(case)
    return Estimate(algorithm.name, None if why_not else algorithm.num_cycles(case), why_not)


def _named(occurrence: Occurrence, name: str, algorithms: Mapping[str, Algorithm]) -> Algorithm:
    algorithm = custom_of(occurrence.operation) if name == "custom" else algorithms[name]
    if algorithm is None:
        raise UnsupportedAlgorithmError(
            f"{_asked(occurrence, name)}; no algorithm of your own is registered for {occurrence.operation}; register one with"
            f" mosaic.algorithm({occurrence.operation!r}, 'custom'), or choose one of {_able(occurrence)}"
        )
    why_not = algorithm.why_not(occurrence.case)
    if why_not:
        raise UnsupportedAlgorithmError(
            f"{_asked(occurrence, name)}, which it cannot take: {why_not}; those that can: {_able(occurrence)}"
            f"{_built(occurrence)}"
        )
    return algorithm


def _asked(occurrence: Occurrence, name: str) -> str:
    return f"algorithms: {name!r} was asked for {occurrence}"


def _able(occurrence: Occurrence) -> str:
    return ", ".join(map(repr, those_that_can(occurrence.operation, occurrence.case))) or "none"


def _built(occurrence: Occurrence) -> str:
    return f". It was built at:\n  {describe_source(occurrence.source)}" if occurrence.source is not None else ""
