"""Packing at run time against packing by numpy, from every memory order."""

from pathlib import Path

import numpy as np
import pytest

from mosaic import c
from mosaic.kernels.helper import Helper
from mosaic.kernels.packing import packing_function
from mosaic.kernels.panels import pack_panels
from mosaic.kernels.vectors import vector_type
from mosaic.runtime.compiler import Compiler
from mosaic.targets import Target, get_target
from tests.mosaic.kernels.build import assert_compiles, call, load_helpers, source_text

f32, f64 = np.dtype(np.float32), np.dtype(np.float64)


def test_panels_hold_neighbouring_columns_and_zeros() -> None:
    matrix = np.arange(15, dtype=np.float32).reshape(3, 5)
    panels = pack_panels(matrix, 2)
    assert panels.shape == (3, 3, 2)
    np.testing.assert_array_equal(panels[1], [[2, 3], [7, 8], [12, 13]])
    np.testing.assert_array_equal(panels[2], [[4, 0], [9, 0], [14, 0]])


def test_panels_are_written_into_memory_that_is_given() -> None:
    matrix = np.arange(6, dtype=np.float64).reshape(2, 3)
    out = np.full((2, 2, 2), np.nan)
    assert pack_panels(matrix.T.copy().T, 2, out=out) is out
    np.testing.assert_array_equal(out, [[[0, 1], [3, 4]], [[2, 0], [5, 0]]])


def exported(packing: Helper, name: str) -> Helper:
    """The packing function under a name that the library shows."""
    (function,) = packing.items
    assert isinstance(function, c.Function)
    arguments = tuple(c.Name(parameter.name) for parameter in function.parameters)
    parameters = tuple(c.Parameter(parameter.ctype, parameter.name) for parameter in function.parameters)
    body = (c.ExpressionStatement(packing(*arguments)),)
    return Helper(name, (c.Function(name, c.void, parameters, body),), (packing,))


def all_orders(dtype: np.dtype, target: Target) -> list[Helper]:
    vector = vector_type(dtype, target.lanes(dtype.itemsize))
    strides = {"rows": (9, 1), "columns": (1, 9), "elements": (2, 9)}
    return [
        exported(packing_function(vector, 2 * vector.lanes, *strides[order]), f"{order}_{dtype}") for order in strides
    ]


@pytest.mark.parametrize("target_name", [None, "x86-64-v3", "x86-64-v2"])
@pytest.mark.parametrize("dtype", [f32, f64], ids=str)
def test_packing_from_any_order_gives_the_same_panels(dtype: np.dtype, target_name: str | None, tmp_path: Path) -> None:
    target = get_target(target_name)
    library = load_helpers(all_orders(dtype, target), tmp_path, target)
    nr = 2 * target.lanes(dtype.itemsize)
    for depth, columns in ((1, 1), (5, nr), (nr + 3, 2 * nr + 1), (64, 3 * nr), (33, 7)):
        matrix = np.arange(1, depth * columns + 1, dtype=dtype).reshape(depth, columns)
        expected = pack_panels(matrix, nr)
        sparse = np.full((depth, 2, columns, 3), np.nan, dtype)
        sparse[:, 0, :, 0] = matrix
        sources = {
            "rows": (matrix, columns, 1),
            "columns": (np.ascontiguousarray(matrix.T), 1, depth),
            "elements": (sparse, 6 * columns, 3),
        }
        for order, (source, depth_stride, column_stride) in sources.items():
            panels = np.full((len(expected) * depth * nr + 16,), np.nan, dtype)
            sizes = (depth, columns, depth_stride, column_stride)
            call(library, f"{order}_{dtype}", 0, len(expected), *sizes, source, panels)
            np.testing.assert_array_equal(panels[:-16].reshape(expected.shape), expected)
            assert np.all(np.isnan(panels[-16:]))


@pytest.mark.parametrize("target_name", ["x86-64-v4", "x86-64-v3", "aarch64"])
def test_clang_compiles_packing_without_warnings(target_name: str, tmp_path: Path, zig: Compiler) -> None:
    target = get_target(target_name)
    assert_compiles(source_text([*all_orders(f32, target), *all_orders(f64, target)]), tmp_path, target, zig)
