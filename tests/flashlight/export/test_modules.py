"""`to_module`: graphs as torch modules, compared with torch's own in values, gradients and training runs."""

from __future__ import annotations

import copy
import io
import pickle
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import pytest
import torch

import composit.numpy as cnp
import flashlight
from composit import nn
from composit.errors import (
    DtypeError,
    OperandError,
    ParameterError,
    ShapeError,
    UnreachedInputError,
    UnsupportedOperationError,
)
from composit.program import count_evaluations
from flashlight.capture.tensor_attributes import attribute_of

double = torch.float64


def _network() -> torch.nn.Sequential:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))


def _traced_module(network: torch.nn.Module, x: torch.Tensor, backend: str = "mosaic") -> flashlight.ProgramModule:
    with flashlight.tracer.trace():
        y = network(x)
    return flashlight.to_module(y, [x], backend=backend)


def _losses(
    module: torch.nn.Module, x: torch.Tensor, target: torch.Tensor, run: torch.nn.Module | None = None
) -> list[float]:
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy((run or module)(x), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_a_captured_model_is_a_module_with_torchs_names_and_values() -> None:
    network, x = _network(), torch.randn(5, 4)
    module = _traced_module(network, x)
    assert list(module.state_dict()) == list(network.state_dict())
    assert all(isinstance(each, torch.nn.Parameter) for each in module.parameters())
    torch.testing.assert_close(module(x), network(x))
    torch.testing.assert_close(module(2 * x), network(2 * x))


def test_the_module_runs_as_one_program_without_torchs_kernels() -> None:
    x = torch.randn(5, 4)
    module = _traced_module(_network(), x)
    with count_evaluations() as count, torch.profiler.profile() as profile:
        module(x)
    assert count.runs == 1
    assert not {"aten::addmm", "aten::linear", "aten::tanh"} & {event.key for event in profile.key_averages()}


def test_twenty_steps_of_training_agree_with_torch() -> None:
    network, x, target = _network(), torch.randn(5, 4), torch.tensor([0, 1, 2, 1, 0])
    module = _traced_module(network, x)
    np.testing.assert_allclose(_losses(module, x, target), _losses(network, x, target), atol=1e-4)


def test_batch_norm_statistics_are_buffers() -> None:
    network, x = torch.nn.Sequential(torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2)).eval(), torch.randn(5, 4)
    module = _traced_module(network, x, "numpy")
    assert set(dict(module.named_buffers())) == {"0.running_mean", "0.running_var"}
    assert set(dict(module.named_parameters())) == {"0.weight", "0.bias", "1.weight", "1.bias"}


def test_a_state_dict_goes_both_ways() -> None:
    network, other, x = _network(), _network(), torch.randn(5, 4)
    with torch.no_grad():
        other[0].weight.mul_(2)
    module = _traced_module(network, x, "numpy")
    module.load_state_dict(other.state_dict())
    torch.testing.assert_close(module(x), other(x))
    network.load_state_dict(module.state_dict())
    torch.testing.assert_close(network(x), other(x))


def test_the_modules_parameters_are_its_own() -> None:
    network, x = _network(), torch.randn(5, 4)
    module = _traced_module(network, x, "numpy")
    before = module(x)
    with torch.no_grad():
        network[0].weight.zero_()
    torch.testing.assert_close(module(x), before)


def test_copies_and_pickles_compute_the_same_with_parameters_of_their_own() -> None:
    x = torch.randn(5, 4)
    module = _traced_module(_network(), x, "numpy")
    saved = io.BytesIO()
    torch.save(module, saved)
    saved.seek(0)
    copies = [copy.deepcopy(module), pickle.loads(pickle.dumps(module)), torch.load(saved, weights_only=False)]
    expected = module(x)
    with torch.no_grad():
        module.get_parameter("0.weight").zero_()
    for each in copies:
        torch.testing.assert_close(each(x), expected)
        each(x).sum().backward()
        assert each.get_parameter("0.weight").grad is not None


def test_a_pickle_outlives_the_module() -> None:
    x = torch.randn(5, 4)
    module = _traced_module(_network(), x, "numpy")
    text, expected = pickle.dumps(module), module(x)
    del module
    torch.testing.assert_close(pickle.loads(text)(x), expected)


def test_an_equal_program_still_runs_when_the_first_one_is_gone() -> None:
    x = torch.randn(5, 4)
    first = _traced_module(_network(), x, "numpy")
    second = _traced_module(_network(), x, "numpy")
    assert first.program.key == second.program.key
    expected = first(x)
    del first
    torch.testing.assert_close(second(x), expected)


def _double_module() -> flashlight.ProgramModule:
    x, w = cnp.asarray(np.ones((2, 3))), cnp.asarray(np.linspace(-0.5, 0.7, 12).reshape(3, 4), name="w")
    outputs = [cnp.tanh(x @ w), cnp.argmax(x @ w, axis=1), cnp.sum(cnp.exp(x) * x)]
    return flashlight.to_module(outputs, [x], backend="numpy")


def test_first_and_second_derivatives_pass_torchs_checks() -> None:
    module, x = _double_module(), torch.randn(2, 3, dtype=double, requires_grad=True)
    w = module.get_parameter("w").detach().clone().requires_grad_()

    def function(x: torch.Tensor, w: torch.Tensor) -> tuple[torch.Tensor, ...]:
        outputs = torch.func.functional_call(module, {"w": w}, (x,))
        return outputs[0], outputs[2]

    assert torch.autograd.gradcheck(function, (x, w))
    assert torch.autograd.gradgradcheck(function, (x, w))


@pytest.mark.parametrize("backend", ["numpy", "mosaic"])
def test_derivatives_of_complex_numbers_follow_torchs_convention(backend: str) -> None:
    z = cnp.asarray(np.array([1 + 2j, 3 - 1j]))
    module = flashlight.to_module([z * z * cnp.exp(z).conj(), cnp.abs(z) ** 2, cnp.sum(z)], [z], backend=backend)
    given = torch.tensor([0.3 - 0.2j, 0.1 + 0.5j], dtype=torch.complex128, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: tuple(module(z)), (given,))
    assert torch.autograd.gradgradcheck(lambda z: tuple(module(z)), (given,))


def test_one_value_returned_twice_counts_twice() -> None:
    x = cnp.asarray(np.ones(3))
    y = x * x
    module = flashlight.to_module([y, y], [x], backend="numpy")
    given = torch.ones(3, dtype=double, requires_grad=True)
    first, second = module(given)
    (first + 3 * second).sum().backward()
    torch.testing.assert_close(given.grad, torch.full((3,), 8.0, dtype=double))


def test_an_input_that_is_returned_is_copied() -> None:
    module = flashlight.to_module(lambda x, y: (x, y), [np.ones(3), np.ones(3)], backend="numpy")
    x = torch.ones(3, dtype=double)
    returned, _ = module(x, x)
    returned[0] = 7
    assert x[0] == 1


def test_gradients_of_frozen_parameters_are_not_computed() -> None:
    module, x = _traced_module(_network(), torch.randn(5, 4), "numpy"), torch.randn(5, 4)
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name == "2.bias")
    module(x).sum().backward()
    assert [name for name, each in module.named_parameters() if each.grad is not None] == ["2.bias"]
    with torch.no_grad():
        assert not module(x).requires_grad


@pytest.mark.slow
def test_torch_compile_and_export_take_the_module_whole() -> None:
    network, x, target = _network(), torch.randn(5, 4), torch.tensor([0, 1, 2, 1, 0])
    module = _traced_module(network, x)
    compiled = torch.compile(copy.deepcopy(module), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), network(x))
    exported = torch.export.export(module, (x,))
    torch.testing.assert_close(exported.module()(x), network(x))
    np.testing.assert_allclose(_losses(compiled, x, target), _losses(network, x, target), atol=1e-4)


def test_a_function_with_parameters_is_a_module() -> None:
    parameters = {"dense": {"weight": np.full((3, 4), 0.5), "bias": np.zeros(4)}}

    def function(p, x):
        return {"y": nn.relu(x @ p["dense"]["weight"] + p["dense"]["bias"]), "x": (x, None), "name": "relu"}

    module = flashlight.to_module(function, [np.ones((2, 3))], parameters=parameters, backend="numpy")
    assert list(module.state_dict()) == ["dense.weight", "dense.bias"]
    result = module(torch.ones(2, 3, dtype=double))
    torch.testing.assert_close(result["y"], torch.full((2, 4), 1.5, dtype=double))
    assert result["name"] == "relu"
    assert result["x"][1] is None
    again = copy.deepcopy(module)(torch.ones(2, 3, dtype=double))
    torch.testing.assert_close(again["y"], result["y"])


def test_what_a_function_takes_from_outside_is_a_parameter() -> None:
    weight, places = cnp.asarray(np.ones((3, 4)), name="weight"), cnp.asarray(np.array([1, 0]), name="places")
    module = flashlight.to_module(lambda x: (x @ weight)[places], [torch.ones(2, 3, dtype=double)], backend="numpy")
    assert dict(module.named_parameters()).keys() == {"weight"}
    assert dict(module.named_buffers()).keys() == {"places"}


def test_chosen_parameters_get_the_names_that_are_asked_for() -> None:
    x, w, b = (cnp.asarray(np.ones(3)) for _ in range(3))
    module = flashlight.to_module(x * w + b, [x], parameters={"scale": w}, backend="numpy")
    assert list(module.state_dict()) == ["scale"]


def test_names_that_modules_use_themselves_and_names_that_clash_are_changed() -> None:
    x = cnp.asarray(np.ones(3))
    names = ["training", "a", "a.b", "a", None]
    values = [cnp.asarray(np.full(3, float(k)), name=name) for k, name in enumerate(names)]
    module = flashlight.to_module([x * value for value in values], [x], backend="numpy")
    assert sorted(module.state_dict()) == ["a", "a_1", "a_b", "parameter_4", "training_"]
    for number, each in enumerate(module(torch.ones(3, dtype=double))):
        torch.testing.assert_close(each, torch.full((3,), float(number), dtype=double))


def test_drawn_masks_are_no_parameters() -> None:
    network, x = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5)), torch.randn(5, 4)
    module = _traced_module(network, x, "numpy")
    assert list(module.state_dict()) == ["0.weight", "0.bias"]


def test_strided_and_read_only_inputs_are_taken_as_they_are() -> None:
    module = flashlight.to_module(lambda x: x * 2, [np.ones((3, 2))])
    x = torch.arange(6, dtype=double).reshape(2, 3).T
    torch.testing.assert_close(module(x), x * 2)
    torch.testing.assert_close(module(torch.ones(1, dtype=double).expand(3, 2)), torch.full((3, 2), 2.0, dtype=double))


def test_a_module_with_buffers_in_ordered_containers_keeps_them() -> None:
    x = cnp.asarray(np.ones(3))
    module = flashlight.to_module(OrderedDict(a=x + 1, b=[x]), [x], backend="numpy")
    result = module(torch.ones(3, dtype=double))
    assert isinstance(result, OrderedDict)
    torch.testing.assert_close(result["a"], torch.full((3,), 2.0, dtype=double))


def test_tensors_of_the_wrong_type_are_refused() -> None:
    module = _double_module()
    with pytest.raises(ShapeError, match=r"input 'input_0' has shape \(3, 3\); expected \(2, 3\)"):
        module(torch.ones(3, 3, dtype=double))
    with pytest.raises(DtypeError, match="input 'input_0' has dtype torch.float32; expected float64"):
        module(torch.ones(2, 3))
    with pytest.raises(OperandError, match="takes 1 tensors .input_0., and 2 were given"):
        module(torch.ones(2, 3, dtype=double), torch.ones(1))


def test_an_input_that_nothing_depends_on_is_an_error() -> None:
    x, y = cnp.asarray(np.ones(3)), cnp.asarray(np.ones(3))
    with pytest.raises(UnreachedInputError):
        flashlight.to_module(x + 1, [y])


def test_a_graph_that_python_looked_into_is_an_error_unless_ignored() -> None:
    x = cnp.asarray(np.ones(3))
    y = x * 2 if x[0] > 0 else x
    with pytest.raises(UnsupportedOperationError, match="Python read values while this graph was built"):
        flashlight.to_module(y, [x])
    module = flashlight.to_module(y, [x], guards="ignore", backend="numpy")
    torch.testing.assert_close(module(torch.ones(3, dtype=double)), torch.full((3,), 2.0, dtype=double))
    with pytest.raises(ParameterError, match="expected 'check' or 'ignore'"):
        flashlight.to_module(y, [x], guards="no")


@dataclass
class _Pair:
    """A container that torch does not know."""

    first: object


def test_containers_that_torch_does_not_know_and_wrong_arguments_are_errors() -> None:
    x = cnp.asarray(np.ones(3))
    with pytest.raises(OperandError, match="in a container that torch does not know"):
        flashlight.to_module(_Pair(x + 1), [x])
    with pytest.raises(OperandError, match="expected a list of the tensors"):
        flashlight.to_module(x + 1, x)
    with pytest.raises(OperandError, match="holds no tensor"):
        flashlight.to_module(lambda x: 3, [np.ones(3)])


def test_a_program_that_is_gone_is_named() -> None:
    with pytest.raises(ParameterError, match="no program has the key 'gone'"):
        torch.ops.composit.run_program([torch.ones(1)], "gone")


def test_results_carry_no_record_of_a_trace() -> None:
    module = _double_module()
    assert attribute_of(module(torch.ones(2, 3, dtype=double))[0]) is None
