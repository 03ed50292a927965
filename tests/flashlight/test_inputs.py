"""Parameters as inputs of graphs: they share torch's memory, and a parameter that moved is noticed."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch

import composit as cnp
import flashlight
from composit.errors import StaleTensorError
from flashlight.tracer import trace
from tests.flashlight.classifier import Classifier


def test_parameters_are_shared_with_torch_and_not_copied(model: Classifier, x: torch.Tensor) -> None:
    with trace():
        output = model(x)
    arrays = [node.operation.read() for node in flashlight.lazy_tensor(output).graph if node.name == "body.0.weight"]
    assert len(arrays) == 1
    assert np.shares_memory(arrays[0], model.body[0].weight.detach().numpy())
    assert not arrays[0].flags.writeable


def test_a_parameter_has_its_input_again_in_a_later_trace(model: Classifier, x: torch.Tensor) -> None:
    with trace():
        first = model(x)
    with trace():
        second = model(x)
    inputs = [
        next(node.operation for node in flashlight.lazy_tensor(output).graph if node.name == "body.0.weight")
        for output in (first, second)
    ]
    assert inputs[0] is inputs[1]


def test_a_parameter_that_moved_is_an_error_when_the_graph_is_evaluated(model: Classifier, x: torch.Tensor) -> None:
    with trace():
        output = model(x)
    with torch.no_grad():
        model.body[0].weight.mul_(2)
    with pytest.raises(StaleTensorError, match="written to after it was traced"):
        cnp.evaluate(output)
    with trace():
        output = model(x)
    np.testing.assert_allclose(cnp.evaluate(output), model(x).detach().numpy(), rtol=1e-6)


def test_an_output_that_was_written_to_after_the_trace_is_an_error(x: torch.Tensor) -> None:
    with trace():
        y = x + 1
    y.add_(1)
    with pytest.raises(StaleTensorError, match="after its trace ended"):
        cnp.evaluate(y)


def test_replaced_parameter_data_is_noticed(model: Classifier, x: torch.Tensor) -> None:
    with trace():
        model(x)
    model.body[0].weight.data = torch.ones(8, 4)
    with trace():
        output = model(x)
    np.testing.assert_allclose(cnp.evaluate(output), model(x).detach().numpy(), rtol=1e-6)


def test_an_input_is_found_when_the_graph_that_named_it_last_is_gone() -> None:
    model, x, new = torch.nn.Linear(4, 3), torch.randn(2, 4), torch.randn(2, 4)
    with torch.no_grad(), trace():
        first = x * 2
    with torch.no_grad(), trace():
        # It gets the name of an argument on the way.
        second = x + 1, model(x)
    del second
    gc.collect()
    np.testing.assert_allclose(cnp.evaluate(first, inputs={x: new}), new * 2)
