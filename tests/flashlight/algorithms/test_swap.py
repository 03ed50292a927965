"""flashlight.swap_operation: models whose modules run by composit give what torch gives, and stay ordinary models of torch."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

import flashlight
from composit.errors import DtypeError, OperandError, ParameterError, ShapeError, UnsupportedOperationError
from composit.program import count_evaluations
from tests.flashlight.algorithms.networks import NETWORKS, SHAPE, network, picture
from tests.sampling import only

# Sums of some hundred products of float32, in another order than torch's.
_NEAR = {"rtol": 1e-4, "atol": 1e-5}
_ALL = ("conv2d", "linear", "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "relu", "flatten", "attention")
_CONVOLUTION = "implicit gemm"


@pytest.fixture(autouse=True)
def _torch_compiles_afresh() -> Iterator[None]:
    yield
    torch._dynamo.reset()


def _two(name: str = "vgg") -> tuple[nn.Module, nn.Module]:
    """Return a network and its twin."""
    model = network(name)
    return model, copy.deepcopy(model)


def _swap_all(model: nn.Module, backend: str = "mosaic") -> None:
    for operation in _ALL:
        if any(isinstance(each, _classes(operation)) for each in model.modules()):
            flashlight.swap_operation(operation, model, backend=backend)


def _classes(operation: str) -> Any:
    from flashlight.algorithms.operations import OPERATIONS

    return OPERATIONS[operation].modules


def _gradients(model: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    model.zero_grad()
    (model(x) ** 2).sum().backward()
    return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("name", only(("mobilenet",), NETWORKS))
def test_a_swapped_network_gives_torchs_results_and_gradients(name: str) -> None:
    model, twin = _two(name)
    _swap_all(model)
    x = picture()
    torch.testing.assert_close(model(x), twin(x), **_NEAR)
    assert list(model.state_dict()) == list(twin.state_dict())
    for own, expected in zip(_gradients(model, x), _gradients(twin, x), strict=True):
        torch.testing.assert_close(own, expected, **_NEAR)


def test_a_swapped_module_computes_by_a_program() -> None:
    model, _ = _two()
    flashlight.swap_conv2d(model)
    with count_evaluations() as count:
        model(picture())
    assert count.runs == 3


@pytest.mark.parametrize("dtype", only([torch.float32], [torch.float32, torch.float64]))
@pytest.mark.parametrize(
    ("operation", "module", "shape"),
    [
        ("conv1d", nn.Conv1d(4, 6, 3, padding="same", groups=2), (2, 4, 9)),
        (
            "conv2d",
            nn.Conv2d(3, 5, (3, 2), stride=(2, 1), padding=1, dilation=(1, 2), padding_mode="reflect"),
            (2, 3, 9, 8),
        ),
        ("conv2d", nn.Conv2d(3, 5, 3), (3, 9, 8)),
        ("conv3d", nn.Conv3d(2, 3, 2, padding=1), (1, 2, 4, 5, 6)),
        ("linear", nn.Linear(5, 3, bias=False), (2, 4, 5)),
        ("max_pool2d", nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True), (2, 3, 8, 9)),
        ("avg_pool2d", nn.AvgPool2d(3, stride=2, padding=1), (2, 3, 8, 9)),
        ("adaptive_avg_pool2d", nn.AdaptiveAvgPool2d((3, None)), (2, 3, 8, 7)),
        ("relu", nn.ReLU(), (3, 4)),
        ("flatten", nn.Flatten(1, 2), (2, 3, 4, 5)),
    ],
)
def test_each_operation_alone_gives_torchs_values_and_gradients(
    operation: str, module: nn.Module, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    module = copy.deepcopy(module).to(dtype)
    twin = copy.deepcopy(module)
    flashlight.swap_operation(operation, module)
    x = torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(2))
    inputs = [x.clone().requires_grad_(), x.clone().requires_grad_()]
    results = [each(given) for each, given in zip((module, twin), inputs, strict=True)]
    torch.testing.assert_close(*results)
    for result in results:
        result.square().sum().backward()
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad)


def test_attention_returns_weights_where_they_are_asked_for() -> None:
    module = nn.MultiheadAttention(8, 2, batch_first=True)
    twin = copy.deepcopy(module)
    flashlight.swap_operation(nn.MultiheadAttention, module)
    x, mask = torch.randn(2, 5, 8), torch.ones(5, 5).tril().logical_not()
    torch.testing.assert_close(module(x, x, x), twin(x, x, x))
    with torch.no_grad():
        torch.testing.assert_close(
            module.eval()(x, x, x, attn_mask=mask, need_weights=False)[0], twin(x, x, x, attn_mask=mask)[0]
        )
    assert module(x, x, x, need_weights=False)[1] is None


def test_indices_of_maxima_come_as_a_pair() -> None:
    module = nn.MaxPool2d(2, return_indices=True)
    x = torch.randn(1, 2, 4, 4, requires_grad=True)
    expected = module(x)
    flashlight.swap_operation("maxpool2d", module)
    values, indices = module(x)
    torch.testing.assert_close((values, indices), expected)
    assert values.requires_grad
    assert not indices.requires_grad


def test_twenty_steps_of_training_lose_as_torchs_do() -> None:
    model, twin = _two()
    _swap_all(model)
    losses = [_trained(each) for each in (model, twin)]
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-4, atol=1e-6)
    assert losses[0][-1] < losses[0][0]


def _trained(model: nn.Module) -> torch.Tensor:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(SHAPE, generator=generator)
    targets = torch.tensor([1, 3])
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses)


def test_second_derivatives_equal_torchs() -> None:
    penalties = []
    for model in _two("squeezenet"):
        if not penalties:
            flashlight.swap_conv2d(model)
        x = picture().requires_grad_()
        (gradient,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
        (gradient**2).sum().backward()
        penalties.append([each.grad for each in model.parameters() if each.grad is not None])
    torch.testing.assert_close(*penalties, **_NEAR)


@pytest.mark.parametrize("how", only(["deepcopy", "torch.save"], ["deepcopy", "pickle", "torch.save"]))
def test_copies_compute_and_train_apart_from_the_original(how: str) -> None:
    model, _ = _two("resnet")
    flashlight.swap_conv2d(model, _CONVOLUTION)
    x = picture()
    expected = model(x)
    if how == "deepcopy":
        made = copy.deepcopy(model)
    elif how == "pickle":
        made = pickle.loads(pickle.dumps(model))
    else:
        buffer = io.BytesIO()
        torch.save(model, buffer)
        buffer.seek(0)
        made = torch.load(buffer, weights_only=False)
    torch.testing.assert_close(made(x), expected, rtol=0, atol=0)
    assert made.stem.algorithm == _CONVOLUTION
    with torch.no_grad():
        made.stem.weight.zero_()
    torch.testing.assert_close(model(x), expected, rtol=0, atol=0)
    assert not torch.equal(made(x), expected)


def test_a_pickled_model_runs_in_another_process(tmp_path: Any) -> None:
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten())
    flashlight.swap_conv2d(model)
    x = torch.ones(1, 3, 5, 5)
    file = tmp_path / "model.pickle"
    file.write_bytes(pickle.dumps((model, x, model(x))))
    code = (
        "import pickle, sys, torch\n"
        "model, x, expected = pickle.loads(open(sys.argv[1], 'rb').read())\n"
        "assert type(model[0]).__name__ == 'SwappedConv2d'\n"
        "assert torch.equal(model(x), expected)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(file)], check=True)


@pytest.mark.parametrize("name", only(["squeezenet"], ["squeezenet", "resnet", "vision transformer"]))
def test_torch_compile_takes_a_swapped_model_whole(name: str) -> None:
    model, twin = _two(name)
    _swap_all(model)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    for batch in (2, 3, 4):
        x = torch.randn(batch, *SHAPE[1:])
        torch.testing.assert_close(compiled(x), twin(x), **_NEAR)
    compiled(x).square().sum().backward()
    gradients = [each.grad for each in model.parameters()]
    for own, expected in zip(gradients, _gradients(twin, x), strict=True):
        torch.testing.assert_close(own, expected, **_NEAR)


def test_hooks_of_a_module_run_as_before() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    seen: list[str] = []
    model[0].register_forward_pre_hook(lambda module, args: seen.append("before"))
    model[0].register_forward_hook(lambda module, args, output: output + 1)
    model[0].register_full_backward_hook(lambda module, *gradients: seen.append("backward"))
    model[0].weight.register_hook(lambda gradient: gradient * 0)
    twin = copy.deepcopy(model)
    flashlight.swap_conv2d(model)
    x = picture().requires_grad_()
    torch.testing.assert_close(model(x), twin(x), **_NEAR)
    seen.clear()
    gradients = _gradients(model, x)
    assert seen == ["before", "backward"]
    assert not gradients[0].any()
    handle = model[0].register_forward_hook(lambda module, args, output: output * 0)
    assert not torch.equal(model(x), twin(x))
    handle.remove()


def test_a_module_stays_the_object_that_it_was() -> None:
    shared = nn.Conv2d(3, 3, 3, padding=1)
    model = nn.ModuleDict({"a": nn.Sequential(shared, nn.ModuleList([shared])), "b": shared})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    flashlight.swap_operation(nn.Conv2d, model, [_CONVOLUTION])
    assert model["b"] is shared
    assert model["a"][0] is shared
    assert isinstance(shared, nn.Conv2d)
    assert isinstance(shared, flashlight.SwappedModule)
    assert optimizer.param_groups[0]["params"][0] is shared.weight
    assert "algorithm=" in repr(shared)
    flashlight.swap_back(model)
    assert type(shared) is nn.Conv2d
    assert not [name for name in vars(shared) if "swap" in name]


def test_a_model_that_is_itself_the_operation_is_swapped() -> None:
    model = nn.Linear(3, 2)
    x = torch.randn(4, 3)
    expected = model(x)
    flashlight.swap_operation("linear", model, "gemm")
    torch.testing.assert_close(model(x), expected)


class _Scaled(nn.Conv2d):
    """A subclass with a forward of its own."""

    scale: float

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input) * self.scale


def test_a_subclass_keeps_its_own_forward_and_settings_that_change() -> None:
    model = nn.Sequential(_Scaled(3, 4, 3), nn.Conv2d(4, 4, 1))
    model[0].scale = 2.0
    twin = copy.deepcopy(model)
    flashlight.swap_operation(_Scaled, model)
    assert type(model[1]) is nn.Conv2d
    x = picture()
    torch.testing.assert_close(model(x), twin(x), **_NEAR)
    model[0].scale = twin[0].scale = 3.0
    model[0].stride = twin[0].stride = (2, 2)
    torch.testing.assert_close(model(x), twin(x), **_NEAR)


@pytest.mark.parametrize("is_before", [True, False])
def test_parametrized_modules_train_and_copy(is_before: bool) -> None:
    twin = parametrizations.weight_norm(nn.Linear(4, 3))
    # A deep copy would share the twin's class, from which torch takes the property when it is removed.
    model: nn.Module = nn.Linear(4, 3)
    if is_before:
        model = parametrizations.weight_norm(model)
    flashlight.swap_operation("linear", model)
    if not is_before:
        model = parametrizations.weight_norm(model)
    model.load_state_dict(twin.state_dict())
    x = torch.randn(2, 4)
    torch.testing.assert_close(model(x), twin(x))
    torch.testing.assert_close(_gradients(model, x), _gradients(twin, x))
    torch.testing.assert_close(copy.deepcopy(model)(x), twin(x))
    parametrize.remove_parametrizations(model, "weight")
    torch.testing.assert_close(model(x), twin(x))
    assert isinstance(model, flashlight.SwappedModule)


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning")
def test_weights_that_hooks_set_reach_the_program() -> None:
    torch.manual_seed(6)
    twin = nn.utils.weight_norm(nn.Conv2d(3, 2, 3))
    model = nn.utils.weight_norm(nn.Conv2d(3, 2, 3))
    model.load_state_dict(twin.state_dict())
    flashlight.swap_conv2d(model)
    x = picture()
    torch.testing.assert_close(model(x), twin(x), **_NEAR)
    torch.testing.assert_close(_gradients(model, x), _gradients(twin, x), rtol=1e-4, atol=1e-3)


def test_selectors_choose_per_module() -> None:
    known = [_CONVOLUTION, "default"]
    model, _ = _two("densenet")
    flashlight.swap_operation("conv2d", model, [known[number % 2] for number in range(4)])
    chosen = [each.algorithm for each in model.modules() if isinstance(each, flashlight.SwappedModule)]
    assert chosen == [known[0], known[1]] * 2
    flashlight.swap_conv2d(model, lambda module: known[module.in_channels == 3])
    assert model.stem.algorithm == "default"
    assert model.layers[1].algorithm == known[0]
    flashlight.swap_conv2d(model, {"layers.*": "default", "stem": _CONVOLUTION})
    assert (model.stem.algorithm, model.layers[2].algorithm) == (_CONVOLUTION, "default")


def test_a_function_gets_the_shape_of_the_modules_input() -> None:
    model, _ = _two("vgg")
    seen: list[tuple[int, ...]] = []

    def choose(module: nn.Module, input_shape: tuple[int, ...]) -> str:
        seen.append(input_shape)
        return "default"

    before = [len(each._forward_pre_hooks) for each in model.modules()]
    flashlight.swap_operation(nn.Conv2d, model, algos=choose, sample_input_shape=(5, 3, 16, 16))
    assert seen == [(5, 3, 16, 16), (5, 6, 16, 16), (5, 6, 8, 8)]
    assert [len(each._forward_pre_hooks) for each in model.modules()] == before


class _Counting(nn.Module):
    """A user's own operation in the place of a convolution."""

    def __init__(self, original: nn.Conv2d, algorithm: str) -> None:
        super().__init__()
        self.weight, self.bias, self.algorithm = original.weight, original.bias, algorithm

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.conv2d(x, self.weight, self.bias, padding=1)


def test_swap_with_puts_a_users_modules_in_all_places() -> None:
    shared = nn.Conv2d(3, 3, 3, padding=1)
    model = nn.Sequential(OrderedDict(first=shared, second=nn.Conv2d(3, 3, 3, padding=1), third=shared))
    twin = copy.deepcopy(model)
    flashlight.swap_operation("conv2d", model, ["mine", "other"], swap_with=_Counting)
    assert [each.algorithm for each in model] == ["mine", "other", "mine"]
    assert model.first is model.third
    assert list(model.state_dict()) == list(twin.state_dict())
    torch.testing.assert_close(model(picture()), twin(picture()))


def test_threads_call_one_module_at_new_shapes_at_once() -> None:
    model, twin = _two("squeezenet")
    flashlight.swap_conv2d(model)
    inputs = [torch.randn(number % 3 + 1, 3, 8, 8) for number in range(9)]
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(model, inputs))
    for x, result in zip(inputs, results, strict=True):
        torch.testing.assert_close(result, twin(x), **_NEAR)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("conv7d", "vgg"), ParameterError, "did you mean 'conv"),
        ((nn.GELU, "vgg"), ParameterError, "GELU was given as the operation"),
        (("conv3d", "vgg"), ParameterError, "has no module of Conv3d"),
        (("conv2d", "vgg", "winogrd"), ParameterError, "'winogrd' was given as the algorithm of conv2d"),
        (("conv2d", "vgg", ["default"]), ParameterError, "1 algorithms were given for 3 modules"),
        (("conv2d", "vgg", {"nowhere": "default"}), ParameterError, "'nowhere' names none of the modules"),
        (("conv2d", "vgg", 3), ParameterError, "3 of type int was given as algorithms"),
        (("conv2d", "vgg", lambda module, shape: "default"), OperandError, "expected sample_input_shape"),
        (("conv2d", "vgg", lambda module: 7), ParameterError, "7 was given as the algorithm"),
        (("conv2d", "vgg", lambda module, shape: "default", (2, 2)), ShapeError, "torch refuses"),
        (("conv2d", "vgg", lambda module, shape: "default", "x"), ShapeError, "sample_input_shape='x'"),
    ],
)
def test_bad_arguments_are_told_and_change_nothing(arguments: Any, error: type[Exception], words: str) -> None:
    operation, name, *rest = arguments
    model = network(name)
    with pytest.raises(error, match=words):
        flashlight.swap_operation(operation, model, *rest)
    assert not any(isinstance(each, flashlight.SwappedModule) for each in model.modules())


def test_what_a_module_cannot_take_is_told_at_the_call() -> None:
    model = nn.Conv2d(3, 2, 3)
    flashlight.swap_conv2d(model)
    with pytest.raises(DtypeError, match=r"called with a tensor of dtype torch.float16 .*expected float32 or float64"):
        model(torch.ones(1, 3, 5, 5, dtype=torch.float16))
    with pytest.raises(RuntimeError, match="channels"):
        model(torch.ones(1, 4, 5, 5))
    with pytest.raises(OperandError, match="argument of type object"):
        model(object())
    attention = nn.MultiheadAttention(4, 2, dropout=0.5)
    flashlight.swap_operation("attention", attention)
    x = torch.ones(2, 1, 4)
    with pytest.raises(UnsupportedOperationError, match="draws random numbers"):
        attention(x, x, x)
    attention.eval()(x, x, x)


def test_modules_that_cannot_be_swapped_are_told() -> None:
    with pytest.raises(OperandError, match="lazy module"):
        flashlight.swap_conv2d(nn.LazyConv2d(3, 2))
    own = nn.Linear(2, 2)
    own.forward = lambda x: x
    with pytest.raises(OperandError, match="function in place of its class's forward"):
        flashlight.swap_operation("linear", own)
    with pytest.raises(OperandError, match=r"expected a torch\.nn\.Module"):
        flashlight.swap_conv2d([nn.Conv2d(1, 1, 1)])  # type: ignore[arg-type]  # a wrong call
    with pytest.raises(ParameterError, match="both algorithms and algos"):
        flashlight.swap_conv2d(nn.Conv2d(1, 1, 1), "default", algos="default")
    with pytest.raises(OperandError, match="the model itself is a Conv2d"):
        flashlight.swap_conv2d(nn.Conv2d(1, 1, 1), swap_with=_Counting)
    with pytest.raises(OperandError, match="swap_with returned"):
        flashlight.swap_conv2d(nn.Sequential(nn.Conv2d(1, 1, 1)), swap_with=lambda module, name: 3)  # type: ignore[arg-type, return-value]


def test_a_trace_sees_into_swapped_modules() -> None:
    import composit

    model, twin = _two()
    _swap_all(model)
    x = picture()
    with torch.no_grad(), flashlight.tracer.trace():
        y = model(x)
    torch.testing.assert_close(torch.from_numpy(composit.evaluate(y)), twin(x).detach(), **_NEAR)


def test_functional_transforms_take_swapped_modules() -> None:
    module = nn.Linear(3, 2)
    twin = copy.deepcopy(module)
    flashlight.swap_operation("linear", module)
    x = torch.randn(4, 3)
    torch.testing.assert_close(torch.func.vmap(module)(x), torch.func.vmap(twin)(x))
    state = {name: value * 2 for name, value in twin.state_dict().items()}
    torch.testing.assert_close(torch.func.functional_call(module, state, x), torch.func.functional_call(twin, state, x))
