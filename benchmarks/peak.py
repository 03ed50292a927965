"""The machine's fused multiply-add limit, measured by a C loop that is compiled when asked.

The loop keeps ten vectors in registers and does nothing but multiply-add, so no program can do more floating-point
work per second on the same cores. Weakness: it does not touch memory, so the limit is that of arithmetic alone.
"""

import ctypes
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_NUM_ACCUMULATORS = 10  # at least latency (4) times issue width (2), and no more than AVX2's 16 registers hold

_LOOP = """
#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif

#define DEFINE_LOOP(type)                                                             \\
    typedef type type##_vector __attribute__((vector_size(VECTOR_BYTES)));            \\
    int type##_lanes(void) { return VECTOR_BYTES / (int)sizeof(type); }               \\
    type type##_multiply_add(long rounds, type start, type factor) {                  \\
        type##_vector acc[NUM_ACCUMULATORS];                                          \\
        type##_vector x = (type##_vector){0} + factor, y = (type##_vector){0} + start; \\
        for (int i = 0; i < NUM_ACCUMULATORS; i++) acc[i] = y + (type)i;              \\
        for (long round = 0; round < rounds; round++)                                 \\
            for (int i = 0; i < NUM_ACCUMULATORS; i++) acc[i] = acc[i] * x + y;       \\
        for (int i = 1; i < NUM_ACCUMULATORS; i++) acc[0] += acc[i];                  \\
        return acc[0][0];                                                             \\
    }

DEFINE_LOOP(float)
DEFINE_LOOP(double)
"""


@dataclass(frozen=True, slots=True)
class PeakLoop:
    """A compiled multiply-add loop; `gflops` runs it on some threads at once."""

    call: Callable[[int], object]
    flops_per_round: int

    def gflops(self, num_threads: int, milliseconds: float = 20.0) -> float:
        """Billions of floating-point operations per second of `num_threads` threads together."""
        rounds = 20_000
        while True:
            elapsed_ns = self._elapsed_ns(num_threads, rounds)
            if elapsed_ns >= milliseconds * 0.7e6:
                return num_threads * rounds * self.flops_per_round / elapsed_ns
            rounds = int(rounds * min(10.0, max(2.0, milliseconds * 1e6 / max(elapsed_ns, 1))))

    def _elapsed_ns(self, num_threads: int, rounds: int) -> int:
        workers = [threading.Thread(target=self.call, args=(rounds,)) for _ in range(num_threads - 1)]
        start_ns = time.perf_counter_ns()
        for worker in workers:
            worker.start()
        self.call(rounds)
        for worker in workers:
            worker.join()
        return time.perf_counter_ns() - start_ns


def compile_peak_loops() -> dict[str, PeakLoop]:
    """The loops for float32 and float64, compiled for this very processor."""
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "peak.c", Path(folder) / "peak.so"
        source.write_text(_LOOP)
        command = [
            os.environ.get("CC", "cc"),
            "-O3",
            "-march=native",
            "-ffp-contract=fast",
            "-funroll-loops",
            f"-DNUM_ACCUMULATORS={_NUM_ACCUMULATORS}",
            "-shared",
            "-fPIC",
            "-o",
            str(library),
            str(source),
        ]
        subprocess.run(command, check=True)
        loaded = ctypes.CDLL(str(library))
    return {
        "float32": _bind(loaded, "float", ctypes.c_float),
        "float64": _bind(loaded, "double", ctypes.c_double),
    }


def _bind(library: ctypes.CDLL, name: str, c_type: type) -> PeakLoop:
    function = library[f"{name}_multiply_add"]
    function.argtypes, function.restype = [ctypes.c_long, c_type, c_type], c_type
    lanes = library[f"{name}_lanes"]()
    return PeakLoop(lambda rounds: function(rounds, 1e-3, 0.999), 2 * lanes * _NUM_ACCUMULATORS)
