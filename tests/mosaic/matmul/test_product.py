"""Matrix products of every odd shape against numpy in twice the precision."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mosaic import c
from mosaic.c.helpers import Helper
from mosaic.matmul.blocking import Blocking, MatmulSpec, asks_next, choose_blocking, num_tasks
from mosaic.matmul.product import Epilogue, Matmul, emit_matmul, line_names
from mosaic.runtime.compiler import Compiler
from mosaic.targets import Target, detect, get_target
from mosaic.tiling.layout import panels, tilize
from mosaic.vector.memory import load, load_partial, store, store_partial
from mosaic.vector.vector_types import vector_type
from tests.mosaic.compiled_helpers import assert_compiles, call, load_helpers, source_text
from tests.sampling import in_turn

f32, f64 = np.dtype(np.float32), np.dtype(np.float64)
shapes = [
    (1, 1, 1),
    (1, 768, 100),
    (2, 5, 3),
    (3, 64, 1),
    (5, 1, 17),
    (7, 3, 16),
    (13, 31, 48),
    (17, 64, 65),
    (33, 20, 130),
    (129, 37, 200),
]
"""(rows, depth, columns): one of each side, less and more than a vector, a panel and a tile."""


def matmul_with_bias(spec: MatmulSpec, target: Target, name: str, blocking: Blocking | None = None) -> Matmul:
    """A product to which a vector is added, stored row by row."""
    vector = vector_type(spec.dtype, target.lanes(spec.dtype.itemsize))
    out, bias = c.Name("out"), c.Name("bias")

    def epilogue(
        row: c.Expression, column: c.Expression, value: c.Expression, lanes: c.Expression | None
    ) -> Sequence[c.Statement]:
        place = out + (row * spec.columns + column)
        if lanes is None:
            return (c.ExpressionStatement(store(vector)(place, value + load(vector)(bias + column))),)
        total = value + load_partial(vector)(bias + column, lanes)
        return (c.ExpressionStatement(store_partial(vector)(place, total, lanes)),)

    parameters = (
        c.Parameter(c.pointer(vector.element.ctype), "out"),
        c.Parameter(c.const_pointer(vector.element.ctype), "bias"),
    )
    helpers = (load(vector), load_partial(vector), store(vector), store_partial(vector))
    return Matmul(spec, blocking or choose_blocking(spec, target), target, name, epilogue, parameters, helpers)


def samples(spec: MatmulSpec, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    sizes = ((spec.rows, spec.depth), (spec.depth, spec.columns), (spec.columns,))
    a, b, bias = (generator.standard_normal(size).astype(spec.dtype) for size in sizes)
    return a, b, bias


def assert_close(result: np.ndarray, a: np.ndarray, b: np.ndarray, bias: np.ndarray) -> None:
    """Compare with the product in long double: the error of a sum grows with its length and its terms' size."""
    exact = a.astype(np.longdouble) @ b.astype(np.longdouble) + bias
    bound = (np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64) + np.abs(bias)) * np.finfo(a.dtype).eps
    assert np.all(np.abs(result - exact) <= bound * (4 + np.sqrt(a.shape[1])))


@pytest.mark.parametrize(("target_name", "dtype"), in_turn([None, "x86-64-v3", "x86-64-v2"], [f32, f64]), ids=str)
def test_products_of_all_shapes_are_right_and_write_nothing_else(
    dtype: np.dtype, target_name: str | None, tmp_path: Path
) -> None:
    target = get_target(target_name)
    matmuls = [
        matmul_with_bias(MatmulSpec(dtype, rows, columns, depth, a_row_stride=depth), target, f"product_{index}")
        for index, (rows, depth, columns) in enumerate(shapes)
    ]
    library = load_helpers([emit_matmul(each) for each in matmuls], tmp_path, target)
    for each in matmuls:
        a, b, bias = samples(each.spec)
        guarded = np.full(each.spec.rows * each.spec.columns + 64, 7, dtype)
        tasks = num_tasks(each.spec, each.blocking)
        call(library, each.name, 0, tasks, a, tilize(b, panels(each.blocking.nr)), guarded, bias)
        assert_close(guarded[:-64].reshape(each.spec.rows, each.spec.columns), a, b, bias)
        assert np.all(guarded[-64:] == 7)


def test_blocks_of_depth_add_up_to_the_whole(tmp_path: Path) -> None:
    target = detect()
    spec = MatmulSpec(f32, 45, 100, 130, a_row_stride=130)
    lanes = target.lanes(4)
    blocking = Blocking(mr=6, nr=2 * lanes, depth_block=48, row_block=24)
    each = matmul_with_bias(spec, target, "blocked", blocking)
    library = load_helpers([emit_matmul(each)], tmp_path, target)
    a, b, bias = samples(spec)
    result = np.zeros((45, 100), f32)
    call(library, "blocked", 0, num_tasks(spec, blocking), a, tilize(b, panels(blocking.nr)), result, bias)
    assert_close(result, a, b, bias)


@pytest.mark.parametrize(
    "blocking",
    [
        Blocking(mr=3, nr=16, depth_block=60, row_block=7, line_block=3, is_deep=True),
        Blocking(mr=3, nr=16, depth_block=20, row_block=7, line_block=3, is_deep=True),
        Blocking(mr=3, nr=16, depth_block=20, row_block=7, line_block=4),
        Blocking(mr=3, nr=16, depth_block=30, row_block=6),
    ],
    ids=["whole depth", "deep", "sums wait", "parts of lines"],
)
def test_lines_of_windows_share_a_matrix(blocking: Blocking, tmp_path: Path) -> None:
    """Two images of 5 x 9 positions with 5 channels, 2 x 3 taps two and one apart, 3 x 7 windows: lines of 7 rows."""
    target = get_target("x86-64-v2")
    outer = ((2, 2 * 9 * 5), (2, 0), (3, 5))
    spec = MatmulSpec(f32, 7, 21, 60, 5, 1, a_outer=outer, lines=((2, 225), (3, 45)))
    each = replace(matmul_with_bias(spec, target, "lines", blocking), epilogue=stored_by_line(spec, target))
    library = load_helpers([emit_matmul(each)], tmp_path, target)
    generator = np.random.default_rng(0)
    images, b = (generator.standard_normal(shape).astype(f32) for shape in ((2, 5, 9, 5), (60, 21)))
    bias, result = np.zeros(21, f32), np.zeros((6, 7, 21), f32)
    steps = images.strides
    shape, strides = (2, 3, 7, 2, 2, 3, 5), (steps[0], steps[1], steps[2], 2 * steps[1], 0, steps[2], steps[3])
    windows = np.lib.stride_tricks.as_strided(images, shape, strides).reshape(42, 60)
    for task in reversed(range(num_tasks(spec, blocking))):
        call(library, "lines", task, task + 1, images, tilize(b, panels(blocking.nr)), result, bias)
    assert_close(result.reshape(42, 21), windows, b, bias)


def stored_by_line(spec: MatmulSpec, target: Target) -> Epilogue:
    """An epilogue that finds a row by the indices of its line."""
    vector = vector_type(spec.dtype, target.lanes(spec.dtype.itemsize))

    def epilogue(
        row: c.Expression, column: c.Expression, value: c.Expression, lanes: c.Expression | None
    ) -> Sequence[c.Statement]:
        line: c.Expression = c.literal(0)
        for name, (extent, _) in zip(line_names(spec), spec.lines, strict=True):
            line = line * extent + name
        place = c.Name("out") + ((line * spec.rows + row) * spec.columns + column)
        if lanes is None:
            return (c.ExpressionStatement(store(vector)(place, value + load(vector)(c.Name("bias") + column))),)
        return (c.ExpressionStatement(store_partial(vector)(place, value, lanes)),)

    return epilogue


def test_windows_of_many_channels_go_through_the_whole_depth_while_the_panel_stays_in_the_cache() -> None:
    target = get_target("x86-64-v4")
    windows = [MatmulSpec(f32, 28, 512, 9 * n, n, 1, a_outer=((3, 30 * n),), lines=((28, 30 * n),)) for n in (64, 512)]
    few, many = (choose_blocking(spec, target) for spec in windows)
    assert (few.is_deep, few.depth_block) == (True, 576)
    assert (many.is_deep, many.depth_block) == (False, 1536)


@pytest.mark.parametrize(("rows", "expected"), [(3, False), (16, True), (100, True)])
def test_few_tiles_ask_for_the_next_panel(rows: int, expected: bool, tmp_path: Path) -> None:
    target = get_target("x86-64-v3")
    spec = MatmulSpec(f32, rows, 70, 1500, a_row_stride=1500)
    each = matmul_with_bias(spec, target, "asking")
    helper = emit_matmul(each)
    assert ("__builtin_prefetch" in source_text([helper])) == asks_next(spec, each.blocking, target) == expected
    library = load_helpers([helper], tmp_path, target)
    a, b, bias = samples(spec)
    result = np.zeros((rows, 70), f32)
    tasks = num_tasks(spec, each.blocking)
    call(library, "asking", 0, tasks, a, tilize(b, panels(each.blocking.nr)), result, bias)
    assert_close(result, a, b, bias)


def test_operands_may_be_strided_and_b_may_stay_in_place(tmp_path: Path) -> None:
    target = detect()
    rows, depth, columns = 19, 33, 70
    transposed_a = MatmulSpec(f32, rows, columns, depth, a_row_stride=1, a_depth_stride=rows)
    wide = MatmulSpec(f32, rows, columns, depth, a_row_stride=depth + 5, b_depth_stride=columns)
    matmuls = [matmul_with_bias(transposed_a, target, "transposed"), matmul_with_bias(wide, target, "in_place")]
    library = load_helpers([emit_matmul(each) for each in matmuls], tmp_path, target)
    a, b, bias = samples(wide)
    result = np.zeros((rows, columns), f32)
    packed = tilize(b, panels(matmuls[0].blocking.nr))
    tasks = num_tasks(transposed_a, matmuls[0].blocking)
    call(library, "transposed", 0, tasks, np.ascontiguousarray(a.T), packed, result, bias)
    assert_close(result, a, b, bias)
    result[:] = 0
    padded = np.pad(a, ((0, 0), (0, 5)), constant_values=np.nan)
    call(library, "in_place", 0, num_tasks(wide, matmuls[1].blocking), padded, b, result, bias)
    assert_close(result, a, b, bias)


def test_the_bits_do_not_depend_on_how_tasks_are_spread(tmp_path: Path) -> None:
    target = detect()
    each = matmul_with_bias(MatmulSpec(f32, 100, 300, 64, a_row_stride=64), target, "spread")
    library = load_helpers([emit_matmul(each)], tmp_path, target)
    a, b, bias = samples(each.spec)
    packed, tasks = tilize(b, panels(each.blocking.nr)), num_tasks(each.spec, each.blocking)
    together, apart = np.zeros((100, 300), f32), np.zeros((100, 300), f32)
    call(library, "spread", 0, tasks, a, packed, together, bias)
    for task in reversed(range(tasks)):
        call(library, "spread", task, task + 1, a, packed, apart, bias)
    assert together.tobytes() == apart.tobytes()


def test_a_left_operand_read_down_its_columns_is_asked_for_ahead(tmp_path: Path) -> None:
    # x.T @ g, the gradient of a weight: the next column lies in another cache line, where the processor does not look
    target, rows, depth, columns = detect(), 90, 300, 40
    along = MatmulSpec(f32, rows, columns, depth, a_row_stride=depth)
    down = MatmulSpec(f32, rows, columns, depth, a_row_stride=1, a_depth_stride=rows)
    assert "__builtin_prefetch" not in source_text([emit_matmul(matmul_with_bias(along, target, "along"))])
    each = matmul_with_bias(down, target, "down")
    assert "__builtin_prefetch(a + a_depth_stride * 16" in source_text([emit_matmul(each)])
    library = load_helpers([emit_matmul(each)], tmp_path, target)
    a, b, bias = samples(down)
    result, packed = np.zeros((rows, columns), f32), tilize(b, panels(each.blocking.nr))
    call(library, "down", 0, num_tasks(down, each.blocking), np.ascontiguousarray(a.T), packed, result, bias)
    assert_close(result, a, b, bias)


@pytest.mark.parametrize(
    ("sizes", "least", "most"),
    [((1024, 64, 64), 8, 8), ((64, 1024, 64), 6, 8), ((64, 64, 64), 1, 1), ((64, 512, 128), 6, 6)],
)
def test_a_product_of_few_panels_is_divided_where_its_parts_are_worth_it(
    sizes: tuple[int, int, int], least: int, most: int
) -> None:
    rows, depth, columns = sizes
    spec = MatmulSpec(f32, rows, columns, depth, a_row_stride=depth)
    assert least <= num_tasks(spec, choose_blocking(spec, get_target("x86-64-v4"))) <= most


def test_gcc_and_clang_give_the_same_bits(tmp_path: Path, zig: Compiler) -> None:
    target = detect()
    each = matmul_with_bias(MatmulSpec(f32, 50, 130, 200, a_row_stride=200), target, "same")
    a, b, bias = samples(each.spec)
    packed, results = tilize(b, panels(each.blocking.nr)), []
    for compiler in (None, zig):
        library, result = load_helpers([emit_matmul(each)], tmp_path, target, compiler), np.zeros((50, 130), f32)
        call(library, "same", 0, num_tasks(each.spec, each.blocking), a, packed, result, bias)
        results.append(result)
    assert results[0].tobytes() == results[1].tobytes()


@pytest.mark.parametrize("target_name", ["x86-64-v4", "x86-64-v3", "x86-64-v2", "aarch64", "generic"])
def test_clang_compiles_every_target_without_warnings(target_name: str, tmp_path: Path, zig: Compiler) -> None:
    target = get_target(target_name)
    matmuls = [
        matmul_with_bias(MatmulSpec(dtype, 29, 77, 50, a_row_stride=50), target, f"product_{dtype}")
        for dtype in (f32, f64)
    ]
    assert_compiles(source_text([emit_matmul(each) for each in matmuls]), tmp_path, target, zig)


def test_an_epilogue_is_told_how_many_lanes_hold_columns() -> None:
    target = get_target("x86-64-v4")
    seen: list[c.Expression | None] = []

    def epilogue(
        row: c.Expression, column: c.Expression, value: c.Expression, lanes: c.Expression | None
    ) -> Sequence[c.Statement]:
        seen.append(lanes)
        return ()

    spec = MatmulSpec(f32, 4, 37, 8, a_row_stride=8)
    helper = emit_matmul(Matmul(spec, choose_blocking(spec, target), target, "told", epilogue))
    assert isinstance(helper, Helper)
    assert seen == [None, c.literal(37 - 32)]


def test_products_of_other_dtypes_and_empty_products_are_refused() -> None:
    with pytest.raises(ValueError, match="expected float32 or float64"):
        MatmulSpec(np.dtype(np.int32), 1, 1, 1, a_row_stride=1)
    with pytest.raises(ValueError, match="an empty product is a fill with zeros"):
        MatmulSpec(f32, 1, 0, 1, a_row_stride=1)


def test_the_text_of_a_product_is_the_approved_one(update_golden: bool) -> None:
    spec = MatmulSpec(f32, rows=20, columns=40, depth=64, a_row_stride=64)
    text = source_text([emit_matmul(matmul_with_bias(spec, get_target("x86-64-v3"), "product"))])
    golden = Path(__file__).parents[2] / "golden" / "kernels" / "matmul_20x64x40_x86-64-v3.c"
    if update_golden:
        golden.write_text(text)
    assert text == golden.read_text()
