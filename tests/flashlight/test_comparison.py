"""`compare` finds the first node where a backend leaves torch's values."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import nn

import flashlight
from composit.backends import get_backend
from composit.errors import OperandError
from composit.operation import Array
from composit.program import Program
from flashlight.tracer import trace


class WrongExponential:
    """The numpy backend with one mistake: exp gives a little more."""

    def prepare(self, program: Program) -> Callable[[Sequence[Array]], Sequence[Array]]:
        run = get_backend("numpy").prepare(program)
        is_wrong = [program.instructions[at].operation.name == "exp" for at, _ in program.outputs]

        def run_wrong(values: Sequence[Array]) -> Sequence[Array]:
            return [value * 1.1 if wrong else value for value, wrong in zip(run(values), is_wrong, strict=True)]

        return run_wrong


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.exp(self.inner(x)).sum()


@pytest.fixture
def output() -> torch.Tensor:
    torch.manual_seed(0)
    with torch.no_grad(), trace(run_torch=True):
        return Model()(torch.ones(2, 3))


@pytest.mark.parametrize("backend", ["numpy", "mosaic", "torch"])
def test_a_right_backend_agrees_everywhere(output: torch.Tensor, backend: str) -> None:
    comparison = flashlight.compare(output, backend=backend)
    assert comparison
    assert comparison.num_compared >= 3
    assert "agree" in str(comparison)


def test_the_first_wrong_node_is_named_with_both_values_and_the_error(output: torch.Tensor) -> None:
    comparison = flashlight.compare(output, backend=WrongExponential())
    assert not comparison
    assert comparison.first is not None
    assert comparison.first.tensor.node.name == "exp"
    np.testing.assert_allclose(comparison.first.value, comparison.first.torch_value * 1.1, rtol=1e-5)
    assert comparison.first.error == pytest.approx(float(comparison.first.torch_value.max()) * 0.1, rel=1e-4)
    text = str(comparison)
    assert "return torch.exp(self.inner(x)).sum()" in text
    assert "torch: [" in text
    assert "graph: [" in text


def test_without_torch_values_there_is_nothing_to_compare() -> None:
    with trace():
        output = torch.ones(3) + 1
    with pytest.raises(OperandError, match="run_torch=True"):
        flashlight.compare(output)


def test_values_are_kept_within_a_nested_trace_only() -> None:
    with trace():
        outside = torch.ones(3) + 1
        with trace(run_torch=True):
            inside = torch.ones(3) + 2
    assert flashlight.compare(inside).num_compared == 1
    with pytest.raises(OperandError):
        flashlight.compare(outside)
