"""torch.compile(model, backend="composit"): training runs equal eager torch's, draws included."""

from __future__ import annotations

import copy
import importlib
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from composit.errors import UnknownBackendError, UnsupportedOperationError
from composit.program import count_evaluations
from flashlight.export.dynamo_backend import composit_backend

_PYPROJECT = Path(__file__).resolve().parents[3] / "pyproject.toml"
_BY_NUMPY = {"backend": "numpy"}


@pytest.fixture(autouse=True)
def _torch_compiles_afresh() -> Iterator[None]:
    yield
    torch._dynamo.reset()


class _Block(torch.nn.Module):
    """A block of a transformer, with dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = torch.nn.MultiheadAttention(16, 2, batch_first=True, dropout=0.1)
        self.first, self.second = torch.nn.LayerNorm(16), torch.nn.LayerNorm(16)
        self.dense = torch.nn.Sequential(
            torch.nn.Linear(16, 32), torch.nn.GELU(), torch.nn.Dropout(0.2), torch.nn.Linear(32, 16)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.dense(self.second(x))


class _Mean(torch.nn.Module):
    """The mean over the second axis."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(1)


def _mlp() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.ReLU(), torch.nn.Dropout(0.3), torch.nn.Linear(16, 3))


def _cnn() -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3, padding=1),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2),
        torch.nn.SiLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(8, 3),
    )


def _transformer() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Embedding(11, 16), _Block(), _Block(), _Mean(), torch.nn.Linear(16, 3))


def _losses(model: torch.nn.Module, run: torch.nn.Module, x: torch.Tensor) -> list[float]:
    torch.manual_seed(1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    target = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(run(x), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def _compare_training(model: torch.nn.Module, x: torch.Tensor, options: dict[str, str] | None = None) -> None:
    other = copy.deepcopy(model)
    expected = _losses(model, model, x)
    found = _losses(other, torch.compile(other, backend=composit_backend, options=options), x)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert expected[-1] < expected[0]
    for name, value in model.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value, atol=1e-3, rtol=1e-3)


def test_training_with_dropout_agrees_with_torch() -> None:
    torch.manual_seed(0)
    _compare_training(_mlp(), torch.randn(8, 6))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "x"),
    [
        (_cnn, torch.linspace(-1, 1, 1024).reshape(8, 2, 8, 8).sin()),
        (_transformer, torch.arange(40).reshape(8, 5) % 11),
    ],
    ids=["cnn", "transformer"],
)
def test_training_of_networks_agrees_with_torch(make, x: torch.Tensor) -> None:
    torch.manual_seed(0)
    _compare_training(make(), x)


def test_other_sizes_make_other_programs() -> None:
    compiled = torch.compile(_mlp().eval(), backend=composit_backend, options=_BY_NUMPY)
    eager = compiled._orig_mod
    with torch.no_grad():
        for size in (8, 4, 6, 3):
            x = torch.randn(size, 6)
            torch.testing.assert_close(compiled(x), eager(x))


def test_functions_with_views_writes_and_several_results_agree_with_torch() -> None:
    def function(x: torch.Tensor, counter: torch.Tensor) -> tuple[torch.Tensor, ...]:
        counter.add_(1)
        y = (x * 2).t()
        y[0] = 5
        return y, y[1:], x.transpose(0, 1), counter * 3, torch.where(x > 0, x, -x).sum(), x.argmax()

    x = torch.linspace(-1, 1, 6).reshape(2, 3)
    expected_counter, counter = torch.zeros(2), torch.zeros(2)
    expected = function(x, expected_counter)
    found = torch.compile(function, backend=composit_backend, options=_BY_NUMPY)(x, counter)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
        assert one.stride() == other.stride()
    torch.testing.assert_close(counter, expected_counter)


def test_draws_are_torchs_own_whether_they_depend_on_values_or_not() -> None:
    def function(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        chances = torch.softmax(x * 3, -1)
        return torch.randn_like(x) + x, torch.bernoulli(chances) * x, torch.multinomial(chances, 2), torch.rand(3)

    x = torch.linspace(-1, 1, 6).reshape(2, 3)
    compiled = torch.compile(function, backend=composit_backend, options=_BY_NUMPY)
    for seed in (0, 1):
        torch.manual_seed(seed)
        expected = function(x)
        torch.manual_seed(seed)
        for one, other in zip(compiled(x), expected, strict=True):
            torch.testing.assert_close(one, other)


def test_a_call_is_one_program() -> None:
    compiled = torch.compile(_mlp().eval(), backend=composit_backend, options=_BY_NUMPY)
    with torch.no_grad():
        compiled(torch.ones(2, 6))
        with count_evaluations() as count:
            compiled(torch.ones(2, 6))
    assert count.runs == 1


@torch.library.custom_op("composit_test::mystery", mutates_args=())
def _mystery(x: torch.Tensor) -> torch.Tensor:
    """Return what no row knows."""
    return x.clone()


@_mystery.register_fake
def _mystery_result(x: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(x)


def test_an_operation_without_a_row_names_itself() -> None:
    compiled = torch.compile(lambda x: _mystery(x) + 1, backend=composit_backend, options=_BY_NUMPY)
    with pytest.raises(
        UnsupportedOperationError, match=r"composit_test\.mystery.*float32\[2\](.|\n)*has no row in flashlight"
    ):
        compiled(torch.ones(2))


def test_unknown_options_and_backends_are_errors() -> None:
    def double(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    for options, error in (({"mode": "fast"}, "expected only 'backend'"), ({"backend": "abacus"}, "abacus")):
        with pytest.raises(Exception, match=error) as raised:
            torch.compile(double, backend=composit_backend, options=options)(torch.ones(2))
        assert isinstance(raised.value.__cause__ or raised.value, ValueError | UnknownBackendError | RuntimeError)


def test_the_backend_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch reads the entry points of installed packages: one with the line of pyproject.toml is installed for the test."""
    points = tomllib.loads(_PYPROJECT.read_text())["project"]["entry-points"]["torch_dynamo_backends"]
    module, _, name = points["composit"].partition(":")
    assert getattr(importlib.import_module(module), name) is composit_backend
    folder = tmp_path / "installed-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: installed\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(f"[torch_dynamo_backends]\ncomposit = {points['composit']}\n")
    monkeypatch.syspath_prepend(tmp_path)
    from torch._dynamo.backends.registry import _discover_entrypoint_backends, lookup_backend

    _discover_entrypoint_backends.cache_clear()
    _discover_entrypoint_backends()
    try:
        assert lookup_backend("composit") is composit_backend
        compiled = torch.compile(lambda x: x * 2, backend="composit", options=_BY_NUMPY)
        torch.testing.assert_close(compiled(torch.ones(2)), torch.full((2,), 2.0))
    finally:
        _discover_entrypoint_backends.cache_clear()


def test_outputs_that_are_views_of_each_other_share_memory() -> None:
    def function(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        y = x * 2
        return y, y[0], y.T, y[:, 1:], y[:1].expand(4, 3), x + 1, y.view(torch.int32)

    x = torch.randn(2, 3)
    compiled = torch.compile(function, backend="composit")
    with torch.no_grad():
        found, expected = compiled(x), function(x)
        for write in (lambda each: each[0].add_(1), lambda each: each[2].mul_(3), lambda each: each[3].zero_()):
            for mine, torchs in zip(found, expected, strict=True):
                torch.testing.assert_close(mine, torchs)
                assert mine.stride() == torchs.stride()
            write(found)
            write(expected)


def test_attention_is_part_of_the_program() -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.scaled_dot_product_attention(x, x, x) + 1

    compiled = torch.compile(function, backend="composit")
    first, second = (torch.randn(2, 2, 5, 8).requires_grad_() for _ in range(2))
    second.data.copy_(first.data)
    function(first).sum().backward()
    with count_evaluations() as counts:
        compiled(second).sum().backward()
    torch.testing.assert_close(second.grad, first.grad, atol=1e-5, rtol=1e-5)
    # Forward and backward: torch ran no part of it as a draw.
    assert counts.runs == 2
