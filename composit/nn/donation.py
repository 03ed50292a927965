"""Donated arguments of compiled steps: which results are written into their memory, and why others are not."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from composit.backends import PreparedProgram, RunsInPlace
from composit.operation import Array, TensorType

# Bits of numpy's flags: dense in row-major order, aligned and writable; memory of its own.
_WRITABLE: Final = 0x0001 | 0x0100 | 0x0400
_OWNED: Final = 0x0004


@dataclass(frozen=True, slots=True)
class Place:
    """A result or an argument of a step: how Python reaches it, and its type."""

    path: str
    type: TensorType

    @property
    def tail(self) -> str:
        """The path behind the number of the argument or result: `['w'][0]`."""
        name, _, rest = self.path.partition("[")
        return f"[{rest}" if name.startswith("argument") else rest.partition("]")[2]

    @property
    def number(self) -> str:
        """The number of the argument or result."""
        name, _, rest = self.path.partition("[")
        return name.removeprefix("argument ") if name.startswith("argument") else rest.partition("]")[0]


@dataclass(slots=True)
class Donations:
    """Pairs of results and arguments that share memory in a run.

    results, arguments: of the step, in order
    outputs:            the number of the result that each output of the program is
    inputs:             for each argument that the program reads, which of the program's inputs it is
    donated:            the numbers of the arguments that may be overwritten
    pairs:              the argument whose memory a result takes
    given_away:         the same, from the program's outputs to its inputs
    """

    prepared: PreparedProgram
    results: Sequence[Place]
    arguments: Sequence[Place]
    outputs: Sequence[int]
    inputs: Mapping[int, int]
    donated: Collection[int]
    pairs: dict[int, int] = field(default_factory=dict)
    given_away: dict[int, int] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    skipped: dict[int, str] = field(default_factory=dict)
    in_place: RunsInPlace | None = field(init=False)

    def __post_init__(self) -> None:
        """Choose a result for each donated argument: the one at the same path if it can be written there."""
        self.in_place = self.prepared if isinstance(self.prepared, RunsInPlace) else None
        allowed = self._allowed()
        for argument in sorted(self.donated):
            candidates = self._candidates(argument)
            known = [(each, allowed.get((each, self.inputs.get(argument, -1)))) for each in candidates]
            chosen = next((each for each, reason in known if reason == "" and each not in self.pairs), None)
            if chosen is not None:
                self.pairs[chosen] = argument
            else:
                self.reasons[argument] = self._why_not(argument, [reason for _, reason in known if reason])
        places = {result: output for output, result in enumerate(self.outputs)}
        self.given_away = {places[result]: self.inputs[argument] for result, argument in self.pairs.items()}

    def _allowed(self) -> dict[tuple[int, int], str]:
        if not self.donated or self.in_place is None:
            return {}
        return {(self.outputs[output], given): reason for output, given, reason in self.in_place.donations()}

    def _candidates(self, argument: int) -> list[int]:
        """Return the results of an argument's type, those at its own path first."""
        own = self.arguments[argument]
        if not own.type.ndim or not own.type.size:
            return []
        alike = [number for number, each in enumerate(self.results) if each.type == own.type]

        def distance(number: int) -> tuple[bool, bool]:
            place = self.results[number]
            return place.tail != own.tail, place.number != own.number

        return sorted(alike, key=distance)

    def _why_not(self, argument: int, reasons: Sequence[str]) -> str:
        if self.in_place is None:
            return "this backend makes new arrays for results"
        if reasons:
            return reasons[0]
        if not self.arguments[argument].type.ndim:
            return "a number has no memory of its own"
        return "no result of its shape and dtype that has no memory yet is computed from it"

    def run(self, values: Sequence[Any], arrays: Sequence[Any]) -> Sequence[Any]:
        """Return the results of a run for the values of the program's inputs, some of them written into arguments.

        arrays: the values of the arguments
        """
        self.skipped = dict(self._misfits(arrays)) if self.pairs else {}
        given_away = self.given_away
        if self.skipped:
            kept = {self.inputs[argument] for argument in self.skipped}
            given_away = {output: given for output, given in given_away.items() if given not in kept}
        if not given_away or self.in_place is None:
            return self.prepared(values)
        return self.in_place.run_in_place(values, given_away)

    def _misfits(self, arrays: Sequence[Any]) -> Iterator[tuple[int, str]]:
        """Yield the donated arguments whose arrays cannot be written to in this call, and why."""
        shared = _sharing(arrays)
        for argument in self.pairs.values():
            array = arrays[argument]
            if type(array) is not np.ndarray or array.flags.num & _WRITABLE != _WRITABLE:
                yield argument, "its array is read-only, or not dense"
            elif argument in shared:
                yield argument, "its array shares memory with another argument"

    def lines(self) -> Iterator[str]:
        """Yield a line for each result, and one for each donated argument whose memory no result takes."""
        for number, result in enumerate(self.results):
            argument = self.pairs.get(number)
            where = "new memory"
            if argument is not None:
                skipped = self.skipped.get(argument)
                name = self.arguments[argument].path
                where = f"in place of {name}" if skipped is None else f"new memory, not {name}: {skipped}"
            yield f"{result.path} {result.type}: {where}"
        for argument, reason in self.reasons.items():
            place = self.arguments[argument]
            yield f"{place.path} {place.type} keeps its values: {reason}"


def outputs_in_order(results: Sequence[Place], arguments: Sequence[Place], donated: Collection[int]) -> list[int]:
    """Return the numbers of the results in the order in which a program should compute them: what is no update comes first.

    So what it reads of the old values is read before they are overwritten.
    """
    updated = {arguments[number].type for number in donated}
    return sorted(range(len(results)), key=lambda number: results[number].type in updated)


def _sharing(arrays: Sequence[Any]) -> set[int]:
    """Return the numbers of the arrays whose memory overlaps another's: neighbours in order of addresses."""
    owners = [_owner(each) for each in arrays if isinstance(each, np.ndarray) and each.size]
    if None not in owners and len(set(owners)) == len(owners):
        return set()
    bounds = sorted(
        (*np.lib.array_utils.byte_bounds(each), number)
        for number, each in enumerate(arrays)
        if isinstance(each, np.ndarray) and each.size
    )
    found: set[int] = set()
    stop, last = 0, -1
    for start, end, number in bounds:
        if start < stop:
            found |= {last, number}
        if end > stop:
            stop, last = end, number
    return found


def _owner(array: Array) -> int | None:
    """Return the identity of the array that numpy allocated this one's memory for, None if it came from elsewhere.

    Memory of two such arrays never overlaps. This is ten times as fast as to compare addresses.
    """
    base: Any = array
    while isinstance(base.base, np.ndarray):
        base = base.base
    return id(base) if base.flags.num & _OWNED else None
