"""Matrix products at BERT's shapes: `python -m benchmarks.gemm [--rounds N] [--dtypes float32 float64]`.

The generated kernel with its weights packed beforehand, numpy, numpy with OpenBLAS told to use AVX-512, and torch, each
on one thread of one core. Every round also runs a multiply-add loop of as many floating-point operations: its time over
a contender's is the fraction of the machine's limit that the contender reaches.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np

from benchmarks.contender import Contender, SkipContender
from benchmarks.gemm_contenders.product import Product, sample_product
from benchmarks.measure import Timings, run_interleaved
from benchmarks.peak import PeakLoop, compile_peak_loops
from benchmarks.report import machine, print_table
from benchmarks.worker import Worker

_SHAPES = [
    (rows, depth, columns)
    for rows in (128, 1024)
    for depth, columns in ((768, 768), (768, 3072), (3072, 768), (384, 1536), (1536, 384))
]
"""(rows, depth, columns): BERT-base and MiniLM, one sentence of 128 tokens and eight."""

_NUM_FLOPS = 1.2e9  # some 10 ms: asking a worker costs 0.05 ms
_ENVIRONMENT = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_HERE = "benchmarks.gemm_contenders"
_CONTENDERS = (
    Contender("mosaic", f"{_HERE}.generated"),
    Contender("numpy", f"{_HERE}.with_numpy"),
    Contender("numpy+SKYLAKEX", f"{_HERE}.with_numpy", {"OPENBLAS_CORETYPE": "SKYLAKEX"}),
    Contender("torch", f"{_HERE}.with_torch"),
)
_OURS = _CONTENDERS[0].name


def run_gemm(num_rounds: int, dtypes: Sequence[str] = ("float32", "float64")) -> None:
    """Print one table per dtype: a row per shape, the fraction of the limit, and the others as multiples of ours."""
    loops = compile_peak_loops()
    names = [contender.name for contender in _CONTENDERS]
    header = ["rows x depth x columns", "limit GFLOP/s", "mosaic / limit", *(f"{name} time" for name in names[1:])]
    for dtype in dtypes:
        rows = [_row(shape, dtype, loops[dtype], num_rounds) for shape in _SHAPES]
        print_table(f"matrix products, {dtype}, 1 thread, times as multiples of mosaic's", header, rows)


def _row(shape: tuple[int, int, int], dtype: str, loop: PeakLoop, num_rounds: int) -> list[str]:
    product = sample_product(*shape, dtype, _NUM_FLOPS)
    loop_rounds = round(product.num_flops / loop.flops_per_round)
    with ExitStack() as stack:
        workers = [worker for each in _CONTENDERS if (worker := _started(stack, each, product)) is not None]
        for worker in workers:
            _check(worker, product)
        runs = {worker.name: worker.run for worker in workers}
        timings = run_interleaved({**runs, "limit": lambda: loop.call(loop_rounds)}, num_rounds)
    limit = product.num_flops / timings.seconds("limit").median * 1e-9
    others = [_times(timings, each.name) for each in _CONTENDERS[1:]]
    return [" x ".join(map(str, shape)), f"{limit:.0f}", str(timings.ratio("limit", _OURS)), *others]


def _started(stack: ExitStack, contender: Contender, product: Product) -> Worker | None:
    try:
        return stack.enter_context(Worker(contender, product))
    except SkipContender as reason:
        print(f"{contender.name} is left out: {reason}", file=sys.stderr)
        return None


def _check(worker: Worker, product: Product) -> None:
    """Compare with a product in long double, or float64 for float32."""
    a, b = product.a[:8], product.b
    wide = np.float64 if a.dtype == np.float32 else np.longdouble
    error = np.abs(worker.output()[:8] - a.astype(wide) @ b.astype(wide)).max()
    bound = 4 * np.finfo(a.dtype).eps * a.shape[1]  # sums of about sqrt(depth), each rounded depth times at random
    if not error <= bound:
        raise AssertionError(f"{worker.name} is wrong by {error:.2e} at {a.shape} @ {b.shape} in {a.dtype}")


def _times(timings: Timings, name: str) -> str:
    return str(timings.ratio(name, _OURS)) if name in timings.name_to_seconds else "-"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run in a child process that has one core and one thread."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gemm", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="rounds that count (30)")
    parser.add_argument("--dtypes", nargs="+", default=["float32", "float64"], choices=["float32", "float64"])
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        run_gemm(options.rounds, options.dtypes)
        return 0
    print(machine(), flush=True)
    command = [sys.executable, "-m", "benchmarks.gemm", "--child", "--rounds", str(options.rounds)]
    core = max(os.sched_getaffinity(0))
    return subprocess.run(
        [*command, "--dtypes", *options.dtypes],
        env=os.environ | _ENVIRONMENT,
        preexec_fn=lambda: os.sched_setaffinity(0, [core]),
        check=False,
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
