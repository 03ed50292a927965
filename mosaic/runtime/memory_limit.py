"""The memory that this process may have, and the error, before a run, for more.

Linux lets a process map more memory than exists and kills it when it touches the pages, so sizes are compared before.
"""

import contextlib
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from composit.errors import OutOfMemoryError

# Smaller sizes are not compared: reading the limits takes as long as a small call.
_SURELY_THERE_BYTES: Final = 256 << 20


def machine_bytes() -> int:
    """The bytes that this process can have at most: memory and swap, its control group's limit, its address space."""
    swap = _meminfo_bytes("SwapTotal")
    limits = [_meminfo_bytes("MemTotal") + swap, *(limit + swap for limit in _group_limits())]
    address_space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if address_space != resource.RLIM_INFINITY:
        limits.append(address_space)
    return min(limits)


def is_compared(num_bytes: int) -> bool:
    """Whether so many bytes are compared with what there is."""
    return num_bytes > _SURELY_THERE_BYTES


def check_memory(num_bytes: int, purpose: str, largest: Callable[[], str] = str) -> None:
    """Return if so many bytes can be had.

    purpose: what they are for, in words
    largest: describes what takes most of them, called for the error only

    Raises: OutOfMemoryError
    """
    if is_compared(num_bytes) and num_bytes > (limit := machine_bytes()):
        raise out_of_memory(num_bytes, purpose, f"this process can have {spell_bytes(limit)}", largest())


def out_of_memory(num_bytes: int, purpose: str, expected: str, largest: str = "") -> OutOfMemoryError:
    """The error for memory that cannot be had."""
    most = f"; the largest results are{largest}" if largest else ""
    return OutOfMemoryError(
        f"memory: {purpose} needs {spell_bytes(num_bytes)} ({num_bytes} bytes), and {expected}; compute a part at a "
        f"time, use a smaller dtype, or a machine with more memory{most}"
    )


def spell_bytes(num_bytes: int) -> str:
    """A size for people, in powers of 1024."""
    size, units = float(num_bytes), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while size >= 1024 and len(units) > 1:
        size, units = size / 1024, units[1:]
    return f"{size:.3g} {units[0]}" if size < 1000 else f"{size:.0f} {units[0]}"


def _meminfo_bytes(name: str) -> int:
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) << 10
    return 0


def _group_limits() -> Iterator[int]:
    """The limits of the control groups that this process is in, as far as they can be read."""
    root = Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError):
        own = Path("/proc/self/cgroup").read_text(encoding="utf-8").strip().splitlines()[-1].split(":", 2)[2]
        for group in (root, *(root / own.lstrip("/")).parents, root / own.lstrip("/")):
            for name in ("memory.max", "memory/memory.limit_in_bytes"):
                with contextlib.suppress(OSError, ValueError):  # no such file, or the word "max"
                    yield int((group / name).read_text(encoding="ascii"))
