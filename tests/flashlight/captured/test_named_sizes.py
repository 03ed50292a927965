"""`capture(dynamic=...)`: one trace for other batches and lengths, and another one where Python's code looked at a size."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

import flashlight
from composit.errors import OperandError, ParameterError, ShapeError
from tests.flashlight.classifier import Classifier

BATCH = {0: "batch"}


@pytest.mark.parametrize("backend", ["numpy", "mosaic"])
def test_other_batches_need_no_other_trace(backend: str) -> None:
    model = Classifier().eval()
    captured = flashlight.capture(model, backend=backend, dynamic={"x": BATCH})
    for batch in (2, 3, 1, 5, 3):
        x = torch.randn(batch, 4)
        with torch.no_grad():
            torch.testing.assert_close(captured(x), model(x), atol=1e-6, rtol=1e-5)
    assert (captured.traces, captured.evaluations, captured.paths) == (1, 4, 1)


def test_a_size_that_python_looked_at_is_traced_again() -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        return x.sum(0) if x.shape[0] > 3 else x.prod(0)

    captured = flashlight.capture(function, dynamic={"x": BATCH})
    for batch in (2, 5, 3, 7, 2):
        x = torch.randn(batch, 4)
        torch.testing.assert_close(captured(x), function(x))
    assert (captured.traces, captured.evaluations) == (2, 3)
    assert "if x.shape[0] > 3" in captured.reasons[-1]


def test_sizes_that_the_function_returns_are_numbers() -> None:
    class Store:
        count = 0

    def function(x: torch.Tensor, store: Store) -> Any:
        store.count = x.shape[0] * 2
        return {"x": x * 2, "size": x.shape, "count": x.shape[0] + 1}

    captured = flashlight.capture(function, dynamic={"x": BATCH})
    for batch in (2, 5, 3):
        stores, x = (Store(), Store()), torch.randn(batch, 4)
        found, expected = captured(x, stores[0]), function(x, stores[1])
        assert found["size"] == expected["size"]
        assert isinstance(found["size"], torch.Size)
        assert type(found["count"]) is type(stores[0].count) is int
        assert (found["count"], stores[0].count) == (expected["count"], stores[1].count)
    assert captured.traces == 1


def test_statistics_and_arguments_are_written_at_other_sizes() -> None:
    norm = torch.nn.BatchNorm1d(3)
    other = copy.deepcopy(norm)

    def function(module: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        x.mul_(2)
        return module(x)

    captured = flashlight.capture(function, dynamic={"x": BATCH})
    for batch in (4, 6, 5):
        x = torch.randn(batch, 3)
        y = x.clone()
        torch.testing.assert_close(captured(norm, x), function(other, y).detach())
        torch.testing.assert_close(x, y)
    for name, buffer in norm.named_buffers():
        expected = other.get_buffer(name)
        torch.testing.assert_close(buffer, expected)


def test_values_that_python_read_are_compared_at_other_sizes() -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        return x * 2 if x.sum() > 0 else x * 3

    captured = flashlight.capture(function, dynamic={"x": BATCH})
    for value, batch in ((1.0, 2), (1.0, 3), (-1.0, 4), (1.0, 5), (-1.0, 2)):
        x = torch.full((batch, 2), value)
        torch.testing.assert_close(captured(x), function(x))
    assert (captured.traces, captured.evaluations) == (2, 3)


def test_names_of_sizes_are_checked() -> None:
    def function(x: torch.Tensor, *more: torch.Tensor, **rest: torch.Tensor) -> torch.Tensor:
        return x + sum(more) + sum(rest.values())

    with pytest.raises(OperandError, match="expected names of sizes"):
        flashlight.capture(function, dynamic={"x": "batch"})  # type: ignore[dict-item]
    with pytest.raises(ParameterError, match="has the tensors x, more.0, y"):
        flashlight.capture(function, dynamic={"z": BATCH})(torch.ones(2), torch.ones(2), y=torch.ones(2))
    with pytest.raises(ParameterError, match="one of its 1 axes"):
        flashlight.capture(function, dynamic={"x": {1: "length"}})(torch.ones(2))
    captured = flashlight.capture(function, dynamic={"x": BATCH, "more.0": BATCH, "y": BATCH})
    for batch in (3, 4):
        given = torch.ones(batch), torch.ones(batch)
        torch.testing.assert_close(captured(*given, y=torch.ones(batch)), torch.full((batch,), 3.0))
    with pytest.raises(ShapeError, match="the size 'batch' is 3 in one argument and 1 in another"):
        captured(torch.ones(3), torch.ones(1))
    assert captured.traces == 1
