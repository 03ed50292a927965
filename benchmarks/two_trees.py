"""Two checkouts beside each other: `python -m benchmarks.two_trees OLD [--rounds N] [--only PATTERN]`, from the new one.

Each checkout has a process of its own. For each case the two run in turn, round after round, so that both see the same load; what
counts is CPU time. Printed are both medians in microseconds, and the median of the rounds' ratios, new to old.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from time import process_time
from typing import IO

from benchmarks.report import print_table

Case = Callable[[], object]
_BERT = ("BERT-base, compiled call", "BERT-base, passes to C", "BERT-base, capture")
_LEAST_SECONDS = 0.02  # of one measurement: a case that is faster runs several times


def main() -> int:
    """Measures every case in both trees."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.two_trees", description=__doc__)
    parser.add_argument("old", type=Path, help="the other checkout")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--only", default="", help="cases whose name matches this regular expression (all)")
    options = parser.parse_args()
    if options.serve:
        _serve(options.only)
        return 0
    new = Path(__file__).resolve().parent.parent
    with ExitStack() as stack:
        workers = [stack.enter_context(_worker(tree.resolve(), options.only)) for tree in (options.old, new)]
        names: list[str] = workers[0].read()
        if names != workers[1].read():
            raise RuntimeError(f"the trees have different cases: {names} in the old one")
        rows = [_row(name, workers, options.rounds) for name in names]
    print_table("two checkouts, CPU time of one thread", ["case", "old us", "new us", "new / old"], rows)
    return 0


class _Worker:
    """A process that measures cases of its tree when it is told their names."""

    def __init__(self, asked: IO[str], answers: IO[str]) -> None:
        self.asked, self.answers = asked, answers

    def read(self) -> list[str]:
        """The names of the cases, which the process says first."""
        names: list[str] = json.loads(self.answers.readline())
        return names

    def seconds(self, name: str) -> float:
        """What one run of a case takes now."""
        print(name, file=self.asked, flush=True)
        return float(self.answers.readline())


@contextmanager
def _worker(tree: Path, pattern: str) -> Iterator[_Worker]:
    with tempfile.TemporaryDirectory(prefix="composit-two-trees-") as cache:
        variables = {
            "PYTHONPATH": str(tree),
            "COMPOSIT_CACHE_DIR": cache,
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
        }
        command = [sys.executable, __file__, str(tree), "--serve", "--only", pattern]
        process = subprocess.Popen(
            command, cwd=tree, env=os.environ | variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield _Worker(process.stdin, process.stdout)
        finally:
            process.stdin.close()
            process.wait()


def _row(name: str, workers: list[_Worker], num_rounds: int) -> list[str]:
    rounds = [[worker.seconds(name) for worker in workers] for _ in range(num_rounds)]
    old, new = (median(each) * 1e6 for each in zip(*rounds, strict=True))
    ratio = median(new / old for old, new in rounds)
    return [name, f"{old:.2f}", f"{new:.2f}", f"{ratio:.2f}"]


def _serve(pattern: str) -> None:
    """Measures cases of the tree that this process imports, by the names that come in."""
    wanted = re.compile(pattern)
    cases = {name: case for name, case in _cases(wanted) if wanted.search(name)}
    print(json.dumps(list(cases)), flush=True)
    turns = {name: _turns(case) for name, case in cases.items()}
    for line in sys.stdin:
        name = line.strip()
        print(_seconds(cases[name], turns[name]), flush=True)


def _turns(case: Case) -> int:
    turns = 1
    while _seconds(case, turns) * turns < _LEAST_SECONDS:
        turns *= 2
    return turns


def _seconds(case: Case, turns: int) -> float:
    start = process_time()
    for _ in range(turns):
        case()
    return (process_time() - start) / turns


def _cases(wanted: re.Pattern[str]) -> Iterator[tuple[str, Case]]:
    # Imported here: the process that compares has no tree of its own.
    import numpy as np

    import composit.numpy as cnp
    import mosaic
    from composit import evaluate

    x, y, m = cnp.ones((4,)), cnp.ones((4,)), cnp.ones((4, 4))

    def chain(length: int) -> cnp.LazyTensor:
        result = x
        for _ in range(length):
            result = result + y
        return result

    yield "build x + y, 1000 times", lambda: chain(1_000)
    yield "build x + y, 10000 times", lambda: chain(10_000)
    yield "build x + 1.0", lambda: x + 1.0
    yield "build x[1:3]", lambda: x[1:3]
    yield "build m.T", lambda: m.T
    yield "build m.sum()", lambda: m.sum()
    yield "build m.max(axis=1)", lambda: m.max(axis=1)
    long = chain(1_000)
    evaluate(long)
    yield "evaluate 1000 again", lambda: evaluate(long)
    yield "build and evaluate 1000", lambda: evaluate(chain(1_000))
    a, b = np.ones(4), np.ones(4)
    add = mosaic.compile(x + y, inputs=[x, y])
    yield "compiled a + b", lambda: add(a, b)
    big, other = np.ones(1_000_000, "f4"), np.ones(1_000_000, "f4")
    u, v = cnp.ones((1_000_000,), dtype="float32"), cnp.ones((1_000_000,), dtype="float32")
    for name, output in {
        "exp(a) + b": cnp.exp(u) + v,
        "tanh(a * b)": cnp.tanh(u * v),
        "sum(a * b)": cnp.sum(u * v),
    }.items():
        yield f"compiled {name}, 1e6", _called(mosaic.compile(output, inputs=[u, v], num_threads=1), big, other)
    if any(map(wanted.search, _BERT)):
        yield from _bert_cases()


def _called(model: Callable[..., object], *arrays: object) -> Case:
    return lambda: model(*arrays)


def _bert_cases() -> Iterator[tuple[str, Case]]:
    import torch

    import flashlight
    import mosaic
    from benchmarks.bert.workload import Sizes, Workload

    torch.set_num_threads(1)
    workload = Workload(Sizes(), batch=1, num_threads=1)
    inputs = torch.from_numpy(workload.input_ids)

    def captured() -> object:
        with torch.inference_mode(), flashlight.tracer.trace():
            return workload.model(inputs).last_hidden_state

    output = captured()
    model = mosaic.compile(output, inputs=[inputs], num_threads=1)
    yield _BERT[0], lambda: model(workload.input_ids)
    yield _BERT[1], lambda: mosaic.stages(output, inputs=[inputs])
    yield _BERT[2], captured


if __name__ == "__main__":
    sys.exit(main())
