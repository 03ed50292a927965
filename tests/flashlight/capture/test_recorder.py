"""What a trace records beside the operations of a model: draws, training, printing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import composit as cnp
import flashlight
from composit.errors import GuardError
from composit.guards import reads_of
from flashlight.tracer import trace


def test_random_draws_are_recorded_as_drawn() -> None:
    dropout = nn.Dropout(0.5).train()
    with trace():
        noise = torch.rand(4) + torch.randn(4) + torch.empty(4).uniform_() + torch.bernoulli(torch.full((4,), 0.5))
        dropped = dropout(torch.ones(100))
        permuted = torch.arange(10)[torch.randperm(10)]
    for output in (noise, dropped, permuted):
        np.testing.assert_allclose(cnp.evaluate(output), output.numpy(), rtol=1e-6)
        np.testing.assert_array_equal(cnp.evaluate(output), cnp.evaluate(output))


CONTEXTS = [torch.no_grad, torch.inference_mode, torch.enable_grad]
DRAWING: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "dropout": lambda x: F.dropout(x, 0.5, training=True),
    "alpha dropout": lambda x: F.alpha_dropout(x, 0.5, training=True),
    "dropout of channels": lambda x: F.dropout2d(x[None, :, :, None], 0.5, training=True),
    "attention": lambda x: F.scaled_dot_product_attention(x[None], x[None], x[None], dropout_p=0.5),
    "in place": lambda x: F.dropout(x * 1, 0.5, training=True, inplace=True),
}


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda context: context.__name__)
@pytest.mark.parametrize("name", DRAWING)
def test_a_draw_is_drawn_once_and_is_torchs(name: str, context: Callable[[], torch.no_grad]) -> None:
    x = torch.linspace(0.5, 2, 24).reshape(4, 6)
    torch.manual_seed(0)
    with context():
        expected, after = DRAWING[name](x), torch.rand(1)
    torch.manual_seed(0)
    with context(), trace():
        y = DRAWING[name](x)
    assert torch.equal(y, expected)
    assert torch.equal(torch.rand(1), after)
    np.testing.assert_allclose(cnp.evaluate(y), y.numpy(), rtol=1e-5)


@pytest.mark.parametrize(
    "draw",
    [
        torch.randn_like,
        torch.rand_like,
        lambda x: torch.randint_like(x, 3),
        lambda x: torch.empty_like(x).normal_(),
        lambda x: x.new_empty(3).exponential_(),
        lambda x: torch.bernoulli(x, 0.5),
        lambda x: F.dropout(torch.ones_like(x), 0.5),
    ],
)
def test_a_draw_that_depends_on_a_shape_alone_is_no_read(draw: Callable[[torch.Tensor], torch.Tensor]) -> None:
    x, new = torch.ones(3), torch.zeros(3)
    with trace():
        drawn = draw(x)
        y = x + drawn
    np.testing.assert_allclose(cnp.evaluate(y, inputs={x: new}), drawn.numpy(), rtol=1e-6)


def test_what_is_known_without_values_is_no_read() -> None:
    x, new = torch.ones(3, 2), torch.zeros(3, 2)
    with trace():
        known = len(x), x.dtype, x.numel(), x.is_floating_point(), x.is_contiguous(), list(x.shape), x.stride()
        y = x * len(known)
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={x: new}), np.zeros((3, 2)))


def test_torch_training_inside_a_trace_is_recorded_too() -> None:
    layer = nn.Linear(3, 2)
    x = torch.ones(5, 3)
    with trace():
        loss = nn.functional.gelu(layer(x)).square().mean()
        loss.backward()
    gradient = layer.weight.grad
    assert gradient is not None
    np.testing.assert_allclose(cnp.evaluate(gradient), gradient.numpy(), rtol=1e-5)


def test_printing_a_traced_tensor_steers_nothing(x: torch.Tensor, capsys: pytest.CaptureFixture[str]) -> None:
    with trace() as recorder:
        y = x + 1
        before = recorder.num_operations
        print(f"{y!r} {y}")
        assert recorder.num_operations == before
    assert "tensor" in capsys.readouterr().out
    assert not list(reads_of(flashlight.lazy_tensor(x).node))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_memory_that_torch_fills_by_a_pointer_is_a_constant(reduction: str) -> None:
    scores = torch.randn(8, 2, 5).log_softmax(-1)
    targets = torch.tensor([[1, 2], [3, 1]])

    def loss(scores: torch.Tensor) -> torch.Tensor:
        return F.ctc_loss(scores, targets, (8, 7), (2, 1), reduction=reduction)

    with trace():
        y = loss(scores)
    np.testing.assert_allclose(cnp.evaluate(y), y.numpy(), rtol=1e-5)
    with trace():
        # What `torch.empty` happened to hold is no fill, where parts of it are written to.
        buffer = torch.empty(3)
        buffer[1:] = 1.0
        z = buffer[1:] * 2
    np.testing.assert_array_equal(cnp.evaluate(z), [2, 2])


@pytest.mark.parametrize(
    "ask",
    [
        lambda x: torch.equal(x, torch.ones(3)),
        lambda x: torch.allclose(x, torch.ones(3)),
        lambda x: bool((x > 0).all()),
    ],
)
def test_a_question_is_a_guard_on_its_answer(ask: Callable[[torch.Tensor], bool]) -> None:
    x = torch.zeros(3)
    with trace():
        y = x * (2.0 if ask(x) else 3.0)
    other = np.array([-2, 5, 0.5], np.float32)
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={x: other}), other * (2 if ask(x) else 3))
    with pytest.raises(GuardError, match="bool read"):
        cnp.evaluate(y, inputs={x: np.ones(3, np.float32)})
