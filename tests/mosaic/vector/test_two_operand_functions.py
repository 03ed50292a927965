"""power and arctan2 of vectors against long double, in units of the last place, and every pair of special values."""

import ctypes
import math
from pathlib import Path

import numpy as np
import pytest

from mosaic import c
from mosaic.c.helpers import Helper
from mosaic.runtime.compiler import Compiler
from mosaic.targets import Target, get_target
from mosaic.vector.functions import vector_function
from mosaic.vector.memory import load, store
from mosaic.vector.vector_types import vector_type
from tests.mosaic.compiled_helpers import assert_compiles, call, load_helpers, source_text
from tests.mosaic.vector.test_functions import ulps

f32, f64 = np.dtype(np.float32), np.dtype(np.float64)
names = ("arctan2", "power", "fmod")
bounds = {
    ("arctan2", f32): 2.0,
    ("arctan2", f64): 2.5,
    ("power", f32): 1.25,
    ("power", f64): 1.25,
    ("fmod", f32): 0.0,
    ("fmod", f64): 0.0,
}
_size = 64_000


def array_function(name: str, dtype: np.dtype, target: Target) -> Helper:
    """A C function ``array_name_dtype(n, x, y, z)`` that applies the vector function to whole vectors."""
    vector = vector_type(dtype, target.lanes(dtype.itemsize))
    function = vector_function(name, vector, target)
    i, x, y, z = (c.Name(each) for each in "ixyz")
    value = function(load(vector)(x + i), load(vector)(y + i))
    body = (c.loop("i", c.Name("n"), c.ExpressionStatement(store(vector)(z + i, value)), step=vector.lanes),)
    source = c.const_pointer(vector.element.ctype)
    parameters = (
        c.Parameter(c.int64, "n"),
        c.Parameter(source, "x"),
        c.Parameter(source, "y"),
        c.Parameter(c.pointer(vector.element.ctype), "z"),
    )
    full_name = f"array_{name}_{dtype}"
    return Helper(
        full_name, (c.Function(full_name, c.void, parameters, body),), (function, load(vector), store(vector))
    )


@pytest.fixture(scope="module", params=[None, "x86-64-v3", "x86-64-v2"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    target = get_target(request.param)
    every = [array_function(name, dtype, target) for dtype in (f32, f64) for name in names]
    return load_helpers(every, tmp_path_factory.mktemp("math"), target)


def points(name: str, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of all magnitudes, and bases and exponents whose power is finite."""
    generator = np.random.default_rng(3)
    info = np.finfo(dtype)
    low, high = np.log10(float(info.tiny)) - 4, np.log10(float(info.max))
    x, y = (10.0 ** generator.uniform(low, high, _size) for _ in range(2))
    near = generator.uniform(-10, 10, (2, _size))
    whole = np.round(generator.uniform(-20, 20, _size))
    if name == "power":
        x = np.concatenate([x, abs(near[0]), near[0], 1 + near[0] * 1e-3])
        y = np.concatenate([near[1] / 10, near[1], whole, near[1] * 1e3])
    elif name == "fmod":
        x = np.concatenate([x, near[0] * 1e6, whole * near[1], np.nextafter(whole * near[1], 0)])
        y = np.concatenate([y, near[1], near[1], near[1]])
    else:
        x, y = np.concatenate([x, -x, near[0]]), np.concatenate([y, y[::-1], near[1]])
    return x.astype(dtype), y.astype(dtype)


@pytest.mark.parametrize("dtype", [f32, f64], ids=str)
@pytest.mark.parametrize("name", names)
def test_errors_stay_below_the_bound_everywhere(name: str, dtype: np.dtype, library: ctypes.CDLL) -> None:
    x, y = points(name, dtype)
    result = np.empty_like(x)
    call(library, f"array_{name}_{dtype}", x.size, x, y, result)
    with np.errstate(all="ignore"):
        errors = ulps(result, getattr(np, name)(x.astype(np.longdouble), y.astype(np.longdouble)))
    worst = int(np.argmax(np.where(np.isnan(errors), np.inf, errors)))
    assert errors[worst] <= bounds[name, dtype], f"{name}({x[worst]!r}, {y[worst]!r}) = {result[worst]!r}"


@pytest.mark.parametrize("dtype", [f32, f64], ids=str)
@pytest.mark.parametrize("name", names)
def test_every_pair_of_special_values_gives_numpys_result(name: str, dtype: np.dtype, library: ctypes.CDLL) -> None:
    info = np.finfo(dtype)
    one_side = [0.0, 0.5, 1.0, 2.0, 3.0, 2.5, 1e30, math.inf, float(info.tiny), float(info.smallest_subnormal)]
    values = np.array([*one_side, *(-value for value in one_side), math.nan], dtype)
    x, y = (np.resize(side, 448) for side in np.meshgrid(values, values))
    result = np.empty_like(x)
    call(library, f"array_{name}_{dtype}", x.size, np.ascontiguousarray(x), np.ascontiguousarray(y), result)
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x, y)
    np.testing.assert_allclose(result, expected, rtol=4 * info.eps, atol=0)
    is_number = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(result[is_number]), np.signbit(expected[is_number]))


@pytest.mark.parametrize("target_name", ["x86-64-v4", "x86-64-v3", "x86-64-v2", "aarch64"])
def test_clang_compiles_both_for_every_target_without_warnings(target_name: str, tmp_path: Path, zig: Compiler) -> None:
    target = get_target(target_name)
    every = [array_function(name, dtype, target) for dtype in (f32, f64) for name in names]
    assert_compiles(source_text(every), tmp_path, target, zig)
