"""Vectors from and to memory and lane by lane, for every width and element, against numpy."""

import itertools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mosaic import c
from mosaic.c.helpers import Helper, in_dependency_order
from mosaic.runtime.compiler import Compiler
from mosaic.targets import Target, get_target
from mosaic.vector import conversions, lane_operations, memory
from mosaic.vector.instructions import instruction
from mosaic.vector.vector_types import VectorType, vector_type
from tests.mosaic.compiled_helpers import assert_compiles, call, load_helpers, source_text

f32, f64, i32, i64, u8 = (np.dtype(name) for name in ("float32", "float64", "int32", "int64", "uint8"))
targets = [None, "x86-64-v3", "x86-64-v2"]
_x, _y, _out, _n = (c.Name(name) for name in ("x", "y", "out", "n"))


def function(name: str, vectors: tuple[VectorType, ...], helpers: tuple[Helper, ...], *body: c.Statement) -> Helper:
    """``name(n, x, y, out)`` on pointers to the elements of three vector types."""
    x, y, out = vectors
    parameters = (
        c.Parameter(c.int64, "n", ("unused",)),
        c.Parameter(c.const_pointer(x.element.ctype), "x", ("unused",)),
        c.Parameter(c.const_pointer(y.element.ctype), "y", ("unused",)),
        c.Parameter(c.pointer(out.element.ctype), "out"),
    )
    requires = (*(each.helper for each in vectors), *helpers)
    return Helper(name, (c.Function(name, c.void, parameters, body),), requires)


def binary(name: str, vector: VectorType, helper: Helper, result: VectorType | None = None) -> Helper:
    """Store helper(x, y) as a vector."""
    store = memory.store(result or vector)
    load = memory.load(vector)
    statement = c.ExpressionStatement(store(_out, helper(load(_x), load(_y))))
    return function(name, (vector, vector, result or vector), (helper, load, store), statement)


def unary(name: str, source: VectorType, helper: Helper, result: VectorType) -> Helper:
    """Store helper(x) as a vector."""
    store, load = memory.store(result), memory.load(source)
    statement = c.ExpressionStatement(store(_out, helper(load(_x))))
    return function(name, (source, source, result), (helper, load, store), statement)


def full(dtype: np.dtype, target: Target) -> VectorType:
    return vector_type(dtype, target.lanes(dtype.itemsize))


def partial_access(vector: VectorType) -> list[Helper]:
    load, store = memory.load_partial(vector), memory.store_partial(vector)
    whole = memory.store(vector)
    strided, place = memory.load_strided_partial(vector), memory.store_strided(vector)
    triple = (vector, vector, vector)
    return [
        function("read", triple, (load, whole), c.ExpressionStatement(whole(_out, load(_x, _n)))),
        function(
            "write",
            triple,
            (memory.load(vector), store),
            c.ExpressionStatement(store(_out, memory.load(vector)(_x), _n)),
        ),
        function("read_strided", triple, (strided, whole), c.ExpressionStatement(whole(_out, strided(_x, 3, _n)))),
        function(
            "write_strided",
            triple,
            (memory.load(vector), place),
            c.ExpressionStatement(place(_out, 3, memory.load(vector)(_x), _n)),
        ),
    ]


@pytest.mark.parametrize("target_name", targets)
@pytest.mark.parametrize("dtype", [f32, f64, i32, i64, u8], ids=str)
def test_partial_accesses_touch_the_lanes_asked_for_alone(
    dtype: np.dtype, target_name: str | None, tmp_path: Path
) -> None:
    target = get_target(target_name)
    vector = vector_type(dtype, min(16, target.lanes(dtype.itemsize)))
    library = load_helpers(partial_access(vector), tmp_path, target)
    lanes, none = vector.lanes, np.zeros(1, dtype)
    values = np.arange(1, 3 * lanes + 1, dtype=dtype)
    for n in range(lanes + 1):
        read = np.full(lanes, 9, dtype)
        call(library, "read", n, values, none, read)
        np.testing.assert_array_equal(read, np.where(np.arange(lanes) < n, values[:lanes], 0))
        call(library, "read_strided", n, values, none, read)
        np.testing.assert_array_equal(read, np.where(np.arange(lanes) < n, values[::3], 0))
        written = np.full(lanes, 9, dtype)
        call(library, "write", n, values, none, written)
        np.testing.assert_array_equal(written, np.where(np.arange(lanes) < n, values[:lanes], 9))
        scattered = np.full(3 * lanes, 9, dtype)
        call(library, "write_strided", n, values, none, scattered)
        np.testing.assert_array_equal(scattered[::3], np.where(np.arange(lanes) < n, values[:lanes], 9))
        assert np.all(scattered.reshape(lanes, 3)[:, 1:] == 9)


@pytest.mark.parametrize("target_name", targets)
def test_lanes_are_gathered_by_stride_and_by_index(target_name: str | None, tmp_path: Path) -> None:
    target = get_target(target_name)
    vector = vector_type(f32, target.lanes(8))
    index, store = vector.of("i64"), memory.store(vector)
    strided, indexed = memory.load_strided(vector), memory.load_indexed(vector)
    by_stride = function(
        "by_stride", (vector, index, vector), (strided, store), c.ExpressionStatement(store(_out, strided(_x, _n)))
    )
    by_index = function(
        "by_index",
        (vector, index, vector),
        (indexed, store),
        c.ExpressionStatement(store(_out, indexed(_x, _y))),
    )
    library = load_helpers([by_stride, by_index], tmp_path, target)
    values, out = np.arange(100, dtype=f32), np.zeros(vector.lanes, f32)
    indices = np.random.default_rng(1).integers(0, 100, vector.lanes)
    call(library, "by_stride", 5, values, indices, out)
    np.testing.assert_array_equal(out, values[::5][: vector.lanes])
    call(library, "by_index", 0, values, indices, out)
    np.testing.assert_array_equal(out, values[indices])


numbers = [0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 2.5]


@pytest.mark.parametrize("target_name", targets)
@pytest.mark.parametrize("dtype", [f32, f64, i32, i64], ids=str)
def test_extrema_are_numpys_with_nan_on_either_side(dtype: np.dtype, target_name: str | None, tmp_path: Path) -> None:
    target = get_target(target_name)
    vector = full(dtype, target)
    names = ("minimum", "maximum")
    library = load_helpers(
        [binary(f"take_{name}", vector, lane_operations.extremum(vector, name)) for name in names], tmp_path, target
    )
    values = np.array(numbers, dtype) if dtype.kind == "f" else np.array([-5, 0, 5, 7], dtype)
    left, right = (each.ravel() for each in np.meshgrid(values, values))
    for name, ufunc in (("minimum", np.minimum), ("maximum", np.maximum)):
        for start in range(0, len(left) // vector.lanes * vector.lanes, vector.lanes):
            x, y = left[start : start + vector.lanes].copy(), right[start : start + vector.lanes].copy()
            out = np.zeros(vector.lanes, dtype)
            call(library, f"take_{name}", 0, x, y, out)
            np.testing.assert_array_equal(out, ufunc(x, y))


@pytest.mark.parametrize("target_name", targets)
@pytest.mark.parametrize("dtype", [f32, f64, i64], ids=str)
def test_all_lanes_combine_into_one(dtype: np.dtype, target_name: str | None, tmp_path: Path) -> None:
    target = get_target(target_name)
    vector = full(dtype, target)
    combiners: dict[str, Callable[[np.ndarray], object]] = {
        "sum": np.sum,
        "product": np.prod,
        "minimum": np.min,
        "maximum": np.max,
    }
    helpers = []
    for name in combiners:
        combine, load = lane_operations.horizontal(vector, name), memory.load(vector)
        statement = c.Assign(_out[0], combine(load(_x)))
        helpers.append(function(f"all_{name}", (vector, vector, vector), (combine, load), statement))
    library = load_helpers(helpers, tmp_path, target)
    values = np.arange(1, vector.lanes + 1).astype(dtype)
    for name, ufunc in combiners.items():
        out = np.zeros(1, dtype)
        call(library, f"all_{name}", 0, values, values, out)
        np.testing.assert_allclose(out[0], ufunc(values), rtol=1e-6)  # the product of 16 rounds in float32


CONVERTED = [np.dtype(name) for name in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")]


def converted_values(source: np.dtype, result: np.dtype, lanes: int) -> np.ndarray:
    """Values that both dtypes have, if one is a float; between integers any, of which C and numpy keep the low bytes."""
    if "f" in (source.kind, result.kind):
        return np.array([0, 1, 2, 127, 100, 3, 77, 8] * 8, source)[:lanes]
    info = np.iinfo(source)
    edges = [info.min, info.max, 0, 1, info.max // 2 + 1, info.max // 3, info.min // 3]
    return np.array((edges * 10)[:lanes], source)


@pytest.mark.parametrize("target_name", targets)
@pytest.mark.parametrize("source", CONVERTED, ids=str)
def test_conversions_are_those_of_numpy(source: np.dtype, target_name: str | None, tmp_path: Path) -> None:
    target = get_target(target_name)
    helpers, cases = [], []
    for result in CONVERTED:
        widest = max(source.itemsize, result.itemsize)
        for lanes in {target.lanes(widest), target.lanes(8)} if source != result else ():
            x, y = vector_type(source, lanes), vector_type(result, lanes)
            cases.append((f"{source}_to_{result}_{lanes}", result, lanes))
            helpers.append(unary(cases[-1][0], x, conversions.convert(x, y), y))
    library = load_helpers(helpers, tmp_path, target)
    for name, result, lanes in cases:
        values, out = converted_values(source, result, lanes), np.zeros(lanes, result)
        call(library, name, 0, values, values, out)
        np.testing.assert_array_equal(out, values.astype(result), err_msg=name)


def test_gcc_changes_the_width_of_integers_by_one_instruction() -> None:
    target = get_target("x86-64-v4")
    integers = [each for each in CONVERTED if each.kind in "iu"]
    for source, result in itertools.product(integers, integers):
        lanes = target.lanes(max(source.itemsize, result.itemsize))
        text = source_text([conversions.convert(vector_type(source, lanes), vector_type(result, lanes))])
        assert text.count("__builtin_ia32_pmov") == (source.itemsize != result.itemsize), text


def test_select_takes_lanes_by_a_mask(tmp_path: Path) -> None:
    target = get_target()
    vector = full(f32, target)
    choose, load, store = lane_operations.select(vector), memory.load(vector), memory.store(vector)
    value = choose(load(_x) < load(_y), load(_x), vector.filled(vector.literal(-1)))
    statement = c.ExpressionStatement(store(_out, value))
    library = load_helpers(
        [function("choose", (vector, vector, vector), (choose, load, store), statement)], tmp_path, target
    )
    x = np.arange(vector.lanes, dtype=f32)
    y, out = np.full_like(x, 3), np.zeros_like(x)
    call(library, "choose", 0, x, y, out)
    np.testing.assert_array_equal(out, np.where(x < y, x, -1))


@pytest.mark.parametrize("target_name", ["x86-64-v4", "x86-64-v3", "aarch64"])
def test_clang_compiles_every_helper_without_warnings(target_name: str, tmp_path: Path, zig: Compiler) -> None:
    target = get_target(target_name)
    vectors = [vector_type(dtype, target.lanes(8)) for dtype in (f32, f64, i32, i64)]
    helpers = [helper for vector in vectors for helper in partial_access(vector)]
    parts = [each for helper in helpers for each in helper.requires]
    combined = [lane_operations.horizontal(vector, name) for vector in vectors for name in ("sum", "maximum")]
    assert_compiles(source_text([*parts, *combined]), tmp_path, target, zig)


def test_helpers_are_placed_once_and_after_what_they_need() -> None:
    vector = vector_type(f32, 8)
    items = in_dependency_order([memory.store(vector), memory.load(vector), memory.load(vector)])
    names = [item.name for item in items if isinstance(item, c.Function | c.Typedef)]
    assert names == ["f32x8", "f32x8_unaligned", "store_f32x8", "load_f32x8"]


def test_two_meanings_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two different helpers are called 'twice'"):
        in_dependency_order([Helper("twice", ()), Helper("twice", (c.Include("stdint.h"),))])


def test_lanes_of_other_dtypes_and_unknown_operations_are_refused() -> None:
    with pytest.raises(ValueError, match="lanes of complex64"):
        vector_type(np.dtype(np.complex64), 4)
    with pytest.raises(ValueError, match="expected minimum or maximum"):
        lane_operations.extremum(vector_type(f32, 8), "median")
    with pytest.raises(ValueError, match="expected one of sqrt, floor"):
        lane_operations.rounding(vector_type(f32, 8), "round")


def test_every_row_of_the_table_of_instructions_is_found() -> None:
    # A set of rows that is left out of the table is not missed anywhere: what it is for is only slower.
    for short, num_bytes in (("f32", 64), ("f64", 32), ("i32", 64), ("i64", 64), ("i64", 32), ("u64", 64)):
        vector = VectorType(vector_type(i64, 8).of(short).element, 8 * num_bytes // int(short[1:]))
        for name in ("maximum", "minimum"):
            found = instruction(name, vector)
            assert found is not None, f"{name} of {vector.name}"
            text = source_text([lane_operations.extremum(vector, name)])
            assert found.builtin in text
