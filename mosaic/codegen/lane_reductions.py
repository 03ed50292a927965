"""Reductions across rows: each lane reduces its own column, in loops around the vectors.

A `LaneReduction` takes each vector of values with its position in these loops.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mosaic import c
from mosaic.codegen.accumulators import accumulate, accumulator
from mosaic.codegen.expressions import Emitter, Scope
from mosaic.codegen.first_extremum import Extremum, keep_place, start_place
from mosaic.codegen.first_true import keep_position, settle_position, start_position
from mosaic.ir.statements import RowStage


class LaneReduction(Protocol):
    """One vector of a reduction; its lanes are in the variable `name`."""

    @property
    def name(self) -> str: ...

    def take(self, value: c.Expression, position: c.Expression, scope: Scope) -> None:
        """Add the statements that combine a vector of values, found at this position along the reduced axes."""

    def finish(self, scope: Scope) -> None:
        """Add the statements after the last value."""


def start_reduction(emitter: Emitter, stage: RowStage, scope: Scope) -> LaneReduction:
    """Declare the variables of a reduction, before its loops."""
    if stage.reducer == "first":
        return _FirstTrue(emitter, stage, start_position(emitter, stage, scope))
    if stage.finds_position:
        return _FirstExtremum(*start_place(emitter, stage, scope))
    return _Accumulated(emitter, stage, accumulator(emitter, stage, scope))


@dataclass(frozen=True, slots=True)
class _Accumulated:
    emitter: Emitter
    stage: RowStage
    name: str

    def take(self, value: c.Expression, position: c.Expression, scope: Scope) -> None:
        accumulate(self.emitter, self.stage, self.name, value, scope, None)

    def finish(self, scope: Scope) -> None:
        """The accumulator is the result."""


@dataclass(frozen=True, slots=True)
class _FirstTrue:
    emitter: Emitter
    stage: RowStage
    name: str

    def take(self, value: c.Expression, position: c.Expression, scope: Scope) -> None:
        keep_position(self.emitter, self.stage, self.name, value, position, scope)

    def finish(self, scope: Scope) -> None:
        settle_position(self.emitter, self.stage, self.name, scope)


@dataclass(frozen=True, slots=True)
class _FirstExtremum:
    extremum: Extremum
    name: str

    def take(self, value: c.Expression, position: c.Expression, scope: Scope) -> None:
        keep_place(self.extremum, self.name, value, position, scope)

    def finish(self, scope: Scope) -> None:
        """Nothing to do: a position that was never set is 0 from the start."""
