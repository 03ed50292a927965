"""Why programs were compiled again: a bounded record of compilations, and the report that compares them when asked.

Keeping the record costs one append per compilation. Programs are compared only by `explain_recompiles`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from mosaic.passes.pipeline import Request
from mosaic.program_differences import Difference, differences, lines_of, without_functions

most_kept = 64
_most_compared = 8
_most_shown = 6


@dataclass(frozen=True, slots=True, eq=False)
class Compilation:
    """One program that was made runnable.

    outcome: "compiled", or where it was found
    """

    number: int
    request: Request
    num_threads: int
    outcome: str
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Recompile:
    """A compilation that resembles `earlier`, the nearest one before it, with their differences."""

    compilation: Compilation
    earlier: Compilation
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class RecompileReport:
    """All that the record knows; printed, equal causes together.

    num_compilations: in this process since the record was cleared, those no longer in the record included
    """

    num_compilations: int
    num_kept: int
    recompiles: tuple[Recompile, ...]

    def __str__(self) -> str:
        lines = [self._first_line()]
        for recompiles in _by_cause(self.recompiles):
            lines += ["", *_cause_lines(recompiles)]
        return "\n".join(lines)

    __repr__ = __str__

    def _first_line(self) -> str:
        kept = "" if self.num_kept == self.num_compilations else f", of which the last {self.num_kept} are on record"
        return f"{self.num_compilations} programs were made runnable{kept}; {len(self.recompiles)} of them resemble an earlier one."


@dataclass(slots=True)
class _Record:
    """The latest compilations of this process."""

    kept: deque[Compilation] = field(default_factory=lambda: deque(maxlen=most_kept))
    numbers: count[int] = field(default_factory=lambda: count(1))


_record = _Record()


def record_compilation(request: Request, num_threads: int, outcome: str, elapsed_s: float) -> None:
    """Note that a program was made runnable. Values of constants, and functions of users, are not kept."""
    light = Request(without_functions(request.program), {}, request.options, request.inputs)
    _record.kept.append(Compilation(next(_record.numbers), light, num_threads, outcome, elapsed_s))


def clear_recompiles() -> None:
    """Forget all compilations, so that a report begins here."""
    _record.kept.clear()
    _record.numbers = count(1)


def explain_recompiles() -> RecompileReport:
    """Return why programs were compiled again: for each, what differs from the nearest earlier one, and what to do.

    Two programs are compared if at least half of the lines of Python that built them are the same. The latest 64
    compilations are on record; `clear_recompiles` begins a new one.

    Example:
        >>> import composit as cnp, mosaic
        >>> x = cnp.ones((3,), dtype="float32")
        >>> mosaic.clear_recompiles()
        >>> for rate in [0.5, 0.25, 0.125]:
        ...     _ = cnp.evaluate(x * rate, backend="mosaic")
        >>> print(mosaic.explain_recompiles())  # doctest: +ELLIPSIS
        3 programs were made runnable; 2 of them resemble an earlier one.
        <BLANKLINE>
        2 times a constant: 0.5 -> 0.25 -> 0.125 (2 ...; ... s in all)
          File "<doctest ...", line 2, in <module>
            _ = cnp.evaluate(x * rate, backend="mosaic")
          make it an input: value = cnp.asarray(value, "float32"); ...
    """
    kept = list(_record.kept)
    lines = [lines_of(each.request.program) for each in kept]
    found = []
    for index, compilation in enumerate(kept):
        candidates = [kept[earlier] for earlier in _resembling(lines, index)]
        if candidates:
            compared = [(_differences(earlier, compilation), earlier) for earlier in candidates]
            least, nearest = min(compared, key=lambda pair: len(pair[0]))
            found.append(Recompile(compilation, nearest, tuple(least)))
    return RecompileReport(kept[-1].number if kept else 0, len(kept), tuple(found))


def _resembling(lines: Sequence[frozenset[tuple[str, int]]], index: int) -> list[int]:
    """Return the earlier programs, the latest first, that share at least half of their lines with this one."""
    own = lines[index]
    earlier = [
        other
        for other in range(index - 1, -1, -1)
        if own & lines[other] and 2 * len(own & lines[other]) >= max(len(own), len(lines[other]))
    ]
    return earlier[:_most_compared]


def _differences(before: Compilation, now: Compilation) -> list[Difference]:
    found = differences(before.request, now.request)
    if found[0].what == "nothing" and before.num_threads != now.num_threads:
        old, new = str(before.num_threads), str(now.num_threads)
        return [Difference("option num_threads", old, new, "", "any number of threads runs the same code")]
    return found


def _by_cause(recompiles: Sequence[Recompile]) -> list[list[Recompile]]:
    causes: dict[tuple[tuple[str, str], ...], list[Recompile]] = {}
    for each in recompiles:
        causes.setdefault(tuple((part.what, part.place) for part in each.differences), []).append(each)
    return sorted(causes.values(), key=len, reverse=True)


def _cause_lines(recompiles: Sequence[Recompile]) -> list[str]:
    lines = []
    outcomes = Counter(each.compilation.outcome for each in recompiles)
    counted = ", ".join(f"{number} {outcome}" for outcome, number in outcomes.items())
    seconds = sum(each.compilation.elapsed_s for each in recompiles)
    for position in range(len(recompiles[0].differences)):
        changes = [each.differences[position] for each in recompiles]
        times = "once" if len(changes) == 1 else f"{len(changes)} times"
        cost = f" ({counted}; {seconds:.2g} s in all)" if position == 0 else " (in the same programs)"
        article = "" if changes[0].what in ("nothing", "operands") else "an " if changes[0].what[0] in "aeio" else "a "
        lines.append(f"{times} {article}{changes[0].what}: {_chain(changes)}{cost}")
        lines += [f"  {line}" for line in changes[0].place.splitlines() if changes[0].place]
        lines.append(f"  {changes[0].advice}")
    return lines


def _chain(changes: Sequence[Difference]) -> str:
    """Return the values it took, in order, without those in the middle of many."""
    values = [changes[0].before]
    for change in changes:
        if change.before != values[-1]:
            values.append(change.before)
        values.append(change.now)
    if len(values) > _most_shown:
        values = [*values[: _most_shown - 2], "...", values[-1]]
    return " -> ".join(values)
