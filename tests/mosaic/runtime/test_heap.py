"""The heap that was freed goes back to the system."""

import platform
import subprocess
import sys

import pytest

from mosaic.runtime import heap

# Many arrays too small for mappings of their own; the last one keeps the end of the heap in use.
_PROGRAM = """
import numpy as np
from mosaic.runtime.heap import return_freed_heap

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

arrays = [np.ones(4096) for _ in range(1024)]
last = arrays.pop()
del arrays
before = resident()
assert return_freed_heap()
print(before - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's heap is given back")
def test_arrays_that_were_freed_go_back_to_the_system() -> None:
    finished = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert finished.returncode == 0, finished.stderr
    assert int(finished.stdout) > 24 << 20


class _WithoutTrim:
    """An interface to a C library that has no malloc_trim."""

    def cdef(self, declaration: str, override: bool) -> None:
        assert declaration.startswith("int malloc_trim")
        assert override

    def dlopen(self, path: None) -> object:
        return object()


def test_other_c_libraries_keep_their_heap(monkeypatch: pytest.MonkeyPatch) -> None:
    heap._trim_function.cache_clear()
    monkeypatch.setattr(heap, "foreign_interface", _WithoutTrim)
    try:
        assert not heap.return_freed_heap()
    finally:
        heap._trim_function.cache_clear()
