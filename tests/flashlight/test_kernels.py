"""Kernels on torch tensors: values, autograd twice, modules, torch.compile, and capture as one node."""

import numpy as np
import pytest
import torch

import composit.numpy as cnp
import flashlight
from composit.errors import OperandError
from composit.kernels import register


@register
def relu3(x: float) -> float:
    if x < 0.0:
        return 0.0
    if x < 1.0:
        return x**3 / 3.0
    return x - 2.0 / 3.0


@register
def decayed(x: float, rate: float, n: int) -> tuple[float, int]:
    for _ in range(n):
        x = x * rate
    return x, n + 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients_are_those_of_torch(dtype: torch.dtype) -> None:
    x = torch.linspace(-1, 2, 31, dtype=dtype, requires_grad=True)
    y = relu3(x)
    expected = torch.where(x < 0, 0 * x, torch.where(x < 1, x**3 / 3, x - 2 / 3))
    torch.testing.assert_close(y, expected)
    for function in (relu3, relu3.nnModule, relu3.nn_module(x), relu3.autogradFunction.apply):
        (gradient,) = torch.autograd.grad(function(x).sum(), x)
        torch.testing.assert_close(gradient, torch.autograd.grad(expected.sum(), x, retain_graph=True)[0])


def test_double_backward_is_that_of_finite_differences() -> None:
    x = torch.tensor([-0.5, 0.3, 0.7, 1.5], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(relu3, (x,))


def test_operands_broadcast_and_numbers_are_weak() -> None:
    x, rate = torch.ones(2, 1, requires_grad=True), torch.full((3,), 0.5, requires_grad=True)
    value, count = decayed(x, rate, torch.tensor([1, 2, 3]))
    assert (value.shape, value.dtype, count.dtype) == ((2, 3), torch.float32, torch.int64)
    value.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, torch.full((2, 1), 0.875))
    assert decayed(x, 0.5, 2)[0].dtype == torch.float32
    with pytest.raises(OperandError, match="was given beside torch tensors"):
        decayed(x, "text", 2)


def test_a_network_trains_with_a_kernel_in_it() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(4, 16), torch.nn.BatchNorm1d(16), relu3.nnModule, torch.nn.Dropout(0.1), torch.nn.Linear(16, 1)
    )
    x = torch.randn(64, 4)
    target = x[:, :1] * x[:, 1:2]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


def test_torch_compile_takes_a_module_with_a_kernel() -> None:
    compiled = torch.compile(torch.nn.Sequential(torch.nn.Identity(), relu3.nnModule), backend="eager", fullgraph=False)
    x = torch.linspace(-1, 2, 7)
    torch.testing.assert_close(compiled(x), relu3(x))


def test_a_trace_captures_a_kernel_as_one_node() -> None:
    x = torch.linspace(-1, 2, 7)
    with flashlight.tracer.trace():
        y = relu3(x) + 1
    lazy = flashlight.lazy_tensor(y)
    assert "relu3" in [node.operation.name for node in lazy.graph]
    np.testing.assert_allclose(cnp.evaluate(y), relu3(x).numpy() + 1, rtol=1e-6)
