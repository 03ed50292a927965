"""Every elementwise function, reduction, loss, norm and pool at NaN, infinities, zeros, large and tiny numbers: as torch's."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

import composit as cnp
import flashlight
from composit.nn import chain_rule
from tests.flashlight.operations.singular_numbers import ALLOWED, CASES, difference

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def test_values_and_gradients_at_singular_numbers_are_torchs() -> None:
    said = {name: difference(*case) for name, case in CASES.items() if name not in ALLOWED}
    assert {name: what for name, what in said.items() if what} == {}
    assert len(CASES) > 280


def test_the_cases_that_may_differ_exist() -> None:
    assert set(ALLOWED) <= set(CASES)


def test_one_infinite_degree_leaves_the_other_polynomials() -> None:
    x, degrees = torch.tensor([2.0, 2.0, 2.0]), torch.tensor([2.0, float("inf"), 3.0])
    with flashlight.tracer.trace():
        values = torch.special.chebyshev_polynomial_t(x, degrees)
    assert cnp.evaluate(values).tolist() == values.tolist() == [7.0, 0.0, 26.0]


def test_a_bag_of_minus_infinities_takes_none_of_another_bag() -> None:
    table = torch.tensor([[5.0], [-torch.inf]])
    with flashlight.tracer.trace():
        bags = F.embedding_bag(torch.tensor([[0, 0], [1, 1]]), table, mode="max")
    assert cnp.evaluate(bags).tolist() == bags.tolist() == [[5.0], [-torch.inf]]


def test_the_gradient_of_a_log_of_a_sum_of_large_numbers_is_shared() -> None:
    x = torch.tensor([1e30], requires_grad=True)
    y = torch.tensor([1e30], requires_grad=True)
    with flashlight.tracer.trace():
        total = torch.logaddexp(x, y)
    gradients = cnp.evaluate(chain_rule({total: cnp.ones(1, dtype="float32")}, [x, y]))
    assert [each.tolist() for each in gradients] == [[0.5], [0.5]]
