"""`training_step`: runs of compiled training compared with the same runs of torch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import flashlight
from composit.program import count_evaluations
from tests.flashlight.export.training_models import CLASSES, IMAGES, ROWS, TOKENS, mlp, sgd
from tests.sampling import only

MakeOptimizer = Callable[[torch.nn.Module], torch.optim.Optimizer]

BACKENDS = ["numpy", "mosaic"]


def _cnn() -> torch.nn.Sequential:
    nn = torch.nn
    convolutions = nn.Conv2d(2, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)
    more = nn.Conv2d(8, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
    return nn.Sequential(*convolutions, *more, nn.Flatten(), nn.Dropout(0.2), nn.Linear(8, 3))


class _Transformer(torch.nn.Module):
    """Two layers with dropout, whose embedding is also the weight of the output."""

    def __init__(self) -> None:
        super().__init__()
        layer = torch.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        self.embedding = torch.nn.Embedding(11, 8)
        self.layers = torch.nn.TransformerEncoder(layer, 2)
        self.output = torch.nn.Linear(8, 11, bias=False)
        self.output.weight = self.embedding.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return a score for each token, with the tokens as the second axis."""
        return self.output(self.layers(self.embedding(x))).transpose(1, 2)


def _torch_step(
    model: torch.nn.Module,
    loss: Callable[..., torch.Tensor],
    optimizer: torch.optim.Optimizer,
    inputs: Any,
    *targets: Any,
) -> torch.Tensor:
    optimizer.zero_grad()
    value = loss(model(inputs), *targets)
    value.backward()
    optimizer.step()
    return value.detach()


def _compare_states(one: torch.optim.Optimizer, other: torch.optim.Optimizer) -> None:
    expected, found = one.state_dict(), other.state_dict()
    assert found["param_groups"] == expected["param_groups"]
    assert found["state"].keys() == expected["state"].keys()
    for key, values in expected["state"].items():
        assert found["state"][key].keys() == values.keys()
        for name, value in values.items():
            torch.testing.assert_close(found["state"][key][name], value, atol=2e-4, rtol=1e-3)


def _compare(
    model: torch.nn.Module,
    inputs: Any,
    targets: Sequence[Any],
    make: MakeOptimizer = sgd,
    loss: Callable[..., torch.Tensor] = functional.cross_entropy,
    *,
    backend: str = "numpy",
    steps: int = 20,
) -> tuple[torch.nn.Module, flashlight.TrainingStep]:
    """Train two copies of a model with equal draws, and compare losses, parameters, buffers and states of the optimizers."""
    other = copy.deepcopy(model)
    optimizer, own = make(model), make(other)
    step = flashlight.training_step(other, loss, own, backend=backend)
    for number in range(steps):
        torch.manual_seed(number)
        expected = _torch_step(model, loss, optimizer, inputs, *targets)
        after = torch.get_rng_state()
        torch.manual_seed(number)
        torch.testing.assert_close(step(inputs, *targets), expected, atol=1e-4, rtol=1e-4)
        assert torch.equal(torch.get_rng_state(), after)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value, atol=1e-4, rtol=1e-4)
    _compare_states(optimizer, own)
    return other, step


@pytest.mark.parametrize("backend", BACKENDS)
def test_twenty_steps_of_an_mlp_are_torchs(backend: str) -> None:
    torch.manual_seed(0)
    _, step = _compare(mlp(), ROWS, [CLASSES], backend=backend)
    assert step.num_variants == 1


def test_a_batch_norm_may_come_first() -> None:
    torch.manual_seed(0)
    _compare(torch.nn.Sequential(torch.nn.BatchNorm1d(6), mlp()), ROWS, [CLASSES])


@pytest.mark.parametrize("backend", only(["numpy"], BACKENDS))
def test_a_batch_norm_without_momentum_averages_over_all_batches_by_one_program(backend: str) -> None:
    torch.manual_seed(0)
    model = _cnn()
    for module in model:
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    other, step = _compare(model, IMAGES, [CLASSES], backend=backend)
    assert other[1].num_batches_tracked == 20
    assert step.num_variants == 1


@pytest.mark.parametrize("backend", only(["mosaic"], BACKENDS))
def test_a_cnn_with_batch_norm_and_dropout_has_torchs_statistics(backend: str) -> None:
    torch.manual_seed(0)
    model, _ = _compare(
        _cnn(), IMAGES, [CLASSES], lambda model: torch.optim.Adam(model.parameters(), lr=1e-2), backend=backend
    )
    assert model[1].num_batches_tracked == 20
    assert model[1].running_mean.abs().sum() > 0


@pytest.mark.parametrize("backend", only(["mosaic"], BACKENDS))
def test_a_transformer_with_dropout_and_tied_weights_is_torchs(backend: str) -> None:
    torch.manual_seed(0)
    model, _ = _compare(_Transformer(), TOKENS, [TOKENS], backend=backend)
    assert model.output.weight is model.embedding.weight


OPTIMIZERS: list[tuple[type[torch.optim.Optimizer], dict[str, Any]]] = [
    (torch.optim.SGD, {"lr": 0.1}),
    (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01}),
    (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True, "maximize": True}),
    (torch.optim.Adam, {"lr": 1e-2, "betas": (0.8, 0.99), "weight_decay": 0.1}),
    (torch.optim.Adam, {"lr": 1e-2, "amsgrad": True, "eps": 1e-4}),
    (torch.optim.Adam, {"lr": torch.tensor(1e-2), "decoupled_weight_decay": True, "weight_decay": 0.1}),
    (torch.optim.AdamW, {"lr": 1e-2, "weight_decay": 0.1}),
    (torch.optim.AdamW, {"lr": 1e-2, "amsgrad": True, "maximize": True}),
    (torch.optim.NAdam, {"lr": 1e-2, "weight_decay": 0.1}),
    (torch.optim.NAdam, {"lr": 1e-2, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    (torch.optim.RAdam, {"lr": 1e-2, "weight_decay": 0.1, "betas": (0.9, 0.95)}),
    (torch.optim.RAdam, {"lr": 1e-2, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    (torch.optim.Adamax, {"lr": 1e-2, "weight_decay": 0.1}),
    (torch.optim.Adagrad, {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.1}),
    (torch.optim.RMSprop, {"lr": 1e-3, "eps": 1e-4}),
    (torch.optim.RMSprop, {"lr": 1e-3, "eps": 1e-4, "momentum": 0.5, "centered": True, "weight_decay": 0.1}),
    (torch.optim.Adadelta, {"lr": 0.5, "rho": 0.8, "weight_decay": 0.1}),
]


# Of each optimizer the last options.
@pytest.mark.parametrize(("kind", "options"), only({row[0]: row for row in OPTIMIZERS}.values(), OPTIMIZERS))
def test_each_optimizer_and_its_state_are_torchs(kind: type[torch.optim.Optimizer], options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    steps = 8 if options.get("maximize") else 20
    _compare(mlp(), ROWS, [CLASSES], lambda model: kind(model.parameters(), **options), steps=steps)


class _Recurrent(torch.nn.Module):
    """Two layers in both directions, with dropout between them."""

    def __init__(self, kind: type[torch.nn.RNNBase]) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(11, 8, padding_idx=0)
        self.layers = kind(8, 6, num_layers=2, batch_first=True, dropout=0.4, bidirectional=True)
        self.output = torch.nn.Linear(12, 11)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return scores, with the tokens as the second axis."""
        return self.output(self.layers(self.embedding(x))[0]).transpose(1, 2)


# torch unrolls the layers, and the time goes with the number of tokens.
@pytest.mark.parametrize("length", only([2], [2, TOKENS.shape[1]]))
@pytest.mark.parametrize("kind", only([torch.nn.GRU], [torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN]))
def test_recurrent_layers_drop_between_them_as_torch_does(kind: type[torch.nn.RNNBase], length: int) -> None:
    torch.manual_seed(0)
    _compare(_Recurrent(kind), TOKENS[:, :length], [TOKENS[:, :length]], steps=2)


def test_parametrized_weights_are_trained() -> None:
    nn = torch.nn
    weight_norm, spectral_norm = nn.utils.parametrizations.weight_norm, nn.utils.parametrizations.spectral_norm
    torch.manual_seed(0)
    model = nn.Sequential(weight_norm(nn.Linear(6, 8)), nn.PReLU(), spectral_norm(nn.Linear(8, 8)), nn.Linear(8, 3))
    _compare(model, ROWS, [CLASSES], steps=5)


def test_groups_have_options_of_their_own() -> None:
    def make(model: torch.nn.Module) -> torch.optim.Optimizer:
        first, *others = model.children()
        rest = [each for layer in others for each in layer.parameters()]
        groups = [{"params": first.parameters(), "lr": 1e-3}, {"params": rest, "weight_decay": 0.0, "amsgrad": True}]
        return torch.optim.AdamW(groups, lr=1e-2, weight_decay=0.1)

    torch.manual_seed(0)
    _compare(mlp(), ROWS, [CLASSES], make)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_schedule_of_rate_and_momentum_needs_one_program(backend: str) -> None:
    torch.manual_seed(0)
    model = mlp()
    other = copy.deepcopy(model)
    optimizers = [torch.optim.AdamW(each.parameters(), lr=1e-2) for each in (model, other)]
    schedules = [torch.optim.lr_scheduler.OneCycleLR(each, 0.05, total_steps=20) for each in optimizers]
    step = flashlight.training_step(other, functional.cross_entropy, optimizers[1], backend=backend)
    for _ in range(20):
        expected = _torch_step(model, functional.cross_entropy, optimizers[0], ROWS, CLASSES)
        torch.testing.assert_close(step(ROWS, CLASSES), expected, atol=1e-4, rtol=1e-4)
        for schedule in schedules:
            schedule.step()
    assert step.num_variants == 1
    _compare_states(*optimizers)


def test_the_step_is_one_program_without_torchs_kernels() -> None:
    model = mlp()
    step = flashlight.training_step(model, functional.cross_entropy, sgd(model))
    step(ROWS, CLASSES)
    step(ROWS, CLASSES)
    with count_evaluations() as count, torch.profiler.profile() as profile:
        step(ROWS, CLASSES)
    assert count.runs == 1
    assert not {"aten::addmm", "aten::tanh", "aten::add_", "aten::copy_"} & {
        each.key for each in profile.key_averages()
    }


def test_compiled_steps_write_parameters_and_state_in_place() -> None:
    model = mlp()
    optimizer = torch.optim.Adam(model.parameters())
    step = flashlight.training_step(model, functional.cross_entropy, optimizer)
    step(ROWS, CLASSES)
    places = [each.data_ptr() for each in model.parameters()]
    states = [each["exp_avg"].data_ptr() for each in optimizer.state.values()]
    versions = [each._version for each in model.parameters()]
    step(ROWS, CLASSES)
    assert [each.data_ptr() for each in model.parameters()] == places
    assert [each["exp_avg"].data_ptr() for each in optimizer.state.values()] == states
    assert all(each._version > version for each, version in zip(model.parameters(), versions, strict=True))
    assert "result[0][0] float32[16, 6]: in place of" in step.explain()


def test_both_ways_of_training_take_turns() -> None:
    torch.manual_seed(0)
    model = _cnn()
    other = copy.deepcopy(model)
    optimizers = [torch.optim.Adam(each.parameters(), lr=1e-2) for each in (model, other)]
    step = flashlight.training_step(other, functional.cross_entropy, optimizers[1], backend="numpy")
    for number in range(9):
        torch.manual_seed(number)
        expected = _torch_step(model, functional.cross_entropy, optimizers[0], IMAGES, CLASSES)
        torch.manual_seed(number)
        by_torch = number % 3 == 1
        found = (
            _torch_step(other, functional.cross_entropy, optimizers[1], IMAGES, CLASSES)
            if by_torch
            else step(IMAGES, CLASSES)
        )
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
        if number == 4:
            optimizers[1].load_state_dict(copy.deepcopy(optimizers[1].state_dict()))
            other.load_state_dict(copy.deepcopy(other.state_dict()))
    _compare_states(*optimizers)


def test_frozen_parameters_stay_and_may_be_freed_on_the_way() -> None:
    torch.manual_seed(0)
    model = mlp()
    other = copy.deepcopy(model)
    optimizers = [torch.optim.Adam(each.parameters(), lr=1e-2) for each in (model, other)]
    step = flashlight.training_step(other, functional.cross_entropy, optimizers[1], backend="numpy")
    before = copy.deepcopy(other[0].state_dict())
    for number in range(12):
        for each in (model, other):
            each[0].requires_grad_(number >= 6)
        expected = _torch_step(model, functional.cross_entropy, optimizers[0], ROWS, CLASSES)
        torch.testing.assert_close(step(ROWS, CLASSES), expected, atol=1e-4, rtol=1e-4)
        assert torch.equal(other[0].weight, before["weight"]) == (number < 6)
    # The parameters of one group have now made 6 and 12 steps.
    _compare_states(*optimizers)
    torch.testing.assert_close(other[0].weight, model[0].weight, atol=1e-4, rtol=1e-4)


class _Rounded(torch.autograd.Function):
    """Rounding whose derivative is that of the identity."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        """Round."""
        return x.round()

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> torch.Tensor:
        """Pass the gradient on."""
        return g


class _Custom(torch.nn.Module):
    """What autograd decides: functions with derivatives of their own, detached parts, hooks, parts that are computed again."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = torch.nn.Linear(6, 8), torch.nn.Linear(8, 3)
        self.teacher = torch.nn.Linear(6, 8).requires_grad_(False)
        self.unused = torch.nn.Linear(2, 2)
        self.part = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Dropout(0.3), torch.nn.Tanh())
        self.register_buffer("average", torch.zeros(8))
        self.last: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return scores, and write to a buffer, a parameter and an attribute."""
        hidden = _Rounded.apply(4 * self.first(x)) / 4
        hidden = hidden + torch.sigmoid(hidden).detach()
        with torch.no_grad():
            self.average = 0.9 * self.average + hidden.mean(0)
            self.teacher.weight.mul_(0.9).add_(self.first.weight, alpha=0.1)
            hidden = hidden + self.teacher(x)
        hidden = checkpoint(self.part, hidden, use_reentrant=False)
        hidden = checkpoint(self.part, hidden, use_reentrant=True)
        self.last = hidden
        return self.second(hidden)


@pytest.mark.parametrize("backend", only(["numpy"], BACKENDS))
def test_gradients_are_those_of_torchs_autograd(backend: str) -> None:
    def make(model: torch.nn.Module) -> torch.optim.Optimizer:
        # Here, since copies of parameters have no hooks.
        model.get_parameter("second.weight").register_hook(lambda gradient: 2 * gradient)
        return sgd(model)

    torch.manual_seed(0)
    other, _ = _compare(_Custom(), ROWS, [CLASSES], make, backend=backend)
    assert other.last is None


class _Margin(torch.nn.Module):
    """A loss with a parameter of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(2.0))

    def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the loss of scaled scores."""
        return functional.cross_entropy(self.scale * output, target)


def test_a_loss_may_have_parameters() -> None:
    torch.manual_seed(0)
    models, losses = [mlp()], [_Margin()]
    models.append(copy.deepcopy(models[0]))
    losses.append(copy.deepcopy(losses[0]))
    optimizers = [
        torch.optim.SGD([*model.parameters(), *loss.parameters()], lr=0.1)
        for model, loss in zip(models, losses, strict=True)
    ]
    step = flashlight.training_step(models[1], losses[1], optimizers[1], backend="numpy")
    for _ in range(5):
        expected = _torch_step(models[0], losses[0], optimizers[0], ROWS, CLASSES)
        torch.testing.assert_close(step(ROWS, CLASSES), expected)
    torch.testing.assert_close(losses[1].scale, losses[0].scale)


def test_tensors_that_a_loss_knows_are_read_at_each_call() -> None:
    weight, model = torch.ones(3), mlp()
    other = copy.deepcopy(model)

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(output, target, weight=weight)

    optimizers = sgd(model), sgd(other)
    step = flashlight.training_step(other, loss, optimizers[1], backend="numpy")
    for number in range(4):
        weight[0] = number + 1
        expected = _torch_step(model, loss, optimizers[0], ROWS, CLASSES)
        torch.testing.assert_close(step(ROWS, CLASSES), expected)


def test_arguments_are_a_tensor_a_tuple_or_a_mapping() -> None:
    class Scaled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(6, 3)

        def forward(self, x: torch.Tensor, scale: torch.Tensor | float = 1.0) -> dict[str, torch.Tensor]:
            return {"scores": scale * self.layer(x)}

    def loss(output: dict[str, torch.Tensor], target: torch.Tensor, weight: float = 1.0) -> torch.Tensor:
        return weight * functional.cross_entropy(output["scores"], target)

    model = Scaled()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    step = flashlight.training_step(model, loss, optimizer, backend="numpy")
    for inputs, args in ((ROWS, (ROWS,)), ((ROWS, torch.tensor(2.0)), (ROWS, 2.0))):
        torch.testing.assert_close(step(inputs, CLASSES), loss(model(*args), CLASSES).detach())
    named = {"x": ROWS, "scale": 3.0}
    torch.testing.assert_close(step(named, CLASSES, 2.0), loss(model(**named), CLASSES, 2.0).detach())
    assert step.num_variants == 3


def test_other_sizes_and_modes_make_other_programs() -> None:
    torch.manual_seed(0)
    model = _cnn()
    other = copy.deepcopy(model)
    optimizers = sgd(model), sgd(other)
    step = flashlight.training_step(other, functional.cross_entropy, optimizers[1], backend="numpy")
    for count, is_training in ((8, True), (5, True), (8, False), (5, True)):
        torch.manual_seed(count)
        model.train(is_training)
        expected = _torch_step(model, functional.cross_entropy, optimizers[0], IMAGES[:count], CLASSES[:count])
        torch.manual_seed(count)
        other.train(is_training)
        torch.testing.assert_close(step(IMAGES[:count], CLASSES[:count]), expected, atol=1e-5, rtol=1e-4)
    assert step.num_variants == 3


def test_an_argument_that_the_model_writes_to_is_written() -> None:
    class Counting(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(6, 3)

        def forward(self, x: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
            counts[1:] += 1
            return self.layer(x) * counts

    model, counts = Counting(), torch.zeros(3)
    step = flashlight.training_step(model, functional.cross_entropy, sgd(model), backend="numpy")
    step((ROWS, counts), CLASSES)
    step((ROWS, counts), CLASSES)
    assert counts.tolist() == [0, 2, 2]


def test_weights_in_another_order_of_memory_are_trained() -> None:
    torch.manual_seed(0)
    _compare(_cnn().to(memory_format=torch.channels_last), IMAGES, [CLASSES], backend="mosaic", steps=4)


def test_hooks_after_a_step_run() -> None:
    model, seen = mlp(), []
    optimizer = sgd(model)
    optimizer.register_step_post_hook(lambda optimizer, args, kwargs: seen.append(len(optimizer.state)))
    flashlight.training_step(model, functional.cross_entropy, optimizer, backend="numpy")(ROWS, CLASSES)
    assert seen == [6]


def test_norms_that_average_over_all_batches_leave_torchs_class_as_it_is() -> None:
    forward = torch.nn.BatchNorm1d.forward
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4, momentum=None))
    other = copy.deepcopy(model)

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        assert torch.nn.BatchNorm1d.forward is forward
        return functional.mse_loss(output, target)

    optimizers = [torch.optim.SGD(each.parameters(), lr=0.1) for each in (model, other)]
    step = flashlight.training_step(model, loss, optimizers[0], backend="numpy")
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        x, target = torch.randn(5, 3, generator=generator), torch.randn(5, 4, generator=generator)
        step(x, target)
        optimizers[1].zero_grad()
        loss(other(x), target).backward()
        optimizers[1].step()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, other.state_dict()[name])
    assert "forward" not in vars(model[1])
