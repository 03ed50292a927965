"""Optimizers against torch's over ten steps, in both dtypes, evaluated and compiled."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
import mosaic
from composit.containers import flatten
from composit.errors import DtypeError, OperandError, ParameterError, ShapeError
from composit.nn import grad, optimize_step, optimizers, sgd_optimizer
from composit.nn.optimizer import Optimizer
from composit.program import program_of

torch = pytest.importorskip("torch")
START = (np.array([0.5, -1.5, 2.0]), np.array([[1.0, 0.0], [-0.25, 3.0]]))

ROWS: list[tuple[str, Callable[[], Optimizer], Callable[[Any], Any]]] = [
    ("sgd", lambda: optimizers.sgd(0.1), partial(torch.optim.SGD, lr=0.1)),
    ("momentum", lambda: optimizers.sgd(0.1, 0.9), partial(torch.optim.SGD, lr=0.1, momentum=0.9)),
    (
        "nesterov",
        lambda: optimizers.sgd(0.1, 0.9, nesterov=True, weight_decay=0.01),
        partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    ),
    (
        "dampening",
        lambda: optimizers.sgd(0.1, 0.9, dampening=0.5),
        partial(torch.optim.SGD, lr=0.1, momentum=0.9, dampening=0.5),
    ),
    ("adam", lambda: optimizers.adam(0.05), partial(torch.optim.Adam, lr=0.05)),
    (
        "adam with decay",
        lambda: optimizers.adam(0.05, (0.8, 0.95), epsilon=1e-6, weight_decay=0.1),
        partial(torch.optim.Adam, lr=0.05, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1),
    ),
    ("adamw", lambda: optimizers.adamw(0.05, weight_decay=0.1), partial(torch.optim.AdamW, lr=0.05, weight_decay=0.1)),
    ("amsgrad", lambda: optimizers.amsgrad(0.05), partial(torch.optim.Adam, lr=0.05, amsgrad=True)),
    ("adamax", lambda: optimizers.adamax(0.05), partial(torch.optim.Adamax, lr=0.05)),
    ("nadam", lambda: optimizers.nadam(0.05), partial(torch.optim.NAdam, lr=0.05)),
    ("radam", lambda: optimizers.radam(0.05, (0.9, 0.8)), partial(torch.optim.RAdam, lr=0.05, betas=(0.9, 0.8))),
    (
        "adagrad",
        lambda: optimizers.adagrad(0.1, learning_rate_decay=0.1, initial_accumulator=0.5),
        partial(torch.optim.Adagrad, lr=0.1, lr_decay=0.1, initial_accumulator_value=0.5),
    ),
    (
        "rmsprop",
        lambda: optimizers.rmsprop(0.05, momentum=0.5, centered=True, weight_decay=0.1),
        partial(torch.optim.RMSprop, lr=0.05, momentum=0.5, centered=True, weight_decay=0.1),
    ),
    ("plain rmsprop", lambda: optimizers.rmsprop(0.05), partial(torch.optim.RMSprop, lr=0.05)),
    ("adadelta", lambda: optimizers.adadelta(1.0), partial(torch.optim.Adadelta, lr=1.0)),
]


def _loss(xp: Any, first: Any, second: Any) -> Any:
    return xp.sum(xp.cos(first) * first) + xp.sum((second @ second) ** 2) * 0.1


def _ours(optimizer: Optimizer, dtype: Any, num_steps: int, evaluate: Any = cnp.evaluate) -> list[np.ndarray]:
    parameters = [cnp.asarray(each.astype(dtype)) for each in START]
    state = optimizer.init(parameters)
    for _ in range(num_steps):
        gradients = grad(lambda *p: _loss(cnp, *p), argnums=(0, 1))(*parameters)
        parameters, state = optimize_step(parameters, gradients, state, optimizer, evaluate)
    return [np.asarray(each) for each in parameters]


def _torchs(make: Callable[[Any], Any], dtype: Any, num_steps: int) -> list[np.ndarray]:
    parameters = [torch.tensor(each.astype(dtype), requires_grad=True) for each in START]
    optimizer = make(parameters)
    for _ in range(num_steps):
        optimizer.zero_grad()
        _loss(torch, *parameters).backward()
        optimizer.step()
    return [each.detach().numpy() for each in parameters]


@pytest.mark.parametrize(("name", "ours", "theirs"), ROWS, ids=[row[0] for row in ROWS])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_ten_steps_are_torchs(name: str, ours: Callable[[], Optimizer], theirs: Any, dtype: Any) -> None:
    given, expected = _ours(ours(), dtype, 10), _torchs(theirs, dtype, 10)
    # torch keeps NAdam's product of momenta in float32, whatever the dtype of the parameters.
    rtol = 2e-4 if dtype == np.float32 else 1e-7 if name == "nadam" else 1e-10
    for each, wanted in zip(given, expected, strict=True):
        assert each.dtype == dtype
        np.testing.assert_allclose(each, wanted, rtol=rtol, atol=1e-6 if dtype == np.float32 else 0)


def _by_mosaic(*tensors: Any) -> Any:
    model = mosaic.compile(list(tensors), inputs=[])
    assert "island" not in model.explain()
    return model()


@pytest.mark.parametrize(
    "make", [row[1] for row in ROWS] + [optimizers.lion, lambda: optimizers.lamb(weight_decay=0.1)]
)
def test_updates_run_in_c(make: Callable[[], Optimizer]) -> None:
    for each, wanted in zip(_ours(make(), np.float32, 2, _by_mosaic), _ours(make(), np.float32, 2), strict=True):
        np.testing.assert_allclose(each, wanted, rtol=1e-5, atol=1e-7)


def test_lion_steps_by_signs() -> None:
    x, g = np.array([1.0, -2.0]), np.array([0.5, -3.0])
    optimizer = optimizers.lion(0.1, (0.9, 0.99), weight_decay=0.5)
    tensors, state = [cnp.asarray(x)], optimizer.init([cnp.asarray(x)])
    mean = np.zeros(2)
    for _ in range(3):
        tensors, state = optimize_step(tensors, [cnp.asarray(g)], state, optimizer)
        x = x - 0.1 * (np.sign(0.9 * mean + 0.1 * g) + 0.5 * x)
        mean = 0.99 * mean + 0.01 * g
        g = -g
        np.testing.assert_allclose(np.asarray(tensors[0]), x, rtol=1e-12)


def test_lamb_steps_in_proportion_to_the_parameter() -> None:
    x, g = np.array([3.0, -4.0]), np.array([0.5, -3.0])
    optimizer = optimizers.lamb(0.1, epsilon=1e-6)
    (stepped,), _ = optimize_step([cnp.asarray(x)], [cnp.asarray(g)], optimizer.init([cnp.asarray(x)]), optimizer)
    direction = g / (np.abs(g) + 1e-6)
    np.testing.assert_allclose(np.asarray(stepped), x - 0.1 * 5.0 / np.linalg.norm(direction) * direction, rtol=1e-12)
    zero = cnp.zeros(2)
    (stepped,), _ = optimize_step([zero], [cnp.asarray(g)], optimizer.init([zero]), optimizer)
    np.testing.assert_allclose(np.asarray(stepped), -0.1 * direction, rtol=1e-12)


SCHEDULES = [
    (optimizers.step(0.5, 3, 0.1), lambda o: torch.optim.lr_scheduler.StepLR(o, 3, 0.1)),
    (optimizers.multi_step(0.5, [2, 5], 0.1), lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [2, 5], 0.1)),
    (optimizers.exponential(0.5, 0.9), lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.9)),
    (optimizers.cosine(0.5, 8, 0.01), lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 8, 0.01)),
    (optimizers.polynomial(0.5, 8, 2.0), lambda o: torch.optim.lr_scheduler.PolynomialLR(o, 8, 2.0)),
    (optimizers.warm_up(0.5, 4, 0.25), lambda o: torch.optim.lr_scheduler.LinearLR(o, 0.25, 1.0, 4)),
    (optimizers.constant(0.5), lambda o: torch.optim.lr_scheduler.ConstantLR(o, 1.0, 1)),
    (
        optimizers.one_cycle(0.5, 9),
        lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.5, total_steps=9, cycle_momentum=False),
    ),
]


@pytest.mark.parametrize(("ours", "theirs"), SCHEDULES)
def test_schedules_are_torchs(ours: Any, theirs: Any) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    schedule = theirs(optimizer)
    for count in range(8):
        rate = cnp.evaluate(ours(cnp.asarray(float(count))))
        np.testing.assert_allclose(rate, optimizer.param_groups[0]["lr"], rtol=1e-10, atol=1e-12)
        optimizer.step()
        schedule.step()


def test_a_schedule_is_part_of_the_step() -> None:
    optimizer = optimizers.sgd(optimizers.exponential(1.0, 0.5))
    (x,), state = [cnp.asarray(np.zeros(1, np.float32))], optimizer.init([cnp.zeros(1, dtype=np.float32)])
    seen = []
    for _ in range(3):
        (x,), state = optimize_step([x], [cnp.ones(1, dtype=np.float32)], state, optimizer)
        seen.append(float(x[0]))
    assert seen == [-1.0, -1.5, -1.75]
    assert x.dtype == np.float32


def test_clipping_is_torchs() -> None:
    gradients = [np.array([3.0, -4.0]), np.array([[12.0]])]
    given, norm = optimizers.clip_by_global_norm(list(map(cnp.asarray, gradients)), 6.5)
    parameters = [torch.zeros(each.shape, dtype=torch.float64, requires_grad=True) for each in gradients]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = torch.tensor(gradient)
    expected = torch.nn.utils.clip_grad_norm_(parameters, 6.5)
    np.testing.assert_allclose(cnp.evaluate(norm), expected)
    for each, parameter in zip(given, parameters, strict=True):
        np.testing.assert_allclose(cnp.evaluate(each), parameter.grad, rtol=1e-12)
    small, _ = optimizers.clip_by_global_norm([cnp.asarray([0.3, 0.4])], 6.5)
    np.testing.assert_array_equal(cnp.evaluate(small[0]), [0.3, 0.4])
    optimizer = optimizers.clipped(optimizers.sgd(1.0), value=1.0)
    (x,), _ = optimize_step([cnp.zeros(2)], [cnp.asarray([-3.0, 0.5])], optimizer.init([cnp.zeros(2)]), optimizer)
    np.testing.assert_array_equal(np.asarray(x), [1.0, -0.5])


def test_groups_step_with_their_own_optimizers() -> None:
    biases = optimizers.ParameterGroup(lambda parameter, position: parameter.ndim == 1, optimizers.sgd(1.0))
    optimizer = optimizers.grouped([biases], default=optimizers.adam(0.5))
    parameters = [cnp.ones((2, 2)), cnp.ones(2)]
    stepped, state = optimize_step(parameters, parameters, optimizer.init(parameters), optimizer)
    np.testing.assert_allclose(np.asarray(stepped[0]), 0.5, rtol=1e-7)
    np.testing.assert_array_equal(np.asarray(stepped[1]), 0.0)
    optimize_step(stepped, parameters, state, optimizer)
    with pytest.raises(ParameterError, match="no group holds parameter 0"):
        optimizers.grouped([biases]).init(parameters)


def test_bad_settings_are_errors_at_the_call() -> None:
    with pytest.raises(ParameterError, match="betas"):
        optimizers.adam(betas=(1.0, 0.9))
    with pytest.raises(ParameterError, match="nesterov"):
        optimizers.sgd(nesterov=True)
    with pytest.raises(ParameterError, match="finite"):
        optimizers.adam(float("nan"))
    with pytest.raises(ParameterError, match="limit of -1"):
        optimizers.clip_by_value([cnp.ones(1)], -1)
    with pytest.raises(ParameterError, match="no limit"):
        optimizers.clipped(optimizers.sgd())
    with pytest.raises(OperandError, match=r"expected one number, a schedule, or a tensor of shape \(\)"):
        optimizers.sgd(cnp.ones(2))
    optimizer = optimizers.adam()
    with pytest.raises(ParameterError, match="a state for 1 parameters was given with 2"):
        optimizer.update([cnp.ones(1)] * 2, [cnp.ones(1)] * 2, optimizer.init([cnp.ones(1)]))
    with pytest.raises(ParameterError, match="num_steps=0"):
        optimizers.cosine(0.1, 0)


NONSENSE = [
    (optimizers.sgd, {"learning_rate": -1.0}),
    (sgd_optimizer, {"learning_rate": -1.0}),
    (optimizers.sgd, {"momentum": -0.1}),
    (optimizers.sgd, {"momentum": float("inf")}),
    (optimizers.sgd, {"dampening": float("nan")}),
    (optimizers.sgd, {"weight_decay": -1.0}),
    (optimizers.sgd, {"learning_rate": "0.1"}),
    (optimizers.sgd, {"learning_rate": None}),
    *[
        (make, {name: -1.0})
        for make in (
            optimizers.adam,
            optimizers.adamw,
            optimizers.amsgrad,
            optimizers.adamax,
            optimizers.nadam,
            optimizers.radam,
            optimizers.lamb,
        )
        for name in ("learning_rate", "epsilon", "weight_decay")
    ],
    *[
        (make, {"betas": betas})
        for make in (optimizers.adam, optimizers.adamax, optimizers.nadam, optimizers.lion, optimizers.lamb)
        for betas in ((0.9, 1.0), (-0.1, 0.9), (0.9,), 0.9, (0.9, float("nan")))
    ],
    (optimizers.nadam, {"momentum_decay": -1.0}),
    (optimizers.lion, {"weight_decay": -1.0}),
    *[
        (optimizers.adagrad, {name: -1.0})
        for name in ("learning_rate", "learning_rate_decay", "epsilon", "initial_accumulator")
    ],
    *[(optimizers.rmsprop, {name: -1.0}) for name in ("learning_rate", "alpha", "epsilon", "weight_decay", "momentum")],
    *[(optimizers.adadelta, {name: -1.0}) for name in ("learning_rate", "rho", "epsilon", "weight_decay")],
    (optimizers.adadelta, {"rho": 1.5}),
    (optimizers.constant, {"rate": -1.0}),
    (optimizers.step, {"rate": 0.1, "size": 3, "gamma": -1.0}),
    (optimizers.multi_step, {"rate": -0.1, "milestones": [3]}),
    (optimizers.exponential, {"rate": 0.1, "gamma": float("nan")}),
    (optimizers.cosine, {"rate": 0.1, "num_steps": 5, "final": -1.0}),
    (optimizers.polynomial, {"rate": 0.1, "num_steps": 5, "power": -1.0}),
    (optimizers.warm_up, {"following": 0.1, "num_steps": 5, "start": 2.0}),
    (optimizers.warm_up, {"following": -0.1, "num_steps": 5}),
    (optimizers.one_cycle, {"highest": -0.1, "num_steps": 5}),
    (optimizers.one_cycle, {"highest": 0.1, "num_steps": 5, "share_up": 1.5}),
    (optimizers.one_cycle, {"highest": 0.1, "num_steps": 5, "start_divisor": 0.0}),
]


@pytest.mark.parametrize(("make", "settings"), NONSENSE, ids=lambda each: getattr(each, "__name__", str(each)))
def test_negative_rates_and_other_nonsense_are_errors_at_the_call(make: Any, settings: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=r"was given; expected (a finite number|a positive number|two numbers)"):
        make(**settings)


def test_numbers_at_the_ends_of_what_torch_takes_are_taken() -> None:
    for rate in (0, 0.0, np.float32(0.1), np.array(0.5), np.int64(1)):
        optimizers.adam(rate, epsilon=0, weight_decay=0.0)
    optimizers.rmsprop(alpha=1.0, momentum=2.0)
    optimizers.adadelta(rho=1.0)
    # Tensors are numbers of a program: what they will be is not known here.
    (x,), _ = optimizers.sgd(cnp.asarray(-1.0)).update([cnp.ones(1)], [cnp.ones(1)], ())
    np.testing.assert_array_equal(np.asarray(x), [2.0])
    optimizers.cosine(cnp.asarray(0.5), 10)


@pytest.mark.parametrize(
    "make", [optimizers.adam, optimizers.adamw, optimizers.amsgrad, optimizers.adamax, optimizers.lamb]
)
def test_the_numbers_of_a_step_are_computed_once_for_all_parameters(make: Callable[..., Optimizer]) -> None:
    def names_of_numbers(count: int) -> list[str]:
        optimizer = optimizers.clipped(make(optimizers.cosine(0.1, 10)), global_norm=1.0)
        parameters = [cnp.asarray(np.full(3, float(k), np.float32)) for k in range(count)]
        stepped, _ = optimizer.update(parameters, parameters, optimizer.init(parameters))
        names = [instruction.operation.name for instruction in program_of(stepped).instructions]
        return [name for name in names if name in ("power", "cos", "astype", "minimum")]

    assert sorted(names_of_numbers(20)) == sorted(names_of_numbers(2))
    assert names_of_numbers(2)


def test_no_state_is_kept_twice() -> None:
    optimizer = optimizers.adam()
    state = optimizer.init([cnp.ones((4, 4)), cnp.ones(3)])
    assert [each.shape for each in flatten(state)[0]] == [(), (4, 4), (4, 4), (3,), (3,)]


def test_what_an_optimizer_would_get_wrong_is_an_error() -> None:
    matrix, vector = cnp.ones((2, 2)), cnp.ones(2)
    adam = optimizers.adam()
    for optimizer in (adam, optimizers.sgd(0.1), sgd_optimizer(0.1)):
        for gradients in ([vector], [matrix, vector]):
            with pytest.raises(ShapeError, match="in the same order"):
                optimizer.update([matrix], gradients, optimizer.init([matrix]))
        with pytest.raises(DtypeError, match="convert integers with astype"):
            optimizer.init([cnp.arange(3)])
        with pytest.raises(OperandError, match="expected a list of tensors"):
            optimizer.init({"weight": matrix})  # type: ignore[arg-type]
    with pytest.raises(DtypeError, match=r"split complex numbers"):
        adam.init([vector * 1j])
    for other in (
        optimizers.sgd(0.1),
        optimizers.sgd(0.1, 0.9),
        optimizers.amsgrad(),
        optimizers.rmsprop(momentum=0.5),
    ):
        with pytest.raises(ParameterError, match="another optimizer made this state"):
            adam.update([vector], [vector], other.init([vector]))


def test_complex_numbers_descend_and_are_clipped_as_in_torch() -> None:
    start, slope = np.array([1 + 2j, -1j]), np.array([3 + 4j, 1.0])
    weight = torch.tensor(start, requires_grad=True)
    weight.grad = torch.tensor(slope)
    norm = torch.nn.utils.clip_grad_norm_([weight], 2.0)
    torch.optim.SGD([weight], 0.1).step()
    gradients, ours = optimizers.clip_by_global_norm([cnp.asarray(slope)], 2.0)
    sgd = optimizers.sgd(0.1)
    (stepped,), _ = sgd.update([cnp.asarray(start)], gradients, sgd.init([cnp.asarray(start)]))
    np.testing.assert_allclose(np.asarray(stepped), weight.detach().numpy())
    np.testing.assert_allclose(np.asarray(ours), norm.numpy())
    with pytest.raises(DtypeError, match="have no order"):
        optimizers.clip_by_value([cnp.asarray(slope)], 1.0)


def test_large_float16_gradients_are_clipped_and_not_lost() -> None:
    (clipped,), norm = optimizers.clip_by_global_norm([cnp.asarray(np.full(4, 300, np.float16))], 1.0)
    assert float(norm) == 600.0
    np.testing.assert_allclose(np.asarray(clipped), np.full(4, 0.5), rtol=1e-3)
    assert clipped.dtype == np.float16
