"""Runs the contenders at some batch sizes on one number of threads, and reports."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import numpy as np

from benchmarks.bert.forward import forward
from benchmarks.bert.workload import Array, Sizes, Workload
from benchmarks.contender import Contender, SkipContender
from benchmarks.measure import Run, Timings, run_interleaved
from benchmarks.peak import PeakLoop
from benchmarks.report import print_table
from benchmarks.worker import Worker

_HERE = "benchmarks.bert.contenders"
CONTENDERS = (
    Contender("composit", f"{_HERE}.composit_mosaic"),
    Contender("torch", f"{_HERE}.torch_eager"),
    Contender("torch.compile", f"{_HERE}.torch_compile"),
    Contender("onnxruntime", f"{_HERE}.onnx_runtime"),
    Contender("jax.jit", f"{_HERE}.jax_jit"),
    Contender("openvino", f"{_HERE}.openvino_float32"),
    Contender("numpy", f"{_HERE}.numpy_plain"),
    Contender("numpy+SKYLAKEX", f"{_HERE}.numpy_skylakex", {"OPENBLAS_CORETYPE": "SKYLAKEX"}),
)
_OURS = CONTENDERS[0].name
_TOLERANCE = 1e-4  # of outputs whose scale is 1 (a layer norm ends the model), against float64


def run_bert(
    num_threads: int, batches: Sequence[int], num_rounds: int, peak: PeakLoop, contenders: Sequence[Contender]
) -> None:
    """One table per batch size."""
    for batch in batches:
        _run_batch(Workload(Sizes(), batch, num_threads), num_rounds, peak, contenders)


def _run_batch(workload: Workload, num_rounds: int, peak: PeakLoop, contenders: Sequence[Contender]) -> None:
    gflops: list[float] = []
    skipped: dict[str, str] = {}
    with ExitStack() as stack:
        workers = []
        for contender in contenders:
            try:
                workers.append(stack.enter_context(Worker(contender, workload)))
            except SkipContender as reason:
                skipped[contender.name] = str(reason)
        errors = _largest_errors(workload, workers)
        runs: dict[str, Run] = {worker.name: worker.run for worker in workers}
        runs["peak"] = lambda: gflops.append(peak.gflops(workload.num_threads))
        timings = run_interleaved(runs, num_rounds)
    _report(workload, timings, errors, skipped, max(gflops))


def _largest_errors(workload: Workload, workers: Sequence[Worker]) -> dict[str, float]:
    expected = _reference(Workload(workload.sizes, workload.batch, workload.num_threads))
    errors = {worker.name: float(np.max(np.abs(worker.output() - expected))) for worker in workers}
    wrong = {name: error for name, error in errors.items() if not error <= _TOLERANCE}
    if wrong:
        raise AssertionError(f"benchmarks: outputs differ from numpy's in float64 by more than {_TOLERANCE}: {wrong}")
    return errors


def _reference(workload: Workload) -> Array:
    from scipy.special import erf

    weights = {name: value.astype(np.float64) for name, value in workload.weights.items()}
    result: Array = forward(np, erf, weights, workload.input_ids, workload.sizes)
    return result


def _report(
    workload: Workload,
    timings: Timings,
    errors: Mapping[str, float],
    skipped: Mapping[str, str],
    peak_gflops: float,
) -> None:
    base = _OURS if _OURS in errors else next(iter(errors))
    giga_flops = workload.sizes.num_flops(workload.batch) * 1e-9
    rows = []
    for name in sorted(errors, key=lambda name: timings.seconds(name).median):
        seconds = timings.seconds(name).median
        rows.append(
            [
                name,
                f"{seconds * 1e3:.1f}",
                str(timings.ratio(name, base)),
                f"{giga_flops / seconds / peak_gflops:.2f}",
                f"{errors[name]:.1e}",
            ]
        )
    print_table(
        f"BERT-base forward, float32, batch {workload.batch}, sequence {workload.sizes.sequence}, "
        f"{workload.num_threads} thread(s); multiply-add peak {peak_gflops:.0f} GFLOP/s",
        ["contender", "ms", f"time / {base}'s", "of peak", "error"],
        rows,
    )
    for name, reason in skipped.items():
        print(f"  {name} left out: {reason}")
