"""Distances and angles against torch's, with their derivatives at 0."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import composit as cnp
from composit.errors import ParameterError, ShapeError
from composit.nn import chain_rule, operations
from tests.composit.nn.rows import Row, check_derivatives, check_in_c, check_values, identifier
from tests.operations.sample import given, normal

ROWS = [
    Row("cosine_similarity", operations.cosine_similarity, F.cosine_similarity, (normal(3, 4), normal(3, 4))),
    Row(
        "cosine_similarity of broadcast operands",
        partial(operations.cosine_similarity, axis=-2),
        partial(F.cosine_similarity, dim=-2),
        (normal(3, 4, 1), normal(4, 5)),
    ),
    Row(
        "cosine_similarity of zeros",
        operations.cosine_similarity,
        F.cosine_similarity,
        (given(np.array([[0.0, 0.0], [1.0, 0.0]])), normal(2, 2)),
        differentiated=0,
    ),
    *(
        Row(
            f"pairwise_distance of order {order}",
            partial(operations.pairwise_distance, order=order, keepdims=order == 2),
            partial(F.pairwise_distance, p=order, keepdim=order == 2),
            (normal(3, 4), normal(3, 4)),
            smooth=order in (2.0, 3.0),
        )
        for order in (1.0, 2.0, 3.0, np.inf)
    ),
    *(
        Row(
            f"cdist of order {order}",
            partial(operations.cdist, order=order),
            partial(torch.cdist, p=order),
            (normal(2, 3, 4), normal(2, 5, 4)),
            smooth=False,
        )
        for order in (0.0, 1.0, 2.0, 2.5, np.inf)
    ),
    Row("cdist of many rows", operations.cdist, torch.cdist, (normal(30, 4), normal(3, 4)), smooth=False),
    Row("cdist of no rows", operations.cdist, torch.cdist, (normal(0, 4), normal(3, 4)), smooth=False),
    Row("pdist", operations.pdist, F.pdist, (normal(5, 3),), smooth=False),
    Row("normalize", operations.normalize, F.normalize, (normal(3, 4),)),
    Row(
        "normalize of order 1",
        partial(operations.normalize, order=1, axis=-1),
        partial(F.normalize, p=1, dim=-1),
        (normal(2, 3, 4),),
        smooth=False,
    ),
    Row("normalize of zeros", operations.normalize, F.normalize, (given(np.zeros((2, 3))),), smooth=False),
]
every_row = pytest.mark.parametrize("row", ROWS, ids=identifier)


@every_row
def test_values_are_torchs(row: Row) -> None:
    check_values(row)


@every_row
def test_derivatives_are_torchs(row: Row) -> None:
    check_derivatives(row)


def test_all_is_computed_in_c() -> None:
    check_in_c(ROWS)


@pytest.mark.parametrize("order", [0.0, 1.0, 2.0, 3.0, np.inf])
def test_the_derivative_of_a_distance_of_0_is_finite(order: float) -> None:
    x = cnp.asarray(np.ones((2, 3)))
    distances = operations.cdist(x, cnp.asarray(np.ones((2, 3))), order=order)
    gradient = cnp.evaluate(*chain_rule({distances: distances}, [x], unreached="zeros"))
    assert np.isfinite(gradient).all()


def test_wrong_calls_say_what_to_do() -> None:
    with pytest.raises(ShapeError, match=r"cdist: x and y have shapes \(3,\) and \(3,\); expected \(..., p, n\)"):
        operations.cdist(np.ones(3), np.ones(3))
    with pytest.raises(ParameterError, match="cdist: a norm of order nan was asked for; expected a number"):
        operations.cdist(np.ones((2, 3)), np.ones((2, 3)), order=np.nan)
    with pytest.raises(ShapeError, match=r"pdist: x has shape \(3,\); expected a matrix"):
        operations.pdist(np.ones(3))
    with pytest.raises(ShapeError, match=r"pairwise_distance: x and y have shape \(\)"):
        operations.pairwise_distance(1.0, 2.0)
