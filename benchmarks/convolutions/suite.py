"""Convolutions beside the peers': `python -m benchmarks convolutions [--threads 1 2] [--only PATTERN] [--contenders NAME ...]`.

A block of lines per convolution, then our time over the fastest peer's with what it must be. For some shapes each algorithm
that mosaic has under a name takes part, beside the same one in other libraries where they let a caller choose it: ncnn
its product, its Winograd and its loops, torch its im2col; oneDNN's is direct on this kind of processor.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.contender import Contender
from benchmarks.contest import Plan, Result, Team, contest, print_result, print_summary
from benchmarks.convolutions.cases import Convolution, Workload, cases
from benchmarks.report import print_table
from mosaic.algorithms import algorithms_of

_MODULES = "benchmarks.module_contenders"
_HERE = "benchmarks.convolutions.contenders"
_GUESS = "mosaic guess"
_OURS = (
    Contender("mosaic", f"{_MODULES}.composit_mosaic"),
    Contender(_GUESS, f"{_HERE}.named_algorithm", arguments=("guess",)),
)
_NAMED = tuple(
    Contender(f"mosaic {name}", f"{_HERE}.named_algorithm", arguments=(name,)) for name in algorithms_of("conv2d")
)
_PEERS = (
    Contender("torch eager", f"{_MODULES}.torch_eager"),
    Contender("torch.compile", f"{_MODULES}.torch_compile"),
    Contender("oneDNN, packed", f"{_HERE}.onednn"),
    Contender("onnxruntime", f"{_MODULES}.onnx_runtime"),
    Contender("OpenVINO", f"{_MODULES}.openvino_float32"),
    Contender("jax.jit", f"{_HERE}.jax_jit"),
    Contender("ncnn", f"{_HERE}.with_ncnn", arguments=("any",)),
    Contender("MNN", f"{_MODULES}.mnn", arguments=(1,)),
    Contender("MNN, large tiles", f"{_MODULES}.mnn", arguments=(3,)),
    Contender("plain C", f"{_HERE}.plain_c"),
)
_NAMED_PEERS = (
    Contender("torch im2col", f"{_HERE}.torch_gemm"),
    Contender("ncnn winograd", f"{_HERE}.with_ncnn", arguments=("winograd",)),
    Contender("ncnn gemm", f"{_HERE}.with_ncnn", arguments=("gemm",)),
    Contender("ncnn direct", f"{_HERE}.with_ncnn", arguments=("direct",)),
)
_SAME: Mapping[str, Sequence[str]] = {
    "mosaic winograd": ("ncnn winograd",),
    "mosaic gemm": ("torch im2col", "ncnn gemm"),
    "mosaic implicit gemm": ("ncnn gemm",),
    "mosaic direct": ("oneDNN, packed", "ncnn direct", "plain C"),
}
"""The same algorithm in other libraries."""


def run_convolutions(
    num_threads: int, num_rounds: int, only: str, names: Sequence[str] | None, has_memory: bool
) -> None:
    """Print a block per convolution whose name matches, and the summaries."""
    contenders = (*_OURS, *_NAMED, *_PEERS, *_NAMED_PEERS)
    wanted = [each for each in contenders if names is None or each.name in names or each is _OURS[0]]
    results = []
    with Team(wanted) as team:
        for case in cases():
            if re.search(only, case.name):
                plan = Plan(_names(case, wanted), [each.name for each in (*_OURS, *_NAMED)], num_rounds, has_memory)
                result = contest(team, case, Workload(case, num_threads), plan)
                print_result(result)
                results.append(result)
    title = f"convolutions, {num_threads} thread{'s' * (num_threads > 1)}, float32"
    print_summary(title, results)
    print_table(f"{title}: guess beside the fastest of ours", _GUESS_HEADER, list(_guesses(results)))
    print_table(f"{title}: the same algorithm elsewhere", _SAME_HEADER, list(_same_elsewhere(results)))


def _names(case: Convolution, wanted: Sequence[Contender]) -> list[str]:
    only_named = (*_OURS[1:], *_NAMED, *_NAMED_PEERS)
    return [each.name for each in wanted if case.has_algorithms or each not in only_named]


_GUESS_HEADER = ["case", "fastest of ours", "guess / fastest of ours", "must"]
_SAME_HEADER = ["case", "ours", "theirs", "ours / theirs"]
_MOST_OF_GUESS = 1.10


def _guesses(results: Sequence[Result]) -> Iterator[list[str]]:
    for each in results:
        ours = [name for name in (_GUESS, *(each.name for each in _NAMED)) if name in each.standings]
        if _GUESS in ours:
            fastest = min(ours, key=lambda name: each.standings[name].seconds.median)
            ratio = each.timings.ratio(_GUESS, fastest)
            yield [
                each.case.name,
                fastest,
                f"{ratio}" + " !" * (ratio.median > _MOST_OF_GUESS),
                f"{_MOST_OF_GUESS:.2f}",
            ]


def _same_elsewhere(results: Sequence[Result]) -> Iterator[list[str]]:
    for each in results:
        for ours, others in _SAME.items():
            for theirs in others:
                if ours in each.standings and theirs in each.standings:
                    yield [each.case.name, ours, theirs, str(each.timings.ratio(ours, theirs))]
