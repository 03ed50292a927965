"""Vector functions against long double, in units of the last place, special values included."""

import ctypes
import math
from pathlib import Path

import numpy as np
import pytest

from mosaic import c
from mosaic.c.helpers import Helper
from mosaic.runtime.compiler import Compiler
from mosaic.targets import Target, detect, get_target
from mosaic.vector.functions import names, vector_function
from mosaic.vector.memory import load, store
from mosaic.vector.vector_types import vector_type
from tests.mosaic.compiled_helpers import assert_compiles, call, load_helpers, source_text
from tests.sampling import one_in, only

f32, f64 = np.dtype(np.float32), np.dtype(np.float64)
inf, nan = math.inf, math.nan

bounds = {
    "exp": (-110, 92, -750, 712, 1.0),
    "exp2": (-155, 130, -1080, 1026, 1.0),
    "expm1": (-20, 90, -45, 711, 2.0),
    "log": (0, 3e38, 0, 1e308, 1.0),
    "log1p": (-1, 3e38, -1, 1e308, 1.5),
    "log2": (0, 3e38, 0, 1e308, 2.0),
    "log10": (0, 3e38, 0, 1e308, 2.0),
    "tanh": (-11, 11, -21, 21, 1.5),
    "erf": (-5, 5, -7, 7, 2.0),
    "sin": (-3e38, 3e38, -1e7, 1e7, 1.6),
    "cos": (-3e38, 3e38, -1e7, 1e7, 1.6),
    "tan": (-3e38, 3e38, -1e7, 1e7, 3.0),
    "arcsin": (-1, 1, -1, 1, 2.0),
    "arccos": (-1, 1, -1, 1, 2.0),
    "arctan": (-3e38, 3e38, -1e308, 1e308, 2.5),
    "sinh": (-90, 90, -711, 711, 2.0),
    "cosh": (-90, 90, -711, 711, 2.0),
    "arcsinh": (-3e38, 3e38, -1e308, 1e308, 2.5),
    "arccosh": (1, 3e38, 1, 1e308, 2.5),
    "arctanh": (-0.99999, 0.99999, -0.99999, 0.99999, 2.0),
    "cbrt": (-3e38, 3e38, -1e308, 1e308, 1.0),
}
"""name -> range for float32, range for float64, largest error in ulp."""

own = sorted(bounds)

special = {
    "exp": [(-inf, 0.0), (inf, inf), (0.0, 1.0), (-0.0, 1.0)],
    "exp2": [(-inf, 0.0), (inf, inf), (-0.0, 1.0), (10.0, 1024.0), (-3.0, 0.125)],
    "expm1": [(-inf, -1.0), (inf, inf), (0.0, 0.0), (-0.0, -0.0)],
    "log": [(0.0, -inf), (-0.0, -inf), (inf, inf), (1.0, 0.0), (-1.0, nan), (-inf, nan)],
    "log1p": [(-1.0, -inf), (inf, inf), (0.0, 0.0), (-0.0, -0.0), (-2.0, nan), (-inf, nan)],
    "log2": [(0.0, -inf), (-0.0, -inf), (inf, inf), (1.0, 0.0), (1024.0, 10.0), (0.125, -3.0), (-1.0, nan)],
    "log10": [(0.0, -inf), (-0.0, -inf), (inf, inf), (1.0, 0.0), (1000.0, 3.0), (-1.0, nan)],
    "tanh": [(-inf, -1.0), (inf, 1.0), (0.0, 0.0), (-0.0, -0.0), (1e30, 1.0)],
    "erf": [(-inf, -1.0), (inf, 1.0), (0.0, 0.0), (-0.0, -0.0), (1e30, 1.0)],
    "sin": [(0.0, 0.0), (-0.0, -0.0), (inf, nan), (-inf, nan)],
    "cos": [(0.0, 1.0), (-0.0, 1.0), (inf, nan), (-inf, nan)],
    "tan": [(0.0, 0.0), (-0.0, -0.0), (inf, nan), (-inf, nan)],
    "arcsin": [(0.0, 0.0), (-0.0, -0.0), (1.5, nan), (-inf, nan)],
    "arccos": [(1.0, 0.0), (1.5, nan), (-1.5, nan), (inf, nan)],
    "arctan": [(0.0, 0.0), (-0.0, -0.0)],
    "sinh": [(0.0, 0.0), (-0.0, -0.0), (inf, inf), (-inf, -inf)],
    "cosh": [(0.0, 1.0), (-0.0, 1.0), (inf, inf), (-inf, inf)],
    "arcsinh": [(0.0, 0.0), (-0.0, -0.0), (inf, inf), (-inf, -inf)],
    "arccosh": [(1.0, 0.0), (0.5, nan), (inf, inf), (-inf, nan)],
    "arctanh": [(0.0, 0.0), (-0.0, -0.0), (1.0, inf), (-1.0, -inf), (1.5, nan), (inf, nan)],
    "cbrt": [(0.0, 0.0), (-0.0, -0.0), (inf, inf), (-inf, -inf), (8.0, 2.0), (-1.0, -1.0)],
    "sqrt": [(0.0, 0.0), (-0.0, -0.0), (inf, inf), (-1.0, nan), (4.0, 2.0)],
    "floor": [(-0.0, -0.0), (1.5, 1.0), (-1.5, -2.0), (inf, inf), (-inf, -inf)],
    "ceil": [(-0.0, -0.0), (1.5, 2.0), (-1.5, -1.0), (-0.5, -0.0), (inf, inf)],
    "trunc": [(-0.0, -0.0), (1.5, 1.0), (-1.5, -1.0), (-0.5, -0.0), (inf, inf)],
    "rint": [(-0.0, -0.0), (0.5, 0.0), (1.5, 2.0), (2.5, 2.0), (-0.5, -0.0), (inf, inf)],
}
"""name -> (operand, result), compared with the sign of zero; a NaN gives a NaN everywhere."""


def array_function(name: str, dtype: np.dtype, target: Target, lanes: int | None = None) -> Helper:
    """A C function ``array_name_dtype(n, x, y)`` that applies the vector function to whole vectors."""
    vector = vector_type(dtype, lanes or target.lanes(dtype.itemsize))
    function = vector_function(name, vector, target)
    i, x, y = c.Name("i"), c.Name("x"), c.Name("y")
    value = function(load(vector)(x + i))
    body = (c.loop("i", c.Name("n"), c.ExpressionStatement(store(vector)(y + i, value)), step=vector.lanes),)
    parameters = (
        c.Parameter(c.int64, "n"),
        c.Parameter(c.const_pointer(vector.element.ctype), "x"),
        c.Parameter(c.pointer(vector.element.ctype), "y"),
    )
    full_name = f"array_{name}_{dtype}"
    return Helper(
        full_name, (c.Function(full_name, c.void, parameters, body),), (function, load(vector), store(vector))
    )


def exact_erf() -> Helper:
    """``exact_erf(n, x, y)`` by the C library in long double: numpy has no erf."""
    i, x, y = c.Name("i"), c.Name("x"), c.Name("y")
    real = c.NamedType("long double")
    body = (c.loop("i", c.Name("n"), c.Assign(y[i], c.Call("__builtin_erfl", (x[i],)))),)
    parameters = (c.Parameter(c.int64, "n"), c.Parameter(c.const_pointer(real), "x"), c.Parameter(c.pointer(real), "y"))
    return Helper("exact_erf", (c.Include("stdint.h"), c.Function("exact_erf", c.void, parameters, body)))


def sample(name: str, dtype: np.dtype) -> np.ndarray:
    """The range evenly, the numbers near zero and the tiny ones evenly in their logarithm, and around the borders."""
    low32, high32, low64, high64, _ = bounds[name]
    low, high = (low32, high32) if dtype == f32 else (low64, high64)
    generator = np.random.default_rng(5)
    even = generator.uniform(max(low, -1e6), min(high, 1e6), 60_000)
    info = np.finfo(dtype)
    small = 10 ** generator.uniform(np.log10(float(info.smallest_subnormal)) + 1, np.log10(min(high, 1e300)), 60_000)
    one = 1 + generator.standard_normal(20_000) * 10.0 ** generator.uniform(-7, 0, 20_000)
    values = np.concatenate([even, small, -small, one, generator.standard_normal(20_000)])
    values = values[(values >= low) & (values <= high)].astype(dtype)
    return values[: len(values) // 64 * 64]


def exact(name: str, values: np.ndarray, library: ctypes.CDLL) -> np.ndarray:
    wide = values.astype(np.longdouble)
    if name != "erf":
        return np.asarray(getattr(np, name)(wide))
    result = np.empty_like(wide)
    call(library, "exact_erf", wide.size, wide, result)
    return result


def ulps(result: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """The error in units of the last place of the exact result; where it overflows, zero if infinity came out."""
    with np.errstate(over="ignore", under="ignore"):
        rounded = expected.astype(result.dtype)
        spacing = np.spacing(np.abs(rounded)).astype(np.longdouble)
    is_huge = np.isinf(rounded)
    with np.errstate(invalid="ignore"):
        error = np.abs(result - expected) / spacing
    return np.where(is_huge, np.where(result == rounded, 0, np.inf), error).astype(np.float64)


@pytest.fixture(scope="module", params=[None, "x86-64-v3"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    target = get_target(request.param)
    every = [array_function(name, dtype, target) for dtype in (f32, f64) for name in special]
    return load_helpers([*every, exact_erf()], tmp_path_factory.mktemp("math"), target)


@pytest.mark.parametrize("dtype", [f32, f64], ids=str)
@pytest.mark.parametrize("name", sorted(bounds))
def test_errors_stay_below_the_bound_everywhere(name: str, dtype: np.dtype, library: ctypes.CDLL) -> None:
    values = sample(name, dtype)
    result = np.empty_like(values)
    call(library, f"array_{name}_{dtype}", values.size, values, result)
    with np.errstate(over="ignore", under="ignore"):
        errors = ulps(result, exact(name, values, library))
    worst = int(np.nanargmax(np.where(np.isnan(errors), np.inf, errors)))
    assert errors[worst] <= bounds[name][4], f"{name}({values[worst]!r}) = {result[worst]!r}: {errors[worst]:.2f} ulp"


@pytest.mark.parametrize("dtype", [f32, f64], ids=str)
@pytest.mark.parametrize("name", sorted(special))
def test_special_values_are_numpys(name: str, dtype: np.dtype, library: ctypes.CDLL) -> None:
    rows = [*special[name], (nan, nan)]
    values = np.resize(np.array([row[0] for row in rows], dtype), 64)
    expected = np.resize(np.array([row[1] for row in rows], dtype), 64)
    result = np.empty_like(values)
    call(library, f"array_{name}_{dtype}", values.size, values, result)
    np.testing.assert_array_equal(result, expected)
    is_number = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(result[is_number]), np.signbit(expected[is_number]))


@pytest.mark.parametrize(
    "target_name", only(["x86-64-v4", "aarch64"], ["x86-64-v4", "x86-64-v3", "x86-64-v2", "aarch64"])
)
def test_clang_compiles_every_function_for_every_target_without_warnings(
    target_name: str, tmp_path: Path, zig: Compiler
) -> None:
    target = get_target(target_name)
    every = [array_function(name, dtype, target) for dtype in (f32, f64) for name in sorted(special)]
    assert_compiles(source_text(every), tmp_path, target, zig)


def test_gcc_and_clang_give_the_same_bits(tmp_path: Path, zig: Compiler) -> None:
    target = detect()
    every = [array_function(name, dtype, target) for dtype in (f32, f64) for name in own]
    libraries = [load_helpers(every, tmp_path, target, compiler) for compiler in (None, zig)]
    for dtype in (f32, f64):
        for name in own:
            values = sample(name, dtype)[:6400]
            results = [np.empty_like(values), np.empty_like(values)]
            for library, result in zip(libraries, results, strict=True):
                call(library, f"array_{name}_{dtype}", values.size, values, result)
            np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("target_name", one_in(2, [None, "x86-64-v3", "x86-64-v2"]))
def test_narrow_vectors_beside_wide_elements_give_the_same_bits(target_name: str | None, tmp_path: Path) -> None:
    target = get_target(target_name)
    libraries = []
    for lanes in (target.lanes(4), target.lanes(8)):
        (folder := tmp_path / str(lanes)).mkdir()
        libraries.append(load_helpers([array_function(name, f32, target, lanes) for name in own], folder, target))
    for name in own:
        values = sample(name, f32)[:6400]
        results = [np.empty_like(values), np.empty_like(values)]
        for library, result in zip(libraries, results, strict=True):
            call(library, f"array_{name}_float32", values.size, values, result)
        np.testing.assert_array_equal(*results)


def test_functions_of_the_c_library_are_reached_lane_by_lane(tmp_path: Path) -> None:
    target = detect()
    library = load_helpers([array_function("erfc", dtype, target) for dtype in (f32, f64)], tmp_path, target)
    for dtype in (f32, f64):
        values = np.linspace(-5, 5, 64).astype(dtype)
        result = np.empty_like(values)
        call(library, f"array_erfc_{dtype}", 64, values, result)
        expected = [math.erfc(value) for value in values.tolist()]
        np.testing.assert_allclose(result, np.array(expected, dtype), rtol=4 * np.finfo(dtype).eps)


def test_an_unknown_function_lists_the_known_ones() -> None:
    vector = vector_type(f32, 8)
    with pytest.raises(ValueError, match=r"'gamma' of f32x8.*expected float lanes and one of arccos"):
        vector_function("gamma", vector, get_target("x86-64-v3"))
    with pytest.raises(ValueError, match="'exp' of i32x8"):
        vector_function("exp", vector.of("i32"), get_target("x86-64-v3"))
    assert "exp" in names
