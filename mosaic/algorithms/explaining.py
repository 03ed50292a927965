"""A choice in words, for `explain`."""

from __future__ import annotations

from collections.abc import Iterator

from mosaic.algorithms.choosing import Choice, Estimate


def describe_choice(choice: Choice) -> Iterator[str]:
    """Yield the algorithm with the reason, then a line for each algorithm that there is: its estimate and time, or why it cannot."""
    algorithm = choice.algorithm
    error = f"; {algorithm.error}" if algorithm.error else ""
    why = _why(choice.reason) if len(choice.estimates) > 1 else "the only one"
    yield f"{choice.occurrence.operation} by {algorithm.name}, {why}: {algorithm.summary}{error}"
    if len(choice.estimates) > 1:
        for estimate in choice.estimates:
            mark = "*" if estimate.name == algorithm.name else " "
            yield f"  {mark} {estimate.name}: {_facts(estimate)}"


_REASONS = {
    "default": "the default, of which the model of cost expects least",
    "guess": "which the model of cost expects to be fastest",
    "measured": "measured as the fastest",
}


def _why(reason: str) -> str:
    return _REASONS.get(reason, reason)


def _facts(estimate: Estimate) -> str:
    if estimate.why_not:
        return f"cannot: {estimate.why_not}"
    cycles = f"estimated {estimate.num_cycles:,.0f} cycles" if estimate.num_cycles is not None else "no estimate"
    return cycles if estimate.seconds is None else f"{cycles}, measured {_duration(estimate.seconds)}"


def _duration(seconds: float) -> str:
    return f"{seconds * 1e3:.3f} ms" if seconds >= 1e-4 else f"{seconds * 1e6:.2f} us"
