"""The command line: `python -m benchmarks [SUITE ...] [--rounds N] [--threads 1 2] [--programs NAME ...] [--only PATTERN]`."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Sequence

from benchmarks.report import machine

# Set before any library starts its threads; the cores that the process may use are cut down as well.
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",  # nothing is fetched
    "TORCHINDUCTOR_COMPILE_THREADS": "1",  # no pool of compiler processes beside the runs
    "TQDM_DISABLE": "1",  # no progress bars in the tables
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the suites, each in a child process that has just the cores it may use; the exit status of the worst."""
    options = _parser().parse_args(arguments)
    if options.child:
        _SUITES[options.suites[0]](options)
        return 0
    print(machine(), flush=True)
    status = 0
    for suite in options.suites or _SUITES:
        numbers = options.threads if suite in _THREADED else [_NUM_THREADS.get(suite, 1)]
        for num_threads in numbers:
            # Memory hardly depends on the number of threads, and takes a process for each contender: once is enough.
            no_memory = options.no_memory or num_threads != numbers[-1]
            status = max(status, abs(_run_child(suite, num_threads, no_memory, options)))  # a signal is negative
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("suites", nargs="*", choices=[[], *_SUITES], help="which to run; all when none is named")
    parser.add_argument("--rounds", type=int, default=30, help="rounds that count (30)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="numbers of threads (1 2)")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8], help="batch sizes of BERT (1 8)")
    parser.add_argument(
        "--contenders",
        nargs="+",
        default=None,
        help="contenders by name, for BERT, models, kernels and convolutions (all)",
    )
    parser.add_argument("--programs", nargs="+", default=None, help="programs of the suite first by name (all)")
    parser.add_argument(
        "--only", default="", help="operations or programs whose name matches this regular expression (all)"
    )
    parser.add_argument("--no-memory", action="store_true", help="without memory, in the suites that report it")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser


def _run_child(suite: str, num_threads: int, no_memory: bool, options: argparse.Namespace) -> int:
    command = [
        sys.executable,
        "-m",
        "benchmarks",
        suite,
        "--child",
        "--rounds",
        str(options.rounds),
        "--threads",
        str(num_threads),
        "--batches",
        *map(str, options.batches),
    ]
    if no_memory:
        command.append("--no-memory")
    if options.only:
        command += ["--only", options.only]
    if options.contenders:
        command += ["--contenders", *options.contenders]
    if options.programs:
        command += ["--programs", *options.programs]
    cores = sorted(os.sched_getaffinity(0))[:num_threads]
    environment = os.environ | dict.fromkeys(_THREAD_VARIABLES, str(num_threads)) | _ENVIRONMENT
    return subprocess.run(
        command, env=environment, preexec_fn=lambda: os.sched_setaffinity(0, cores), check=False
    ).returncode


def _bert(options: argparse.Namespace) -> None:
    from benchmarks.bert.suite import CONTENDERS, run_bert
    from benchmarks.peak import compile_peak_loops

    wanted = options.contenders or [contender.name for contender in CONTENDERS]
    contenders = [contender for contender in CONTENDERS if contender.name in wanted]
    run_bert(options.threads[0], options.batches, options.rounds, compile_peak_loops()["float32"], contenders)


def _convolutions(options: argparse.Namespace) -> None:
    from benchmarks.convolutions.suite import run_convolutions

    run_convolutions(
        options.threads[0], options.rounds, options.only, options.contenders, has_memory=not options.no_memory
    )


def _costs(options: argparse.Namespace) -> None:
    from benchmarks.costs import run_costs

    run_costs(options.rounds)


def _compiling(options: argparse.Namespace) -> None:
    from benchmarks.bert.compiling import run_compiling

    run_compiling(options.threads[0])


def _compiling_steps(options: argparse.Namespace) -> None:
    from benchmarks.bert.compiling_steps import run_compiling_steps

    run_compiling_steps(options.threads[0])


def _compile_time(options: argparse.Namespace) -> None:
    from benchmarks.compile_time import run_compile_time

    run_compile_time(options.rounds, options.only)


def _derivatives(options: argparse.Namespace) -> None:
    from benchmarks.derivatives import run_derivatives

    run_derivatives(options.threads[0], options.rounds, options.only)


def _examples(options: argparse.Namespace) -> None:
    from benchmarks.examples import run_examples

    run_examples(_NUM_THREADS["examples"], options.rounds, options.only)


def _first(options: argparse.Namespace) -> None:
    from benchmarks.first import run_first

    run_first(max(1, options.rounds // _ROUNDS_PER_PROCESS), options.programs)


def _gemm(options: argparse.Namespace) -> None:
    from benchmarks.gemm import run_gemm

    run_gemm(options.rounds)


def _kernels(options: argparse.Namespace) -> None:
    from benchmarks.kernels.suite import run_kernels

    run_kernels(options.threads[0], options.rounds, options.only, options.contenders, has_memory=not options.no_memory)


def _layers(options: argparse.Namespace) -> None:
    from benchmarks.layers import run_layers

    run_layers(options.threads[0], options.rounds, options.only)


def _models(options: argparse.Namespace) -> None:
    from benchmarks.models.suite import run_models

    run_models(options.threads[0], options.rounds, options.only, options.contenders, has_memory=not options.no_memory)


def _operations(options: argparse.Namespace) -> None:
    from benchmarks.operations import run_operations

    run_operations(options.rounds, options.only)


def _training(options: argparse.Namespace) -> None:
    from benchmarks.training.suite import run_training

    run_training(options.threads[0], options.rounds, options.only, has_memory=not options.no_memory)


_SUITES: dict[str, Callable[[argparse.Namespace], None]] = {
    "bert": _bert,
    "gemm": _gemm,
    "costs": _costs,
    "compiling": _compiling,
    "compiling_steps": _compiling_steps,
    "first": _first,
    "operations": _operations,
    "compile_time": _compile_time,
    "training": _training,
    "examples": _examples,
    "layers": _layers,
    "derivatives": _derivatives,
    "kernels": _kernels,
    "convolutions": _convolutions,
    "models": _models,
}
_ROUNDS_PER_PROCESS = 6  # a suite that starts a process for each round of each program has so many rounds fewer
_THREADED = frozenset(
    {"bert", "training", "layers", "derivatives", "kernels", "convolutions", "models"}
)  # these run once for each number of threads
_NUM_THREADS = {"compiling": 2, "compiling_steps": 2, "examples": 2}  # the others use one core, or so many

if __name__ == "__main__":
    sys.exit(main())
