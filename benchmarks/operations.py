"""Each operation that has C, alone: a call of the compiled program against numpy's call on the same arrays.

One thread, by its own clock, which stands still while other programs run. A round times numpy and the compiled program
one after the other, and the figure is the median over rounds of the ratio. Both sides give a fresh array per call, and
the last one is freed when the next is made: numpy takes it from malloc, the compiled program from malloc or, from 4 MiB
on, from memory of its own that has come back. Programs that hold an operation without C (an island, run by numpy) are
left out and counted.
"""

import re
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

import composit.numpy as cnp
import mosaic
from benchmarks.operation_cases import Case, cases
from benchmarks.report import print_table

SIZES = (1_000, 1_000_000)
MOST = 1.1
"""What is printed: more than this many times numpy's time."""
_NS_PER_ROUND = 400_000


@dataclass(frozen=True, slots=True)
class Measured:
    """A case at a size: times in nanoseconds of one call, and the median ratio; None where numpy runs a part of it."""

    name: str
    num_elements: int
    ratio: float | None
    compiled_ns: float = 0.0
    numpy_ns: float = 0.0


def run_operations(num_rounds: int, pattern: str = "") -> None:
    """Print what is slower than numpy, worst first, and a count."""
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    found = [
        _measured(case, size, num_rounds) for size in SIZES for case in cases(size) if re.search(pattern, case.name)
    ]
    compiled = [each for each in found if each.ratio is not None]
    slower = sorted((each for each in compiled if (each.ratio or 0) > MOST), key=lambda each: -(each.ratio or 0))
    print_table(
        f"slower than {MOST}x numpy: {len(slower)} of {len(compiled)}; {len(found) - len(compiled)} run by numpy",
        ["operation", "elements", "ratio", "compiled us", "numpy us"],
        [_row(each) for each in slower],
    )


def _row(measured: Measured) -> Sequence[str]:
    return [
        measured.name,
        f"{measured.num_elements:,}",
        f"{measured.ratio:.2f}",
        f"{measured.compiled_ns / 1e3:.2f}",
        f"{measured.numpy_ns / 1e3:.2f}",
    ]


def _measured(case: Case, num_elements: int, num_rounds: int) -> Measured:
    tensors = [cnp.asarray(array) for array in case.arrays]
    model = mosaic.compile(case.operation(cnp, *tensors), inputs=tensors, num_threads=1)
    if "island" in str(model.explain()):
        return Measured(case.name, num_elements, None)

    def ours() -> object:
        return model(*case.arrays)

    def numpys() -> object:
        return case.operation(np, *case.arrays)

    repeats = max(1, int(_NS_PER_ROUND // max(1.0, min(_per_call_ns(numpys, 2), _per_call_ns(numpys, 2)))))
    _per_call_ns(ours, max(2, repeats // 4))
    pairs = [(_per_call_ns(ours, repeats), _per_call_ns(numpys, repeats)) for _ in range(num_rounds)]
    ratio = median(left / right for left, right in pairs)
    print(f"{ratio:6.2f}  {num_elements:>9,}  {case.name}", file=sys.stderr, flush=True)
    return Measured(case.name, num_elements, ratio, median(p[0] for p in pairs), median(p[1] for p in pairs))


def _per_call_ns(run: Callable[[], object], repeats: int) -> float:
    """The mean time of a call; a result lives until the next one is made, as in `y = f(x)` in a loop."""
    start_ns = time.thread_time_ns()
    for _ in range(repeats):
        result = run()
    elapsed_ns = time.thread_time_ns() - start_ns
    del result
    return elapsed_ns / repeats
