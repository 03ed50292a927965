"""The sizes of a matmul's blocks, chosen by a small model of registers and caches.

Registers. A tile keeps `mr` rows x `nr` columns of sums in vector registers, nr / lanes vectors a row; one step of k
loads nr / lanes vectors of B and broadcasts mr numbers of A. mr * (nr / lanes) sums must leave room for the vectors of
B and one broadcast. Fewer loads per multiply-add and less padding of the last tile are better.

Caches. A task is a block of rows times one panel of B (depth x nr). The panel is read once per tile of rows, so it
should stay in L2 beside the rows of A that pass by: where it does not fit, depth is cut into `depth_block`s whose sums
wait in a scratch tile (L1/L2) between blocks. A block of rows is as tall as half of L2 holds, so that a panel is
fetched from L3 or memory once per block. The windows of a convolution overlap, so that its panels stay in L2 beside few
lines of an image: a tile goes through the whole depth, and its sums wait for nothing.

Threads. A product of few tasks gets lower blocks of rows, as many as give each of some threads a part that is worth the
handing over. That depends on the sizes alone, never on the number of threads.

Reference: Goto and van de Geijn, "Anatomy of high-performance matrix multiplication"; Van Zee and van de Geijn, BLIS.
Weakness: the model knows nothing of associativity or of two threads that share a cache.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from mosaic.targets import Target, line_bytes

task_products = 1 << 18
"""The fewest multiply-adds of a task: five microseconds in float32 on Zen 4, against about one to hand it over."""

enough_tasks = 8
"""A product of so many tasks is not divided further: each task reads its panel of B anew."""

few_rows = 24
"""Storing a right operand in panels costs a pass over it; it pays if more than two tiles of rows read the panels."""

narrowest_bytes = 32
"""Vectors of this size are not made narrower for products of few columns: a step of k would load too many."""


@dataclass(frozen=True, slots=True)
class MatmulSpec:
    """A matrix product with everything known but the pointers; strides count elements.

    A is (rows, depth); its depth may be several axes, such as the rows, columns and channels of a convolution's window: the
    last has `a_depth_stride`, and `a_outer` holds the extents and strides of those before it. B is (depth, columns): in
    packed panels (see `mosaic.tiling.packing`), or, where `b_depth_stride` is given, in place with neighbouring columns
    beside each other, its rows anywhere if `b_outer` has extents and strides of several axes of the depth, or, where
    `packed_from` gives its two strides, anyhow, and each task packs the panel that it needs.

    With `lines`, there are as many matrices A as their extents say, their strides apart, that all meet the same B: the
    lines of an image, each of `rows` positions. `is_deep`, if given, settles how tiles go through a depth of several axes (see
    `Blocking`).
    """

    dtype: np.dtype
    rows: int
    columns: int
    depth: int
    a_row_stride: int
    a_depth_stride: int = 1
    b_depth_stride: int | None = None
    a_outer: tuple[tuple[int, int], ...] = ()
    packed_from: tuple[int, int] | None = None
    lines: tuple[tuple[int, int], ...] = ()
    is_deep: bool | None = None
    b_outer: tuple[tuple[int, int], ...] = ()

    @property
    def num_lines(self) -> int:
        """The number of matrices A."""
        return math.prod(extent for extent, _ in self.lines)

    @property
    def num_turns(self) -> int:
        """How often the last axis of the depth is run along: the product of the extents of those before it."""
        return math.prod(extent for extent, _ in self.a_outer)

    @property
    def run(self) -> int:
        """The extent of the last axis of the depth, along which A has one stride."""
        return self.depth // self.num_turns

    def __post_init__(self) -> None:
        if np.dtype(self.dtype) not in (np.dtype(np.float32), np.dtype(np.float64)):
            raise ValueError(
                f"MatmulSpec: a tiled kernel for {self.dtype} was asked for; expected float32 or float64; "
                "lower other dtypes to a plain reduction"
            )
        if min(self.rows, self.columns, self.depth) < 1:
            raise ValueError(
                f"MatmulSpec: {self.rows} x {self.depth} times {self.depth} x {self.columns} has an empty side; "
                "expected at least one row, column and step; an empty product is a fill with zeros"
            )


@dataclass(frozen=True, slots=True)
class Blocking:
    """Block sizes: `mr` x `nr` sums in registers, `depth_block` steps at a time, `row_block` rows of `line_block` lines per task.

    is_deep: a tile takes all blocks of the depth in turn; else all tiles of a task take one, and their sums wait
    """

    mr: int
    nr: int
    depth_block: int
    row_block: int
    line_block: int = 1
    is_deep: bool = False


def num_panels(spec: MatmulSpec, blocking: Blocking) -> int:
    """Return how many panels of B there are."""
    return math.ceil(spec.columns / blocking.nr)


def num_row_blocks(spec: MatmulSpec, blocking: Blocking) -> int:
    """Return how many blocks of rows there are in a line."""
    return math.ceil(spec.rows / blocking.row_block)


def num_blocks(spec: MatmulSpec, blocking: Blocking) -> int:
    """Return how many blocks of rows there are in all lines."""
    return math.ceil(spec.num_lines / blocking.line_block) * num_row_blocks(spec, blocking)


def num_tasks(spec: MatmulSpec, blocking: Blocking) -> int:
    """Return the number of tasks: blocks of rows times panels, all panels of one block of rows in a row."""
    return num_blocks(spec, blocking) * num_panels(spec, blocking)


def fitting_target(spec: MatmulSpec, target: Target) -> Target:
    """Return the target with narrower vectors where few columns, read in place, leave less of these empty.

    20 columns of float32 fill 32 lanes of 64-byte vectors and 24 lanes of 32-byte ones: 0.74 of the time (Zen 4).
    """
    wide = target.lanes(np.dtype(spec.dtype).itemsize)
    if target.vector_bytes > narrowest_bytes and waits_for_b(spec, target):
        return replace(target, vector_bytes=narrowest_bytes)
    if target.vector_bytes <= narrowest_bytes or spec.b_depth_stride is None or spec.columns > 4 * wide:
        return target
    narrow = replace(target, vector_bytes=target.vector_bytes // 2)
    is_fuller = -spec.columns % (wide // 2) < -spec.columns % wide
    return narrow if is_fuller else target


def waits_for_b(spec: MatmulSpec, target: Target) -> bool:
    """Whether B, which few rows read in place, comes from beyond L2, so that memory decides the time.

    A row of 1,000 numbers times 1,000 x 1,000: vectors of 32 bytes, half of which lie within a cache line of what malloc
    gives, and reading ahead take 0.84 of the time in float32 and 0.9 in float64 (Zen 4).
    """
    num_bytes = spec.depth * spec.columns * np.dtype(spec.dtype).itemsize
    return spec.b_depth_stride is not None and spec.rows < 4 and num_bytes > target.caches.l2 // 2


def waits_for_a(spec: MatmulSpec, target: Target) -> bool:
    """Whether each step reads A in another cache line, far from the last, so that the processor does not see what comes next.

    The gradient of a weight, x.T @ g: of 1792 x 512 times 1792 x 128 the columns of A are asked for ahead in 0.76 of the time
    where they come from L3 (Zen 4).
    """
    num_bytes = spec.rows * spec.depth * np.dtype(spec.dtype).itemsize
    is_spread = spec.a_row_stride == 1 and spec.a_depth_stride * np.dtype(spec.dtype).itemsize >= line_bytes
    return is_spread and not spec.a_outer and num_bytes > target.caches.l1


most_tiles_of_far_panel = 64


def num_tiles(spec: MatmulSpec, blocking: Blocking) -> int:
    """Return how many tiles of rows a task has."""
    return min(blocking.line_block, spec.num_lines) * math.ceil(min(blocking.row_block, spec.rows) / blocking.mr)


def asks_next(spec: MatmulSpec, blocking: Blocking, target: Target) -> bool:
    """Whether tiles ask for the next panel, because few of them read one: what weights take from L3 would be waited for.

    In a model every layer's weights come from there. 7 x 7 positions times 512 x 2048: 0.68 of the time; 14 x 14 times 256 x 1024:
    0.86 (Sapphire Rapids).
    """
    panel_bytes = spec.depth * blocking.nr * np.dtype(spec.dtype).itemsize
    is_in_panels = spec.b_depth_stride is None and spec.packed_from is None
    is_large = panel_bytes * num_panels(spec, blocking) > 2 * target.caches.l1
    return is_in_panels and is_large and 1 < num_tiles(spec, blocking) <= most_tiles_of_far_panel


@lru_cache(maxsize=1024)
def choose_blocking(spec: MatmulSpec, target: Target, row_block: int | None = None) -> Blocking:
    """Return the block sizes for `spec` on `target`; `row_block` fixes the rows of a task, for fused neighbours."""
    item_bytes = np.dtype(spec.dtype).itemsize
    lanes = target.lanes(item_bytes)
    most_rows = min(spec.rows, row_block or spec.rows)
    tiles = _tiles(target, _most_vectors(spec, most_rows, lanes))
    mr, vectors = min(tiles, key=lambda tile: _product_cost(tile, most_rows, spec.columns, lanes))
    nr = vectors * lanes
    mr = _even_rows(most_rows, mr)
    # Beside a panel, L2 holds the next one, which tiles ask for.
    fits = spec.depth * nr * item_bytes <= target.caches.l2 * 3 // 8
    is_deep = bool(spec.a_outer) and (fits if spec.is_deep is None else spec.is_deep)
    depth_block = _turns(spec) * spec.run if spec.a_outer else _depth_block(spec.depth, nr * item_bytes, target)
    line_block = 1
    if row_block is None:
        row_bytes = _steps_of_row(spec, depth_block) * item_bytes
        row_block = _row_block(spec, mr, row_bytes, target)
        if row_block >= spec.rows and spec.num_lines > 1:
            line_block = _line_block(spec, nr, row_bytes, target)
        else:
            row_block = _shared_rows(spec, mr, nr, row_block)
    return Blocking(mr, nr, depth_block, row_block, line_block, is_deep)


def _most_vectors(spec: MatmulSpec, rows: int, lanes: int) -> int:
    """Return how wide a tile may be: wide where few rows read B in place, so that long stretches of it are read.

    Five or six vectors are taken where they are a whole row of B: 20 columns of float64 as 12 and 8 take 1.3 times as long.
    """
    if spec.b_depth_stride is None:
        return 4
    whole = math.ceil(spec.columns / lanes)
    return 16 if rows < 4 else whole if 4 < whole <= 6 else 4


def _tiles(target: Target, most_vectors: int) -> list[tuple[int, int]]:
    """Return every (rows, vectors) of sums that the registers hold beside the vectors of B and one broadcast."""
    registers = target.num_vector_registers
    return [
        (rows, vectors)
        for vectors in range(1, most_vectors + 1)
        for rows in range(1, 15)
        if rows * vectors + min(vectors, 4) + (0 if _reads_vector_again(rows, vectors) else 1) <= registers
    ]


def _reads_vector_again(rows: int, vectors: int) -> bool:
    """Whether a tile may fill all registers: one vector of B is then an operand in memory of each row's multiply-add.

    7 x 4 vectors of 32: a vector of B from L1 for 4 multiply-adds is hidden; sides of images are often multiples of 7.
    """
    return vectors == 4 and rows > vectors


def _product_cost(tile: tuple[int, int], rows: int, columns: int, lanes: int) -> float:
    """Return the modelled time of the whole product per step of k, in multiply-add instructions."""
    mr, vectors = _even_rows(rows, tile[0]), tile[1]
    whole, rest = divmod(columns, vectors * lanes)
    last_vectors = math.ceil(rest / lanes)
    last = _tile_cost(mr, last_vectors) if last_vectors else 0.0
    return math.ceil(rows / mr) * (whole * _tile_cost(mr, vectors) + last)


def _tile_cost(mr: int, vectors: int) -> float:
    """Return the time of one tile: its multiply-adds, or the 8 that are under way at once, and its loads.

    A quarter of each load is not hidden behind multiply-adds: fitted to measurements on Zen 4.
    """
    return max(mr * vectors, 8) + 0.25 * (mr + vectors)


def _even_rows(rows: int, mr: int) -> int:
    """Return at most mr rows a tile such that tiles are nearly equal: 13 rows by 8 become 7 + 6."""
    return math.ceil(rows / math.ceil(rows / mr))


def _depth_block(depth: int, step_bytes: int, target: Target) -> int:
    """Return the steps of k such that a panel takes at most three quarters of L2, and sums are not too long.

    At depth 3072, blocks of 1024 are 2% faster than the whole (Zen 4) and have half of its rounding error.
    """
    fitting = max(64, min(most_steps, target.caches.l2 * 3 // 4 // step_bytes))
    num_blocks = math.ceil(depth / fitting)
    return math.ceil(depth / num_blocks)


most_steps = 1024
"""A sum of more products is added up in parts: half of the rounding error at depth 3072."""


def _turns(spec: MatmulSpec) -> int:
    """Return how many runs along the last axis of the depth a block of it has, all blocks nearly equal."""
    fitting = max(1, most_steps // spec.run)
    if spec.is_deep is False:  # at least two parts, so that the sums do wait
        fitting = min(fitting, math.ceil(spec.num_turns / 2))
    return math.ceil(spec.num_turns / math.ceil(spec.num_turns / fitting))


def _steps_of_row(spec: MatmulSpec, depth_block: int) -> int:
    """Return how many elements of A a row adds to those of the rows before it: neighbouring windows overlap."""
    if not spec.a_outer:
        return depth_block
    return min(spec.run, spec.a_row_stride) if spec.a_depth_stride == 1 and spec.a_row_stride > 0 else spec.run


def _line_block(spec: MatmulSpec, nr: int, row_bytes: int, target: Target) -> int:
    """Return the lines of a task: their part of A takes about half of L2, and threads get equal parts."""
    fitting = max(1, target.caches.l2 // 2 // (row_bytes * spec.rows))
    num_blocks = max(math.ceil(spec.num_lines / fitting), _num_shared(spec, nr))
    return math.ceil(spec.num_lines / (num_blocks + num_blocks % 2 if num_blocks > 1 else 1))


def _row_block(spec: MatmulSpec, mr: int, row_bytes: int, target: Target) -> int:
    """Return the rows of a task: a multiple of mr whose part of A takes about half of L2."""
    fitting = max(1, target.caches.l2 // 2 // row_bytes // mr) * mr
    if spec.rows <= fitting:
        return spec.rows
    num_blocks = math.ceil(spec.rows / fitting)
    return math.ceil(math.ceil(spec.rows / num_blocks) / mr) * mr


def _shared_rows(spec: MatmulSpec, mr: int, nr: int, row_block: int) -> int:
    """Return the rows of a task such that there are `enough_tasks` of them, if each still has `task_products`."""
    return min(row_block, math.ceil(math.ceil(spec.rows / _num_shared(spec, nr)) / mr) * mr)


def _num_shared(spec: MatmulSpec, nr: int) -> int:
    """Return how many blocks of rows give each of some threads a part: a power of two, for two and four get equal parts."""
    panels = math.ceil(spec.columns / nr)
    worth = spec.num_lines * spec.rows * spec.columns * spec.depth // (task_products * panels)
    wanted = min(math.ceil(enough_tasks / panels), worth)
    return 1 << max(wanted, 1).bit_length() - 1
