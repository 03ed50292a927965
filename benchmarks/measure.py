"""Interleaved timing: every round runs every contender once, and ratios are taken within a round.

On a shared machine the clock drifts by tens of percent over minutes, but the contenders of one round meet nearly the
same machine. So the figure that is quoted is the median over rounds of a per-round ratio, with an interval.
"""

import gc
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Run = Callable[[], object]
Clock = Callable[[], int]

_SETTLE_SECONDS = 0.004  # worker threads of the contender before stop spinning


@dataclass(frozen=True, slots=True)
class Interval:
    """A median with a 95% interval for it, from order statistics."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3g} [{self.low:.3g}, {self.high:.3g}]"


def median_interval(values: Sequence[float]) -> Interval:
    """The median of `values` and the order statistics that hold it with 95% confidence.

    Reference: the number of values below the median is binomial(n, 1/2); its normal approximation gives the ranks.
    """
    ordered = sorted(values)
    reach = 0.98 * math.sqrt(len(ordered))
    low = max(0, math.floor(len(ordered) / 2 - reach))
    high = min(len(ordered) - 1, math.ceil(len(ordered) / 2 + reach) - 1)
    return Interval(statistics.median(ordered), ordered[low], ordered[high])


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds per run of each contender, one per round, in the order of the rounds."""

    name_to_seconds: Mapping[str, tuple[float, ...]]

    def seconds(self, name: str) -> Interval:
        """Median time of one run."""
        return median_interval(self.name_to_seconds[name])

    def ratio(self, name: str, base: str) -> Interval:
        """How many times longer than `base` it takes, round by round."""
        pairs = zip(self.name_to_seconds[name], self.name_to_seconds[base], strict=True)
        return median_interval([seconds / base_seconds for seconds, base_seconds in pairs])


def run_interleaved(
    contenders: Mapping[str, Run], num_rounds: int, warmups: int = 2, clock_ns: Clock = time.perf_counter_ns
) -> Timings:
    """Each contender once per round, in an order that rotates, after some runs that are not counted.

    clock_ns: time.process_time_ns for contenders of one thread: it stands still while other processes have the core
    """
    for run in contenders.values():
        for _ in range(warmups):
            run()
    names = list(contenders)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(num_rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            seconds[name].append(_time_once(contenders[name], clock_ns))
    return Timings({name: tuple(values) for name, values in seconds.items()})


def _time_once(run: Run, clock_ns: Clock) -> float:
    gc.collect()  # cycles that another contender left are not this one's work
    time.sleep(_SETTLE_SECONDS)
    start_ns = clock_ns()
    result = run()
    elapsed_ns = clock_ns() - start_ns
    del result  # freeing what was made is not part of the run
    return elapsed_ns * 1e-9
