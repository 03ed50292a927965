"""Operations that users define, functions that operations take, and numbers that Python reads from torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import composit as cnp
import mosaic
from composit.errors import GuardError
from flashlight.tracer import trace

Tensor = torch.Tensor


@torch.library.custom_op("composit_tests::scaled_sine", mutates_args=())
def scaled_sine(x: Tensor, factor: float) -> Tensor:
    return x.sin() * factor


@torch.library.custom_op("composit_tests::double", mutates_args=("x",))
def double(x: Tensor) -> None:
    x.mul_(2)


def test_an_operation_of_a_users_function_is_captured_through_it() -> None:
    x = torch.tensor([1.0, 2.0])
    with trace():
        y = scaled_sine(x, 2.0) + 1
        z = x * 1
        double(z)
        total = z + y
    new = np.array([0.5, 3.0], dtype=np.float32)
    np.testing.assert_allclose(cnp.evaluate(total), total.numpy(), rtol=1e-6)
    np.testing.assert_allclose(cnp.evaluate(total, inputs={x: new}), 2 * new + 2 * np.sin(new) + 1, rtol=1e-6)


def test_the_branch_of_cond_is_guarded() -> None:
    x = torch.tensor([1.0, 2.0])
    with trace():
        y = torch.cond(x.sum() > 0, lambda y: y * 2, lambda y: y * 3, (x,))
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={x: np.array([5, -1], np.float32)}), [10, -2])
    with pytest.raises(GuardError, match="torch.cond"):
        cnp.evaluate(y, inputs={x: np.array([-5, 1], np.float32)})


def test_scans_and_loops_of_torch_are_captured() -> None:
    from torch._higher_order_ops import scan, while_loop  # type: ignore[attr-defined]

    x = torch.arange(6.0).reshape(3, 2)
    with trace():
        last, every = scan(lambda carry, row: (carry + row, carry * row), torch.zeros(2), x)
        (turned,) = while_loop(lambda y: y.sum() < 100, lambda y: (y * 2,), (x,))
    for result in (last, every, turned):
        np.testing.assert_allclose(cnp.evaluate(result), result.numpy(), rtol=1e-6)


def test_numbers_that_torch_computed_may_differ_in_their_last_digits() -> None:
    x = torch.linspace(-1, 1, 1200).reshape(3, 400)
    with trace():
        y = x * x.exp().sum().item()
    model = mosaic.compile(y, inputs=[x])
    np.testing.assert_allclose(model(x.numpy()), y.numpy(), rtol=1e-5)
    with pytest.raises(GuardError, match="item read"):
        model(x.numpy() * 1.01)
