"""Rows of operations that are compared with torch: values, and first and second derivatives."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

import composit.numpy as cnp
from composit.nn import chain_rule


@dataclass(frozen=True)
class TorchRow:
    """One call: `ours` on tensors of ours, `torchs` on torch's, of operands with these shapes.

    makers: how the operands are drawn where normal numbers do not do
    """

    name: str
    ours: Callable[..., Any]
    torchs: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]
    makers: tuple[Callable[[np.random.Generator], np.ndarray], ...] = field(default=())

    def operands(self) -> list[np.ndarray]:
        """Return float64 operands, the same in every process."""
        generator = np.random.default_rng(zlib.crc32(self.name.encode()))
        if self.makers:
            return [make(generator) for make in self.makers]
        return [generator.normal(size=shape) for shape in self.shapes]


def check_values(row: TorchRow, dtype: type, rtol: float) -> None:
    """Compare shape, dtype and values; the tolerance is relative to the largest value, since sums cancel."""
    operands: list[np.ndarray] = [operand.astype(dtype) for operand in row.operands()]
    expected = row.torchs(*map(torch.tensor, operands)).numpy()
    value = cnp.evaluate(row.ours(*map(cnp.asarray, operands)))
    assert (value.shape, value.dtype) == (expected.shape, expected.dtype)
    assert_close(value, expected, rtol)


def check_derivatives(row: TorchRow, order: int) -> None:
    """Compare derivatives in all operands, along random directions, to 1e-7 of the largest."""
    operands = row.operands()
    ours, torchs = (
        [cnp.asarray(each) for each in operands],
        [torch.tensor(each, requires_grad=True) for each in operands],
    )
    value, expected = row.ours(*ours), row.torchs(*torchs)
    generator = np.random.default_rng(0)
    for _ in range(order):
        direction = generator.normal(size=value.shape)
        loss, torch_loss = cnp.sum(value * direction), (expected * torch.tensor(direction)).sum()
        gradients = chain_rule({loss: loss}, ours, unreached="zeros")
        torch_gradients = _torch_gradients(torch_loss, torchs)
        for gradient, other in zip(cnp.evaluate(gradients), torch_gradients, strict=True):
            assert_close(gradient, other.detach().numpy(), 1e-7)
        value = cnp.concatenate([cnp.reshape(each, (-1,)) for each in gradients])
        expected = torch.cat([each.reshape(-1) for each in torch_gradients])


def _torch_gradients(loss: torch.Tensor, operands: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
    """Return the gradients; zeros where torch keeps no graph because a derivative is constant."""
    if not loss.requires_grad:
        return [torch.zeros_like(each) for each in operands]
    return torch.autograd.grad(loss, operands, create_graph=True, allow_unused=True, materialize_grads=True)


def assert_close(value: np.ndarray, expected: np.ndarray, rtol: float) -> None:
    """Compare to a part of the largest value."""
    assert value.shape == expected.shape
    largest = float(np.max(np.abs(expected), initial=1.0, where=np.isfinite(expected)))
    np.testing.assert_allclose(value, expected, rtol=rtol, atol=rtol * largest)


def names(rows: Sequence[TorchRow]) -> list[str]:
    """Return the names, for the ids of tests."""
    return [row.name for row in rows]
