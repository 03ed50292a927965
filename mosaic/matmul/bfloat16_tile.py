"""The innermost functions of products of bfloat16: sums of 32 x 32 in tiles of registers (AMX), or of some rows in vectors.

All take A as rows of 16-bit numbers, B as a panel of pairs (`mosaic.tiling.pairs`), and leave float32 sums in a scratch tile. An
instruction multiplies pairs and adds both products to a sum, so the order of the sum is that of the depth by pairs, whatever
the rows and tasks are.

Reference: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18 (AMX), TDPBF16PS, VDPBF16PS
"""

from __future__ import annotations

from functools import lru_cache

from mosaic import c
from mosaic.c.helpers import Helper
from mosaic.targets import Target, line_bytes
from mosaic.vector.memory import broadcast, load, store
from mosaic.vector.vector_types import VectorType

TILE_ROWS, TILE_COLUMNS, TILE_DEPTH = 16, 16, 32
"""A tile register holds 16 rows of 64 bytes: 16 sums, 32 numbers of A, or 16 pairs of B."""

_a, _b, _sums, _k, _steps = (c.Name(name) for name in ("a", "b", "sums", "k", "steps"))
_a_row_stride = c.Name("a_row_stride")
_u16 = c.NamedType("uint16_t")


@lru_cache(maxsize=2)
def start_tiles() -> Helper:
    """Return ``start_tiles()``, which makes all tile registers 16 rows of 64 bytes, and ``stop_tiles()``, after which they are idle."""
    configuration = c.Name("configuration")
    rows = [c.Assign(configuration[48 + tile], c.literal(TILE_ROWS)) for tile in range(8)]
    bytes_each = [c.Assign(configuration[16 + 2 * tile], c.literal(64)) for tile in range(8)]
    array = c.ArrayType(c.uint8, 64)
    start = c.Function(
        "start_tiles",
        c.void,
        (),
        (
            c.Declare(array, "configuration", c.InitializerList((c.literal(1),)), ("aligned(64)",)),
            *bytes_each,
            *rows,
            c.Assembly(("ldtilecfg (%0)",), (configuration,), ("r",), clobbers=("memory",)),
        ),
        is_static=True,
        attributes=("noinline", "unused"),
        comment="All tile registers have 16 rows of 64 bytes.",
    )
    stop = c.Function(
        "stop_tiles", c.void, (), (c.Assembly(("tilerelease",)),), is_static=True, attributes=("noinline", "unused")
    )
    return Helper("start_tiles", (c.Include("stdint.h"), start, stop))


@lru_cache(maxsize=16)
def tiles_function(row_tiles: int, column_tiles: int, lines_ahead: int) -> Helper:
    """Return ``multiply_tiles_RxC(steps, a, a_row_stride, b, sums, ahead)``: sums of 16 R rows and 16 C columns, over steps of 32.

    The panel b has 32 columns, and so do the sums. Each step asks for as many cache lines, from `ahead` on, as `lines_ahead` says.
    """
    width = 2 * TILE_COLUMNS
    name = f"multiply_tiles_{row_tiles}x{column_tiles}_{lines_ahead}"
    cells = [(row, column) for row in range(row_tiles) for column in range(column_tiles)]
    registers = {cell: f"%%tmm{number}" for number, cell in enumerate(cells)}
    a_registers = [f"%%tmm{4 + row}" for row in range(row_tiles)]
    b_registers = [f"%%tmm{6 + column}" for column in range(column_tiles)]
    zero = c.Assembly(tuple(f"tilezero {register}" for register in registers.values()))
    inputs: list[c.Expression] = []
    lines: list[str] = []
    numbers_of_line = line_bytes // 2
    fetches = [c.call("__builtin_prefetch", c.Name("ahead") + line * numbers_of_line) for line in range(lines_ahead)]

    def place(value: c.Expression) -> str:
        inputs.append(value)
        return f"%{len(inputs) - 1}"

    a_stride, b_stride = place(_a_row_stride * 2), place(c.Cast(c.int64, c.literal(width * 4)))
    for column, register in enumerate(b_registers):
        lines.append(f"tileloadd ({place(_b + column * 2 * TILE_COLUMNS)},{b_stride},1), {register}")
    for row, register in enumerate(a_registers):
        lines.append(f"tileloadd ({place(_a + _a_row_stride * (TILE_ROWS * row))},{a_stride},1), {register}")
        lines += [
            f"tdpbf16ps {b_registers[column]}, {register}, {registers[row, column]}" for column in range(column_tiles)
        ]
    step = c.Assembly(tuple(lines), tuple(inputs), ("r",) * len(inputs), clobbers=("memory",))
    advance = (
        c.AugmentedAssign(c.Name("ahead"), "+", c.literal(lines_ahead * numbers_of_line)),
        c.AugmentedAssign(_a, "+", c.literal(TILE_DEPTH)),
        c.AugmentedAssign(_b, "+", c.literal(TILE_DEPTH * width)),
    )
    stored = [
        c.Assembly(
            (f"tilestored {registers[row, column]}, (%0,%1,1)",),
            (_sums + (row * TILE_ROWS * width + column * TILE_COLUMNS), c.Cast(c.int64, c.literal(width * 4))),
            ("r", "r"),
            clobbers=("memory",),
        )
        for row, column in cells
    ]
    function = c.Function(
        name,
        c.void,
        _parameters(),
        (zero, c.loop("k", _steps, *fetches, step, *advance), *stored),
        is_static=True,
        attributes=("noinline", "unused"),
        comment=f"sums[{16 * row_tiles}][{16 * column_tiles}] = a[{16 * row_tiles}][32 steps] b[32 steps][{16 * column_tiles}]",
    )
    return Helper(name, (function,), (start_tiles(),))


def _parameters() -> tuple[c.Parameter, ...]:
    return (
        c.Parameter(c.int64, "steps"),
        c.Parameter(c.const_pointer(_u16), "a"),
        c.Parameter(c.int64, "a_row_stride"),
        c.Parameter(c.const_pointer(_u16), "b"),
        c.Parameter(c.pointer(c.float32), "sums"),
        c.Parameter(c.const_pointer(_u16), "ahead", ("unused",)),
    )


@lru_cache(maxsize=64)
def pairs_function(vector: VectorType, bits: VectorType, rows: int, width: int) -> Helper:
    """Return ``multiply_pairs_RxW(steps, a, a_row_stride, b, sums)``: sums of R rows and W columns, over steps of 32 numbers.

    vector: of float32 sums; bits: of as many 32-bit integers, each a pair
    """
    vectors = width // vector.lanes
    name = f"multiply_pairs_{rows}x{width}"
    cells = [(row, column) for row in range(rows) for column in range(vectors)]
    sums = {cell: c.Name(f"sum_{cell[0]}_{cell[1]}") for cell in cells}
    start = tuple(c.Declare(vector.ctype, each.text, vector.zero) for each in sums.values())
    pairs_a, pairs_b = c.Name("pairs_a"), c.Name("pairs_b")
    body: list[c.Statement] = [
        c.Declare(bits.ctype, f"b_{column}", load(bits)(pairs_b + column * vector.lanes)) for column in range(vectors)
    ]
    for row in range(rows):
        factor = c.Name(f"a_{row}")
        body.append(c.Declare(bits.ctype, factor.text, broadcast(bits)(pairs_a[_a_row_stride / 2 * row])))
        for column in range(vectors):
            body.append(
                c.Assembly(("vdpbf16ps %2, %1, %0",), (factor, c.Name(f"b_{column}")), ("v", "v"), (sums[row, column],))
            )
    body += [c.AugmentedAssign(pairs_a, "+", c.literal(1)), c.AugmentedAssign(pairs_b, "+", c.literal(width))]
    element = c.const_pointer(bits.element.ctype)
    function = c.Function(
        name,
        c.void,
        _parameters(),
        (
            c.Declare(element, "pairs_a", c.Cast(element, _a)),
            c.Declare(element, "pairs_b", c.Cast(element, _b)),
            *start,
            c.loop("k", _steps * (TILE_DEPTH // 2), *body),
            *(
                c.ExpressionStatement(store(vector)(_sums + (row * width + column * vector.lanes), sums[row, column]))
                for row, column in cells
            ),
        ),
        is_static=True,
        attributes=("noinline", "unused"),
        comment=f"sums[{rows}][{width}] = a[{rows}][32 steps] b[32 steps][{width}], two products an instruction.",
    )
    return Helper(name, (function,), (load(bits), broadcast(bits), store(vector)))


def is_on_tiles(target: Target) -> bool:
    """Whether the target multiplies tiles; else it multiplies pairs in vectors."""
    return target.bfloat16 == "tiles"
