"""Adjoints of indexing in C: the bits of numpy's `add.at`, whatever the number of threads."""

from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.apply import apply
from composit.errors import OutOfBoundsError
from composit.nn import chain_rule
from composit.numpy.indexing.advanced_indices import ARRAY, AdvancedIndexAdjoint
from composit.numpy.indexing.taking import TakeAdjoint, TakeAlongAxisAdjoint
from composit.operation import Operation
from tests.mosaic.comparison import check, tensor

ALL = slice(None)


def indices(*shape: int, below: int, dtype: str = "int64", seed: int = 0) -> Any:
    """A tensor of indices, from both ends, with repetitions."""
    return cnp.asarray(np.random.default_rng(seed).integers(-below, below, shape).astype(dtype))


def is_compiled(operation: Operation, *operands: Any, fuse: bool = True) -> bool:
    """Whether the operation is one of machine code's; its values must have numpy's bits."""
    result = apply(operation, *operands)
    model = mosaic.compile(result, inputs=list(operands), fuse=fuse)
    given = model(*cnp.evaluate(list(operands)))
    np.testing.assert_array_equal(given, cnp.evaluate(result), strict=True)
    return "numpy" not in model.explain()


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8"])
def test_rows_chosen_many_times_add_up_to_numpys_bits(dtype: str, fuse: bool) -> None:
    g, places = tensor(4, 33, 70, dtype=dtype), indices(4, 33, below=11)
    assert is_compiled(AdvancedIndexAdjoint((ARRAY, ALL), (11, 70)), g, places, fuse=fuse)


@pytest.mark.parametrize(
    ("index", "shape", "arrays"),
    [
        ((ARRAY,), (7,), [(50,)]),
        ((ARRAY,), (7,), [()]),
        ((ARRAY, ARRAY), (5, 6), [(4, 1), (3,)]),
        ((ALL, ARRAY), (3, 6), [(9,)]),
        ((ARRAY, ALL, ARRAY), (4, 5, 6), [(8,), (8,)]),
        ((ALL, ARRAY, 2, ALL), (2, 5, 3, 17), [(4, 2)]),
        ((ARRAY, ALL, ALL), (6, 3, 40), [(20,)]),
        ((ARRAY, ALL), (6, 1), [(1,)]),
        ((ARRAY, ALL), (6, 3), [(0,)]),
    ],
)
def test_indices_stand_anywhere(index: tuple[Any, ...], shape: tuple[int, ...], arrays: list[tuple[int, ...]]) -> None:
    lengths = [length for length, entry in zip(shape, index, strict=True) if entry == ARRAY]
    places = [indices(*one, below=length, seed=k) for k, (one, length) in enumerate(zip(arrays, lengths, strict=True))]
    x = cnp.zeros(shape, dtype="float32")
    chosen = x[tuple(next(each) if entry == ARRAY else entry for each in [iter(places)] for entry in index)]
    assert is_compiled(AdvancedIndexAdjoint(index, shape), tensor(*chosen.shape), *places)


@pytest.mark.parametrize("mode", ["raise", "wrap", "clip"])
@pytest.mark.parametrize(("axis", "shape"), [(0, (9, 35)), (1, (5, 9)), (1, (3, 9, 4)), (None, (3, 4))])
def test_take_adds_along_its_axis(axis: int | None, shape: tuple[int, ...], mode: str) -> None:
    length = 12 if axis is None else shape[axis]
    places = indices(2, 13, below=length if mode == "raise" else 3 * length)
    g_shape = (2, 13) if axis is None else (*shape[:axis], 2, 13, *shape[axis + 1 :])
    assert is_compiled(TakeAdjoint(axis, mode, shape), tensor(*g_shape), places)


@pytest.mark.parametrize(
    ("axis", "shape", "count"), [(0, (5, 40), 17), (1, (6, 5), 9), (1, (2, 5, 3), 4), (0, (4,), 30)]
)
def test_take_along_axis_adds_row_by_row(axis: int, shape: tuple[int, ...], count: int) -> None:
    chosen = (*shape[:axis], count, *shape[axis + 1 :])
    assert is_compiled(TakeAlongAxisAdjoint(axis, shape), tensor(*chosen), indices(*chosen, below=shape[axis]))


def test_rows_of_a_repeated_axis_meet_in_order() -> None:
    g = tensor(50, 8)
    assert is_compiled(TakeAlongAxisAdjoint(1, (1, 4)), g, indices(50, 8, below=4))


@pytest.mark.parametrize("dtype", ["int8", "int32", "uint8", "uint64"])
def test_indices_of_every_integer_dtype_choose(dtype: str) -> None:
    places = cnp.asarray(np.array([3, 0, 3, 2], dtype))
    assert is_compiled(AdvancedIndexAdjoint((ARRAY, ALL), (4, 5)), tensor(4, 5), places)


def test_the_bits_do_not_depend_on_the_number_of_threads() -> None:
    g, places = tensor(3000, 300), indices(3000, below=50)
    result = apply(TakeAdjoint(0, "raise", (50, 300)), g, places)
    arrays = cnp.evaluate([g, places])
    models = [mosaic.compile(result, inputs=[g, places], num_threads=count) for count in (1, 2, 5)]
    assert max(kernel.num_tasks for kernel in models[0].kernels) > 1
    alone = models[0](*arrays)
    for model in models[1:]:
        np.testing.assert_array_equal(model(*arrays), alone, strict=True)
    # numpy sums the sorted rows of an index in pairs, C in their order.
    np.testing.assert_allclose(alone, cnp.evaluate(result), rtol=1e-5, atol=1e-4, strict=True)


def test_an_index_out_of_bounds_raises_and_writes_nowhere() -> None:
    g, places = tensor(3, 5), cnp.asarray(np.array([0, 1, 2]))
    model = mosaic.compile(apply(AdvancedIndexAdjoint((ARRAY, ALL), (4, 5)), g, places), inputs=[g, places])
    with pytest.raises(OutOfBoundsError, match="index is out of bounds"):
        model(np.ones((3, 5), np.float32), np.array([0, 4, 2]))


def test_truth_values_are_added_by_numpy() -> None:
    g, places = tensor(6, dtype="bool"), indices(6, below=3)
    assert not is_compiled(AdvancedIndexAdjoint((ARRAY,), (3,)), g, places)


def test_what_comes_before_and_after_a_scatter_is_right() -> None:
    g, places = tensor(6, 20), indices(6, below=4)
    sums = apply(AdvancedIndexAdjoint((ARRAY, ALL), (4, 20)), cnp.tanh(g) * 2, places)
    again = apply(AdvancedIndexAdjoint((ARRAY, ALL), (4, 20)), cnp.exp(g), places)
    check(sums, cnp.exp(sums) + again, cnp.sum(sums, axis=1), sums @ cnp.transpose(again))


def test_the_gradient_of_an_embedding_needs_no_numpy() -> None:
    table, tokens, weight = tensor(40, 24), indices(3, 10, below=40), tensor(24, 8)
    loss = cnp.sum(cnp.tanh(table[tokens] @ weight))
    gradients = chain_rule({loss: loss}, [table, weight])
    check(*gradients)
    assert "numpy" not in mosaic.compile(gradients, inputs=[table, tokens, weight]).explain()
