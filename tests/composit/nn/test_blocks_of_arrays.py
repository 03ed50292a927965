"""Functions on blocks of arrays give what they give on whole arrays, and see each element once."""

import numpy as np
import pytest

import composit.numpy as cnp
from composit import nn
from composit.nn import blocks_of_arrays
from composit.nn.blocks_of_arrays import aligned_empty, aligned_like, in_blocks
from composit.nn.row_sums import sum_of_products


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks_of_arrays, "_BLOCK_BYTES", 512)


@pytest.mark.parametrize("axes", [(), (0,), (1,), (2,), (0, 2), (0, 1, 2)])
@pytest.mark.parametrize("shape", [(5, 7, 9), (1, 300, 2), (100, 1, 3), (3, 4, 500)])
def test_blocks_cover_every_element_once_and_hold_reduced_axes_whole(
    shape: tuple[int, ...], axes: tuple[int, ...]
) -> None:
    seen = np.zeros(shape)
    kept = np.zeros([1 if axis in axes else n for axis, n in enumerate(shape)])
    calls = []

    def count(totals: np.ndarray, whole: np.ndarray) -> None:
        calls.append(whole.nbytes)
        whole += 1
        totals += whole.sum(axis=axes, keepdims=True) if axes else whole
        assert all(whole.shape[axis] == shape[axis] for axis in axes)

    in_blocks(count, axes, kept, seen)
    assert (seen == 1).all()
    np.testing.assert_array_equal(kept, seen.sum(axis=axes, keepdims=True) if axes else seen)
    can_be_cut = any(n > 1 and axis not in axes for axis, n in enumerate(shape))
    assert (len(calls) > 1) == can_be_cut


@pytest.mark.parametrize("axis", [0, 1, -1, (0, 2)])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "layer_norm"])
def test_functions_by_blocks_are_those_of_the_whole(
    name: str, axis: int | tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.default_rng(0).normal(size=(6, 8, 10)) * 30

    def values() -> list[np.ndarray]:
        given = cnp.asarray(x)
        y = nn.layer_norm(given, axis=axis) if name == "layer_norm" else getattr(nn, name)(given, axis=axis)
        (slope,) = nn.chain_rule({(y * y).sum(): np.float64(1)}, [given])
        return list(cnp.evaluate(y, slope))

    in_parts = values()
    monkeypatch.setattr(blocks_of_arrays, "_BLOCK_BYTES", 1 << 30)
    for part, whole in zip(in_parts, values(), strict=True):
        np.testing.assert_allclose(part, whole, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("shape", "weight_shape", "axes"),
    [
        ((6, 8, 10), (10,), (2,)),  # a weight for each element of a row
        ((6, 8, 10), (8, 10), (1, 2)),
        ((6, 8, 10), (8, 1), (0, 2)),  # one for all elements of a mean
        ((6, 8, 10), (6, 1, 10), (2,)),  # neither
        ((6, 8, 10), (), (0, 1, 2)),
        ((30, 5), (30, 1), (0,)),
    ],
)
def test_weights_of_normalised_blocks_get_the_sums_of_the_whole(
    shape: tuple[int, ...], weight_shape: tuple[int, ...], axes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(0)
    arrays = [generator.normal(size=each) for each in (shape, weight_shape, weight_shape)]

    def values() -> list[np.ndarray]:
        given = [cnp.asarray(each) for each in arrays]
        y = nn.layer_norm(*given, axis=axes)
        return list(cnp.evaluate(y, *nn.chain_rule({(y * y).sum(): np.float64(1)}, given)))

    in_parts = values()
    monkeypatch.setattr(blocks_of_arrays, "_BLOCK_BYTES", 1 << 30)
    for part, whole in zip(in_parts, values(), strict=True):
        np.testing.assert_allclose(part, whole, rtol=1e-11, atol=1e-12)
    x, weight, bias = arrays
    deviation = x - x.mean(axes, keepdims=True)
    expected = deviation / np.sqrt((deviation**2).mean(axes, keepdims=True) + 1e-5) * weight + bias
    np.testing.assert_allclose(in_parts[0], expected, rtol=1e-11, atol=1e-12)


def test_products_are_summed_whichever_operand_is_dense() -> None:
    x = np.random.default_rng(0).normal(size=(8, 6, 4, 5))
    part, dense = x[:, 1:4], x[:, 1:4].copy()
    for one, other in ((part, dense), (dense, part), (part, part)):
        found = sum_of_products(one, other, (0, 2, 3))
        np.testing.assert_allclose(found, (dense**2).sum((0, 2, 3), keepdims=True), rtol=1e-12)


def test_arrays_with_fewer_axes_are_seen_by_each_block_as_they_broadcast() -> None:
    result = np.zeros((40, 30))

    def add(row: np.ndarray, part: np.ndarray) -> None:
        part += row

    in_blocks(add, (), np.arange(30.0), result)
    np.testing.assert_array_equal(result, np.broadcast_to(np.arange(30.0), (40, 30)))


def test_blocks_of_many_rows_are_cut_at_multiples_of_16_rows() -> None:
    lengths: list[int] = []
    in_blocks(lambda part: lengths.append(len(part)), (1,), np.zeros((1000, 1), np.float32), times=1)
    assert set(lengths[:-1]) == {128}
    lengths.clear()
    in_blocks(lambda part: lengths.append(len(part)), (1,), np.zeros((1000, 5), np.float16), times=2)
    assert set(lengths[:-1]) == {96}  # of 102
    assert sum(lengths) == 1000


@pytest.mark.parametrize("shape", [(), (0,), (3, 5), (400, 300)])
def test_temporaries_have_shape_and_dtype_and_large_ones_begin_on_a_cache_line(shape: tuple[int, ...]) -> None:
    for dtype in (np.dtype(np.float32), np.dtype(np.float64)):
        found = aligned_empty(shape, dtype)
        assert (found.shape, found.dtype) == (shape, dtype)
        assert found.flags.c_contiguous
        assert found.flags.writeable
        assert found.nbytes < 1 << 16 or found.ctypes.data % 64 == 0
        like = aligned_like(np.ones(shape, dtype).T)
        assert (like.shape, like.dtype) == (shape[::-1], dtype)
        assert like.flags.f_contiguous  # the order of the array
