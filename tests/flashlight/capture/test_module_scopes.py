"""Names of parameters and scopes of modules."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch
from torch import nn

import composit as cnp
import flashlight
from flashlight.tracer import trace
from tests.flashlight.classifier import Classifier


def test_parameters_are_inputs_under_their_names_and_modules_are_scopes(model: Classifier, x: torch.Tensor) -> None:
    with trace():
        output = model(x)
    nodes = list(flashlight.lazy_tensor(output).graph)
    names = {node.name for node in nodes if not node.operands}
    assert {"body.0.weight", "body.0.bias", "body.2.weight", "body.2.bias", "offset"} <= names
    assert {node.scope for node in nodes if node.operands} == {"body.0", "body.1", "body.2", ""}


def test_a_module_that_fails_inside_another_leaves_the_scope_right(x: torch.Tensor) -> None:
    class Careful(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            try:
                return self.inner(x)
            except RuntimeError:
                return x.exp()

    with trace():
        output = Careful()(x)
    assert flashlight.lazy_tensor(output).node.scope == ""


def test_a_parameter_keeps_its_name_when_its_first_graph_is_gone(model: Classifier, x: torch.Tensor) -> None:
    with trace():
        model(x)
    gc.collect()
    with trace():
        output = model(x)
    names = {node.name for node in flashlight.lazy_tensor(output).graph}
    assert {"x", "body.0.weight", "body.2.bias", "offset"} <= names


# torch says so of all scripted modules; what people have has to be captured all the same.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_arguments_of_scripted_modules_keep_their_names() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(3, 3)

        def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None, scale: float = 1.0) -> torch.Tensor:
            y = self.inner(x) * scale
            return y if mask is None else y * mask

    scripted = torch.jit.script(Scaled())
    x, mask = torch.randn(2, 3), torch.ones(3)
    with torch.no_grad(), trace():
        output = scripted(x, mask=mask)
    names = {node.name for node in flashlight.lazy_tensor(output).graph if not node.operands}
    assert {"x", "mask", "inner.weight", "inner.bias"} <= names
    new = torch.randn(2, 3)
    expected = scripted(new, mask=mask).detach().numpy()
    np.testing.assert_allclose(cnp.evaluate(output, inputs={"x": new}), expected, atol=1e-6)


def test_a_tensor_has_the_name_that_each_model_gives_it() -> None:
    class Words(nn.Module):
        def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
            return input_ids * 3

    x = torch.ones(3)
    with trace():
        first = nn.Sigmoid()(x)
    with trace():
        second = Words()(x)
    np.testing.assert_array_equal(cnp.evaluate(second, inputs={"input_ids": np.full(3, 2, np.float32)}), [6, 6, 6])
    np.testing.assert_array_equal(cnp.evaluate(first, inputs={"input": np.zeros(3, np.float32)}), [0.5, 0.5, 0.5])
    for output, expected in ((first, 0.5), (second, 0)):
        np.testing.assert_array_equal(cnp.evaluate(output, inputs={x: np.zeros(3, np.float32)}), [expected] * 3)
