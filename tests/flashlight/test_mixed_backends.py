"""torch models on several backends by module path: evaluate, capture, to_module, training_step, compare, report, torch.compile."""

from __future__ import annotations

import pickle
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch

import composit as cnp
import flashlight
from composit.errors import ParameterError
from tests.flashlight.classifier import Classifier

BY_MODULE = {"body.0": "mosaic", "body.*": "torch", "*": "numpy"}


def traced(model: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad(), flashlight.tracer.trace():
        output: torch.Tensor = model(x)
    return output


def test_a_model_runs_by_module_path(model: Classifier, x: torch.Tensor) -> None:
    output = traced(model, x)
    np.testing.assert_allclose(cnp.evaluate(output, backend=BY_MODULE), output.numpy(), rtol=1e-5, atol=1e-6)
    plan = cnp.explain(output, backend=BY_MODULE)
    assert [(each.backend, each.scopes) for each in plan.regions] == [
        ("mosaic", ("body.0",)),
        ("torch", ("body.1", "body.2")),
        ("numpy", ()),
    ]
    assert [each.name for each in plan.crossings] == ["body.0/add", "body.2/add"]
    with pytest.raises(ParameterError, match=r"did you mean 'body\.2'"):
        cnp.evaluate(output, backend={"bodie.2": "torch"})


def test_tensors_of_torch_and_classes_of_modules_are_keys(x: torch.Tensor) -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten())
    network.append(torch.nn.Linear(18, 2))
    image = torch.linspace(-1, 1, 64).reshape(1, 1, 8, 8)
    with torch.no_grad(), flashlight.tracer.trace():
        hidden = network[0](image)
        output = network[1:](hidden)
    for mapping in ({"Conv2d": "torch", "MaxPool2d": "mosaic", "Linear": "torch"}, {hidden: "torch", "*": "mosaic"}):
        np.testing.assert_allclose(cnp.evaluate(output, backend=mapping), output.numpy(), rtol=1e-5, atol=1e-6)
        assert {"torch", "mosaic"} <= {each.backend for each in cnp.explain(output, backend=mapping).regions}


def test_compare_and_report_take_a_mapping(model: Classifier, x: torch.Tensor) -> None:
    with torch.no_grad(), flashlight.tracer.trace(run_torch=True):
        output = model(x)
    assert flashlight.compare(output, backend=BY_MODULE)
    found = flashlight.report(output, backend=BY_MODULE).without_code
    assert {each.reason for each in found} == {"torch runs it", "numpy runs it"}
    assert {each.scope for each in found} == {"body.1", "body.2", ""}


def test_a_module_of_a_graph_trains_copies_and_pickles(model: Classifier, x: torch.Tensor) -> None:
    output = traced(model, x)
    module = flashlight.to_module(output, ["x"], backend=BY_MODULE)
    for each in (module, deepcopy(module), pickle.loads(pickle.dumps(module))):
        result = each(x)
        torch.testing.assert_close(result, output)
        result.sum().backward()
    model(x).sum().backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(module.get_parameter(name).grad, parameter.grad)
    with pytest.raises(ParameterError, match="'boddy' matches nothing"):
        flashlight.to_module(output, ["x"], backend={"boddy": "torch"})
    with pytest.raises(ParameterError, match="built anew.*with_name"):
        flashlight.to_module(output, ["x"], backend={output: "torch"})


def test_a_training_step_runs_by_module_path(x: torch.Tensor) -> None:
    losses = []
    for backend in ("numpy", BY_MODULE):
        model = Classifier()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        step = flashlight.training_step(model, torch.nn.functional.mse_loss, optimizer, backend=backend)
        losses.append([float(step(x, torch.ones(2, 3))) for _ in range(4)])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    assert losses[0][-1] < losses[0][0]
    model = Classifier()
    step = flashlight.training_step(
        model, torch.nn.functional.mse_loss, torch.optim.SGD(model.parameters(), lr=0.1), backend={"boddy": "torch"}
    )
    with pytest.raises(ParameterError, match="'boddy' matches nothing"):
        step(x, torch.ones(2, 3))


def test_a_captured_function_takes_other_paths_without_what_a_key_selects(model: Classifier, x: torch.Tensor) -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        return model(x) if x.sum() > -1 else x * 2

    forward = flashlight.capture(function, backend={"body": "mosaic"})
    with torch.no_grad():
        for factor in (1.0, 2.0, -50.0, -60.0):
            given = x + factor
            expected = model(given) if given.sum() > -1 else given * 2
            torch.testing.assert_close(forward(given), expected)
    assert forward.evaluations >= 2
    with torch.no_grad(), pytest.raises(ParameterError, match="matches nothing"):
        flashlight.capture(model, backend={"boddy": "torch"})(x)


def test_torch_compile_takes_a_mapping(model: Classifier, x: torch.Tensor) -> None:
    compiled: Any = torch.compile(model, backend="composit", options={"backend": {"gelu": "torch", "*": "mosaic"}})
    torch.testing.assert_close(compiled(x), model(x))
    compiled(x).sum().backward()
    assert all(each.grad is not None for each in model.parameters())
