"""The runtime library of the process: its thread pool, as generated code sees it.

It is one small C text (`pool.c`, `invoke.c`), compiled through the same cache as generated code when it is first
needed, and loaded once for the life of the process because its threads run in it.
"""

import os
import platform
from dataclasses import dataclass
from functools import lru_cache
from operator import index
from typing import Any, SupportsIndex, cast

from composit.errors import ParameterError
from mosaic.runtime.abi import RUNTIME_SOURCE
from mosaic.runtime.compilation import compile_and_load
from mosaic.runtime.library import Library, foreign_interface


@dataclass(frozen=True, slots=True)
class _BaselineTarget:
    """Whatever the compiler generates by default: waiting needs no vector instructions."""

    name: str = f"baseline {platform.machine()}"
    flags: tuple[str, ...] = ()
    zig_flags: tuple[str, ...] = ()


def num_available_cores() -> int:
    """How many cores this process may run on, which may be fewer than the machine has."""
    return len(os.sched_getaffinity(0))


@lru_cache(maxsize=1)
def runtime_library() -> Library:
    """The loaded runtime library, compiled if the cache does not have it."""
    symbols = ("mosaic_pool_fill", "mosaic_invoke")
    return compile_and_load(RUNTIME_SOURCE, target=_BaselineTarget(), symbols=symbols, flags=("-pthread",), stays=True)


def new_runtime(num_threads: object) -> Any:  # object: the number comes from the user as it is
    """A fresh `struct mosaic_runtime` whose parallel_for uses up to that many threads of the pool.

    The result is a cffi pointer that owns its memory: keep it as long as generated code may use it.
    """
    is_number = isinstance(num_threads, SupportsIndex) and not isinstance(num_threads, bool)
    count = index(cast(SupportsIndex, num_threads)) if is_number else 0
    if count < 1:
        raise ParameterError(
            f"threads: num_threads={num_threads!r} was asked for; it must be an integer of at least 1, "
            f"and {num_available_cores()} uses every core this process may run on"
        )
    fill = runtime_library().function(
        "void mosaic_pool_fill(struct mosaic_runtime *runtime, int num_threads)", "mosaic_pool_fill"
    )
    runtime = foreign_interface().new("struct mosaic_runtime *")
    fill(runtime, count)
    return runtime
