"""`capture`: whatever Python state the function read, a change of it is seen; a call that changes state is traced each time."""

from __future__ import annotations

import dataclasses
import functools
import gc
import itertools
import random
import sys
import threading
import types
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

import flashlight


class _Config:
    def __init__(self) -> None:
        self.scale = 2.0
        self.inner = types.SimpleNamespace(factor=1)
        self.items = [1, 2]
        self.options = {"a": 1.0}


@dataclasses.dataclass
class _Record:
    scale: float = 2.0


@dataclasses.dataclass(slots=True)
class _Slotted:
    scale: float = 2.0


_VARIABLES = types.ModuleType("variables_of_a_test")
_VARIABLES.scale = 2.0  # type: ignore[attr-defined]
_CONTEXT: ContextVar[float] = ContextVar("_CONTEXT", default=1.0)
_FACTOR = 2.0
_TABLE = {"factor": 2.0}


def _scaled(x: torch.Tensor) -> torch.Tensor:
    return x * _FACTOR


def _scaled_twice(x: torch.Tensor) -> torch.Tensor:
    return _scaled(x) * _TABLE["factor"] * _VARIABLES.scale * _CONTEXT.get()  # type: ignore[no-any-return, attr-defined]


class _Model(nn.Module):
    of_class = 3.0

    def __init__(self) -> None:
        super().__init__()
        self.config, self.record, self.slotted = _Config(), _Record(), _Slotted()
        self.linear = nn.Linear(4, 4)
        self.layers = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Dropout(0.0))
        self.activation: Callable[[torch.Tensor], torch.Tensor] = torch.relu
        config = self.config
        self.function = lambda x: x * config.scale
        self.pair, self.items, self.nested = (1, 2), [1.0, 2.0], {"a": [1.0]}
        self.array, self.members = np.arange(4, dtype=np.float32), {1, 2}
        self.tensor = torch.ones(4)
        self.register_buffer("buffer", torch.ones(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.linear(x) * self.config.scale * self.config.inner.factor * self.config.items[0]
        x = x * self.config.options["a"] * self.record.scale * self.slotted.scale * self.of_class
        x = self.activation(x) + self.function(x) * self.pair[0] + self.items[0] * self.nested["a"][0]
        x = x * torch.from_numpy(self.array) * len(self.members)
        return self.method(_scaled_twice(self.layers(x)) * self.tensor * self.buffer)

    def method(self, x: torch.Tensor) -> torch.Tensor:
        return x + (1 if self.training else 2)


class _Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = _Model()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x)  # type: ignore[no-any-return]


def _tripled(_: nn.Module, given: Any, output: torch.Tensor) -> torch.Tensor:
    return output * 3


def _set(path: str, value: Any) -> Callable[[_Model], None]:
    *owners, name = path.split(".")

    def change(model: _Model) -> None:
        owner: Any = model
        for each in owners:
            owner = owner[each] if isinstance(owner, dict) else getattr(owner, each)
        if isinstance(owner, list | dict):
            owner[int(name) if name.isdigit() else name] = value
        else:
            setattr(owner, name, value)

    return change


def _doubled(model: _Model, **options: Any) -> None:
    model.load_state_dict({name: value * 2 for name, value in model.state_dict().items()}, **options)


_CHANGES: dict[str, Callable[[_Model], object]] = {
    "attribute of a configuration": _set("config.scale", 5.0),
    "object inside a configuration": _set("config.inner.factor", 5),
    "list inside a configuration": _set("config.items.0", 7),
    "dict inside a configuration": _set("config.options.a", 7.0),
    "another configuration": _set(
        "config", types.SimpleNamespace(scale=1, inner=_Config().inner, items=[3], options={"a": 1})
    ),
    "dataclass": _set("record.scale", 5.0),
    "slots": _set("slotted.scale", 5.0),
    "function": _set("activation", torch.tanh),
    "tuple": _set("pair", (4, 2)),
    "list": _set("items.0", 9.0),
    "list in a dict": _set("nested.a.0", 9.0),
    "array in place": lambda model: model.array.fill(3),
    "array": _set("array", np.full(4, 3, np.float32)),
    "set": lambda model: model.members.add(3),
    "module": _set("layers.1", nn.Tanh()),
    "class of a module": lambda model: setattr(model.layers[1], "__class__", nn.Tanh),
    "hook": lambda model: model.layers.register_forward_hook(_tripled),
    "hook before": lambda model: model.layers.register_forward_pre_hook(lambda _, given: (given[0] * 3,)),
    "loaded": _doubled,
    "loaded and assigned": functools.partial(_doubled, assign=True),
    "parameter": lambda model: setattr(model.linear, "weight", nn.Parameter(torch.ones(4, 4))),
    "data of a parameter": lambda model: setattr(model.linear.weight, "data", torch.ones(4, 4)),
    "parameter in place": lambda model: model.linear.weight.data.mul_(2),
    "no gradient": lambda model: model.linear.weight.requires_grad_(False),
    "parametrization": lambda model: parametrizations.weight_norm(model.linear),
    "buffer": _set("buffer", torch.full((4,), 3.0)),
    "buffer in place": lambda model: model.buffer.mul_(3),
    "tensor": _set("tensor", torch.full((4,), 3.0)),
    "tensor in place": lambda model: model.tensor.mul_(3),
    "evaluation": nn.Module.eval,
    "method of the object": _set("method", lambda x: x * 9),
}


def _assert_follows(model: nn.Module, change: Callable[[], object]) -> flashlight.Captured:
    captured, x = flashlight.capture(model), torch.randn(2, 4)
    for step in (lambda: None, lambda: None, change, lambda: None):
        step()
        torch.testing.assert_close(captured(x), model(x).detach(), atol=1e-4, rtol=1e-4)
    assert captured.evaluations >= 2
    return captured


@pytest.mark.parametrize("name", _CHANGES)
@pytest.mark.parametrize("kind", [_Model, _Outer])
def test_a_change_of_an_object_is_seen(kind: type[nn.Module], name: str) -> None:
    model = kind()
    inner = model.inner if isinstance(model, _Outer) else model
    _assert_follows(model, lambda: _CHANGES[name](inner))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        (_Model, "of_class", 9.0),
        (_Model, "method", lambda self, x: x * 5),
        (_Outer, "forward", lambda self, x: self.inner(x) - 1),
        (sys.modules[__name__], "_FACTOR", 5.0),
        (sys.modules[__name__], "_scaled", lambda x: x * 11),
        (sys.modules[__name__], "_TABLE", {"factor": 3.0}),
        (_VARIABLES, "scale", 7.0),
        # It hides a builtin function.
        (sys.modules[__name__], "len", lambda members: 7),
    ],
)
def test_a_change_of_a_class_or_a_variable_is_seen(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, value: Any
) -> None:
    _assert_follows(_Outer(), lambda: monkeypatch.setattr(owner, name, value, raising=False))


def test_a_replaced_hook_a_hook_of_all_modules_and_a_context_are_seen() -> None:
    model = _Outer()
    model.inner.layers.register_forward_hook(lambda *_: torch.ones(2, 4))

    def replace() -> None:
        model.inner.layers._forward_hooks.clear()
        model.inner.layers.register_forward_hook(_tripled)

    _assert_follows(model, replace)
    handle: list[Any] = []
    of_all = nn.modules.module.register_module_forward_hook
    _assert_follows(_Outer(), lambda: handle.append(of_all(lambda _, given, output: output + 1)))
    handle.pop().remove()
    tokens: list[Any] = []
    _assert_follows(_Outer(), lambda: tokens.append(_CONTEXT.set(3.0)))
    _CONTEXT.reset(tokens.pop())


def test_the_reason_names_what_changed() -> None:
    model = _Outer()
    captured = _assert_follows(model, lambda: setattr(model.inner.config, "scale", 5.0))
    assert captured.reasons[-1] == "_Outer.inner.config.scale was 2.0 and is 5.0"


def test_a_state_that_comes_back_finds_its_path() -> None:
    model, x = _Outer(), torch.randn(2, 4)
    captured = flashlight.capture(model)
    for scale in (1.0, 2.0, 1.0, 2.0, 1.0):
        model.inner.config.scale = scale
        torch.testing.assert_close(captured(x), model(x).detach(), atol=1e-4, rtol=1e-4)
    assert (captured.traces, captured.evaluations) == (2, 3)


def test_objects_of_functions_are_followed() -> None:
    config, x = _Config(), torch.ones(2)

    def inner(x: torch.Tensor) -> torch.Tensor:
        return x * config.scale

    class Callable_:
        def __init__(self) -> None:
            self.config = config

        def __call__(self, x: torch.Tensor) -> torch.Tensor:
            return x * self.config.scale

        def method(self, x: torch.Tensor) -> torch.Tensor:
            return self(x)

    def given(x: torch.Tensor, config: Any) -> torch.Tensor:
        return x * config.scale  # type: ignore[no-any-return]

    functions = [lambda x: inner(x), Callable_(), Callable_().method, functools.partial(given, config=config)]
    captured = [flashlight.capture(function) for function in functions]
    taking = flashlight.capture(lambda x, function: function(x))
    for value in (2.0, 3.0, 3.0):
        config.scale = value
        for function in captured:
            assert function(x).tolist() == [value, value]
        assert taking(x, inner).tolist() == [value, value]
    assert [each.traces for each in (*captured, taking)] == [2] * 5


def test_functions_behind_decorators_are_followed() -> None:
    scales, model, x = {"a": 2.0}, _Model(), torch.randn(2, 4)

    @torch.no_grad()
    def decorated(x: torch.Tensor) -> torch.Tensor:
        return x * scales["a"]

    @functools.wraps(decorated)
    def wrapped(*args: Any) -> Any:
        return decorated(*args)

    inner = flashlight.capture(model)
    functions = [decorated, wrapped, lambda x: inner(x), torch.compile(model, backend="eager")]
    captured = [flashlight.capture(function) for function in functions]
    for value in (2.0, 3.0, 3.0):
        scales["a"] = model.config.scale = value
        expected = [x * value, x * value, model(x).detach(), model(x).detach()]
        for function, output in zip(captured, expected, strict=True):
            torch.testing.assert_close(function(x), output, atol=1e-4, rtol=1e-4)
    assert [each.evaluations for each in captured] == [1, 1, 1, 1]


class _Argument:
    scale = 2.0

    def __init__(self) -> None:
        self.offset = 1.0

    def apply(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale + self.offset


def test_classes_of_arguments_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    captured, x = flashlight.capture(lambda x, argument: argument.apply(x)), torch.ones(1)
    assert [captured(x, _Argument()).item() for _ in range(2)] == [3, 3]
    monkeypatch.setattr(_Argument, "scale", 5.0)
    assert [captured(x, _Argument()).item() for _ in range(2)] == [6, 6]
    monkeypatch.setattr(_Argument, "apply", lambda self, x: x - self.offset)
    assert [captured(x, _Argument()).item() for _ in range(2)] == [0, 0]
    assert (captured.traces, captured.evaluations) == (3, 3)


class _Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.history: list[int] = []
        self.counts = {"calls": 0}
        self.state = types.SimpleNamespace(calls=0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.history.append(1)
        self.counts["calls"] += 1
        self.state.calls += 1
        return x * len(self.history)


def test_a_call_that_changes_state_is_traced_each_time() -> None:
    model = _Counting()
    captured = flashlight.capture(model)
    assert [captured(torch.ones(1)).item() for _ in range(4)] == [1, 2, 3, 4]
    assert model.counts["calls"] == model.state.calls == 4
    assert captured.paths == 0
    assert "it changes Python's state" in captured.reasons[-1]


@pytest.mark.parametrize(
    "draw",
    [
        random.Random(0).random,
        np.random.default_rng(0).random,
        np.random.RandomState(0).rand,
        itertools.count().__next__,
    ],
)
def test_numbers_of_generators_and_iterators_are_new_in_each_call(draw: Callable[[], float]) -> None:
    captured = flashlight.capture(lambda x: x * draw())
    assert len({captured(torch.ones(1)).item() for _ in range(4)}) == 4


@pytest.fixture
def profiler() -> Iterator[None]:
    sys.setprofile(lambda *_: None)
    yield
    sys.setprofile(None)


def test_code_that_cannot_be_followed_is_traced_each_time(profiler: None) -> None:
    captured = flashlight.capture(lambda x: x * _FACTOR)
    assert captured(torch.ones(1)).item() == captured(torch.ones(1)).item() == _FACTOR
    assert captured.paths == 0
    assert "a profiler is active" in captured.reasons[-1]


def test_work_of_another_thread_is_traced_each_time() -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        found: list[torch.Tensor] = []
        thread = threading.Thread(target=lambda: found.append(_scaled(x)))
        thread.start()
        thread.join()
        return found[0]

    captured = flashlight.capture(function)
    assert captured(torch.ones(1)).item() == captured(torch.ones(1)).item() == _FACTOR
    assert "another thread took part" in captured.reasons[-1]


def test_a_variable_of_the_script_that_no_code_of_the_function_reads_may_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    captured = flashlight.capture(_Outer())
    for value in (1, 2, 3):
        # The model has attributes of this name.
        monkeypatch.setattr(sys.modules[__name__], "config", value, raising=False)
        captured(torch.ones(2, 4))
    assert captured.traces == 1


_COLLECTIONS = 0


def _count_collections(phase: str, info: object) -> None:
    global _COLLECTIONS
    _COLLECTIONS += 1


def test_what_runs_while_garbage_is_collected_is_no_code_of_the_function() -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        gc.collect()
        return x * _FACTOR

    gc.callbacks.append(_count_collections)
    try:
        captured = flashlight.capture(function)
        for _ in range(3):
            assert captured(torch.ones(1)).item() == _FACTOR
    finally:
        gc.callbacks.remove(_count_collections)
    assert captured.evaluations == 2
    assert _COLLECTIONS >= 2
