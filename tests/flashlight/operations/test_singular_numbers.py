"""Every elementwise function, reduction, loss, norm and pool at NaN, infinities, zeros, large and tiny numbers: as torch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import composit as cnp
import composit.numpy as numpy
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


def test_the_target_of_a_cross_entropy_is_in_the_derivative_of_its_gradient() -> None:
    x, target = (torch.tensor(values, dtype=torch.float64, requires_grad=True) for values in ([0.2, 0.7], [0.9, 0.4]))
    with flashlight.tracer.trace():
        loss = torch.nn.functional.binary_cross_entropy(x, target, reduction="sum")
    (by_x,) = torch.autograd.grad(loss, [x], create_graph=True)
    expected = torch.autograd.grad(by_x.sum(), [x, target])
    total = numpy.sum(*chain_rule({loss: loss}, [x]))
    for ours, torchs in zip(chain_rule({total: total}, [x, target]), expected, strict=True):
        np.testing.assert_allclose(cnp.evaluate(ours), torchs.numpy(), rtol=1e-9)
