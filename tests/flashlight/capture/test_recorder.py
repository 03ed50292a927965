"""What a trace records beside the operations of a model: draws, training, printing."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

import composit as cnp
import flashlight
from composit.guards import reads_of
from flashlight.tracer import trace


def test_random_draws_are_recorded_as_drawn() -> None:
    dropout = nn.Dropout(0.5).train()
    with trace():
        noise = torch.rand(4) + torch.randn(4) + torch.empty(4).uniform_() + torch.bernoulli(torch.full((4,), 0.5))
        dropped = dropout(torch.ones(100))
        permuted = torch.arange(10)[torch.randperm(10)]
    for output in (noise, dropped, permuted):
        np.testing.assert_allclose(cnp.evaluate(output), output.numpy(), rtol=1e-6)
        np.testing.assert_array_equal(cnp.evaluate(output), cnp.evaluate(output))


def test_torch_training_inside_a_trace_is_recorded_too() -> None:
    layer = nn.Linear(3, 2)
    x = torch.ones(5, 3)
    with trace():
        loss = nn.functional.gelu(layer(x)).square().mean()
        loss.backward()
    gradient = layer.weight.grad
    assert gradient is not None
    np.testing.assert_allclose(cnp.evaluate(gradient), gradient.numpy(), rtol=1e-5)


def test_printing_a_traced_tensor_steers_nothing(x: torch.Tensor) -> None:
    with trace() as recorder:
        y = x + 1
        before = recorder.num_operations
        text = f"{y!r} {y}"
        assert recorder.num_operations == before
    assert "tensor" in text
    assert not list(reads_of(flashlight.lazy_tensor(x).node))
