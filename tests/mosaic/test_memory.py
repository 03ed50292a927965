"""What stays in memory: the packed weights, once, and little else."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import gc
import numpy as np
import composit as cnp, mosaic

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

def build():
    rng = np.random.default_rng(0)
    # Arrays above 32 MiB are given back to the system one by one when they are freed, smaller ones perhaps later.
    weights = [rng.standard_normal((3200, 3200), dtype=np.float32) for _ in range(3)]
    for weight in weights:
        weight.flags.writeable = False
    x = y = cnp.zeros((16, 3200), dtype="float32")
    for weight in weights:
        y = cnp.tanh(y @ cnp.asarray(weight))
    return mosaic.compile(y, inputs=[x])

array = np.zeros((16, 3200), np.float32)
cnp.evaluate(cnp.exp(cnp.zeros(3)), backend="mosaic")
before = resident()
model = build()
gc.collect()
model(array)
model(array)
print(resident() - before - model.buffers.constant_bytes, model.buffers.constant_bytes)
"""


def test_a_model_keeps_its_weights_once_and_at_most_16_mib_more() -> None:
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        cwd=Path(__file__).parents[2],
    )
    more, constants = map(int, finished.stdout.split())
    assert constants >= 3 * 3200 * 3200 * 4
    assert more <= 16 << 20
