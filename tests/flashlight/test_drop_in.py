"""Programs written for a small framework with torch's names, run unchanged with `import torch as tensorgrad` and captured.

The framework's 63 members of tensors and 18 modules (akv17/tensorgrad, DOCS.md) are rows below, each in torch's spelling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch as tensorgrad
from torch.nn import functional

import composit
import composit.numpy as cnp
import flashlight
import mosaic
from composit import nn
from composit.nn import chain_rule
from composit.types import visualize

Tensor = tensorgrad.Tensor

# Exclusive or: a program as its author wrote it, with one name imported from elsewhere.
PROGRAM = """
import torch as tensorgrad

device = "cpu"
x = tensorgrad.tensor([[0, 0], [0, 1], [1, 0], [1, 1]]).float().to(device)
y = tensorgrad.tensor([0, 1, 1, 0]).long().to(device)
model = tensorgrad.nn.Sequential(tensorgrad.nn.Linear(2, 8), tensorgrad.nn.ReLU(), tensorgrad.nn.Linear(8, 2))
model.to(device)
model.train()
optim = tensorgrad.optim.SGD(model.parameters(), lr=0.5)
loss_fn = tensorgrad.nn.CrossEntropyLoss()

for _ in range(steps):
    optim.zero_grad()
    loss = loss_fn(model(x), y)
    loss.backward()
    optim.step()

model.eval()
with tensorgrad.no_grad():
    softmax = model(x).softmax(-1)
    prediction = softmax.numpy().argmax(-1)
"""


def _ran(steps: int) -> dict[str, Any]:
    names: dict[str, Any] = {"steps": steps}
    tensorgrad.manual_seed(0)
    exec(PROGRAM, names)
    return names


def test_the_program_runs_unchanged_and_is_captured_whole() -> None:
    with flashlight.tracer.trace(), pytest.warns(flashlight.DataLeavesWarning, match="left the graph through numpy"):
        names = _ran(40)
    softmax = names["softmax"]
    np.testing.assert_allclose(composit.evaluate(softmax), softmax.numpy(), atol=1e-6)
    compiled = mosaic.compile(softmax, inputs=[names["x"]], guards="ignore")
    np.testing.assert_allclose(compiled(names["x"].numpy()), softmax.numpy(), atol=1e-6)


def test_a_step_of_it_runs_by_mosaic_and_learns_what_torch_learns() -> None:
    names = _ran(0)
    model, optim, loss_fn, x, y = (names[name] for name in ("model", "optim", "loss_fn", "x", "y"))
    values = [each.detach().numpy().copy() for each in model.parameters()]
    with flashlight.tracer.trace():
        optim.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optim.step()
    parameters = list(model.parameters())
    step = mosaic.compile([loss, *parameters], inputs=[x, y, *parameters])
    losses = []
    for _ in range(300):
        value, *values = step(x.numpy(), y.numpy(), *values)
        losses.append(float(value))
    expected = _ran(300)
    assert losses[-1] < 0.05 < losses[0]
    for found, other in zip(values, expected["model"].parameters(), strict=True):
        np.testing.assert_allclose(found, other.detach().numpy(), atol=1e-4)


def test_its_training_step_compiled_trains_its_own_model() -> None:
    names = _ran(0)
    step = flashlight.training_step(names["model"], names["loss_fn"], names["optim"])
    for _ in range(300):
        step(names["x"], names["y"])
    expected = _ran(300)
    for found, other in zip(names["model"].parameters(), expected["model"].parameters(), strict=True):
        tensorgrad.testing.assert_close(found, other, atol=1e-4, rtol=1e-4)
    assert names["model"](names["x"]).argmax(-1).tolist() == [0, 1, 1, 0] == expected["prediction"].tolist()


def _filled(x: Tensor) -> Tensor:
    y = x * 1
    return y.masked_fill_(y > 1, 0.5)


def _slope(x: Tensor) -> Tensor:
    y = x.detach().requires_grad_()
    (y * y).sum().backward()
    assert y.grad is not None
    return y.grad + x


def _rendered(x: Tensor) -> Tensor:
    y = x * 2
    assert "multiply" in visualize(y, render=False).source
    return y


def _image(x: Tensor) -> Tensor:
    return tensorgrad.cat([x, 2 * x]).reshape(1, 1, 4, 3)


# One row for each documented member; x is a (2, 3) tensor of positive numbers.
MEMBERS: dict[str, Callable[[Tensor], Any]] = {
    "__add__": lambda x: (x + x, x + 2),
    "__getitem__": lambda x: (x[0], x[:, 1:], x[tensorgrad.tensor([1, 0, 1])]),
    "__init__": lambda x: x + tensorgrad.tensor([[1.0, 2.0, 3.0]]),
    "__invert__": lambda x: (~(x > 1), x),
    "__mul__": lambda x: (x * x, x * 3.0),
    "__neg__": lambda x: -x,
    "__pow__": lambda x: (x**2, x**0.5),
    "__radd__": lambda x: 1 + x,
    "__rmul__": lambda x: 2.5 * x,
    "__sub__": lambda x: (x - x[0], x - 1),
    "__truediv__": lambda x: (x / x[:1], x / 2),
    "__rsub__": lambda x: 1 - x,
    "__rtruediv__": lambda x: 1 / x,
    "arange": lambda x: x + tensorgrad.arange(3),
    "avg_pool2d": lambda x: functional.avg_pool2d(_image(x), 2, stride=1, padding=1),
    "backward": _slope,
    "bernoulli": lambda x: x * tensorgrad.bernoulli(tensorgrad.full((2, 3), 0.5)),
    "bool": lambda x: ((x - x).bool(), x),
    "cat": lambda x: tensorgrad.cat([x, x + 1], dim=1),
    "concat": lambda x: tensorgrad.concat([x, x], dim=0),
    "conv2d": lambda x: functional.conv2d(_image(x), x.reshape(1, 1, 2, 3), x[0, :1], padding=1),
    "copy": lambda x: x.clone(),
    "cpu": lambda x: x.cpu() * 2,
    "cuda": lambda x: (x.cuda() if tensorgrad.cuda.is_available() else x.cpu()) * 3,
    "detach": lambda x: (x.detach() * 2, x),
    "device": lambda x: x + tensorgrad.ones(3, device=x.device),
    "dtype": lambda x: x + tensorgrad.ones(3, dtype=x.dtype),
    "empty": lambda x: x + tensorgrad.empty(2, 3).fill_(1.0),
    "exp": lambda x: x.exp(),
    "float": lambda x: x.double().float() * 2,
    "from_data": lambda x: x * x.new_tensor([2.0, 3.0, 4.0]),
    "item": lambda x: x * tensorgrad.tensor(3.0).item(),
    "log": lambda x: x.log(),
    "long": lambda x: ((10 * x).long(), x),
    "lookup": lambda x: functional.embedding(tensorgrad.tensor([[1, 0], [1, 1]]), x),
    "masked_fill_": _filled,
    "matmul": lambda x: (x.matmul(x.transpose(0, 1)), x @ x[0]),
    "max": lambda x: (x.max(), *x.max(dim=1)),
    "max_pool2d": lambda x: functional.max_pool2d(_image(x), 2, stride=1, padding=1),
    "mean": lambda x: (x.mean(), x.mean(dim=(0, 1), keepdim=True)),
    "min": lambda x: (x.min(), *x.min(dim=0)),
    "ndim": lambda x: x * x.ndim,
    "numel": lambda x: x * x.numel(),
    "numpy": lambda x: x * tensorgrad.from_numpy(tensorgrad.ones(3).numpy()),
    "ones": lambda x: x + tensorgrad.ones(2, 3),
    "ones_like": lambda x: x + tensorgrad.ones_like(x),
    "permute": lambda x: x.permute(1, 0),
    "rand": lambda x: x + tensorgrad.rand(2, 3),
    "randint": lambda x: x + tensorgrad.randint(0, 5, (2, 3)),
    "randn": lambda x: x + tensorgrad.randn(2, 3),
    "relu": lambda x: (x - 1).relu(),
    "render": _rendered,
    "reshape": lambda x: x.reshape(3, 2),
    "shape": lambda x: x * x.shape[1],
    "sigmoid": lambda x: x.sigmoid(),
    "softmax": lambda x: x.softmax(dim=1),
    "sqrt": lambda x: x.sqrt(),
    "squeeze": lambda x: x[:, :1].squeeze(1),
    "sum": lambda x: (x.sum(), x.sum(dim=(0, 1)), x.sum(dim=1, keepdim=True)),
    "to": lambda x: x.to("cpu").to(tensorgrad.float64),
    "tolist": lambda x: x + tensorgrad.tensor(tensorgrad.ones(3).tolist()),
    "transpose": lambda x: x.transpose(1, 0),
    "unsqueeze": lambda x: x.unsqueeze(0),
    "zeros": lambda x: x + tensorgrad.zeros(2, 3),
    "zeros_like": lambda x: x + tensorgrad.zeros_like(x),
}


def _several(outputs: Any) -> list[Tensor]:
    return list(outputs) if isinstance(outputs, tuple) else [outputs]


def test_every_member_has_a_row() -> None:
    documented = len(MEMBERS) - len(("__rsub__", "__rtruediv__"))
    assert documented == 63


@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_of_tensors_is_captured_with_torchs_values_and_derivative(name: str) -> None:
    x = (tensorgrad.arange(6).reshape(2, 3) * 0.3 + 0.2).requires_grad_()
    tensorgrad.manual_seed(0)
    with flashlight.tracer.trace():
        outputs = _several(MEMBERS[name](x))
    for found, expected in zip(composit.evaluate(outputs), outputs, strict=True):
        np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    new = (x.detach() + 0.05).requires_grad_()
    tensorgrad.manual_seed(0)
    expected = _several(MEMBERS[name](new)) if name != "render" else [2 * new]
    found = composit.evaluate(outputs, inputs={x: new.detach().numpy()})
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other.detach().numpy(), rtol=1e-5, atol=1e-6)
    loss = sum((each * each).sum() for each in expected if each.requires_grad)
    with flashlight.tracer.trace():
        total = sum((each * each).sum() for each in outputs if each.requires_grad)
    (gradient,) = chain_rule({total: total}, [x])
    (slope,) = tensorgrad.autograd.grad(loss, [new])
    np.testing.assert_allclose(
        composit.evaluate(gradient, inputs={x: new.detach().numpy()}), slope, rtol=1e-5, atol=1e-6
    )


@dataclass(frozen=True)
class _ModuleRow:
    """A module with its inputs, and the function of composit that computes it from parameters by torch's names."""

    make: Callable[[], Any]
    inputs: Sequence[Tensor]
    function: Callable[..., Any]
    arguments: dict[str, Any] = field(default_factory=dict)


def _attention(p: dict[str, Any], x: Any, *others: Any) -> Any:
    weights, biases = cnp.split(p["in_proj_weight"], 3), cnp.split(p["in_proj_bias"], 3)
    pairs = [part for weight, bias in zip(weights, biases, strict=True) for part in (weight.T, bias)]
    return nn.multi_head_attention(x, None, *pairs, p["out_proj.weight"].T, p["out_proj.bias"], head_size=2)


def _normalized(p: dict[str, Any], x: Any) -> Any:
    return nn.batch_norm_training(x, p["running_mean"], p["running_var"], p["weight"], p["bias"])[0]


_ROWS = tensorgrad.linspace(-1.5, 2, 24).sin().reshape(4, 6)
_IMAGES = tensorgrad.linspace(-2, 2, 96).cos().reshape(2, 3, 4, 4)
_STATES = tensorgrad.linspace(-3, 1, 40).sin().reshape(2, 5, 4)
_CLASSES, _TOKENS = tensorgrad.tensor([5, 0, 2, 2]), tensorgrad.tensor([[0, 3], [3, 6]])
_module = tensorgrad.nn
MODULES: dict[str, _ModuleRow] = {
    "AvgPool2d": _ModuleRow(
        lambda: _module.AvgPool2d(2), [_IMAGES], lambda p, x: nn.average_pool(x, kernel_size=2, strides=2)
    ),
    "BatchNorm1d": _ModuleRow(lambda: _module.BatchNorm1d(6), [_ROWS], _normalized),
    "BatchNorm2d": _ModuleRow(lambda: _module.BatchNorm2d(3), [_IMAGES], _normalized),
    "Conv2d": _ModuleRow(
        lambda: _module.Conv2d(3, 4, 3, stride=2, padding=1),
        [_IMAGES],
        lambda p, x: nn.convolution(x, p["weight"], p["bias"], strides=2, padding=1),
    ),
    "CrossEntropyLoss": _ModuleRow(
        lambda: _module.CrossEntropyLoss(reduction="sum"),
        [_ROWS, _CLASSES],
        lambda p, x, y: nn.losses.cross_entropy(x, y, reduction="sum"),
    ),
    "Dropout": _ModuleRow(lambda: _module.Dropout(0.4).eval(), [_ROWS], lambda p, x: x),
    "Embedding": _ModuleRow(lambda: _module.Embedding(7, 3), [_TOKENS], lambda p, x: nn.embedding(x, p["weight"])),
    "Flatten": _ModuleRow(lambda: _module.Flatten(), [_IMAGES], lambda p, x: cnp.reshape(x, (2, 48))),
    "Identity": _ModuleRow(lambda: _module.Identity(), [_ROWS], lambda p, x: x),
    "LayerNorm": _ModuleRow(
        lambda: _module.LayerNorm(6), [_ROWS], lambda p, x: nn.layer_norm(x, p["weight"], p["bias"])
    ),
    "Linear": _ModuleRow(lambda: _module.Linear(6, 2), [_ROWS], lambda p, x: nn.linear(x, p["weight"], p["bias"])),
    "MSELoss": _ModuleRow(lambda: _module.MSELoss(), [_ROWS, _ROWS.flip(0)], lambda p, x, y: nn.losses.mse(x, y)),
    "MaxPool2d": _ModuleRow(
        lambda: _module.MaxPool2d(2), [_IMAGES], lambda p, x: nn.max_pool(x, kernel_size=2, strides=2)
    ),
    "MultiheadAttention": _ModuleRow(
        lambda: _module.MultiheadAttention(4, 2, batch_first=True),
        [_STATES, _STATES, _STATES],
        _attention,
        {"need_weights": False},
    ),
    "ReLU": _ModuleRow(lambda: _module.ReLU(), [_ROWS], lambda p, x: nn.relu(x)),
    "Sequential": _ModuleRow(
        lambda: _module.Sequential(_module.Linear(6, 3), _module.Sigmoid(), _module.Linear(3, 2)),
        [_ROWS],
        lambda p, x: nn.linear(nn.sigmoid(nn.linear(x, p["0.weight"], p["0.bias"])), p["2.weight"], p["2.bias"]),
    ),
    "Sigmoid": _ModuleRow(lambda: _module.Sigmoid(), [_ROWS], lambda p, x: nn.sigmoid(x)),
    "Softmax": _ModuleRow(lambda: _module.Softmax(dim=0), [_ROWS], lambda p, x: nn.softmax(x, axis=0)),
}


def _called(module: Any, row: _ModuleRow, inputs: Sequence[Tensor]) -> Tensor:
    output = module(*inputs, **row.arguments)
    return output[0] if isinstance(output, tuple) else output


def test_every_module_has_a_row() -> None:
    assert len(MODULES) == 18


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_captured_differentiated_and_compiled_as_torch_has_it(name: str) -> None:
    row = MODULES[name]
    tensorgrad.manual_seed(0)
    module = row.make()
    inputs = [each.clone() for each in row.inputs]
    parameters = list(module.parameters())
    before = {key: value.clone() for key, value in module.state_dict().items()}
    with flashlight.tracer.trace():
        output = _called(module, row, inputs)
        loss = (output * output).sum()
    np.testing.assert_allclose(composit.evaluate(output), output.detach().numpy(), rtol=1e-4, atol=1e-5)
    gradients = chain_rule({loss: loss}, parameters) if parameters else []
    compiled = mosaic.compile([output, *gradients], inputs=inputs)
    others = [each.flip(0) for each in inputs]
    module.load_state_dict(before)
    expected = _called(module, row, others)
    slopes = tensorgrad.autograd.grad((expected * expected).sum(), parameters) if parameters else ()
    found = compiled(*[each.numpy() for each in others])
    for one, other in zip(found, [expected, *slopes], strict=True):
        np.testing.assert_allclose(one, other.detach().numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", MODULES)
def test_parameters_of_a_torch_module_are_those_of_a_function(name: str) -> None:
    row = MODULES[name]
    module = row.make()
    parameters = flashlight.parameters_of(module)
    assert set(module.state_dict()) <= set(parameters)
    found = row.function(parameters, *[cnp.asarray(each.numpy()) for each in row.inputs])
    expected = _called(module, row, row.inputs)
    np.testing.assert_allclose(composit.evaluate(found), expected.detach().numpy(), rtol=1e-4, atol=1e-5)
