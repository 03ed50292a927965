"""The trace as a context: what it returns, and what happens on errors, in threads, nested."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import composit as cnp
import flashlight
import mosaic
from composit.errors import OperandError, UnreachedInputError
from composit.handle import TensorHandle
from flashlight.capture.active import active_recorder
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
    assert active_recorder() is None


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


def test_threads_that_start_inside_a_trace_are_recorded_in_it(model: Classifier, x: torch.Tensor) -> None:
    results: dict[str, torch.Tensor] = {}

    def work() -> None:
        results["thread"] = x * 5

    def traced() -> None:
        with trace():
            results["traced"] = model(x)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()  # the thread of the pool is older than the trace
        with torch.no_grad(), trace():
            for function in (work, traced):
                thread = threading.Thread(target=function)
                thread.start()
                thread.join()
            y = results["thread"] + pool.submit(torch.exp, x).result()
        after = pool.submit(torch.exp, x).result()
    new = torch.full((2, 4), 0.5)
    np.testing.assert_allclose(cnp.evaluate(y, inputs={x: new.numpy()}), (new * 5 + new.exp()).numpy(), rtol=1e-6)
    np.testing.assert_allclose(
        cnp.evaluate(results["traced"], inputs={x: new.numpy()}), model(new).detach().numpy(), rtol=1e-5
    )
    assert vars(after) == {}


def test_a_tensor_from_a_thread_that_the_trace_did_not_start_is_an_input(x: torch.Tensor) -> None:
    results: dict[str, torch.Tensor] = {}
    inside, done = threading.Event(), threading.Event()

    def work() -> None:
        inside.wait()
        results["thread"] = x * 5
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    with trace():
        inside.set()
        done.wait()
        y = results["thread"] + 1
    thread.join()
    assert not flashlight.lazy_tensor(results["thread"]).node.operands
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={results["thread"]: np.zeros((2, 4), np.float32)}), 1)


@pytest.mark.parametrize("module", [nn.Identity(), nn.Dropout().eval(), nn.Sequential()])
def test_a_module_that_hands_its_input_through_gives_the_new_input(module: nn.Module, x: torch.Tensor) -> None:
    with torch.no_grad(), trace():
        y = module(x)
    new = np.full((2, 4), 3.0, np.float32)
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={x: new}), new)
    np.testing.assert_array_equal(mosaic.compile(y, inputs=[x])(new), new)


def test_a_module_that_returns_a_weight_unused_gives_it_as_an_input(model: Classifier, x: torch.Tensor) -> None:
    class Both(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x + 1, model.body[0].weight

    with torch.no_grad(), trace():
        outputs = Both()(x)
    np.testing.assert_array_equal(cnp.evaluate(outputs)[1], model.body[0].weight.detach().numpy())


def test_what_no_trace_has_seen_is_an_error(x: torch.Tensor) -> None:
    y = x + 1
    with trace():
        z = x * 2
    with pytest.raises(OperandError, match="carries no graph"):
        cnp.evaluate(y)
    with pytest.raises(OperandError, match="carries no graph"):
        cnp.evaluate({"traced": z, "untraced": y})
    with pytest.raises(OperandError, match="compile: got a torch.Tensor"):
        mosaic.compile(y, inputs=[x])
    with pytest.raises(OperandError, match="visualize: got a torch.Tensor"):
        cnp.visualize(y)
    with pytest.raises(UnreachedInputError, match="carries no graph"):
        cnp.evaluate(z, inputs={y: np.zeros((2, 4), np.float32)})
    with pytest.raises(UnreachedInputError, match="depends on no tensor"):
        cnp.evaluate(3.0, inputs={x: np.zeros((2, 4), np.float32)})
    with pytest.raises(OperandError, match="holds no tensor"):
        mosaic.compile(3.0, inputs=[x])


def test_inputs_are_given_by_the_names_of_the_models_arguments(x: torch.Tensor) -> None:
    class Model(nn.Module):
        def forward(self, first: torch.Tensor, *rest: torch.Tensor, **more: Any) -> torch.Tensor:
            return first + 2 * rest[0] + 3 * more["options"]["mask"]

    mask = torch.zeros(4)
    with trace():
        y = Model()(x, x * 1, options={"mask": mask})
    zeros, ones = np.zeros((2, 4), np.float32), np.ones(4, np.float32)
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={"first": zeros, "options.mask": ones}), zeros + 3)
    model = mosaic.compile(y, inputs=["first", "options.mask"])
    np.testing.assert_array_equal(model(zeros, ones), zeros + 3)
    with pytest.raises(UnreachedInputError, match=r"the name 'mask' .* expected one of 'first', 'options.mask'"):
        cnp.evaluate(y, inputs={"mask": ones})


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
