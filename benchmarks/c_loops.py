"""Plain C loops compiled by gcc for this very processor, once per process and source."""

import ctypes
import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from benchmarks.contender import skip

_FLAGS = ("-O3", "-march=native", "-ffast-math", "-fopenmp", "-shared", "-fPIC")


@cache
def compile_loops(source: str) -> ctypes.CDLL:
    """Return the loaded library of the source.

    Raises: SkipContender: there is no compiler, or it has no OpenMP
    """
    with tempfile.TemporaryDirectory() as folder:
        text, library = Path(folder) / "loops.c", Path(folder) / "loops.so"
        text.write_text(source)
        command = [os.environ.get("CC", "gcc"), *_FLAGS, str(text), "-o", str(library), "-lm"]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except FileNotFoundError:
            skip(f"there is no {command[0]}")
        except subprocess.CalledProcessError as error:
            skip(f"{command[0]} fails: {error.stderr.splitlines()[0]}")
        return ctypes.CDLL(str(library))
