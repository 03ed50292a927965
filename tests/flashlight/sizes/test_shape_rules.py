"""Shapes as expressions: our rules give what torch's give, torch is asked once for equal arguments, and recurrent layers stay whole."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import composit as cnp
from composit.errors import GuardError, UnsupportedOperationError
from flashlight.sizes.metadata import Metadata
from flashlight.sizes.shape_rules import ShapeRules
from flashlight.sizes.symbols import known_value
from flashlight.tracer import trace
from tests.flashlight.sizes.no_kernels import no_kernels
from tests.sampling import one_in

_SIZES = [(2, 5), (3, 7), (1, 5), (2, 1), (1, 1), (4, 6)]


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Compare each record of our rules with torch's; the operations for which we had one."""
    own: list[str] = []
    by_own_rule = ShapeRules._by_own_rule

    def compare(self: ShapeRules, operation: Any, args: Any, kwargs: Any, parts: Any) -> Any:
        found = by_own_rule(self, operation, args, kwargs, parts)
        if found is not None:
            own.append(operation.overloadpacket.__name__)
            try:
                by_torch = self._by_torch(operation, args, kwargs, parts) or ()
            except UnsupportedOperationError:
                # torch has no rule for a padding that is an expression.
                return found
            for mine, torchs, part in zip(found, by_torch, parts, strict=True):
                assert isinstance(mine, Metadata)
                assert isinstance(torchs, Metadata)
                _assert_same(mine, torchs, part)
        return found

    monkeypatch.setattr(ShapeRules, "_by_own_rule", compare)
    return own


def _assert_same(mine: Metadata, torchs: Metadata, part: torch.Tensor) -> None:
    assert mine.dtype == torchs.dtype
    assert list(map(str, mine.shape)) == list(map(str, torchs.shape))
    # The stride of an axis of one element means nothing, nor do those of no elements.
    for length, step, other in zip(part.shape, mine.strides, part.stride(), strict=True):
        assert length == 1 or not part.numel() or known_value(step) == other
    assert known_value(mine.offset) == part.storage_offset() == known_value(torchs.offset)


_X = torch.randn(2, 5, 8)
_FUNCTIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "elements": lambda x: torch.where(x > 0, x, x.mean(-1, keepdim=True)) + x[0] * torch.randn(8).mul(0).add(1) / 2,
    "products": lambda x: x @ x.transpose(1, 2) @ torch.ones(x.shape[1], 3),
    "view with a rest": lambda x: x.view(-1, 2, 4).reshape(x.shape[0], -1, 8).unflatten(-1, (2, -1)).flatten(0, 1),
    "expanded": lambda x: (
        x[:, None].expand(-1, 3, -1, 8) + x.unsqueeze(-2).expand(x.shape[0], x.shape[1], 2, 8).sum(2)[:, None]
    ),
    "moved": lambda x: x.permute(2, 0, 1).transpose(0, -1).mT.unsqueeze(-1).squeeze(-1).contiguous(),
    "slices": lambda x: (
        x[:, 1:, ::3].sum(1) + x[:, -1, ::3] + x[:, 0, 2::2] + x[:, : x.shape[1], -3:].amax(1) + x[1:].sum((0, 1))[:3]
    ),
    "slices of slices": lambda x: x.transpose(1, 2)[:, 2:][..., 0:][:, -4:-1].select(1, -2),
    "joined": lambda x: torch.cat([x, x[:, :0], x.flip(1), torch.ones(x.shape[0], 2, 8)], dim=-2),
    "padded": lambda x: functional.pad(x, (1, 2, 0, x.shape[1])),
    "reduced": lambda x: x.sum(dim=[1]) + x.amin(-1).mean() + x.max() + x.any() * x.mean((0, 1), keepdim=True)[0],
    "filled": lambda x: torch.full((x.shape[1], 8), 2.0) + x.new_zeros(8) + torch.zeros_like(x) + torch.tril(x),
    "normed": lambda x: functional.layer_norm(x.softmax(-1), (8,)).cumsum(1).log_softmax(1).clone(),
    "convolved": lambda x: functional.conv1d(x.transpose(1, 2), torch.ones(4, 8, 2), stride=1, padding=2, dilation=2),
    "attention": lambda x: functional.scaled_dot_product_attention(
        x[:, None], x[:, None], x[:, None, :, :4], is_causal=True
    ),
    "embedded": lambda x: functional.embedding((x[..., 0] > 0).long(), torch.eye(2, 8)) + x.detach(),
    "batch norm": lambda x: functional.batch_norm(x.mT, torch.zeros(8), torch.ones(8)).mT,
    "written": lambda x: x.clone().mul_(2).copy_(x.flip(0)).add_(x[:, :1]),
    "transposed in place": lambda x: x.clone().transpose_(1, 2).unsqueeze_(0)[0].mT,
}


@pytest.mark.parametrize("name", _FUNCTIONS)
def test_our_rules_give_what_torchs_give(compared: list[str], name: str) -> None:
    function, x = _FUNCTIONS[name], _X.clone()
    with torch.no_grad(), trace(dynamic={x: {0: "batch", 1: "length"}}):
        y = function(x)
    assert compared
    for size in _SIZES:
        new = torch.randn(*size, 8)
        with no_kernels():
            found = cnp.evaluate(y, inputs={x: new})
        torch.testing.assert_close(torch.from_numpy(np.asarray(found)), function(new), atol=1e-5, rtol=1e-5)


class _Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(8, 24)
        self.norm = nn.LayerNorm(8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query, key, value = self.project(x).view(*x.shape[:-1], 3, 2, 4).permute(2, 0, 3, 1, 4)
        weights = (query @ key.mT / math.sqrt(4)).softmax(-1)
        return self.norm(x + (weights @ value).transpose(1, 2).reshape(x.shape).roll(1, 1))


def test_torch_is_asked_once_however_many_layers_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    asked = ShapeRules._asked
    monkeypatch.setattr(ShapeRules, "_asked", lambda *args: counts.append(args[1]) or asked(*args))
    found = []
    for num_layers in (1, 4):
        counts.clear()
        model, x = nn.Sequential(*(_Attention() for _ in range(num_layers))), _X.clone()
        with torch.no_grad(), trace(dynamic={x: {0: "batch", 1: "length"}}):
            model(x)
        found.append(len(counts))
    assert found[0] == found[1] <= 6


RECURRENT: list[dict[str, Any]] = [
    {},
    {"bidirectional": True, "num_layers": 2, "batch_first": True},
    {"bias": False, "dropout": 0.3, "num_layers": 2},
]


@pytest.mark.parametrize(("kind", "options"), one_in(2, product([nn.LSTM, nn.GRU, nn.RNN], RECURRENT)))
def test_recurrent_layers_run_at_other_batches_and_lengths(kind: type[nn.RNNBase], options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    layer = kind(8, 3, **options).eval()
    for x in (torch.randn(2, 5, 8), torch.randn(1, 1, 8)):
        with torch.no_grad(), trace(dynamic={x: {0: "first", 1: "second"}}):
            output, last = layer(x)
            results = [output * 2, *(last if isinstance(last, tuple) else (last,))]
        for size in _SIZES:
            new = torch.randn(*size, 8)
            output, last = layer(new)
            expected = [output * 2, *(last if isinstance(last, tuple) else (last,))]
            with no_kernels():
                found = cnp.evaluate(results, inputs={x: new})
            for mine, torchs in zip(found, expected, strict=True):
                np.testing.assert_allclose(mine, torchs.detach(), atol=1e-5)


def test_a_recurrent_layer_that_draws_or_that_autograd_follows_says_so() -> None:
    layer, x = nn.GRU(8, 3, dropout=0.5, num_layers=2), _X.clone()
    with torch.no_grad(), trace(dynamic={x: {0: "length"}}):
        y, _ = layer(x)
    with pytest.raises(GuardError, match="y, _ = layer"):
        cnp.evaluate(y, inputs={x: torch.randn(4, 5, 8)})
    layer.eval()
    with trace(dynamic={x: {0: "length"}}):
        y, _ = layer(x)
        y.sum().backward()
    assert layer.weight_ih_l0.grad is not None
    with pytest.raises(GuardError, match="asked for at length=4"):
        cnp.evaluate(y, inputs={x: torch.randn(4, 5, 8)})
