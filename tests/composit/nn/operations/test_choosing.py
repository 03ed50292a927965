"""Embeddings, gathering, scattering and products against torch's, with derivatives, ties, padding and C."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import composit as cnp
from composit.errors import DtypeError, OutOfBoundsError, ParameterError, ShapeError
from composit.nn import chain_rule, operations
from tests.composit.nn.rows import Row, check_derivatives, check_in_c, check_values, identifier
from tests.operations.sample import Maker, given, integers, normal

Tensor = Any


def _torch_bag(mode: str, *operands: Tensor, **named: Any) -> Tensor:
    return F.embedding_bag(operands[0], operands[1], *operands[2:], mode=mode, **named)


def _torch_rotary(x: Tensor, interleaved: bool = False, positions: Tensor = None, base: float = 1e4) -> Tensor:
    pairs = x.shape[-1] // 2
    places = torch.arange(x.shape[-2]) if positions is None else positions
    angles = places.double()[..., None] * base ** (-torch.arange(pairs).double() / pairs)
    turn = torch.polar(torch.ones_like(angles), angles)
    given = x.double().unflatten(-1, (-1, 2)) if interleaved else torch.stack(x.double().chunk(2, -1), -1)
    turned = torch.view_as_real(torch.view_as_complex(given.contiguous()) * turn)
    result = turned.flatten(-2) if interleaved else torch.cat([turned[..., 0], turned[..., 1]], -1)
    return result.to(x.dtype)


def _scattered(x: Tensor, indices: Tensor, source: Tensor, axis: int) -> Tensor:
    # Only as much as there are indices: torch has no derivative by a longer source.
    return x.scatter(axis, indices, source[tuple(map(slice, indices.shape))])


PLACES = given(np.array([[0, 3, 3], [1, 0, 2]]))
DISTINCT: Maker = given(np.array([[2, 0], [1, 3], [0, 2]]))
POSITIONS = np.array([3, 0, 7])
ROWS = [
    Row("embedding", operations.embedding, F.embedding, (PLACES, normal(4, 5))),
    Row("embedding of one index", operations.embedding, F.embedding, (given(np.array(2)), normal(4, 5))),
    Row("embedding of no index", operations.embedding, F.embedding, (given(np.zeros((0, 2), int)), normal(4, 5))),
    Row("embedding of many indices", operations.embedding, F.embedding, (integers(0, 7, 50, 2), normal(7, 6))),
    Row(
        "embedding padding_index",
        partial(operations.embedding, padding_index=3),
        partial(F.embedding, padding_idx=3),
        (PLACES, normal(4, 5)),
    ),
    Row(
        "embedding largest_norm",
        partial(operations.embedding, largest_norm=0.5),
        lambda indices, weight: F.embedding(indices, weight.detach().clone(), max_norm=0.5),
        (PLACES, normal(4, 5)),
        differentiated=0,
    ),
    *(
        Row(
            f"embedding_bag {mode} {form}",
            partial(operations.embedding_bag, mode=mode, padding_index=2),
            partial(_torch_bag, mode, padding_idx=2),
            makers,
            smooth=False,
        )
        for mode in ("mean", "sum", "max")
        for form, makers in (
            ("of rows", (PLACES, normal(4, 5))),
            ("of offsets", (given(np.array([0, 2, 1, 3, 2])), normal(4, 5), given(np.array([0, 2, 2, 4])))),
        )
    ),
    Row(
        "embedding_bag of weights",
        lambda i, w, f: operations.embedding_bag(i, w, mode="sum", weights_of_indices=f),
        lambda i, w, f: F.embedding_bag(i, w, mode="sum", per_sample_weights=f),
        (PLACES, normal(4, 5), normal(2, 3)),
        smooth=False,
    ),
    Row(
        "embedding_bag of a last offset",
        partial(operations.embedding_bag, includes_last_offset=True),
        partial(F.embedding_bag, include_last_offset=True),
        (given(np.array([0, 2, 1])), normal(4, 5), given(np.array([0, 2, 3]))),
        smooth=False,
    ),
    Row("one_hot", partial(operations.one_hot, num_classes=5), partial(F.one_hot, num_classes=5), (PLACES,)),
    Row("gather", partial(operations.gather, axis=1), lambda x, i: torch.gather(x, 1, i), (normal(2, 4), PLACES)),
    Row(
        "gather of fewer",
        partial(operations.gather, axis=-1),
        lambda x, i: torch.gather(x, -1, i),
        (normal(3, 4), given(np.array([[3, 3, 0, 1, 2]]))),
    ),
    Row(
        "scatter_add",
        partial(operations.scatter_add, axis=1),
        lambda x, i, s: x.scatter_add(1, i, s),
        (normal(2, 4), PLACES, normal(2, 3)),
    ),
    Row(
        "scatter_add of fewer",
        partial(operations.scatter_add, axis=0),
        lambda x, i, s: x.scatter_add(0, i, s[:2, :2]),
        (normal(4, 3), given(np.array([[3, 3], [3, 0]])), normal(3, 3)),
    ),
    Row(
        "masked_fill",
        partial(operations.masked_fill, value=-2.0),
        lambda x, m: x.masked_fill(m, -2.0),
        (normal(3, 4), given(np.array([True, False, True, False]))),
    ),
    Row(
        "masked_fill of a tensor",
        operations.masked_fill,
        lambda x, m, v: x.masked_fill(m, v),
        (normal(3, 4), given(np.array([True, False, True, False])), given(np.array(1.5))),
    ),
    Row("rotary_embedding", operations.rotary_embedding, _torch_rotary, (normal(2, 3, 6),)),
    Row(
        "rotary_embedding interleaved",
        partial(operations.rotary_embedding, interleaved=True, base=100.0),
        partial(_torch_rotary, interleaved=True, base=100.0),
        (normal(2, 3, 6),),
    ),
    Row(
        "rotary_embedding of positions",
        partial(operations.rotary_embedding, positions=POSITIONS),
        partial(_torch_rotary, positions=torch.tensor(POSITIONS)),
        (normal(2, 3, 6),),
    ),
    Row("linear", operations.linear, F.linear, (normal(3, 4), normal(5, 4), normal(5))),
    Row("linear of three axes", operations.linear, F.linear, (normal(2, 3, 4), normal(5, 4))),
    Row("linear of a vector", operations.linear, F.linear, (normal(4), normal(5, 4), normal(5))),
    Row("linear of one output", operations.linear, F.linear, (normal(2, 3, 4), normal(4))),
    Row("linear of no rows", operations.linear, F.linear, (normal(0, 3, 4), normal(5, 4), normal(5))),
    Row("bilinear", operations.bilinear, F.bilinear, (normal(2, 3, 4), normal(2, 3, 5), normal(6, 4, 5), normal(6))),
    Row("bilinear of vectors", operations.bilinear, F.bilinear, (normal(4), normal(5), normal(6, 4, 5))),
]
# Writes at places that arrays choose, and sorting, have no C.
WITHOUT_C = [
    Row(
        "scatter",
        partial(operations.scatter, axis=1),
        partial(_scattered, axis=1),
        (normal(3, 4), DISTINCT, normal(3, 2)),
    ),
    Row(
        "scatter of fewer",
        partial(operations.scatter, axis=0),
        partial(_scattered, axis=0),
        (normal(4, 3), given(np.array([[3, 0], [1, 2]])), normal(3, 3)),
    ),
    Row(
        "scatter of a number",
        partial(operations.scatter, source=2.5, axis=1),
        lambda x, i: x.scatter(1, i, 2.5),
        (normal(3, 4), DISTINCT),
    ),
    Row("top_k", partial(operations.top_k, k=2), partial(torch.topk, k=2), (normal(3, 5),)),
    Row(
        "top_k of the smallest",
        partial(operations.top_k, k=3, axis=0, largest=False),
        partial(torch.topk, k=3, dim=0, largest=False),
        (normal(4, 5),),
    ),
    Row(
        "top_k of integers", partial(operations.top_k, k=3), partial(torch.topk, k=3), (given(np.array([3, 7, -1, 5])),)
    ),
    Row("top_k of none", partial(operations.top_k, k=0), partial(torch.topk, k=0), (normal(3, 5),)),
]
every_row = pytest.mark.parametrize("row", [*ROWS, *WITHOUT_C], ids=identifier)


@every_row
def test_values_are_torchs(row: Row) -> None:
    check_values(row)


@every_row
def test_derivatives_are_torchs(row: Row) -> None:
    check_derivatives(row)


def test_all_is_computed_in_c() -> None:
    check_in_c(ROWS)


def test_the_first_of_equal_elements_come_first_and_nan_is_the_largest() -> None:
    values, places = cnp.evaluate(operations.top_k(np.array([2.0, np.nan, 2.0, 3.0, 2.0]), 4))
    assert places.tolist() == [1, 3, 0, 2]
    assert np.isnan(values[0])


def test_one_hot_counts_the_classes_where_it_is_not_told() -> None:
    assert cnp.evaluate(operations.one_hot([0, 2])).tolist() == [[1, 0, 0], [0, 0, 1]]
    assert operations.one_hot([0, 2], 3, dtype=np.float32).dtype == np.float32


def test_offsets_may_be_computed() -> None:
    indices, weight, offsets = np.array([0, 2, 1, 3]), np.arange(8.0).reshape(4, 2), np.array([0, 1, 1])
    lazy = cnp.asarray(offsets - 1) + 1
    expected = F.embedding_bag(*map(torch.tensor, (indices, weight, offsets)), mode="mean").numpy()
    np.testing.assert_allclose(cnp.evaluate(operations.embedding_bag(indices, weight, lazy)), expected)


def test_many_rows_are_added_as_numpys_add_at_does() -> None:
    generator = np.random.default_rng(0)
    indices, rows = generator.integers(-9, 9, (40, 3)), generator.normal(size=(40, 3, 5))
    weight = cnp.asarray(np.zeros((9, 5)))
    taken = cnp.take(weight, indices, axis=0)
    (gradient,) = chain_rule({taken: cnp.asarray(rows)}, [weight])
    expected = np.zeros((9, 5))
    np.add.at(expected, indices, rows)
    np.testing.assert_allclose(cnp.evaluate(gradient), expected, rtol=1e-12)


def test_an_operand_of_scatter_stays_as_it_is() -> None:
    x = cnp.asarray(np.zeros(3))
    result = operations.scatter(x, [1], [5.0], 0)
    assert cnp.evaluate(x, result)[0].tolist() == [0, 0, 0]
    assert cnp.evaluate(result).tolist() == [0, 5, 0]


def test_wrong_calls_say_what_to_do() -> None:
    matrix = np.ones((3, 4))
    with pytest.raises(DtypeError, match="embedding: indices is .* expected integers"):
        operations.embedding(np.ones(3), matrix)
    with pytest.raises(OutOfBoundsError, match="index 3 is out of bounds for axis 0 with size 3"):
        operations.embedding([3], matrix)
    with pytest.raises(ParameterError, match="padding_index=3 was given for 3 rows"):
        operations.embedding([0], matrix, padding_index=3)
    with pytest.raises(ParameterError, match="weights_of_indices was given for mode='mean'"):
        operations.embedding_bag([[0]], matrix, weights_of_indices=[[1.0]])
    with pytest.raises(ShapeError, match=r"gather: indices have shape \(4, 1\) for x with shape \(3, 4\)"):
        operations.gather(matrix, np.zeros((4, 1), int), 1)
    with pytest.raises(ShapeError, match=r"scatter: source has shape \(1, 1\) for indices with shape \(3, 1\)"):
        operations.scatter(matrix, np.zeros((3, 1), int), np.ones((1, 1)), 1)
    with pytest.raises(DtypeError, match="masked_fill: mask is .* expected booleans"):
        operations.masked_fill(matrix, matrix, 0)
    with pytest.raises(ParameterError, match=r"top_k: k=5 was given for axis 1 of x with shape \(3, 4\)"):
        operations.top_k(matrix, 5)
    with pytest.raises(ShapeError, match=r"linear: x and weight have shapes \(3, 4\) and \(3, 5\)"):
        operations.linear(matrix, np.ones((3, 5)))
    with pytest.raises(ShapeError, match="bilinear: x, y and weight have shapes"):
        operations.bilinear(matrix, matrix, np.ones((2, 4, 5)))
    with pytest.raises(ShapeError, match=r"rotary_embedding: x has shape \(3, 5\); expected"):
        operations.rotary_embedding(np.ones((3, 5)))
