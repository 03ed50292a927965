"""Packed sequences and torch.jagged's nested tensors: captured, right on other inputs, lengths guarded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import rnn

import composit as cnp
from composit.errors import GuardError, UnsupportedOperationError
from composit.nn import chain_rule
from flashlight.tracer import trace

Tensor = torch.Tensor


def _packed(x: Tensor, y: Tensor) -> Any:
    lstm = nn.LSTM(4, 3, 2, batch_first=True, bidirectional=True)
    padded = rnn.pad_sequence([x, y], batch_first=True)
    output, (hidden, cell) = lstm(rnn.pack_padded_sequence(padded, [2, 3], batch_first=True, enforce_sorted=False))
    values, lengths = rnn.pad_packed_sequence(output, batch_first=True, padding_value=-1.0, total_length=5)
    return values, lengths, hidden, cell


def _packed_list(x: Tensor, y: Tensor) -> Any:
    output, hidden = nn.GRU(4, 3)(rnn.pack_sequence([y, x]))
    return rnn.unpack_sequence(output), hidden, output.data, output.batch_sizes


def _jagged(x: Tensor, y: Tensor) -> Any:
    nested = torch.nested.as_nested_tensor([x, y], layout=torch.jagged)
    layer = nn.Linear(4, 3)
    return layer(nested).to_padded_tensor(-1.0), F.gelu(nested).values(), (nested * 2).unbind(), nested.sum(-1).values()


def _jagged_attention(x: Tensor, y: Tensor) -> Any:
    nested = torch.nested.nested_tensor([x, y], layout=torch.jagged)
    heads = nested.view(2, -1, 2, 2).transpose(1, 2)
    mixed = F.scaled_dot_product_attention(heads, heads, heads)
    return mixed.transpose(1, 2).reshape(2, -1, 4).values()


def _strided(x: Tensor, y: Tensor) -> Any:
    nested = torch.nested.as_nested_tensor([x, y])
    layer, norm = nn.Linear(4, 3), nn.LayerNorm(4)
    padded = [
        layer(nested),
        torch.softmax(nested, -1),
        norm(nested) + nested * 2,
        torch.bmm(nested, nested.transpose(1, 2)),
    ]
    return [each.to_padded_tensor(-1.0) for each in padded], torch.relu(nested).unbind()


PROGRAMS: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "a bidirectional layer on padded sequences": _packed,
    "a layer on a list of sequences": _packed_list,
    "a nested tensor of rows behind each other": _jagged,
    "attention of a nested tensor": _jagged_attention,
    "a nested tensor of parts": _strided,
}


def tensors_of(result: Any) -> list[Tensor]:
    if isinstance(result, Tensor):
        return [result]
    return [tensor for part in result for tensor in tensors_of(part)]


def inputs(seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 4, generator=generator), torch.randn(3, 4, generator=generator)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.filterwarnings("ignore::flashlight.DataLeavesWarning")  # torch reads the lengths for unbind
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_of_sequences_is_captured(name: str) -> None:
    x, y = inputs(0)
    torch.manual_seed(3)
    with torch.no_grad(), trace():
        results = tensors_of(PROGRAMS[name](x, y))
    for found, tensor in zip(cnp.evaluate(results), results, strict=True):
        np.testing.assert_allclose(found, tensor.numpy(), atol=1e-6)
    new = inputs(1)
    torch.manual_seed(3)
    with torch.no_grad():
        expected = tensors_of(PROGRAMS[name](*new))
    given = dict(zip((x, y), (each.numpy() for each in new), strict=True))
    for found, tensor in zip(cnp.evaluate(results, inputs=given), expected, strict=True):
        np.testing.assert_allclose(found, tensor.numpy(), atol=1e-6)


def test_lengths_that_are_tensors_are_guarded() -> None:
    padded, lengths = torch.randn(2, 3, 4), torch.tensor([3, 2])
    with trace():
        packed = rnn.pack_padded_sequence(padded, lengths, batch_first=True)
        total = packed.data.sum() / lengths.sum()
    with pytest.raises(GuardError, match="pack_padded_sequence"):
        cnp.evaluate(total, inputs={lengths: np.array([3, 1])})


def test_gradients_pass_through_packed_sequences() -> None:
    torch.manual_seed(0)
    padded, layer = torch.randn(2, 3, 4, requires_grad=True), nn.GRU(4, 3, batch_first=True)
    with trace():
        output, _ = layer(rnn.pack_padded_sequence(padded, torch.tensor([3, 2]), batch_first=True))
        loss = output.data.square().sum()
        (inside,) = torch.autograd.grad(loss, padded, retain_graph=True)
    (expected,) = torch.autograd.grad(loss, padded)
    np.testing.assert_allclose(cnp.evaluate(inside), expected.numpy(), atol=1e-6)
    (gradient,) = cnp.evaluate(chain_rule({loss: loss}, [padded]))
    np.testing.assert_allclose(gradient, expected.numpy(), atol=1e-6)


def test_all_parts_of_memory_that_torch_fills_through_a_pointer_are_known() -> None:
    with trace():
        packed = rnn.pack_padded_sequence(torch.randn(2, 3, 4), [3, 2], batch_first=True)
        _, lengths = rnn.pad_packed_sequence(packed)
        parts = [part * 2 for part in lengths.unbind()]
    assert cnp.evaluate(parts) == [6, 4]


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_writes_into_nested_tensors_and_what_joins_their_parts_are_refused() -> None:
    with trace():
        nested = torch.nested.nested_tensor([torch.ones(2, 3), torch.ones(1, 3)])
        with pytest.raises(UnsupportedOperationError, match="mul_"):
            nested.mul_(2)
        with pytest.raises(UnsupportedOperationError, match="followed one by one"):
            nested.unbind()[0].add_(1)
        with pytest.raises(UnsupportedOperationError, match="select"):
            _ = nested[0]
