"""What the C compiler and our own passes take for each node, for every function that has C, beside a chain of exp.

The compiler's time is its own CPU time (RUSAGE_CHILDREN), ours that of this process. Every compilation starts with an empty
cache, and the compiler's start counts. Chains of exp with as many nodes run between the others, so that both see the same load.
"""

import math
import os
import re
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from unittest.mock import patch

import composit.numpy as cnp
import mosaic
from benchmarks.compile_time_programs import WIDE, Chain, Program, chains, long_chain, mixed
from benchmarks.report import print_as_measured

_LENGTHS = (16, 256)
_LONG_LENGTHS = (1_000, 10_000, 100_000)
_WIDTHS = (200, 2_000, 20_000)
_BOUND = 2.0  # of exp's time
_MOST_ROUNDS = (
    5  # of a row above the bound: another process on the machine adds to a row now and then, seldom five times
)
_LONGEST_SECONDS = 120.0  # a size that would take longer than this by the one before is left out
_COMPILE_TIMEOUT_S = "7200"  # by the wall clock, which goes on while other programs have the processor
Sized = Callable[[int], Program]


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds of one compilation: the compiler's and our own."""

    compiler: float
    own: float


def run_compile_time(num_rounds: int, pattern: str) -> None:
    """Two tables of the programs whose name matches: functions beside exp, and programs of growing length and width."""
    wanted = re.compile(pattern)
    with _empty_cache() as prepared:
        rounds = max(1, num_rounds // 10)
        print_as_measured(
            f"compiler time of chains (at most {_BOUND:g} of exp)", _HEADER, _chains(wanted, rounds, prepared)
        )
        rows = (
            row
            for name, program, sizes in _growing()
            if wanted.search(name)
            for row in _growth(name, program, sizes, prepared)
        )
        print_as_measured("growth", _GROWTH_HEADER, rows)


@contextmanager
def _empty_cache() -> Iterator[str]:
    """A cache directory that holds nothing but the library of the runtime, and time for the longest compilation."""
    with tempfile.TemporaryDirectory(prefix="composit-compile-time-") as prepared:
        settings = {"COMPOSIT_CACHE_DIR": prepared, "COMPOSIT_COMPILE_TIMEOUT": _COMPILE_TIMEOUT_S}
        with patch.dict(os.environ, settings):
            one = cnp.ones((1,))
            mosaic.compile(one + 1, inputs=[one])
            yield prepared


_GROWTH_HEADER = ["program", "   size", "compiler s", "compiler ms each", "own s", "own ms each"]
_HEADER = [
    "function",
    "nodes per step",
    *[f"{length}: ms/node" for length in _LENGTHS],
    *[f"{length}: of exp" for length in _LENGTHS],
    "own ms/node",
]


def _chains(wanted: re.Pattern[str], num_rounds: int, prepared: str) -> Iterator[list[str]]:
    """For each function and length the compiler's milliseconds per node, and as a multiple of exp's beside it."""
    for chain in chains():
        if wanted.search(chain.name):
            pairs = {length: _pair(chain, length, num_rounds, prepared) for length in _LENGTHS}
            each = [f"{own.compiler / length * 1e3:.2f}" for length, (own, _) in pairs.items()]
            ratios = [f"{own.compiler / exp.compiler:.2f}" for own, exp in pairs.values()]
            own_ms = pairs[_LENGTHS[-1]][0].own / _LENGTHS[-1] * 1e3
            yield [chain.name, str(chain.nodes_per_step), *each, *ratios, f"{own_ms:.2f}"]


def _pair(chain: Chain, length: int, num_rounds: int, prepared: str) -> tuple[Spent, Spent]:
    """The least of a chain's rounds, and of exp's between them."""
    own = exp = Spent(math.inf, math.inf)
    for number in range(max(num_rounds, _MOST_ROUNDS)):
        if number >= num_rounds and own.compiler <= _BOUND * exp.compiler:
            break
        own = _least(own, _spent(chain.program(length), prepared))
        exp = _least(exp, _spent(long_chain("exp", length), prepared))
    return own, exp


def _least(first: Spent, second: Spent) -> Spent:
    return Spent(min(first.compiler, second.compiler), min(first.own, second.own))


def _growing() -> Iterator[tuple[str, Sized, tuple[int, ...]]]:
    for name in ("exp", "sin", "less"):
        yield f"chain of {name}", partial(long_chain, name), _LONG_LENGTHS
    yield "mixed functions", mixed, _LONG_LENGTHS
    for name, program in WIDE.items():
        yield name, program, _WIDTHS


def _growth(name: str, program: Sized, sizes: tuple[int, ...], prepared: str) -> Iterator[list[str]]:
    """Milliseconds per node or input for programs of growing size: a column that stays level is linear."""
    expected = 0.0
    for size in sizes:
        if expected > _LONGEST_SECONDS:
            yield [name, str(size), *["left out"] * 4]
            continue
        spent = _spent(program(size), prepared)
        expected = 10 * (spent.compiler + spent.own)
        seconds = (spent.compiler, spent.own)
        yield [name, str(size), *[text for value in seconds for text in (f"{value:.2f}", f"{value / size * 1e3:.3f}")]]


def _spent(program: Program, prepared: str) -> Spent:
    """What compiling takes, with nothing in the cache but the library of the runtime."""
    outputs, inputs = program
    with tempfile.TemporaryDirectory(prefix="composit-compile-time-") as directory:
        os.environ["COMPOSIT_CACHE_DIR"] = shutil.copytree(prepared, directory, dirs_exist_ok=True)
        children, own = _children_seconds(), time.process_time()
        mosaic.compile(outputs, inputs=inputs)
        return Spent(_children_seconds() - children, time.process_time() - own)


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
