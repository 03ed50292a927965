"""Layouts, and schemes that a user gives."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import composit as cnp
import mosaic
from composit.errors import ParameterError, ShapeError
from mosaic import Layout, TileLevel, panels, tilize, untilize
from mosaic.ir.expressions import Load
from mosaic.tiling.packing import Packing
from mosaic.tiling.tile_parts import view_of
from tests.mosaic.c_text import c_text
from tests.mosaic.comparison import assert_same_values, tensor

lengths = st.integers(1, 12)


@given(st.data())
def test_untilize_undoes_tilize(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(lengths, min_size=1, max_size=3), label="shape"))
    sizes = st.one_of(st.none(), st.integers(1, 7))
    tiles = st.builds(TileLevel, st.tuples(*[sizes] * len(shape)))
    layout = Layout(tuple(data.draw(st.lists(tiles, max_size=3), label="levels")))
    array = np.arange(np.prod(shape), dtype=np.int64).reshape(shape)
    stored = tilize(array, layout)
    assert stored.shape == layout.stored_shape(shape)
    np.testing.assert_array_equal(untilize(stored, layout, shape), array)


def test_tiles_lie_one_after_the_other() -> None:
    stored = tilize(np.arange(48).reshape(6, 8), Layout((TileLevel((2, 4)),)))
    np.testing.assert_array_equal(stored.reshape(-1)[:8], [0, 1, 2, 3, 8, 9, 10, 11])


def test_panels_are_what_the_kernels_read() -> None:
    matrices = np.arange(280, dtype=np.float32).reshape(4, 7, 10)
    packing = Packing(view_of(matrices), 4, 1)
    out = np.full(packing.shape, np.nan, np.float32)
    packing.fill(out.reshape(-1), matrices)
    assert out.shape == (4, 3, 7, 4)
    for packed, matrix in zip(out, matrices, strict=True):
        np.testing.assert_array_equal(packed, tilize(matrix, panels(4))[0])


def test_panels_hold_neighbouring_columns_and_zeros() -> None:
    matrix = np.arange(15, dtype=np.float32).reshape(3, 5)
    (packed,) = tilize(matrix, panels(2))
    assert packed.shape == (3, 3, 2)
    np.testing.assert_array_equal(packed[1], [[2, 3], [7, 8], [12, 13]])
    np.testing.assert_array_equal(packed[2], [[4, 0], [9, 0], [14, 0]])


def test_panels_of_a_view_are_those_of_what_it_shows() -> None:
    array = np.arange(60, dtype=np.float64).reshape(6, 10)
    seen = view_of(array).slice_axis(0, 5, 6, -1).slice_axis(1, 1, 3, 3).transpose((1, 0))
    packing = Packing(seen, 4, 0)
    out = np.full(packing.shape, np.nan)
    packing.fill(out.reshape(-1), array)
    np.testing.assert_array_equal(out, tilize(array[::-1, 1::3].T, panels(4))[0])


def test_c_copies_the_parts_that_numpy_does() -> None:
    matrices = view_of(np.zeros((4, 7, 10)))
    packing = Packing(matrices, 4, 1)
    copies = list(packing.copies(view_of(np.zeros(packing.shape))))
    assert [target.shape for target, _ in copies] == [(4, 1, 2, 1, 7, 4), (4, 1, 1, 1, 7, 2)]
    assert all(isinstance(value, Load) and value.view.shape == target.shape for target, value in copies)


def test_a_depth_of_several_axes_is_one_in_the_panels() -> None:
    filters = np.arange(210, dtype=np.float64).reshape(10, 3, 7)
    packing = Packing(view_of(filters).transpose((2, 1, 0)), 4, 0)
    out = np.full(packing.shape, np.nan)
    packing.fill(out.reshape(-1), filters)
    assert out.shape == (3, 21, 4)
    np.testing.assert_array_equal(out, tilize(filters.transpose(2, 1, 0).reshape(21, 10), panels(4))[0])


@pytest.mark.parametrize("tile", [(2,), (2, 0), (2, 2, 2)])
def test_tiles_that_do_not_fit_are_an_error(tile: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"tiles of shape .* array of shape \(6, 8\)"):
        tilize(np.zeros((6, 8)), Layout((TileLevel(tile),)))


def model_with(tile_scheme: Any) -> tuple[Any, Any, Any]:
    """A product with tiles chosen by the function, compiled for AVX2, and its operands."""
    x, weight = tensor(40, 96), tensor(96, 64)
    y = x @ weight
    scheme = tile_scheme(weight, y)
    return c_text(y, inputs=[x], tile_scheme=scheme, target="x86-64-v3"), y, (x, scheme)


def test_the_tiles_of_a_weight_are_its_panels() -> None:
    text, _, _ = model_with(lambda weight, y: {weight: panels(24)})
    assert "rows x 24 columns" in text
    assert "rows x 16 columns" in model_with(lambda weight, y: {weight: TileLevel((None, 16))})[0]


def test_the_tiles_of_a_result_are_blocks_of_rows_and_registers() -> None:
    text, _, _ = model_with(lambda weight, y: {y: [TileLevel((20, None)), TileLevel((5, 16))]})
    assert "tasks of 20 rows x 16 columns, in tiles of 5 rows" in text


@pytest.mark.parametrize("width", [16, 32, 48])
@pytest.mark.parametrize("depth", [None, 32])
def test_a_scheme_changes_no_value(width: int, depth: int | None) -> None:
    x, weight = tensor(40, 96), tensor(64, 96)
    y = cnp.tanh(x @ weight.T)
    model = mosaic.compile(y, inputs=[x], tile_scheme={weight: TileLevel((width, depth))})
    assert_same_values(model(cnp.evaluate(x)), cnp.evaluate(y))


def panel_widths(y: Any, x: Any, key: Any, tile: tuple[int, ...]) -> str:
    return c_text(y, inputs=[x], tile_scheme={key: TileLevel(tile)}, target="x86-64-v3")


def test_tiles_reach_a_weight_through_any_view_that_costs_nothing() -> None:
    x, weights = tensor(40, 96), tensor(3, 96, 64)
    layer, part = weights[1], tensor(96, 128)
    for y, key in (
        (x @ layer, weights),
        (x @ layer, layer),
        (x @ part[:, :64], part),
        (cnp.einsum("ij,jk->ik", x, layer), weights),
    ):
        assert "rows x 16 columns" in panel_widths(y, x, key, (*(1,) * (key.ndim - 2), 96, 16))


def test_tiles_of_a_view_that_exchanges_axes_are_in_the_axes_of_the_tensor_they_are_given_for() -> None:
    x, weight = tensor(40, 96), tensor(64, 96)
    y = x @ weight.T[:, :48]
    assert "rows x 16 columns" in panel_widths(y, x, weight, (16, 96))
    assert "rows x 24 columns" in panel_widths(y, x, weight, (24, 96))


@pytest.mark.parametrize("function", [lambda x, v: x @ v, lambda x, v: cnp.einsum("ij,j->i", x, v)])
def test_vectors_have_no_tiles(function: Any) -> None:
    x, vector = tensor(40, 96), tensor(96)
    y = function(x, vector)
    for key, length in ((vector, 96), (y, 40)):
        with pytest.raises(ParameterError, match="a product of matrices"):
            mosaic.compile(y, inputs=[x], tile_scheme={key: TileLevel((length,))})


def test_tiles_of_a_tensor_that_no_product_uses_are_an_error() -> None:
    x = tensor(4, 4)
    with pytest.raises(ParameterError, match="neither the right operand nor the result"):
        mosaic.compile(x + 1, inputs=[x], tile_scheme={x: TileLevel((2, 2))})


def test_a_width_that_no_register_holds_is_an_error() -> None:
    with pytest.raises(ParameterError, match="multiple of its 8 lanes"):
        model_with(lambda weight, y: {weight: panels(10)})
