"""`capture`: a function evaluated where its graph holds, traced again where it does not, always with torch's results."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import composit as cnp
import flashlight
from composit.errors import OperandError, ParameterError, UnknownBackendError
from tests.flashlight.classifier import Classifier


class _Forbidden(TorchDispatchMode):
    """Lets torch compute nothing. `lift_fresh` gives numpy's results back as they are."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.lift_fresh.default:
            return args[0]
        raise AssertionError(f"torch computed {func}")


def _branching(x: torch.Tensor) -> torch.Tensor:
    return x * 2 if x.sum() > 0 else x - 1


def test_guards_decide_which_of_two_cached_paths_runs() -> None:
    captured = flashlight.capture(_branching)
    for value in (1.0, -1.0, 2.0, -2.0, 3.0, -3.0):
        x = torch.full((3,), value)
        torch.testing.assert_close(captured(x), _branching(x))
    assert (captured.traces, captured.evaluations, captured.paths) == (2, 4, 2)
    first, second = captured.reasons
    assert first == "the first call"
    assert "bool read True before and would read False now" in second
    assert "x * 2 if x.sum() > 0 else x - 1" in second


@pytest.mark.parametrize("backend", ["numpy", "mosaic"])
def test_a_call_of_the_same_shapes_computes_nothing_with_torch(backend: str) -> None:
    model = Classifier().eval()
    captured = flashlight.capture(model, backend=backend)
    with torch.no_grad():
        captured(torch.zeros(2, 4))
        x = torch.randn(2, 4)
        expected = model(x)
        with _Forbidden():
            found = captured(x)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_other_shapes_dtypes_and_numbers_are_other_paths() -> None:
    captured = flashlight.capture(lambda x, times=1: x * times)
    for given in (torch.ones(2), torch.ones(3), torch.ones(2, dtype=torch.float64)):
        torch.testing.assert_close(captured(given, times=3), given * 3)
        torch.testing.assert_close(captured(given, times=-0.0), given * -0.0)
    assert captured.traces == captured.paths == 6
    assert "other shapes" in captured.reasons[-1]


def test_paths_are_bounded_and_the_least_used_goes_first() -> None:
    captured = flashlight.capture(lambda x: x + 1, max_paths=2)
    for length in (1, 2, 1, 3, 1, 2):
        captured(torch.zeros(length))
    assert (captured.paths, captured.traces, captured.evaluations) == (2, 4, 2)
    assert "2 of at most 2 paths kept" in captured.explain()
    captured.clear()
    assert captured.paths == 0


def test_parameters_are_read_anew_after_steps_of_an_optimizer() -> None:
    model, x = torch.nn.Linear(3, 2), torch.randn(4, 3)
    captured = flashlight.capture(model)
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    for _ in range(3):
        torch.testing.assert_close(captured(x), model(x).detach())
        optimizer.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()
    assert captured.traces == 1


def test_another_parameter_mode_or_attribute_of_a_module_is_another_path() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.LeakyReLU(0.5))
    captured, x = flashlight.capture(model), torch.tensor([[-1.0, 2.0, -3.0]])

    def set_slope() -> None:
        model[1].negative_slope = 0.25

    def set_weight() -> None:
        model[0].weight = torch.nn.Parameter(torch.eye(3))

    for change in (lambda: None, set_slope, set_weight, model.double):
        change()
        given = x.to(model[0].weight.dtype)
        torch.testing.assert_close(captured(given), model(given).detach())
    assert captured.traces == 4
    assert captured.reasons[1] == "Sequential.1.negative_slope was 0.5 and is 0.25"


def test_variables_that_the_function_closes_over_are_seen() -> None:
    factor = torch.tensor(2.0)

    def scaled(x: torch.Tensor) -> torch.Tensor:
        return x * factor

    captured = flashlight.capture(scaled)
    x = torch.ones(2)
    captured(x)
    factor.fill_(3)
    torch.testing.assert_close(captured(x), torch.full((2,), 3.0))
    factor = torch.tensor(4.0)
    torch.testing.assert_close(captured(x), torch.full((2,), 4.0))


_SCALES = {0: 2.0}


class _Settings:
    """Stands for a configuration, which leads to objects that are no data."""

    def __init__(self) -> None:
        self.logger = logging.getLogger("tests.captured")
        self.name = "settings"


def test_objects_without_tensors_are_the_same_in_each_call() -> None:
    settings = _Settings()
    captured = flashlight.capture(lambda x: {"x": x + 1, "settings": settings})
    for value in (1.0, 2.0):
        found = captured(torch.full((2,), value))
        assert found["settings"] is settings
        torch.testing.assert_close(found["x"], torch.full((2,), value + 1))
    assert settings.logger is logging.getLogger("tests.captured")
    assert settings.logger.name == "tests.captured"


class _Scaled(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * _SCALES[0]


def test_global_variables_that_a_module_uses_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    captured, x = flashlight.capture(_Scaled()), torch.ones(2)
    torch.testing.assert_close(captured(x), torch.full((2,), 2.0))
    monkeypatch.setitem(_SCALES, 0, 3.0)
    torch.testing.assert_close(captured(x), torch.full((2,), 3.0))


def test_a_tensor_of_the_function_may_change_its_shape() -> None:
    table = torch.arange(3.0)
    captured = flashlight.capture(lambda x: x + table.sum())
    torch.testing.assert_close(captured(torch.ones(2)), torch.full((2,), 4.0))
    table.data = torch.arange(5.0)
    torch.testing.assert_close(captured(torch.ones(2)), torch.full((2,), 11.0))


def test_a_function_that_moves_tensors_from_outside_is_traced_each_time() -> None:
    turning = flashlight.capture(lambda x: x.t_() + 1)
    average = torch.zeros(2)

    def rebind(x: torch.Tensor) -> torch.Tensor:
        average.data = average.data * 2 + x
        return average + 1

    captured, expected = flashlight.capture(rebind), torch.zeros(2)
    for number in (1.0, 2.0, 3.0):
        x = torch.full((2, 3), number)
        torch.testing.assert_close(turning(x), torch.full((3, 2), number + 1))
        assert x.shape == (3, 2)
        expected = expected * 2 + number
        torch.testing.assert_close(captured(torch.full((2,), number)), expected + 1)
        torch.testing.assert_close(average, expected)
    assert "other memory or another shape" in captured.reasons[-1]


def test_statistics_of_a_norm_in_training_are_written_as_torch_writes_them() -> None:
    norms = [torch.nn.BatchNorm1d(3) for _ in range(2)]
    captured = flashlight.capture(norms[0])
    for _ in range(3):
        x = torch.randn(5, 3)
        torch.testing.assert_close(captured(x), norms[1](x).detach())
        for name, buffer in norms[1].named_buffers():
            torch.testing.assert_close(norms[0].get_buffer(name), buffer)
    assert captured.evaluations == 2


class _Pair(NamedTuple):
    first: torch.Tensor
    second: list[torch.Tensor]


class _Store:
    def __init__(self) -> None:
        self.kept: list[torch.Tensor] = []
        self.count = 0


def _busy(x: torch.Tensor, more: Mapping[str, Any], store: _Store) -> Any:
    x.mul_(2)
    more["list"].append(x + more["y"])
    more["latest"] = more["list"][-1] * 2
    store.kept.append(more["latest"] + 1)
    store.count += 1
    return _Pair(x, more["list"]), store, {"same": store.kept, "none": None}


def test_arguments_are_changed_and_handed_back_as_by_torch() -> None:
    captured = flashlight.capture(_busy)
    for _ in range(3):
        results = []
        x, y = torch.randn(3), torch.randn(3)
        for function in (captured, _busy):
            given = (x.clone(), {"y": y.clone(), "list": []}, _Store())
            pair, store, rest = function(*given)
            assert pair.first is given[0]
            assert pair.second is given[1]["list"]
            assert store is given[2]
            assert rest["same"] is store.kept
            results.append((pair, dict(given[1]), store.kept, store.count, rest))
        torch.testing.assert_close(results[0], results[1])
    assert (captured.traces, captured.evaluations) == (1, 2)


def test_arguments_that_share_memory_are_another_path_than_those_that_do_not() -> None:
    def write(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        x.add_(1)
        return y * 2

    captured = flashlight.capture(write)
    for _ in range(2):
        shared, other = torch.zeros(4), torch.zeros(2)
        torch.testing.assert_close(captured(shared, shared[:2]), torch.full((2,), 2.0))
        torch.testing.assert_close(captured(shared, other), torch.zeros(2))
        torch.testing.assert_close(captured(shared, shared), torch.full((4,), 6.0))
        torch.testing.assert_close(shared, torch.full((4,), 3.0))
    assert (captured.traces, captured.evaluations) == (3, 3)


def test_draws_are_drawn_anew_in_each_call() -> None:
    def drop(x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.dropout(x, 0.5)

    captured, x = flashlight.capture(drop), torch.ones(50)
    for seed in (0, 1, 0):
        torch.manual_seed(seed)
        found = captured(x)
        torch.manual_seed(seed)
        torch.testing.assert_close(found, drop(x))
    assert captured.paths == 0
    assert "draws random numbers" in captured.reasons[-1]

    drawn = flashlight.capture(lambda x: x * random.random())
    assert not torch.equal(drawn(x), drawn(x))


def test_gradients_and_assigned_attributes_are_set_in_each_call() -> None:
    model = torch.nn.Linear(2, 1)

    def backward(x: torch.Tensor) -> torch.Tensor:
        loss = model(x).sum()
        loss.backward()
        return loss

    captured = flashlight.capture(backward)
    for round_ in range(1, 4):
        captured(torch.ones(1, 2))
        torch.testing.assert_close(model.bias.grad, torch.tensor([float(round_)]))
    assert "it sets .grad" in captured.reasons[-1]

    class Counter(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.latest = x + 1
            return self.latest

    counter = Counter()
    captured = flashlight.capture(counter)
    for value in (1.0, 2.0):
        captured(torch.full((2,), value))
        torch.testing.assert_close(counter.latest, torch.full((2,), value + 1))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_half_precision(dtype: torch.dtype) -> None:
    model = torch.nn.Linear(3, 2).to(dtype)
    captured = flashlight.capture(model)
    for _ in range(2):
        x = torch.randn(4, 3).to(dtype)
        torch.testing.assert_close(captured(x), model(x).detach(), atol=1e-2, rtol=1e-2)
    assert captured.evaluations == 1


def test_results_of_one_call_are_arguments_of_the_next() -> None:
    captured = flashlight.capture(lambda x: x * 0.5 if x.max() < 100 else x)
    x = torch.full((2,), 8.0)
    for _ in range(3):
        x = captured(x)
    torch.testing.assert_close(x, torch.ones(2))
    assert captured.traces == 1


def test_a_number_that_python_returns_is_guarded() -> None:
    captured = flashlight.capture(lambda x: int(x.sum()))
    assert [captured(torch.full((2,), value)) for value in (1.0, 2.0, 1.0)] == [2, 4, 2]


def test_an_error_of_torch_comes_from_torch() -> None:
    captured = flashlight.capture(lambda table, at: table[at])
    table = torch.arange(3.0)
    captured(table, torch.tensor([1]))
    with pytest.raises(IndexError, match="out of bounds"):
        captured(table, torch.tensor([7]))


def test_it_joins_an_open_trace() -> None:
    captured, x = flashlight.capture(lambda x: x * 2), torch.ones(2)
    captured(x)
    with flashlight.tracer.trace():
        y = captured(x) + 1
    np.testing.assert_array_equal(cnp.evaluate(y), [3, 3])


def test_threads_get_their_own_results() -> None:
    captured = flashlight.capture(_branching)
    failed: list[float] = []

    def work(value: float) -> None:
        for _ in range(5):
            x = torch.full((value.__int__() % 3 + 1,), value)
            if not torch.equal(captured(x), _branching(x)):
                failed.append(value)

    threads = [threading.Thread(target=work, args=(value,)) for value in (1.0, -2.0, 5.0, -4.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert captured.traces + captured.evaluations == 20


def test_wrong_uses_are_told() -> None:
    with pytest.raises(OperandError, match="expected a function or a torch module"):
        flashlight.capture(3)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="expected 1 or more"):
        flashlight.capture(_branching, max_paths=0)
    with pytest.raises(UnknownBackendError):
        flashlight.capture(_branching, backend="none such")
    with pytest.raises(OperandError, match="requires a gradient"):
        flashlight.capture(_branching)(torch.ones(2, requires_grad=True))
