"""Memory of large outputs is used again, never while somebody sees it."""

import gc

import numpy as np
import pytest

from composit.operation import tensor_type
from mosaic.runtime.outputs import MIN_RECYCLED_BYTES, FreeBlocks, output_maker

LARGE = tensor_type((MIN_RECYCLED_BYTES // 8, 2), "float32")
SMALL = tensor_type((4,), "float32")


def address(array: np.ndarray) -> int:
    return int(array.ctypes.data)


@pytest.mark.parametrize("one", [LARGE, SMALL, tensor_type((), "bool"), tensor_type((0, 9), "int64")])
def test_an_output_is_a_plain_writable_array_of_its_type(one: object) -> None:
    array = output_maker(one, FreeBlocks())()
    assert (array.shape, array.dtype, type(array)) == (one.shape, one.dtype, np.ndarray)
    assert array.flags.writeable
    assert array.flags.c_contiguous
    assert array.flags.aligned


def test_memory_comes_back_when_the_last_view_is_gone() -> None:
    make = output_maker(LARGE, FreeBlocks())
    first = make()
    where, view = address(first), first[3:5].T
    del first
    second = make()
    assert address(second) != where, "a view still sees it"
    del view
    assert address(make()) == where


def test_results_that_are_alive_share_nothing() -> None:
    make = output_maker(LARGE, FreeBlocks())
    arrays = [make() for _ in range(4)]
    for number, array in enumerate(arrays):
        array[:] = number
    assert [float(array.max()) for array in arrays] == [0, 1, 2, 3]
    assert len({address(array) for array in arrays}) == 4


def test_at_most_two_free_blocks_are_kept() -> None:
    blocks = FreeBlocks()
    make = output_maker(LARGE, blocks)
    arrays = [make() for _ in range(5)]
    addresses = {address(array) for array in arrays}
    arrays.clear()
    assert len(blocks.entries) == 2
    assert {address(make()), address(make())} <= addresses


def test_a_result_outlives_what_made_it() -> None:
    make = output_maker(LARGE, FreeBlocks())
    array = make()
    array[:] = 7
    del make
    gc.collect()
    assert (array == 7).all()
