"""flashlight.convert: whole models by composit, with functions, branches and containers, and algorithms of the user's choice."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import flashlight
from composit.errors import OperandError, ParameterError, ShapeError, UnsupportedOperationError
from composit.program import count_evaluations
from tests.flashlight.algorithms.networks import NETWORKS, SHAPE, network, picture
from tests.sampling import one_in

_NEAR = {"rtol": 1e-4, "atol": 1e-5}
_CONVOLUTION = "gemm"


class _Branching(nn.Module):
    """Functions beside modules, a branch that depends on values, a mapping as output."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.filters = nn.Parameter(torch.randn(4, 4, 3, 3) * 0.1)
        self.head = nn.Linear(4, 2)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> dict[str, Any]:
        if x.sum() > 0:
            x = -x
        x = functional.relu(self.first(x))
        x = self.second(x) + functional.conv2d(x, self.filters, padding=1)
        return {"scores": self.head(self.drop(x.mean((2, 3)))), "count": len(x)}


def _branching() -> _Branching:
    torch.manual_seed(4)
    return _Branching().eval()


@pytest.mark.parametrize("name", one_in(2, NETWORKS))
def test_a_converted_network_gives_torchs_results(name: str) -> None:
    module = network(name)
    model = flashlight.convert(module, {"conv2d": _CONVOLUTION}, SHAPE)
    x = picture()
    with count_evaluations() as count:
        result = model(x)
    assert count.runs == 1, "the sample has made the program"
    torch.testing.assert_close(result, module(x).detach(), **_NEAR)
    assert not result.requires_grad
    assert type(model.module) is type(module)


def test_the_first_call_too_is_composits() -> None:
    module = nn.Sequential(nn.Conv2d(3, 3, 3), nn.Flatten()).eval()
    model = flashlight.convert(module)
    x = picture()
    first, second = model(x), model(x)
    assert torch.equal(first, second)
    with count_evaluations() as count:
        flashlight.convert(module)(x)
    assert count.runs == 1


def test_branches_and_functions_are_followed() -> None:
    module = _branching()
    model = flashlight.convert(module, {"conv2d": _CONVOLUTION, nn.Linear: ["gemm"]})
    for x in (picture(), -picture(), torch.cat([picture()] * 2)):
        result, expected = model(x), module(x)
        torch.testing.assert_close(result["scores"], expected["scores"].detach(), **_NEAR)
        assert result["count"] == len(x)
    assert model.num_programs == 3
    said = [line for line in model.explain().splitlines() if f"conv2d by {_CONVOLUTION}" in line]
    assert len(said) == 3, "two modules and a function"
    assert "matmul by gemm, named by 'head'" in model.explain()


def test_results_come_as_they_are_asked_for() -> None:
    module = network("squeezenet")
    model = flashlight.convert(module)
    x = picture()
    expected = module(x).detach().numpy()
    for result in (model(x.numpy()), model.predict(x, "numpy"), model.predict(x, out_type=np.ndarray)):
        assert isinstance(result, np.ndarray)
        np.testing.assert_allclose(result, expected, **_NEAR)
    for result in (model(x), model.predict(x.numpy()), model.predict(x, torch.Tensor)):
        assert isinstance(result, torch.Tensor)
    with pytest.raises(ParameterError, match="out_type='jax'"):
        model.predict(x, "jax")


def test_a_dtype_makes_a_copy_and_converts_inputs() -> None:
    module = network("vgg")
    model = flashlight.convert(module, dtype=torch.float64)
    result = model(picture())
    assert result.dtype == torch.float64
    assert next(module.parameters()).dtype == torch.float32
    expected = copy.deepcopy(module).double()(picture().double())
    torch.testing.assert_close(result, expected.detach(), rtol=1e-12, atol=1e-12)
    with pytest.raises(ParameterError, match=r"dtype=torch\.float16"):
        flashlight.convert(module, dtype=torch.float16)


def test_new_values_of_parameters_are_used() -> None:
    module = network("mobilenet")
    model = flashlight.convert(module, None, SHAPE)
    x = picture()
    model(x)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(0.5)
        module[1].running_mean.add_(0.25)
    torch.testing.assert_close(model(x), module(x).detach(), **_NEAR)
    assert model.num_programs == 1, "the old one never holds again"
    module[0].weight = nn.Parameter(module[0].weight.detach() * 3)
    torch.testing.assert_close(model(x), module(x).detach(), **_NEAR)


def test_parameters_are_stored_as_the_program_reads_them() -> None:
    module = nn.Sequential(nn.Linear(64, 96), nn.Tanh(), nn.Linear(96, 32))
    model = flashlight.convert(module, {"0": "gemm packed once"}, (8, 64))
    x = torch.randn(8, 64)
    torch.testing.assert_close(model(x), module(x).detach(), **_NEAR)
    assert "matmul by gemm packed once, named by '0'" in model.explain()


def test_statistics_that_a_call_writes_are_not_stored() -> None:
    module = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2))
    twin = copy.deepcopy(module)
    model = flashlight.convert(module)
    x = torch.randn(4, 3)
    for is_training in (True, True, False, True, False):
        module.train(is_training)
        twin.train(is_training)
        torch.testing.assert_close(model(x), twin(x).detach(), **_NEAR)
        torch.testing.assert_close(module[0].running_var, twin[0].running_var)


def test_models_are_copied_and_pickled() -> None:
    model = flashlight.convert(network("resnet"), {"conv2d": _CONVOLUTION})
    x = picture()
    expected = model(x)
    for made in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(made(x), expected)
        assert made.module is not model.module
        assert repr(made).startswith("<Model of ResNet; algorithms {'conv2d'")


def test_algorithms_of_swapped_modules_are_kept() -> None:
    module = network("squeezenet")
    expected = module(picture()).detach()
    flashlight.swap_conv2d(module, {"expand3": _CONVOLUTION})
    model = flashlight.convert(module)
    torch.testing.assert_close(model(picture()), expected, **_NEAR)
    assert f"'expand3': '{_CONVOLUTION}'" in repr(model)


def test_selectors_of_every_form_reach_the_graph() -> None:
    module = _branching()
    x = picture()
    expected = module(x)["scores"].detach()
    seen: list[Any] = []

    def choose(layer: nn.Module, shape: tuple[int, ...]) -> str:
        seen.append((layer, shape))
        return _CONVOLUTION

    for algorithms in (
        {"conv2d": choose, "linear": "default"},
        {"conv2d": [_CONVOLUTION, "default"]},
        {"conv2d": {"first": _CONVOLUTION}},
        {"fir*": _CONVOLUTION, "second": _CONVOLUTION},
        dict.fromkeys(flashlight.DEFAULT_ALGOS, "default"),
        {"adaptiveavgpool2d": "direct", "conv2d": _CONVOLUTION},
    ):
        model = flashlight.convert(module, algos=algorithms, sample_input_shape=SHAPE)
        torch.testing.assert_close(model(x)["scores"], expected, **_NEAR)
    assert seen == [(module.first, SHAPE), (module.second, (2, 4, 16, 16))]


class _FunctionsAlone(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        filters = torch.ones(2, 3, 3, 3)
        return functional.conv2d(functional.conv2d(x, filters), torch.ones(2, 2, 1, 1))


def test_calls_of_functions_are_chosen_in_order_or_by_their_shapes() -> None:
    module, x = _FunctionsAlone(), picture()
    seen: list[Any] = []

    def choose(call: Any, shape: tuple[int, ...]) -> str:
        seen.append(shape)
        return _CONVOLUTION

    for selector in ([_CONVOLUTION, "default"], choose):
        model = flashlight.convert(module, {"conv2d": selector}, SHAPE)
        torch.testing.assert_close(model(x), module(x), **_NEAR)
    assert seen[:2] == [SHAPE, (2, 2, 14, 14)]
    with pytest.raises(ParameterError, match="1 names were given"):
        flashlight.convert(module, {"conv2d": [_CONVOLUTION]}, SHAPE)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (
            ({"cnv2d": "default"},),
            ParameterError,
            "'cnv2d' is no operation, and no name of a module .* close are 'conv2d'",
        ),
        (({"conv2d": "winogrd"},), ParameterError, "'winogrd' was given as the algorithm of conv2d"),
        (({"conv2d": ["default"]},), ParameterError, "1 algorithms were given for 4 modules"),
        (({"conv2d": lambda module, shape: "default"},), OperandError, "expected sample_input_shape"),
        (("direct",), ParameterError, "'direct' of type str was given as algorithms"),
        ((None, (2, 2)), ShapeError, r"torch refuses an input of shape \(2, 2\)"),
        ((None, "x"), ShapeError, "sample_input_shape='x'"),
    ],
)
def test_bad_arguments_are_told(arguments: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        flashlight.convert(network("squeezenet"), *arguments)


def test_what_is_no_module_is_told() -> None:
    with pytest.raises(OperandError, match=r"expected a torch\.nn\.Module"):
        flashlight.convert(functional.relu)  # type: ignore[arg-type]  # a wrong call
    with pytest.raises(ParameterError, match="both algorithms and algos"):
        flashlight.convert(nn.ReLU(), {}, algos={})


def test_a_module_that_draws_is_told() -> None:
    module = _branching()
    model = flashlight.convert(module)
    model(picture())
    module.train()
    with pytest.raises(UnsupportedOperationError, match=r"draws random numbers.*call model\.eval\(\)"):
        model(picture())
    module.eval()
    model(picture())


class _Riddle(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.composit_test.riddle(x)


def test_an_operation_that_nobody_knows_is_told() -> None:
    library = torch.library.Library("composit_test", "FRAGMENT")
    library.define("riddle(Tensor x) -> Tensor")
    library.impl("riddle", lambda x: torch.from_numpy(x.numpy() + 1), "CPU")
    with pytest.raises(flashlight.errors.UnsupportedCallableError, match=r"composit_test\.riddle"):
        flashlight.convert(_Riddle())(torch.ones(2))
    library._destroy()


def test_names_are_read_in_any_spelling() -> None:
    supported = flashlight.SUPPORTED_ALGORITHMS
    assert supported["maxpool2d"] == supported["max_pool2d"] == supported["MaxPool2d"]
    assert "direct" in supported["adaptive_avg_pool2d"]
    assert flashlight.DEFAULT_ALGOS["conv2d"] == "default"
    assert set(flashlight.DEFAULT_ALGOS) == set(supported)
    with pytest.raises(KeyError):
        supported["conv9d"]
