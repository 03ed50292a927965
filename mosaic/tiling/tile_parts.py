"""Which elements of an array stand where in its tiles: the one place that knows how tiles lie in memory.

C copies the parts of computed matrices, numpy those of weights, and `tilize` those of any array.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from mosaic.ir.views import Buffer, BufferKind, Shape, View, dense_view


def tile_parts(whole: View, stored: View, tile: Shape) -> Iterator[tuple[View, View]]:
    """Yield pairs of views of one shape: some tiles of `stored`, and the elements of `whole` that stand there.

    Shapes:      whole (m, n) in tiles (tm, tn) is stored as (ceil(m / tm), ceil(n / tn), tm, tn)

    Where tiles do not divide an axis, the last ones are a part of their own. The elements that pad them are in no part.
    """
    for pieces in product(*(_pieces(extent, size) for extent, size in zip(whole.shape, tile, strict=True))):
        target, source, split = stored, whole, list[int]()
        for axis, (first, count, length) in enumerate(pieces):
            target = target.slice_axis(axis, first, count).slice_axis(whole.ndim + axis, 0, length)
            source = source.slice_axis(axis, first * tile[axis], count * length)
            split += [count, length]
        shaped = source.reshape(tuple(split))
        assert shaped is not None, "splitting an axis keeps strides"
        yield target, shaped.transpose((*range(0, len(split), 2), *range(1, len(split), 2)))


def padding_parts(whole: View, stored: View, tile: Shape) -> Iterator[View]:
    """Yield views of the elements of `stored` that pad the last tiles; those at corners are in several."""
    for axis, (extent, size) in enumerate(zip(whole.shape, tile, strict=True)):
        for first, count, length in _pieces(extent, size):
            if length < size:
                yield stored.slice_axis(axis, first, count).slice_axis(whole.ndim + axis, length, size - length)


def _pieces(extent: int, size: int) -> list[tuple[int, int, int]]:
    """Return along one axis the first tile, the number of tiles and their length: of whole tiles, and of the last one."""
    whole, rest = divmod(extent, size) if size else (0, 0)
    return [*([(0, whole, size)] if whole else []), *([(whole, 1, rest)] if rest else [])]


def fill_tiles(out: np.ndarray, stored: View, array: np.ndarray, whole: View, tile: Shape) -> None:
    """Copy a view of one dense array into a tiled view of another; zeros pad the last tiles."""
    for target, source in tile_parts(whole, stored, tile):
        np.copyto(shown(out, target), shown(array, source))
    for target in padding_parts(whole, stored, tile):
        shown(out, target)[...] = 0


def shown(array: np.ndarray, view: View) -> np.ndarray:
    """Return a view of a buffer as numpy's view of the dense array that the buffer stands for."""
    itemsize, offset = array.itemsize, view.offset
    assert isinstance(offset, int), "arrays stand outside of loops"
    strides = tuple(stride * itemsize for stride in view.strides)
    # It costs a tenth of what as_strided does, and numpy checks that the view lies in the array.
    return np.ndarray(view.shape, array.dtype, array.reshape(-1), offset * itemsize, strides)


def view_of(array: np.ndarray) -> View:
    """Return a dense array as a view of a buffer of its own."""
    return dense_view(Buffer(BufferKind.TEMPORARY, 0, array.size, array.dtype), array.shape)
