"""What a program costs that runs once: built and evaluated for the first time, as a multiple of numpy's CPU time.

Each round of each program has a process of its own, so that nothing is prepared before: numpy runs, then composit
once, then numpy again, in the order in which the machine's clock can drift least between them. Memory is the highest
resident size above that of the imports.
"""

import gc
import math
import multiprocessing
import resource
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

import composit.numpy as cnp
from benchmarks.first_cases import LOOPS, FirstCase, named_case, textbook_cases
from benchmarks.report import print_table
from composit.handle import TensorHandle
from composit.node import next_serial
from composit.program import count_evaluations

_NUMPY_RUNS = 3  # before, and as many after
_HEADER = ["program", "operations", "reads", "numpy ms", "build x", "total x", "numpy MiB", "MiB", "allowed"]


@dataclass(frozen=True, slots=True)
class FirstRun:
    """One round of one program.

    build:      CPU seconds until the program returned; total: until its results were arrays
    operations: nodes that the run made; reads: evaluations that it caused
    live_nodes: nodes behind the results when they were evaluated
    """

    numpy_seconds: float
    build_seconds: float
    total_seconds: float
    numpy_mib: float
    mib: float
    operations: int
    reads: int
    live_nodes: int

    @property
    def allowed_mib(self) -> float:
        """The memory that it may take: three times numpy's, 50 MiB, and 1 KiB for each live node."""
        return 3 * self.numpy_mib + 50 + self.live_nodes / 1024


def run_first(num_rounds: int, names: Sequence[str] | None) -> None:
    """Two tables: programs, with the geometric mean of their ratios and the worst; and small loops."""
    for title, cases in (("textbook programs", textbook_cases()), ("loops", LOOPS)):
        chosen = [case for case in cases if names is None or case.name in names]
        if chosen:
            _print_suite(title, chosen, num_rounds)


def _print_suite(title: str, cases: Sequence[FirstCase], num_rounds: int) -> None:
    rounds = [[measure_first(case.name) for case in cases] for _ in range(num_rounds)]
    runs = [list(of_case) for of_case in zip(*rounds, strict=True)]
    print_table(
        f"{title}, first run in a process: CPU time as multiples of numpy's",
        _HEADER,
        [_row(case, of_case) for case, of_case in zip(cases, runs, strict=True)],
    )
    ratios = [_ratio(of_case) for of_case in runs]
    mean = math.exp(statistics.fmean(map(math.log, ratios)))
    worst = max(zip(ratios, cases, strict=True), key=lambda pair: pair[0])
    print(f"  geometric mean {mean:.1f}x, worst {worst[0]:.1f}x ({worst[1].name})", flush=True)


def measure_first(name: str) -> FirstRun:
    """One round in a new process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_measure_here, name).result()


def _ratio(runs: Sequence[FirstRun]) -> float:
    return statistics.median(run.total_seconds / run.numpy_seconds for run in runs)


def _row(case: FirstCase, runs: Sequence[FirstRun]) -> list[str]:
    numpy_seconds = statistics.median(run.numpy_seconds for run in runs)
    build = statistics.median(run.build_seconds / run.numpy_seconds for run in runs)
    memory = max(runs, key=lambda run: run.mib)
    return [
        case.name,
        str(runs[0].operations),
        str(runs[0].reads),
        f"{numpy_seconds * 1e3:.3g}",
        f"{build:.1f}",
        f"{_ratio(runs):.1f}",
        f"{memory.numpy_mib:.1f}",
        f"{memory.mib:.1f}",
        f"{memory.allowed_mib:.0f}",
    ]


def _measure_here(name: str) -> FirstRun:
    case = named_case(name)
    for module in (np, cnp):  # what is loaded when first used is not the program's cost
        _evaluated(case.run(module, case.small_size))
    imports = _peak_mib()
    numpy_seconds = [_numpy_run(case) for _ in range(_NUMPY_RUNS)]
    numpy_mib = _peak_mib() - imports
    expected = _evaluated(case.run(np, case.size))
    gc.collect()
    first_serial = next_serial()
    with count_evaluations() as evaluations:
        start = time.process_time()
        results = case.run(cnp, case.size)
        built = time.process_time()
        reads = evaluations.runs
        values = _evaluated(results)
        end = time.process_time()
    operations, mib = next_serial() - first_serial - 1, _peak_mib() - imports
    numpy_seconds += [_numpy_run(case) for _ in range(_NUMPY_RUNS)]
    for key, value in expected.items():
        np.testing.assert_array_equal(values[key], value, err_msg=f"{name}: {key}")
    return FirstRun(
        numpy_seconds=statistics.median(numpy_seconds),
        build_seconds=built - start,
        total_seconds=end - start,
        numpy_mib=numpy_mib,
        mib=mib,
        operations=operations,
        reads=reads,
        live_nodes=_live_nodes(results.values()),
    )


def _numpy_run(case: FirstCase) -> float:
    gc.collect()
    start = time.process_time()
    case.run(np, case.size)
    return time.process_time() - start


def _evaluated(results: Any) -> dict[str, Any]:
    return {name: np.asarray(value) for name, value in results.items()}


def _live_nodes(results: Any) -> int:
    nodes: set[int] = set()
    waiting = [result.node for result in results if isinstance(result, TensorHandle)]
    while waiting:
        node = waiting.pop()
        if id(node) not in nodes:
            nodes.add(id(node))
            waiting.extend(operand for operand, _ in node.operands)
    return len(nodes)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
