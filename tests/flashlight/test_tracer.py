"""The trace as a context: what tensors carry, what stays as it was, and what happens on errors, in threads, nested."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.modules import module as torch_module

import composit as cnp
import flashlight
from composit.errors import OperandError, StaleTensorError, UnsupportedOperationError
from composit.guards import reads_of
from composit.handle import TensorHandle
from flashlight.tracer import trace


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 3))
        self.register_buffer("offset", torch.ones(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x) + self.offset


@pytest.fixture
def model() -> Classifier:
    return Classifier().eval()


@pytest.fixture
def x() -> torch.Tensor:
    return torch.linspace(-1, 1, 8).reshape(2, 4)


def state_of_torch() -> dict[str, Any]:
    return {
        "functions": torch._C._len_torch_function_stack(),
        "dispatch": torch._C._len_torch_dispatch_stack(),
        "pre_hooks": len(torch_module._global_forward_pre_hooks),
        "hooks": len(torch_module._global_forward_hooks),
        "always": len(torch_module._global_forward_hooks_always_called),
        "methods": {name: value for name, value in vars(torch.Tensor).items() if callable(value)},
        "linear": nn.functional.linear,
        "call": nn.Module.__call__,
    }


@pytest.fixture(autouse=True)
def torch_is_as_before() -> Iterator[None]:
    before = state_of_torch()
    yield
    assert state_of_torch() == before


def test_the_output_is_an_ordinary_tensor_that_carries_its_graph(model: Classifier, x: torch.Tensor) -> None:
    with trace():
        output = model(x)
    assert type(output) is torch.Tensor
    assert output.requires_grad
    lazy = flashlight.lazy_tensor(output)
    assert lazy.shape == (2, 3)
    np.testing.assert_allclose(cnp.evaluate(output), output.detach().numpy(), rtol=1e-6)
    np.testing.assert_allclose(cnp.evaluate(lazy), output.detach().numpy(), rtol=1e-6)


def test_parameters_are_inputs_under_their_names_and_modules_are_scopes(model: Classifier, x: torch.Tensor) -> None:
    with trace():
        output = model(x)
    nodes = list(flashlight.lazy_tensor(output).graph)
    names = {node.name for node in nodes if not node.operands}
    assert {"body.0.weight", "body.0.bias", "body.2.weight", "body.2.bias", "offset"} <= names
    assert {node.scope for node in nodes if node.operands} == {"body.0", "body.1", "body.2", ""}


def test_parameters_are_shared_with_torch_and_not_copied(model: Classifier, x: torch.Tensor) -> None:
    with trace():
        output = model(x)
    arrays = [node.operation.read() for node in flashlight.lazy_tensor(output).graph if node.name == "body.0.weight"]
    assert len(arrays) == 1
    assert np.shares_memory(arrays[0], model.body[0].weight.detach().numpy())
    assert not arrays[0].flags.writeable


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


def test_a_tensor_that_no_trace_saw_has_no_lazy_tensor(x: torch.Tensor) -> None:
    with pytest.raises(OperandError, match="carries no lazy tensor"):
        flashlight.lazy_tensor(x)


def test_torch_is_as_before_after_an_exception(model: Classifier, x: torch.Tensor) -> None:
    before = state_of_torch()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), trace():
        model(x[:, :3])
    assert state_of_torch() == before
    assert flashlight.tracer._current.__dict__ == {}


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


@pytest.mark.parametrize("which", ["model", "output", "weight", "input"])
def test_pickling_and_copying_what_was_traced_gives_ordinary_tensors(
    which: str, model: Classifier, x: torch.Tensor
) -> None:
    with torch.no_grad(), trace():
        output = model(x)
    value: Any = {"model": model, "output": output, "weight": model.body[0].weight, "input": x}[which]
    file = io.BytesIO()
    torch.save(value, file)
    assert b"lazy_tensor" not in file.getvalue()
    assert b"flashlight.capture" not in file.getvalue()
    file.seek(0)
    copies = [
        copy.deepcopy(value),
        copy.copy(value),
        pickle.loads(pickle.dumps(value)),
        torch.load(file, weights_only=which != "model"),
    ]
    for other in copies:
        tensors = list(other.parameters()) if isinstance(other, nn.Module) else [other]
        originals = list(value.parameters()) if isinstance(value, nn.Module) else [value]
        for tensor, original in zip(tensors, originals, strict=True):
            assert tensor is original or vars(tensor) == {}
            assert torch.equal(tensor, original)
    assert flashlight.lazy_tensor(output) is not None


def test_graphs_die_with_their_tensors(model: Classifier, x: torch.Tensor) -> None:
    with torch.no_grad(), trace():
        output = model(x)
        if output.sum() < -1e9:
            output = output + 1
    node = weakref.ref(flashlight.lazy_tensor(output).node)
    operation = weakref.ref(flashlight.lazy_tensor(model.body[0].weight).node.operation)
    assert node() is not None
    del output
    gc.collect()
    assert node() is None
    assert operation() is None


def test_tensors_die_at_once_without_the_garbage_collector(x: torch.Tensor) -> None:
    gc.collect()
    gc.disable()
    try:
        with torch.no_grad(), trace():
            y = x.exp()
            z = y.view(8)[2:]
        references = [weakref.ref(y), weakref.ref(z), weakref.ref(flashlight.lazy_tensor(z).node)]
        del y, z
        assert [reference() for reference in references] == [None, None, None]
    finally:
        gc.enable()


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


def test_an_unsupported_operation_says_its_name_its_place_and_how_to_add_it() -> None:
    class Spectrum(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.fft.fft(x)

    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.spectrum = Spectrum()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.spectrum(x)

    with pytest.raises(UnsupportedOperationError) as raised, trace():
        Outer()(torch.ones(4, dtype=torch.complex64))
    text = str(raised.value)
    assert "aten._fft_c2c.default" in text
    assert "spectrum (Spectrum)" in text
    assert "@flashlight.register(torch.ops.aten._fft_c2c.default)" in text


def test_a_registered_operation_is_captured() -> None:
    @flashlight.register(torch.ops.aten.i0)
    def bessel(call: flashlight.Call, x: Any) -> Any:
        return cnp.asarray(np.zeros(call.shape, call.dtype)) + x * 0 + 1

    with trace():
        y = torch.i0(torch.zeros(3))
    np.testing.assert_allclose(cnp.evaluate(y), y.numpy(), rtol=1e-6)


def test_register_takes_torch_operations_only() -> None:
    with pytest.raises(cnp.errors.ParameterError, match="expected an operation of torch.ops"):
        flashlight.register(torch.exp)  # type: ignore[arg-type]


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


def test_a_parameter_keeps_its_name_when_its_first_graph_is_gone(model: Classifier, x: torch.Tensor) -> None:
    with trace():
        model(x)
    gc.collect()
    with trace():
        output = model(x)
    names = {node.name for node in flashlight.lazy_tensor(output).graph}
    assert {"x", "body.0.weight", "body.2.bias", "offset"} <= names


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_weights_die_with_model_and_graph_although_the_program_stays_prepared(backend: str) -> None:
    model, x = Classifier().eval(), torch.ones(2, 4)
    with torch.no_grad(), trace():
        output = model(x)
        if output.sum() < -1e9:
            output = output + 1
    cnp.evaluate(output, backend=backend)
    weight = weakref.ref(model.body[0].weight)
    del model, x, output
    gc.collect()
    assert weight() is None
