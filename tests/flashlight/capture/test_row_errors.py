"""Errors of a trace name the operation, the module and the user's line, also where torch's own code is in between."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import composit as cnp
import mosaic
from composit.errors import UnrepresentableTensorError, UnsupportedOperationError
from flashlight.tracer import trace

X = torch.tensor([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])


# Not by torch.library.custom_op, whose functions a trace sees.
torch.library.define("flashlight_tests::unknown", "(Tensor x) -> Tensor")


@torch.library.impl("flashlight_tests::unknown", "default")
def _unknown(x: torch.Tensor) -> torch.Tensor:
    return x * 3


def unknown(x: torch.Tensor) -> torch.Tensor:
    result: torch.Tensor = torch.ops.flashlight_tests.unknown(x)
    return result


class Unknown(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.flashlight_tests.unknown(x)


class Outer(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x) + 1


class UnknownDerivative(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return unknown(g)


def _in_a_thread(x: torch.Tensor) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(unknown, x).result()


def _in_a_backward_pass(x: torch.Tensor) -> None:
    with torch.enable_grad():
        UnknownDerivative.apply(x.clone().requires_grad_()).sum().backward()


PLACES: dict[str, Callable[[torch.Tensor], Any]] = {
    "module": Outer(Unknown()),
    "thread": _in_a_thread,
    "backward pass": _in_a_backward_pass,
    "vmap": torch.vmap(unknown),
    "checkpoint": lambda x: torch.utils.checkpoint.checkpoint(unknown, x, use_reentrant=False),
    "cond": lambda x: torch.cond(torch.tensor(True), unknown, torch.sin, (x,)),
}


@pytest.mark.parametrize("place", PLACES)
def test_an_operation_without_row_is_named_wherever_it_runs(place: str) -> None:
    with pytest.raises(UnsupportedOperationError) as raised, torch.no_grad(), trace():
        PLACES[place](X)
    assert "torch called flashlight_tests.unknown.default with" in str(raised.value)
    assert 'File "' in str(raised.value)
    assert "for torch's signature flashlight_tests::unknown(Tensor x) -> Tensor" in str(raised.value)


# torch says so of all scripted modules; what people have has to be captured all the same.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_an_operation_of_a_scripted_module_is_named_with_the_module() -> None:
    model = Outer(torch.jit.script(Unknown()))
    with pytest.raises(UnsupportedOperationError) as raised, torch.no_grad(), trace():
        model(X)
    text = str(raised.value)
    assert "torch called flashlight_tests.unknown.default with (float32[2, 3]) in inner (Unknown)" in text
    assert "return self.inner(x) + 1" in text
    assert "TorchScript interpreter" in str(raised.value.__cause__)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_torchs_own_error_in_a_scripted_module_stays() -> None:
    class Mismatched(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x @ x

    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes cannot be multiplied"), torch.no_grad(), trace():
        torch.jit.script(Mismatched())(X)


@pytest.mark.parametrize(
    ("strange", "told"),
    [
        (
            lambda x: x.to_sparse(),
            "a tensor of layout torch.sparse_coo and shape (2, 3) was met; expected a strided tensor",
        ),
        (lambda x: x.to_mkldnn(), "a tensor of layout torch._mkldnn"),
        (lambda x: x.to(torch.float8_e4m3fn), "a tensor of dtype torch.float8_e4m3fn was met"),
        (lambda x: x.to(torch.complex32), "a tensor of dtype torch.complex32 was met"),
        (lambda x: torch.quantize_per_tensor(x, 0.1, 0, torch.qint8), "a tensor of dtype torch.qint8 was met"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's, of dtypes that it has only begun to support
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_tensor_that_no_array_can_hold_is_named_and_no_row_is_asked_for(strange: Any, told: str) -> None:
    with pytest.raises(UnsupportedOperationError) as raised, torch.no_grad(), trace():
        Outer(nn.Identity())(strange(X))
    text = str(raised.value)
    assert "torch called aten." in text
    assert told in text
    assert 'File "' in text
    assert "write a row" not in text


def test_new_values_may_require_a_gradient_and_must_be_dense() -> None:
    layer = nn.Linear(3, 2)
    with torch.no_grad(), trace():
        y = layer(X)
    given = (X * 2).requires_grad_()
    expected = layer(given).detach().numpy()
    model = mosaic.compile(y, inputs=["input"])
    for backend in ("numpy", "mosaic", "torch"):
        np.testing.assert_allclose(cnp.evaluate(y, inputs={"input": given}, backend=backend), expected, atol=1e-6)
    np.testing.assert_allclose(model(given), expected, atol=1e-6)
    for strange in (X.to_sparse(), X.to("meta")):
        with pytest.raises(UnrepresentableTensorError, match="inputs: a tensor of"):
            cnp.evaluate(y, inputs={X: strange})
        with pytest.raises(UnrepresentableTensorError, match="inputs: a tensor of"):
            model(strange)


def test_weights_are_loaded_inside_a_trace() -> None:
    stored = io.BytesIO()
    torch.save(nn.Linear(3, 2).state_dict(), stored)
    stored.seek(0)
    layer = nn.Linear(3, 2)
    with torch.no_grad(), trace():
        layer.load_state_dict(torch.load(stored))
        y = layer(X)
    np.testing.assert_allclose(cnp.evaluate(y, inputs={X: -X}), layer(-X).detach().numpy(), atol=1e-6)
