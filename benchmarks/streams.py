"""The limit of memory: plain C loops that move as many bytes as an operation and compute next to nothing.

Two operands and a result are a triad, one operand and a result a copy, an operand and a small result a sum. Each loop
moves the same number of bytes in all, in streams of equal length, from arrays of its own, and writes whole lines of the
cache. Weakness: an operation that reads out of order, or an array twice, moves more than is counted.
"""

import ctypes
import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]  # of any shape and dtype: only its bytes count

_LINE_BYTES = 64
_SMALL_RESULT = 16
"""A result this many times smaller than the operands costs nothing to write."""

_LOOPS = """
typedef unsigned char vector __attribute__((vector_size(32)));
typedef vector unaligned __attribute__((aligned(1), may_alias));

#define DEFINE_LOOP(name, statement)                                              \\
    void name(const char *a, const char *b, char *c, long num_bytes) {            \\
        vector sum = {0};                                                         \\
        _Pragma("GCC unroll 4") for (long i = 0; i < num_bytes; i += 32) statement \\
        *(volatile vector *)c = *(unaligned *)c + sum;                            \\
    }
#define AT(p) (*(unaligned *)((char *)p + i))

DEFINE_LOOP(triad, AT(c) = AT(a) + AT(b);)
DEFINE_LOOP(copy, AT(c) = AT(a);)
DEFINE_LOOP(sum, sum += AT(a);)
"""


@dataclass(frozen=True, slots=True)
class Stream:
    """A loop that moves `num_bytes` in all: what `name` says, in so many streams."""

    name: str
    num_streams: int
    call: Callable[..., object]

    def run_on(self, num_bytes: int) -> Callable[[], object]:
        """The loop on arrays of its own."""
        each = max(1, num_bytes // self.num_streams // _LINE_BYTES) * _LINE_BYTES
        a, b, c = (_aligned_bytes(each) for _ in range(3))
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in (a, b, c)]
        return lambda: (self.call(*pointers, ctypes.c_long(each)), (a, b, c))


def compile_streams() -> Callable[[Sequence[Array], Array], Callable[[], object]]:
    """A function from an operation's operands and result to the loop that moves as much, compiled for this very processor."""
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "streams.c", Path(folder) / "streams.so"
        source.write_text(_LOOPS)
        command = [
            os.environ.get("CC", "cc"),
            "-O2",
            "-march=native",
            "-shared",
            "-fPIC",
            "-o",
            str(library),
            str(source),
        ]
        subprocess.run(command, check=True)
        loaded = ctypes.CDLL(str(library))
    triad, copy, total = (
        Stream("triad", 3, loaded["triad"]),
        Stream("copy", 2, loaded["copy"]),
        Stream("sum", 1, loaded["sum"]),
    )

    def stream(operands: Sequence[Array], result: Array) -> Callable[[], object]:
        num_read = sum(array.nbytes for array in operands)
        if result.nbytes * _SMALL_RESULT < num_read:
            return total.run_on(num_read)
        return (copy if len(operands) == 1 else triad).run_on(num_read + result.nbytes)

    return stream


def _aligned_bytes(num_bytes: int) -> Array:
    whole = np.ones(num_bytes + _LINE_BYTES, np.uint8)
    return whole[-whole.ctypes.data % _LINE_BYTES :][:num_bytes]
