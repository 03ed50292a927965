"""Tensors without elements, tensors made of tensors, torch.func's wrappers, and operators that take functions, inside a trace."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import composit as cnp
import flashlight
from composit.errors import GuardError, UnsupportedOperationError
from flashlight.tracer import trace

X = torch.tensor([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])
NEW = torch.tensor([[0.5, 1.0, -1.0], [2.0, -3.0, 0.25]])


def follows(function: Callable[[torch.Tensor], Any]) -> None:
    """Compare what a function gives for other tensors: by its graph and by torch."""
    with torch.no_grad(), trace():
        output = function(X)
    np.testing.assert_allclose(cnp.evaluate(output), function(X).detach().numpy(), atol=1e-6)
    np.testing.assert_allclose(cnp.evaluate(output, inputs={X: NEW.numpy()}), function(NEW).detach().numpy(), atol=1e-6)


def test_tensors_of_the_device_meta_have_sizes_only() -> None:
    with torch.no_grad(), trace():
        layer = nn.Linear(3, 2, device="meta")
        assert layer(torch.rand(4, 3, device="meta")).shape == (4, 2)
        assert torch._foreach_add([torch.ones(3, device="meta")], 1)[0].is_meta
        assert (X.to("meta") * 2).shape == X.shape
        layer.to_empty(device="cpu")
        nn.init.ones_(layer.weight)
        nn.init.zeros_(layer.bias)
        output = layer(X)
    np.testing.assert_allclose(cnp.evaluate(output, inputs={X: NEW.numpy()}), NEW.sum(1)[:, None].expand(2, 2))


def test_parameters_without_a_size_get_one_inside() -> None:
    with torch.no_grad(), trace():
        layer = nn.LazyLinear(2)
        output = layer(X)
    expected = layer(NEW).detach().numpy()
    np.testing.assert_allclose(cnp.evaluate(output, inputs={X: NEW.numpy()}), expected, atol=1e-6)


def test_a_tensor_of_another_class_is_the_same_memory() -> None:
    class Named(torch.Tensor):
        pass

    for make in (
        lambda x: (x.as_subclass(Named) * 2).as_subclass(torch.Tensor),
        lambda x: nn.Parameter(x * 3),
        lambda x: nn.Buffer(x * 4),
    ):
        follows(make)


@pytest.mark.filterwarnings("ignore:The PyTorch API of MaskedTensors is in prototype stage:UserWarning")
def test_a_class_that_computes_with_tensors_is_recorded_by_what_it_does() -> None:
    class Doubled(torch.Tensor):
        half: torch.Tensor

        @staticmethod
        def __new__(cls, half: torch.Tensor) -> Doubled:
            made = torch.Tensor._make_wrapper_subclass(cls, half.shape, dtype=half.dtype)
            made.half = half
            return made

        @classmethod
        def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return func(*[each.half * 2 if isinstance(each, Doubled) else each for each in args], **(kwargs or {}))

    follows(lambda x: Doubled(x) + x)
    follows(lambda x: torch.masked.masked_tensor(x, torch.ones(2, 3, dtype=torch.bool)).sum().get_data())


def test_an_exported_module_runs_and_is_made_inside() -> None:
    layer = nn.Linear(3, 2)
    follows(lambda x: torch.export.export(layer, (x,)).module()(x))


def test_modules_are_called_with_tensors_that_torch_func_wraps() -> None:
    layer = nn.Sequential(nn.Linear(3, 3), nn.Tanh())
    weights = dict(layer.named_parameters())
    follows(lambda x: torch.vmap(lambda row: torch.func.functional_call(layer, weights, (row,)))(x))
    follows(torch.func.grad(lambda x: (layer(x) * x.data).sum()))
    follows(lambda x: torch.func.grad(lambda scale: (layer(x) * scale).square().sum())(torch.ones(3)))


def test_a_value_read_inside_torch_func_is_a_guard() -> None:
    with torch.no_grad(), trace():
        output = torch.func.grad(lambda x: (x * x * x.sum().item()).sum())(X)
    assert [each.kind for each in flashlight.report(output).guards] == ["item"]
    with pytest.raises(GuardError, match="x.sum"):
        cnp.evaluate(output, inputs={X: NEW.numpy()})


# torch's own formulas of forward mode are scripted.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_forward_mode_has_zeros_without_memory() -> None:
    follows(lambda x: torch.func.jvp(lambda y: (y * 2 + 1).tanh(), (x,), (x.exp(),))[1])
    follows(lambda x: torch.func.hessian(lambda y: (y.exp() * y.sin()).sum())(x[0]))


def test_the_branch_that_torch_cond_takes_is_guarded() -> None:
    def choose(x: torch.Tensor) -> torch.Tensor:
        return torch.cond(x.sum() > 0, lambda y: y * 2, lambda y: y * 3, (x,))

    with torch.no_grad(), trace():
        output = choose(X)
    np.testing.assert_allclose(cnp.evaluate(output, inputs={X: NEW.numpy() + 1}), choose(NEW + 1))
    with pytest.raises(GuardError):
        cnp.evaluate(output, inputs={X: NEW.numpy() - 9})


def test_an_operator_that_takes_functions_and_that_nobody_knows_is_an_error() -> None:
    from torch._higher_order_ops.run_const_graph import run_const_graph

    with (
        pytest.raises(UnsupportedOperationError, match=r"torch called run_const_graph, which takes functions, at\n"),
        torch.no_grad(),
        trace(),
    ):
        run_const_graph(torch.fx.symbolic_trace(nn.Identity()), (X,))


def test_a_module_compiled_inside_is_what_torch_makes_of_it_and_runs_as_written() -> None:
    layer = nn.Linear(3, 2)
    with torch.no_grad(), trace():
        compiled = torch.compile(layer, backend="eager")
        output = compiled(X)
    assert compiled._orig_mod is layer
    expected = layer(NEW).detach().numpy()
    np.testing.assert_allclose(cnp.evaluate(output, inputs={X: NEW.numpy()}), expected, atol=1e-6)


def test_functions_are_compiled_again_after_overlapping_traces() -> None:
    calls: list[int] = []

    def backend(graph: Any, inputs: Any) -> Any:
        calls.append(1)
        return graph

    double = torch.compile(lambda x: x * 2, backend=backend)
    opened, closed = threading.Event(), threading.Event()

    def first() -> None:
        with trace():
            opened.set()
            closed.wait(timeout=60)

    thread = threading.Thread(target=first)
    thread.start()
    opened.wait(timeout=60)
    with trace():
        closed.set()
        thread.join()
        double(X)
    assert not calls
    double(X)
    assert calls == [1]


@pytest.mark.filterwarnings("ignore::flashlight.DataLeavesWarning")
@pytest.mark.parametrize("name", ["apply_", "map_", "map2_"])
def test_functions_of_python_read_the_elements_of_all_tensors_that_they_get(name: str) -> None:
    functions: dict[str, Callable[[torch.Tensor, torch.Tensor], Any]] = {
        "apply_": lambda y, x: (y + x).apply_(lambda a: a * 2),
        "map_": lambda y, x: y.map_(x * 2, lambda a, b: a + b),
        "map2_": lambda y, x: y.map2_(torch.ones(2, 3), x * 2, lambda a, b, c: a + b * c),  # type: ignore[attr-defined]
    }
    with torch.no_grad(), trace():
        changed = functions[name](torch.zeros(2, 3), X)
        output = changed + X
    np.testing.assert_allclose(cnp.evaluate(output), (functions[name](torch.zeros(2, 3), X) + X).numpy())
    with pytest.raises(GuardError, match=rf"(?s)Python might take another path.*{name} read"):
        cnp.evaluate(output, inputs={X: NEW.numpy()})


LISTS_WITH_SHARED_MEMORY: dict[str, Callable[[torch.Tensor], Any]] = {
    "one tensor twice": lambda y: torch._foreach_add_([y, y], 1.0),
    "a tensor and its row": lambda y: torch._foreach_mul_([y, y[0], y], [2.0, 3.0, 0.5]),
    "read after it was written": lambda y: torch._foreach_add_([y[0], y[1]], [y[1], y[0]]),
    "a vector of factors": lambda y: torch._foreach_addcmul_([y, y], [y, y], [y, y], torch.tensor([0.5, 2.0])),
    "copies": lambda y: torch._foreach_copy_([y[:, :2], y[:, 1:]], [y[:, 1:], y[:, :2] * 2]),
    "no arguments": lambda y: torch._foreach_sin_([y, y.t()]),
}


@pytest.mark.parametrize("name", LISTS_WITH_SHARED_MEMORY)
def test_lists_of_tensors_that_share_memory_are_written_one_after_the_other(name: str) -> None:
    def written(x: torch.Tensor) -> torch.Tensor:
        y = x.clone()
        LISTS_WITH_SHARED_MEMORY[name](y)
        return y * 1

    follows(written)
