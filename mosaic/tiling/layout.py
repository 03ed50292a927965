"""Layouts: the order of an array's elements in memory, as levels of tiles.

A tile level cuts each axis into pieces; the pieces come first, then what is inside one piece. The meaning of a layout is
`tilize`, a numpy function; `untilize` undoes it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from composit.errors import ParameterError, ShapeError
from mosaic.tiling.tile_parts import fill_tiles, shown, tile_parts, view_of

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TileLevel:
    """Tiles of `tile_shape` elements; None along an axis that is not cut.

    Example:     a matrix (6, 8) in tiles of (2, 4) lies as (3, 2, 2, 4); in panels of (None, 4) as (1, 2, 6, 4)
    """

    tile_shape: tuple[int | None, ...]

    def __post_init__(self) -> None:
        is_shape = isinstance(self.tile_shape, tuple)
        if not is_shape or any(size is not None and not isinstance(size, int) for size in self.tile_shape):
            raise ParameterError(
                f"TileLevel: tile_shape={self.tile_shape!r:.80} was given; expected a tuple with one length, or None for the whole "
                "axis, per axis, such as (768, 64)"
            )

    def resolved(self, shape: Shape) -> Shape:
        """Return the tile's extents for an array of that shape."""
        return tuple(extent if size is None else size for size, extent in zip(self.tile_shape, shape, strict=True))


@dataclass(frozen=True, slots=True)
class Layout:
    """Tile levels from the outermost in; without any, row-major order."""

    levels: tuple[TileLevel, ...] = ()

    def check(self, shape: Shape) -> None:
        """Raise ShapeError unless the layout fits arrays of that shape."""
        for level in self.levels:
            sizes = [size for size in level.tile_shape if size is not None]
            if len(level.tile_shape) != len(shape) or any(size < 1 for size in sizes):
                raise ShapeError(
                    f"layout: tiles of shape {level.tile_shape} were given for an array of shape {shape}; expected one "
                    "positive length, or None for the whole axis, per axis"
                )

    def stored_shape(self, shape: Shape) -> Shape:
        """Return the shape of the array as it lies in memory: the counts of each level's tiles, then the innermost."""
        self.check(shape)
        counts: list[int] = []
        for level in self.levels:
            tile = level.resolved(shape)
            counts.extend(-(-extent // size) if size else 0 for extent, size in zip(shape, tile, strict=True))
            shape = tile
        return (*counts, *shape)


def panels(width: int) -> Layout:
    """Return the layout of a product's right operand: panels of `width` neighbouring columns, all rows of one together.

    Example:     (depth, columns) lies as (1, columns / width, depth, width)
    """
    return Layout((TileLevel((None, width)),))


def tilize(array: np.ndarray, layout: Layout) -> np.ndarray:
    """Return the array as it lies in memory under a layout; the last tile is padded with zeros.

    Shapes:      (m, n) -> (ceil(m / tm), ceil(n / tn), tm, tn) for one level of tiles (tm, tn)
    Raises:      ShapeError: a tile has another rank than the array, or an axis of length 0
    """
    layout.check(array.shape)
    if not layout.levels:
        return array
    tile = layout.levels[0].resolved(array.shape)
    moved = np.empty(Layout(layout.levels[:1]).stored_shape(array.shape), array.dtype)
    dense = np.ascontiguousarray(array)
    fill_tiles(moved, view_of(moved), dense, view_of(dense), tile)
    if len(layout.levels) == 1:
        return moved
    rest = Layout(layout.levels[1:])
    inner = moved.reshape(-1, *tile)
    stored = np.empty((len(inner), *rest.stored_shape(tile)), array.dtype)
    for index, piece in enumerate(inner):
        stored[index] = tilize(piece, rest)
    return stored.reshape(*moved.shape[: array.ndim], *stored.shape[1:])


def untilize(stored: np.ndarray, layout: Layout, shape: Shape) -> np.ndarray:
    """Return the array of that shape whose tiles these are: the inverse of `tilize`."""
    layout.check(shape)
    if not layout.levels:
        return stored.reshape(shape)
    tile, ndim = layout.levels[0].resolved(shape), len(shape)
    counts = stored.shape[:ndim]
    rest = Layout(layout.levels[1:])
    if rest.levels:
        flat = stored.reshape(-1, *stored.shape[ndim:])
        inner = np.empty((len(flat), *tile), stored.dtype)
        for index, piece in enumerate(flat):
            inner[index] = untilize(piece, rest, tile)
        stored = inner.reshape(*counts, *tile)
    result, tiles = np.empty(shape, stored.dtype), np.ascontiguousarray(stored)
    for source, target in tile_parts(view_of(result), view_of(tiles), tile):
        np.copyto(shown(result, target), shown(tiles, source))
    return result
