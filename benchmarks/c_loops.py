"""Plain C loops compiled by gcc for this very processor, once per process and source."""

import ctypes
import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from benchmarks.contender import skip

_FLAGS = ("-O3", "-march=native", "-ffast-math", "-fopenmp", "-fPIC")
_LINKING = ("-shared", "-fopenmp", "-lm")
"""Without -ffast-math: a library linked with it makes the whole process take the smallest numbers for 0."""


@cache
def compile_loops(source: str) -> ctypes.CDLL:
    """Return the loaded library of the source.

    Raises: SkipContender: there is no compiler, or it has no OpenMP
    """
    with tempfile.TemporaryDirectory() as folder:
        text, loops, library = (Path(folder) / name for name in ("loops.c", "loops.o", "loops.so"))
        text.write_text(source)
        compiler = os.environ.get("CC", "gcc")
        try:
            for arguments in ((*_FLAGS, "-c", text, "-o", loops), (loops, "-o", library, *_LINKING)):
                subprocess.run([compiler, *map(str, arguments)], check=True, capture_output=True, text=True)
        except FileNotFoundError:
            skip(f"there is no {compiler}")
        except subprocess.CalledProcessError as error:
            skip(f"{compiler} fails: {error.stderr.splitlines()[0]}")
        return ctypes.CDLL(str(library))
