"""Building and compiling BERT's training step (batch 8, sequence 128, Adam), beside jax: `python -m benchmarks compiling_steps`.

Processes take turns, each with empty caches (step_probe.py). Building is composit's graph of loss, gradients and update, and
jax's tracing of the same; compiling is what leads from there to machine code. Figures are medians; ratios are of one turn.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

from benchmarks.measure import Timings
from benchmarks.report import print_table

_NUM_LAYERS = (2, 12)
_MOST = {"building": 0.3, "compiling": 2.0}


def run_compiling_steps(num_threads: int, num_turns: int = 3) -> None:
    """Print a row for each number of layers and each of the two phases."""
    rows = []
    for layers in _NUM_LAYERS:
        turns = [{name: _probe(name, num_threads, layers) for name in ("composit", "jax")} for _ in range(num_turns)]
        if not turns[0]["jax"]:
            print("jax left out: it is not installed")
            turns = [{"composit": turn["composit"]} for turn in turns]
        rows += [_row(turns, layers, phase, most) for phase, most in _MOST.items()]
    print_table(
        f"BERT's training step from nothing, {num_threads} thread(s)",
        ["what", "composit s", "jax s", "composit / jax", "at most"],
        rows,
    )


def _row(turns: list[dict[str, dict[str, float]]], layers: int, phase: str, most: float) -> list[str]:
    timings = Timings({name: tuple(turn[name][phase] for turn in turns) for name in turns[0]})
    cells = [f"{phase}, {layers} layers", f"{timings.seconds('composit').median:.3g}"]
    if "jax" not in turns[0]:
        return [*cells, "", "", f"{most:g}"]
    ratio = timings.ratio("composit", "jax")
    return [*cells, f"{timings.seconds('jax').median:.3g}", str(ratio) + " !" * (ratio.median > most), f"{most:g}"]


def _probe(name: str, num_threads: int, layers: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as cache:
        os.chmod(cache, 0o700)
        finished = subprocess.run(
            [sys.executable, "-m", "benchmarks.bert.step_probe", name, str(num_threads), str(layers)],
            env=os.environ | {"COMPOSIT_CACHE_DIR": cache},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    seconds: dict[str, float] = json.loads(finished.stdout.splitlines()[-1])
    return seconds
