"""How much of a process is resident, as Linux counts it: now, at most so far, and once garbage is given back."""

import ctypes
import gc
from pathlib import Path

_STATUS = Path("/proc/self/status")


def resident_mib() -> float:
    """What is resident now."""
    return _mib("VmRSS")


def settled_mib() -> float:
    """What is resident once garbage is given back to the system."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return resident_mib()


def forget_largest() -> None:
    """Let `largest_mib` count from now on."""
    Path("/proc/self/clear_refs").write_text("5")


def largest_mib() -> float:
    """The most that was resident at once."""
    return _mib("VmHWM")


def _mib(field: str) -> float:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(f"{_STATUS} has no line {field}")
