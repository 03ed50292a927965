"""Blocks of memory: aligned, zero, and gone with their last user."""

import mmap
import subprocess
import sys
from itertools import count

import numpy as np
import pytest

from mosaic.runtime.arena import HUGE_PAGE_BYTES, aligned_bytes, allocate_block, touch_huge_pages
from mosaic.runtime.library import foreign_interface
from tests.mosaic.runtime.programs import PATIENCE_S, num_huge_bytes, num_mapped_bytes, start_python


def address(pointer: object) -> int:
    return int(foreign_interface().cast("uintptr_t", pointer))


@pytest.mark.parametrize("num_bytes", [1, 4096, HUGE_PAGE_BYTES - 1])
def test_small_blocks_start_at_a_page(num_bytes: int) -> None:
    assert address(allocate_block(num_bytes).pointer()) % mmap.PAGESIZE == 0


@pytest.mark.parametrize("num_bytes", [HUGE_PAGE_BYTES, 5 * HUGE_PAGE_BYTES + 7])
def test_large_blocks_start_at_a_huge_page(num_bytes: int) -> None:
    block = allocate_block(num_bytes)
    assert address(block.pointer()) % HUGE_PAGE_BYTES == 0
    block.pointer()[num_bytes - 1] = 7
    assert block.array()[num_bytes - 1] == 7
    assert len(block.array()) == num_bytes


def test_bytes_for_constants_are_writable_zeros_of_the_right_length() -> None:
    for num_bytes in (0, 10, 3 * HUGE_PAGE_BYTES):
        constants = aligned_bytes(num_bytes)
        assert (constants.shape, constants.dtype) == ((num_bytes,), np.uint8)
        assert not constants.any()
        constants[:] = 1
        assert constants.ctypes.data % 64 == 0


def test_the_memory_goes_back_when_the_last_user_is_gone() -> None:
    before = num_mapped_bytes()
    pointer = allocate_block(256 << 20).pointer()
    pointer[(256 << 20) - 1] = 1
    assert num_mapped_bytes() - before >= 256 << 20
    del pointer
    assert num_mapped_bytes() - before < 128 << 20


def test_cheap_huge_pages_are_all_touched() -> None:
    block = allocate_block(5 * HUGE_PAGE_BYTES)
    assert touch_huge_pages(block, 1, 4, clock_ns=lambda: 0) == 3
    assert not block.array().any()


@pytest.mark.parametrize("stop", [2, 3, 5])
def test_behind_a_dear_huge_page_the_pages_are_small_and_still_zero(stop: int) -> None:
    block = allocate_block(5 * HUGE_PAGE_BYTES)
    seconds = count(step=1_000_000_000)
    assert touch_huge_pages(block, 1, stop, clock_ns=lambda: next(seconds)) == 1
    assert not block.array().any()
    block.array()[:] = 1
    assert block.array().all()


def test_touching_no_pages_asks_no_clock() -> None:
    assert touch_huge_pages(allocate_block(HUGE_PAGE_BYTES), 1, 1, clock_ns=lambda: 1 // 0) == 0


_FORK = """
import os
from mosaic.runtime.arena import HUGE_PAGE_BYTES, aligned_bytes
for num_bytes in (100, HUGE_PAGE_BYTES):
    block = aligned_bytes(num_bytes)
    child = os.fork()
    if child == 0:
        block[:] = 1
        os._exit(0)
    os.waitpid(child, 0)
    assert not block.any()
"""


def test_a_forked_child_writes_to_memory_of_its_own() -> None:
    finished = subprocess.run([sys.executable, "-c", _FORK], capture_output=True, text=True, timeout=60, check=False)
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize(("num_bytes", "num_pages"), [(2_300_000, 1), (3_300_000, 2), (4_300_000, 2), (2**21, 1)])
def test_huge_pages_are_asked_for_where_half_of_one_is_used(num_bytes: int, num_pages: int) -> None:
    before = num_huge_bytes()
    block = allocate_block(num_bytes)
    assert num_huge_bytes() - before == num_pages * HUGE_PAGE_BYTES
    assert not block.array().any()


def test_memory_in_a_reference_cycle_is_collected() -> None:
    script = f"""
        import gc
        from mosaic.runtime.arena import allocate_block
        for num_bytes in (64, {HUGE_PAGE_BYTES}):
            cycle = [allocate_block(num_bytes).pointer()]
            cycle[0][num_bytes - 1] = 1
            cycle.append(cycle)
            del cycle
            gc.collect()
            print("collected")
    """
    output, _ = start_python(script).communicate(timeout=PATIENCE_S)
    assert output == "collected\n" * 2
