"""What autograd does not follow, or follows in a way of its own, has the same derivative in the graph."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import LinearCrossEntropyOptions, functional
from torch.utils.checkpoint import checkpoint

import composit
import flashlight
import mosaic
from composit.errors import UnsupportedOperationError
from composit.nn import chain_rule

Function = torch.autograd.Function


class _Rounded(Function):
    """Rounding with the derivative of the identity."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        """Round."""
        return x.round()

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> torch.Tensor:
        """Pass the gradient on."""
        return g


class _Reversed(Function):
    """The identity, whose gradient is multiplied by a number."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, factor: float) -> torch.Tensor:
        """Return another tensor on the same memory."""
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Multiply."""
        return ctx.factor * g, None


class _Written(Function):
    """The square, whose backward ends with a write."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        """Square, by a write."""
        ctx.save_for_backward(x)
        return x.clone().mul_(x)

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> torch.Tensor:
        """Multiply by 2 x, doubled by a write."""
        (x,) = ctx.saved_tensors
        return (g * x).mul_(2)


class _Polar(Function):
    """Two results of two operands, one of which is saved as well, with a third result that has no derivative."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return length, product and sign."""
        length = (x * x + y * y).sqrt()
        sign = x.sign()
        ctx.save_for_backward(x, y, length)
        ctx.mark_non_differentiable(sign)
        return length, x * y, sign

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor, h: torch.Tensor, _: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a derivative that is twice the true one."""
        x, y, length = ctx.saved_tensors
        return 2 * (g * x / length + h * y), 2 * (g * y / length + h * x)


class _Modern(Function):
    """A function that separates its context from what it computes."""

    @staticmethod
    def forward(x: torch.Tensor) -> torch.Tensor:
        """Return the square."""
        return x * x

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        """Save the operand."""
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> torch.Tensor:
        """Return three times the true derivative."""
        (x,) = ctx.saved_tensors
        return 6 * x * g


def _without_gradient(x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        k = torch.cat([x, x]).exp()[:3]
    return k * x


def _written(x: torch.Tensor) -> torch.Tensor:
    y = x * 2
    z = y.detach()
    with torch.no_grad():
        y.mul_(x)
    return y * z


def _gradient_of_another(x: torch.Tensor) -> torch.Tensor:
    y = x.detach().requires_grad_()
    (y * y).sum().backward()
    assert y.grad is not None
    return y.grad * x


def _polar(x: torch.Tensor) -> torch.Tensor:
    length, product, sign = _Polar.apply(x, x + 1)
    return length * product + sign * x


def _alone(x: torch.Tensor) -> torch.Tensor:
    _, product, _ = _Polar.apply(x, (2 * x).exp())
    return product * x


def _without(x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        y = _Rounded.apply(3 * x)
    return y * x


def _chunked_loss(x: torch.Tensor) -> torch.Tensor:
    # A custom operation of torch, whose backward adds to the weight's gradient in place.
    options = LinearCrossEntropyOptions(batch_chunk_size=2)
    weight, target = torch.stack([x, x * x, x.sin(), -x]), torch.tensor([2, 1, 3])
    inputs = x[:, None] * torch.tensor([[0.5, -1.0, 2.0]])
    return functional.linear_cross_entropy(inputs, weight, target, reduction="none", options=options) * x


PROGRAMS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "detach": lambda x: x.detach() * x,
    "detach of a result": lambda x: (x * x).detach() * x,
    "data": lambda x: x.data * x,
    "no_grad": _without_gradient,
    "a write that autograd does not see": _written,
    "a gradient of other leaves": _gradient_of_another,
    "rounding": lambda x: _Rounded.apply(3 * x) * x,
    "reversed gradients": lambda x: _Reversed.apply(x, -0.5) * _Reversed.apply(x, 2.0),
    "several results": _polar,
    "one of several results": _alone,
    "writes of a function": lambda x: _Written.apply(x) * x,
    "a write before a function": lambda x: _Written.apply((2 * x).add_(1)) * x,
    "writes before and after functions": lambda x: _Written.apply(_Written.apply(x).mul_(x)).add_(x),
    "a loss in chunks": _chunked_loss,
    "context apart": lambda x: _Modern.apply(x.sin()) + x,
    "one in another": lambda x: _Rounded.apply(_Modern.apply(_Reversed.apply(x, 3.0))) * x,
    "a function under no_grad": _without,
    "a checkpoint": lambda x: checkpoint(torch.sin, x * x, use_reentrant=False) * x,
    "an old checkpoint": lambda x: checkpoint(torch.sin, x * x, use_reentrant=True) * x,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_derivatives_are_those_of_autograd_also_on_new_values_and_in_c(name: str) -> None:
    x = torch.tensor([0.3, -1.2, 2.1], requires_grad=True)
    with flashlight.tracer.trace():
        loss = (PROGRAMS[name](x) ** 2).sum()
    (gradient,) = chain_rule({loss: loss}, [x])
    loss.backward()
    np.testing.assert_allclose(composit.evaluate(gradient), x.grad, rtol=1e-5)
    new = torch.tensor([0.7, 1.4, -0.6], requires_grad=True)
    (PROGRAMS[name](new) ** 2).sum().backward()
    np.testing.assert_allclose(composit.evaluate(gradient, inputs={x: new.detach().numpy()}), new.grad, rtol=1e-5)
    np.testing.assert_allclose(mosaic.compile(gradient, inputs=[x])(new.detach().numpy()), new.grad, rtol=1e-5)


@pytest.mark.parametrize("name", ["detach", "rounding", "several results", "reversed gradients", "one in another"])
def test_a_module_of_the_graph_has_these_derivatives(name: str) -> None:
    x = torch.tensor([0.3, -1.2, 2.1], requires_grad=True)
    with flashlight.tracer.trace():
        y = PROGRAMS[name](x)
    module = flashlight.to_module(y, [x], backend="numpy")
    new, other = (torch.tensor([0.7, 1.4, -0.6], requires_grad=True) for _ in range(2))
    module(new).square().sum().backward()
    PROGRAMS[name](other).square().sum().backward()
    torch.testing.assert_close(new.grad, other.grad)


def test_a_trace_without_autograd_can_be_differentiated_as_before() -> None:
    x = torch.tensor([0.3, -1.2])
    with torch.no_grad(), flashlight.tracer.trace():
        y = (x.exp() * x).sum()
    (gradient,) = chain_rule({y: y}, [x])
    np.testing.assert_allclose(composit.evaluate(gradient), ((1 + x) * x.exp()).numpy(), rtol=1e-6)


def test_torchs_function_is_put_back_as_it_was() -> None:
    before = vars(Function)["apply"]
    with flashlight.tracer.trace():
        assert vars(Function)["apply"] is not before
    assert vars(Function)["apply"] is before
    x = torch.ones(2, requires_grad=True)
    _Reversed.apply(x, 4.0).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [4.0, 4.0]


def test_a_pickled_graph_has_the_values_and_says_what_it_lacks() -> None:
    x = torch.tensor([0.3, 1.2], requires_grad=True)
    with flashlight.tracer.trace():
        y = _Rounded.apply(3 * x)
    module = pickle.loads(pickle.dumps(flashlight.to_module(y, [x], backend="numpy")))
    assert module(torch.tensor([1.0, 0.5])).tolist() == [3.0, 2.0]
    with pytest.raises(UnsupportedOperationError, match="_Rounded of torch.autograd .* copied by pickle"):
        module(torch.ones(2, requires_grad=True)).sum().backward()
