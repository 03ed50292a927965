"""The memory of a training step, in a process of its own: `python -m benchmarks.training.memory CONTENDER CASE THREADS`.

It is the largest resident size while steps run, over what was resident after a tiny step of the same contender. So code,
compilers and thread pools that every program needs count as imported; weights, state, gradients and temporaries are what is left.
"""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from benchmarks.resident import forget_largest, largest_mib, settled_mib
from benchmarks.training.cases import Case, cases
from benchmarks.training.contenders import prepare

_NUM_STEPS = 5


def peak_mib(name: str, case: Case, num_threads: int) -> float:
    """Return the figure for a contender, measured by a new process."""
    command = [sys.executable, "-m", __name__, name, case.name, str(num_threads)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1])


def _measured(name: str, case: Case, num_threads: int) -> float:
    _tiny_step(name, num_threads)
    before = settled_mib()
    step = prepare(name, case, num_threads)
    for _ in range(2):  # compilers run now
        step()
    settled_mib()
    forget_largest()
    for _ in range(_NUM_STEPS):
        step()
    return largest_mib() - before


def _tiny_step(name: str, num_threads: int) -> None:
    rng = np.random.default_rng(0)
    sizes = {"weight 0": (4, 3), "bias 0": (3,), "weight 1": (3, 3), "bias 1": (3,), "weight 2": (3, 2), "bias 2": (2,)}
    parameters = {key: rng.normal(size=shape).astype(np.float32) for key, shape in sizes.items()}
    step = prepare(name, Case("tiny", "mlp", parameters, np.ones((2, 4), np.float32), np.array([0, 1])), num_threads)
    for _ in range(2):
        step()


if __name__ == "__main__":
    _name, _case_name, _threads = sys.argv[1:]
    _case = next(case for case in cases() if case.name == _case_name)
    print(_measured(_name, _case, int(_threads)))
