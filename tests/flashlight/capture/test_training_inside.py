"""A step of training inside a trace, of a model, gradients and an optimizer's state from before: all that it writes follows new inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import composit as cnp
from flashlight.tracer import trace

OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, 0.1, momentum=0.9),
    "adam": lambda parameters: torch.optim.Adam(parameters, 0.05),
    "foreach": lambda parameters: torch.optim.Adam(parameters, 0.05, foreach=True, amsgrad=True),
    "fused": lambda parameters: torch.optim.AdamW(parameters, 0.05, fused=True),
    "rmsprop": lambda parameters: torch.optim.RMSprop(parameters, 0.05),
}


FUSED: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, 0.1, momentum=0.9, fused=True),
    "adam": lambda parameters: torch.optim.Adam(parameters, 0.05, amsgrad=True, fused=True),
    "adagrad": lambda parameters: torch.optim.Adagrad(parameters, 0.05, fused=True),
    "plain": lambda parameters: torch.optim.SGD(parameters, 0.1),
}


class Training:
    """A model with its optimizer, after one step."""

    def __init__(self, optimizer: str) -> None:
        torch.manual_seed(0)
        # A bias before the norm would have gradients that are rounding alone, which Adam would make large.
        layers = (nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2))
        self.model = nn.Sequential(*layers).train()
        self.optimizer = OPTIMIZERS[optimizer](self.model.parameters())
        self.step(torch.randn(6, 3))

    def step(self, x: torch.Tensor) -> torch.Tensor:
        self.optimizer.zero_grad(set_to_none=False)
        loss = self.model(x).square().mean()
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def tensors(self) -> dict[str, torch.Tensor]:
        found = dict(self.model.state_dict(keep_vars=True))
        found |= {f"{name}.grad": parameter.grad for name, parameter in self.model.named_parameters()}
        for number, state in enumerate(self.optimizer.state.values()):
            found |= {f"{number}.{name}": value for name, value in state.items() if isinstance(value, torch.Tensor)}
        return found


@pytest.mark.parametrize("backend", ["numpy", "mosaic"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_parameters_gradients_statistics_and_state_follow_new_inputs(optimizer: str, backend: str) -> None:
    x, new = (torch.randn(6, 3, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
    training, other = Training(optimizer), Training(optimizer)
    with trace():
        loss = training.step(x)
    outputs, expected = training.tensors() | {"loss": loss}, {"loss": other.step(new)} | other.tensors()
    values = cnp.evaluate(outputs, inputs={x: new.numpy()}, backend=backend)
    assert len(values) > 15
    for name, value in values.items():
        np.testing.assert_allclose(value, expected[name].detach().numpy(), rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("is_finite", [True, False])
@pytest.mark.parametrize("optimizer", FUSED)
def test_scaled_losses_skip_a_step_whose_gradients_are_not_finite(optimizer: str, is_finite: bool) -> None:
    def steps(x: torch.Tensor) -> dict[str, Any]:
        weight = nn.Parameter(torch.full((3,), 0.5))
        scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
        chosen = FUSED[optimizer]([weight])
        for factor in (1.0, 1.0 if is_finite else float("inf"), 2.0):
            chosen.zero_grad()
            scaler.scale((x @ weight * factor).square().sum()).backward()  # type: ignore[no-untyped-call]
            scaler.step(chosen)
            scaler.update()
        return {"weight": weight.detach(), "scale": scaler._scale, "tracker": scaler._growth_tracker}

    x, other = torch.arange(6.0).reshape(2, 3) / 6, torch.ones(2, 3)
    with trace():
        found = steps(x)
    for given in (x, other):
        values = cnp.evaluate(found, inputs={x: given.numpy()})
        for name, wanted in steps(given).items():
            assert wanted is not None
            np.testing.assert_allclose(values[name], wanted.numpy(), rtol=1e-5, err_msg=name)
