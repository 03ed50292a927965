"""`training_step` of modules whose parameters are bfloat16 or float16: torch's tensors keep their dtype, and are written in place."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch.nn import functional

import flashlight
from tests.flashlight.export.training_models import mlp, sgd
from tests.sampling import only

# Some units of bfloat16 (2**-8) and float16 (2**-11), since each of five steps rounds, and torch between the parts of an update too.
PRECISIONS = {torch.bfloat16: 2.0**-5, torch.float16: 2.0**-8}


def _adam(model: torch.nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=1e-2, eps=1e-4)


# Of Adam in float16 the squares of gradients are 0 for torch, which rounds them before it divides by their root.
@pytest.mark.parametrize(
    ("dtype", "make", "backend"),
    only(
        [(torch.bfloat16, sgd, "numpy"), (torch.bfloat16, _adam, "mosaic"), (torch.float16, sgd, "mosaic")],
        [
            (dtype, make, backend)
            for dtype, make in ((torch.bfloat16, sgd), (torch.bfloat16, _adam), (torch.float16, sgd))
            for backend in ("numpy", "mosaic")
        ],
    ),
)
def test_steps_in_half_precision_are_torchs_up_to_rounding(
    dtype: torch.dtype, make: Callable[[torch.nn.Module], torch.optim.Optimizer], backend: str
) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.BatchNorm1d(6), mlp()).to(dtype)
    other = copy.deepcopy(model)
    optimizer, own = make(model), make(other)
    step = flashlight.training_step(other, functional.cross_entropy, own, backend=backend)
    near = {"atol": PRECISIONS[dtype], "rtol": PRECISIONS[dtype]}
    for _ in range(5):
        x, classes = torch.randn(8, 6).to(dtype), torch.randint(3, (8,))
        before = [parameter.clone() for parameter in other.parameters()]
        optimizer.zero_grad()
        expected = functional.cross_entropy(model(x), classes)
        expected.backward()
        optimizer.step()
        found = step(x, classes)
        assert found.dtype is dtype
        torch.testing.assert_close(found, expected.detach(), **near)
        assert any(not torch.equal(old, new) for old, new in zip(before, other.parameters(), strict=True))
    for name, value in model.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value, **near)
    for expected_state, state in zip(optimizer.state.values(), own.state.values(), strict=True):
        for name, value in expected_state.items():
            torch.testing.assert_close(state[name], value, **near)
