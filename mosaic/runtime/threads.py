"""The runtime library of the process: its thread pool, as generated code sees it.

It is one small C text (`pool.c`, `invoke.c`), compiled through the same cache as generated code when it is first
needed, and loaded once for the life of the process because its threads run in it.
"""

import os
import platform
from dataclasses import dataclass
from functools import lru_cache
from operator import index
from typing import Any, Final, SupportsIndex, cast

import numpy as np

from composit.errors import ParameterError
from mosaic.runtime.abi import RUNTIME_SOURCE
from mosaic.runtime.compilation import compile_and_load
from mosaic.runtime.library import Library, foreign_interface

MAX_THREADS: Final = 1024
"""How many threads a pool has at most, as pool.c says too."""


@dataclass(frozen=True, slots=True)
class _BaselineTarget:
    """Whatever the compiler generates by default: waiting needs no vector instructions."""

    name: str = f"baseline {platform.machine()}"
    flags: tuple[str, ...] = ()
    zig_flags: tuple[str, ...] = ()


def num_available_cores() -> int:
    """How many cores this process may run on, which may be fewer than the machine has, and no more than a pool uses."""
    return min(len(os.sched_getaffinity(0)), MAX_THREADS)


@lru_cache(maxsize=1)
def runtime_library() -> Library:
    """The loaded runtime library, compiled if the cache does not have it."""
    symbols = ("mosaic_pool_fill", "mosaic_invoke")
    return compile_and_load(RUNTIME_SOURCE, target=_BaselineTarget(), symbols=symbols, flags=("-pthread",), stays=True)


def checked_num_threads(num_threads: object) -> int:  # object: the number comes from the user as it is
    """The number of threads that was asked for.

    Raises: ParameterError: it is no integer, or none that a pool can have
    """
    is_number = isinstance(num_threads, SupportsIndex) and not isinstance(num_threads, bool | np.bool)
    count = index(cast(SupportsIndex, num_threads)) if is_number else 0
    if not 1 <= count <= MAX_THREADS:
        raise ParameterError(
            f"threads: num_threads={num_threads!r} was asked for; it must be an integer from 1 to {MAX_THREADS}, "
            f"and {num_available_cores()} uses every core this process may run on; leave it away for that number"
        )
    return count


def new_runtime(num_threads: int, watch: Any, region: int = 0) -> Any:
    """A fresh `struct mosaic_runtime` for a region, whose parallel_for uses up to that many threads of the pool.

    It is a cffi pointer that owns its memory: keep it, and the `struct mosaic_watch` of the call, as long as generated
    code may use it.
    """
    fill = runtime_library().function(
        "void mosaic_pool_fill(struct mosaic_runtime *runtime, int num_threads, struct mosaic_watch *watch, int region)",
        "mosaic_pool_fill",
    )
    runtime = foreign_interface().new("struct mosaic_runtime *")
    fill(runtime, num_threads, watch, region)
    return runtime
