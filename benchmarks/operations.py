"""Each operation that has C, alone: a call of the compiled program against numpy's call on the same arrays.

One thread, by its own clock, which stands still while other programs run. Every round times numpy and the compiled
program, in an order that changes from round to round, and the figure is the median over rounds of the ratio. Both sides
give a fresh array per call, and the last one is freed when the next is made: numpy takes it from malloc, the compiled
program from malloc or, from 4 MiB on, from memory of its own that has come back. A call that is not counted comes first in
each turn, so that neither side pays for pages that the other one gave back to the system.

A ratio above the limit is measured again on copies of the arrays at other places in memory, because where pages lie decides
what the caches hold: by up to a quarter of a time, on either side, for as long as the arrays live. Next to them runs a plain
C loop that only moves as many bytes (`streams`): the last column says how much of the memory's speed the compiled program
reached. Programs that hold an operation without C (an island, run by numpy) are left out and counted.
"""

import re
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, permutations

import numpy as np

import composit.numpy as cnp
import mosaic
from benchmarks.measure import Timings
from benchmarks.operation_cases import Case, cases
from benchmarks.report import print_table
from benchmarks.streams import compile_streams

SIZES = (1_000, 1_000_000)
MOST = 1.1
"""What is printed: more than this many times numpy's time."""
_NS_PER_TURN = 400_000
_PLACES = 3
"""How many places in memory a ratio above the limit is measured at; the median is of the rounds at all of them."""
_OURS, _NUMPYS, _MEMORYS = "compiled", "numpy", "memory"

Run = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Measured:
    """A case at a size, with the timings of its contenders; none where numpy runs a part of the program."""

    name: str
    num_elements: int
    timings: Timings | None

    @property
    def ratio(self) -> float:
        """The compiled program's time as a multiple of numpy's; 0 where it was not compiled."""
        return self.timings.ratio(_OURS, _NUMPYS).median if self.timings else 0.0


def run_operations(num_rounds: int, pattern: str = "") -> None:
    """Print what is slower than numpy, worst first, and a count."""
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    streams = compile_streams()

    def measured(case: Case, size: int) -> Measured:
        model = _compiled(case)
        result = Measured(case.name, size, _timed(_contenders(model, case), num_rounds) if model else None)
        if model and result.ratio > MOST:
            places = [_at_other_place(case) for _ in range(_PLACES)]  # all live at once, so that no two share memory
            timings = [
                _timed(_contenders(model, each) | {_MEMORYS: streams(each.arrays, np.asarray(each.run()))}, num_rounds)
                for each in places
            ]
            result = Measured(case.name, size, _of_all_rounds(timings))
        print(f"{result.ratio:6.2f}  {size:>9,}  {case.name}", file=sys.stderr, flush=True)
        return result

    found = [measured(case, size) for size in SIZES for case in cases(size) if re.search(pattern, case.name)]
    compiled = [each for each in found if each.timings]
    slower = sorted((each for each in compiled if each.ratio > MOST), key=lambda each: -each.ratio)
    print_table(
        f"slower than {MOST}x numpy: {len(slower)} of {len(compiled)}; {len(found) - len(compiled)} run by numpy",
        ["operation", "elements", "ratio [95%]", "compiled us", "numpy us", "of memory's speed"],
        [_row(each.name, each.num_elements, each.timings) for each in slower if each.timings],
    )


def _row(name: str, num_elements: int, timings: Timings) -> Sequence[str]:
    return [
        name,
        f"{num_elements:,}",
        str(timings.ratio(_OURS, _NUMPYS)),
        f"{timings.seconds(_OURS).median * 1e6:.2f}",
        f"{timings.seconds(_NUMPYS).median * 1e6:.2f}",
        f"{timings.ratio(_MEMORYS, _OURS).median:.0%}",
    ]


def _compiled(case: Case) -> mosaic.CompiledModel | None:
    """The compiled program; None where numpy runs a part of it."""
    tensors = [cnp.asarray(array) for array in case.arrays]
    model = mosaic.compile(case.operation(cnp, *tensors), inputs=tensors, num_threads=1)
    return None if "island" in str(model.explain()) else model


def _contenders(model: mosaic.CompiledModel, case: Case) -> dict[str, Run]:
    return {_OURS: lambda: model(*case.arrays), _NUMPYS: case.run}


def _at_other_place(case: Case) -> Case:
    """The case on copies of its arrays, with their layout."""
    return replace(case, arrays=tuple(array.copy(order="K") for array in case.arrays))


def _of_all_rounds(timings: Sequence[Timings]) -> Timings:
    names = timings[0].name_to_seconds
    return Timings({name: tuple(chain(*(each.name_to_seconds[name] for each in timings))) for name in names})


def _timed(runs: Mapping[str, Run], num_rounds: int) -> Timings:
    """Seconds per call of each contender, one mean per round; in turn in every order, since each leaves the caches as it does."""
    fastest_ns = min(_per_call_ns(runs[_NUMPYS], 2) for _ in range(2))
    repeats = max(1, int(_NS_PER_TURN // max(1.0, fastest_ns)))
    _per_call_ns(runs[_OURS], max(2, repeats // 4))
    orders = list(permutations(runs))
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(num_rounds):
        for name in orders[number % len(orders)]:
            seconds[name].append(_per_call_ns(runs[name], repeats) * 1e-9)
    return Timings({name: tuple(values) for name, values in seconds.items()})


def _per_call_ns(run: Run, repeats: int) -> float:
    """The mean time of a call; a result lives until the next one is made, as in `y = f(x)` in a loop."""
    result = run()
    start_ns = time.thread_time_ns()
    for _ in range(repeats):
        result = run()
    elapsed_ns = time.thread_time_ns() - start_ns
    del result
    return elapsed_ns / repeats
