"""The trace as a context: what it returns, and what happens on errors, in threads, nested."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

import composit as cnp
import flashlight
from composit.handle import TensorHandle
from flashlight.tracer import trace
from tests.flashlight.classifier import Classifier
from tests.flashlight.torch_state import state_of_torch


def test_the_output_is_an_ordinary_tensor_that_carries_its_graph(model: Classifier, x: torch.Tensor) -> None:
    with trace():
        output = model(x)
    assert type(output) is torch.Tensor
    assert output.requires_grad
    lazy = flashlight.lazy_tensor(output)
    assert lazy.shape == (2, 3)
    np.testing.assert_allclose(cnp.evaluate(output), output.detach().numpy(), rtol=1e-6)
    np.testing.assert_allclose(cnp.evaluate(lazy), output.detach().numpy(), rtol=1e-6)


def test_containers_come_back_as_they_are(x: torch.Tensor) -> None:
    with trace():
        output = {"a": x + 1, "b": [x * 2, (x, 3)]}
    lazies = flashlight.lazy_tensor(output)
    assert isinstance(lazies["b"][1][0], TensorHandle)
    assert lazies["b"][1][1] == 3
    np.testing.assert_array_equal(cnp.evaluate(output)["b"][0], (x * 2).numpy())


def test_new_inputs_take_the_place_of_a_traced_tensor(model: Classifier, x: torch.Tensor) -> None:
    with trace():
        output = model(x)
    other = torch.ones(2, 4)
    value = cnp.evaluate(output, inputs={x: other.numpy()})
    np.testing.assert_allclose(value, model(other).detach().numpy(), rtol=1e-5)


def test_gradients_of_a_traced_model_are_those_of_torch(model: Classifier, x: torch.Tensor) -> None:
    from composit.nn import chain_rule

    with trace():
        loss = model(x).square().sum()
    weights = [model.body[0].weight, model.body[2].bias]
    values = cnp.evaluate(chain_rule({loss: loss}, weights))
    for value, expected in zip(values, torch.autograd.grad(loss, weights), strict=True):
        np.testing.assert_allclose(value, expected.numpy(), rtol=1e-4, atol=1e-6)


def test_torch_is_as_before_after_an_exception(model: Classifier, x: torch.Tensor) -> None:
    before = state_of_torch()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), trace():
        model(x[:, :3])
    assert state_of_torch() == before
    assert flashlight.tracer._current.__dict__ == {}


def test_a_trace_inside_a_trace_joins_it(x: torch.Tensor) -> None:
    with trace() as outer:
        y = x + 1
        with trace() as inner:
            z = y * 2
        w = z - 3
    assert inner is outer
    assert len(flashlight.lazy_tensor(w).graph) == 7
    np.testing.assert_allclose(cnp.evaluate(w, inputs={x: np.zeros((2, 4), np.float32)}), np.full((2, 4), -1.0))


def test_a_second_trace_goes_on_from_the_results_of_the_first(x: torch.Tensor) -> None:
    with trace():
        y = x + 1
    with trace():
        z = y * 2
    np.testing.assert_array_equal(cnp.evaluate(z, inputs={x: np.zeros((2, 4), np.float32)}), np.full((2, 4), 2.0))


def test_other_threads_are_not_recorded_and_can_trace_at_the_same_time(model: Classifier, x: torch.Tensor) -> None:
    results: dict[str, torch.Tensor] = {}

    def untraced() -> None:
        results["untraced"] = x * 5

    def traced() -> None:
        with trace():
            results["traced"] = model(x)

    with trace():
        for work in (untraced, traced):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        y = results["untraced"] + 1
    assert not flashlight.lazy_tensor(results["untraced"]).node.operands
    assert len(flashlight.lazy_tensor(y).graph) == 3
    np.testing.assert_allclose(cnp.evaluate(results["traced"]), model(x).detach().numpy(), rtol=1e-6)


def test_two_threads_tracing_one_model_get_right_answers(model: Classifier) -> None:
    batches = [torch.full((2, 4), float(number)) for number in range(4)]
    outputs: dict[int, torch.Tensor] = {}

    def work(number: int) -> None:
        with torch.no_grad(), trace():
            outputs[number] = model(batches[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, batch in enumerate(batches):
        np.testing.assert_allclose(cnp.evaluate(outputs[number]), model(batch).detach().numpy(), rtol=1e-5)
