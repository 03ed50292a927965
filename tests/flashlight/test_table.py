"""The table of operations: what it lacks is an error that says how to add it, and users add rows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import composit as cnp
import flashlight
from composit.errors import UnsupportedOperationError
from flashlight.tracer import trace

# Of a function of torch.library.custom_op the operations inside are captured; nothing is known of what is inside this one.
_library = torch.library.Library("flashlight_tests", "FRAGMENT")
_library.define("tripled(Tensor x, SymInt times) -> Tensor")
_library.impl("tripled", lambda x, times: x * (3 * times), "CPU")
tripled = torch.ops.flashlight_tests.tripled


def test_an_operation_without_row_says_its_name_its_place_its_signature_and_how_to_add_it() -> None:
    class Tripled(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return tripled(x, 2)

    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Tripled()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(x)

    with pytest.raises(UnsupportedOperationError) as raised, trace():
        Outer()(torch.ones(4))
    text = str(raised.value)
    assert "torch called flashlight_tests.tripled.default with (float32[4], 2) in inner (Tripled)" in text
    assert "flashlight_tests::tripled(Tensor x, SymInt times) -> Tensor" in text
    assert "return tripled(x, 2)" in text
    assert "write a row in a module of your own, imported before the trace" in text
    assert "@flashlight.register(torch.ops.flashlight_tests.tripled.default)" in text
    assert "def _tripled(call, x, times)" in text


def test_an_operation_of_torchs_own_says_the_file_of_the_most_alike() -> None:
    with pytest.raises(UnsupportedOperationError) as raised, trace():
        torch._dirichlet_grad(torch.ones(2), torch.ones(2), torch.ones(2))
    found = re.search(
        r"write a row in (flashlight/operations/\w+\.py), if it is of the kind of \w+,", str(raised.value)
    )
    assert found is not None
    assert (Path(flashlight.__file__).parents[1] / found[1]).is_file()


@torch.library.custom_op("flashlight_tests::ones_at_zero", mutates_args=())
def ones_at_zero(x: torch.Tensor) -> torch.Tensor:
    return x * 0 + 1


def test_a_registered_operation_is_captured() -> None:
    @flashlight.register(torch.ops.flashlight_tests.ones_at_zero)
    def bessel(call: flashlight.Call, x: Any) -> Any:
        return cnp.asarray(np.zeros(call.shape, call.dtype)) + x * 0 + 1

    with trace():
        y = ones_at_zero(torch.zeros(3))
    np.testing.assert_allclose(cnp.evaluate(y), y.numpy(), rtol=1e-6)


def test_register_takes_torch_operations_only() -> None:
    with pytest.raises(cnp.errors.ParameterError, match="expected an operation of torch.ops"):
        flashlight.register(torch.exp)  # type: ignore[arg-type]


@torch.library.custom_op("flashlight_tests::halved", mutates_args=())
def halved(x: torch.Tensor) -> torch.Tensor:
    return x / 2


@pytest.mark.parametrize(
    ("returned", "told"),
    [(None, "its row gave nothing where torch"), (3.0, "its row gave 3.0 of type float where torch")],
)
def test_a_row_that_returns_no_tensor_is_an_error(returned: Any, told: str) -> None:
    """Without one the result would be a constant, whatever the inputs are."""
    flashlight.register(torch.ops.flashlight_tests.halved)(lambda call, x: returned)
    with pytest.raises(UnsupportedOperationError, match=told) as raised, trace():
        halved(torch.ones(3))
    assert "extend its row, <lambda> in " in str(raised.value)
