"""Arenas and constants: page-aligned memory on huge pages, kept while its owner lives.

The first touch of fresh memory is the largest cost of a small model (40 MiB cost 17 ms on 4 KiB pages, 2.3 ms on
huge ones, 0.95 ms when the pages are there already), so a model keeps its arenas and leases one per call.

A virtual machine that reports its free huge pages to the host has them taken away: the first touch of one then costs
2 to 5 ms instead of 0.1 ms, and 415 MiB of weights 540 ms instead of 180 ms on small pages, which are not reported. No
setting shows this; only touching a page does.
"""

import contextlib
import mmap
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from mosaic.runtime.library import foreign_interface
from mosaic.runtime.memory_limit import out_of_memory
from mosaic.runtime.threads import num_available_cores

HUGE_PAGE_BYTES: Final = 2 << 20
# The cost of the same bytes on small pages (512 of 1.7 us each); a huge page that takes longer does not pay.
_DEAR_NS: Final = 850_000
# numpy releases the GIL for 500 elements and more.
_TOUCHED_BYTES: Final = 4096
# Not Python's default, shared memory: most systems give it no huge pages, and a forked child would write to it.
_PRIVATE: Final = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


@dataclass(frozen=True, slots=True)
class Block:
    """Anonymous memory of this process, zero at first, returned to the system with its last user."""

    mapping: mmap.mmap
    offset_bytes: int
    num_bytes: int

    def pointer(self) -> Any:
        """The aligned start as a cffi `unsigned char *` that keeps the memory alive."""
        interface = foreign_interface()
        whole = interface.from_buffer("unsigned char[]", self.mapping)
        # Not a memoryview of a part: one that is exported crashes CPython when a reference cycle with it is collected.
        return interface.gc(whole + self.offset_bytes, partial(_let_go, whole))

    def array(self) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        """The block as bytes; it and its views keep the memory alive."""
        return np.frombuffer(self.mapping, np.uint8, self.num_bytes, self.offset_bytes)


def _let_go(whole: Any, start: Any) -> None:
    """Do nothing: the pointer kept its memory by keeping this function's first argument."""


def allocate_block(num_bytes: int) -> Block:
    """A block whose start is aligned to a page, or to a huge page if it is that long; its end fills half a huge page or none.

    Raises: OutOfMemoryError: the system refuses
    """
    if num_bytes < HUGE_PAGE_BYTES:
        return Block(_mapped(max(num_bytes, 1)), 0, num_bytes)
    huge_bytes = round(num_bytes / HUGE_PAGE_BYTES) * HUGE_PAGE_BYTES
    mapping = _mapped(max(num_bytes, huge_bytes) + HUGE_PAGE_BYTES)
    offset_bytes = -_address(mapping) % HUGE_PAGE_BYTES
    with contextlib.suppress(OSError):  # a kernel without huge pages
        mapping.madvise(mmap.MADV_HUGEPAGE, offset_bytes, huge_bytes)
    return Block(mapping, offset_bytes, num_bytes)


def _mapped(num_bytes: int) -> mmap.mmap:
    try:
        return mmap.mmap(-1, num_bytes, flags=_PRIVATE)
    except (OSError, OverflowError) as error:
        raise out_of_memory(num_bytes, "a block of memory", f"the system refused ({error})") from error


def aligned_bytes(num_bytes: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """Writable bytes for constants, zero at first, aligned as a block is, on huge pages as far as these are cheap."""
    block = allocate_block(num_bytes)
    num_pages, num_threads = num_bytes // HUGE_PAGE_BYTES, num_available_cores()
    if num_pages:
        bounds = [num_pages * part // num_threads for part in range(num_threads + 1)]
        with ThreadPoolExecutor(num_threads) as pool:
            list(pool.map(lambda start, stop: touch_huge_pages(block, start, stop), bounds, bounds[1:]))
    return block.array()


def touch_huge_pages(block: Block, start: int, stop: int, clock_ns: Callable[[], int] = time.thread_time_ns) -> int:
    """Touch the huge pages from `start` to `stop` until one is slow, then ask for small ones; return the number touched.

    The clock is the thread's own by default: waiting for a processor says nothing about a page.
    """
    array = block.array()
    for page in range(start, stop):
        before = clock_ns()
        array[page * HUGE_PAGE_BYTES :][:_TOUCHED_BYTES] = 0
        if clock_ns() - before > _DEAR_NS:
            _use_small_pages(block, page + 1, stop)
            return page + 1 - start
    return stop - start


def _use_small_pages(block: Block, start: int, stop: int) -> None:
    if start < stop:
        first_byte = block.offset_bytes + start * HUGE_PAGE_BYTES
        with contextlib.suppress(OSError):  # a kernel without huge pages
            block.mapping.madvise(mmap.MADV_NOHUGEPAGE, first_byte, (stop - start) * HUGE_PAGE_BYTES)


def _address(mapping: mmap.mmap) -> int:
    interface = foreign_interface()
    return int(interface.cast("uintptr_t", interface.from_buffer(mapping)))
