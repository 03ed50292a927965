"""`training_step` says what it cannot train, and what to do."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn import functional

import flashlight
from composit.errors import OperandError, ParameterError, ShapeError, UnsupportedOperationError
from tests.flashlight.export.training_models import CLASSES, ROWS, TOKENS, mlp, sgd


def test_optimizers_that_are_not_known_are_named() -> None:
    model = mlp()
    for unknown in (torch.optim.LBFGS(model.parameters()), torch.optim.Rprop(model.parameters())):
        with pytest.raises(
            ParameterError, match=f"the optimizer {type(unknown).__name__} was given; expected .* SGD, Adam"
        ):
            flashlight.training_step(model, functional.cross_entropy, unknown)
    with pytest.raises(OperandError, match="none of Sequential's"):
        flashlight.training_step(model, functional.cross_entropy, sgd(mlp()))
    optimizer = sgd(model)
    step = flashlight.training_step(model, functional.cross_entropy, optimizer, backend="numpy")
    optimizer.add_param_group({"params": mlp().parameters()})
    with pytest.raises(OperandError, match="none of Sequential's"):
        step(ROWS, CLASSES)


def test_options_that_a_program_cannot_have_are_errors() -> None:
    model = mlp()
    optimizer = torch.optim.Adam(model.parameters(), differentiable=True)
    with pytest.raises(ParameterError, match="differentiable=True"):
        flashlight.training_step(model, functional.cross_entropy, optimizer)(ROWS, CLASSES)
    optimizer = sgd(model)
    optimizer.register_step_pre_hook(lambda *args: None)
    with pytest.raises(ParameterError, match="hooks that run before its steps"):
        flashlight.training_step(model, functional.cross_entropy, optimizer)(ROWS, CLASSES)
    model[0].weight.register_post_accumulate_grad_hook(lambda parameter: None)
    with pytest.raises(UnsupportedOperationError, match=r"0\.weight has a hook that runs after"):
        flashlight.training_step(model, functional.cross_entropy, sgd(model))(ROWS, CLASSES)


def test_losses_that_are_none_are_errors() -> None:
    model = mlp()
    for loss, kind, words in (
        (lambda output, target: output.sum(1), ShapeError, r"the loss has shape \(8,\)"),
        (lambda output, target: (output.sum(), output), OperandError, "the loss is of type tuple"),
        (lambda output, target: output.detach().sum(), OperandError, "depends on no parameter"),
    ):
        with pytest.raises(kind, match=words):
            flashlight.training_step(model, loss, sgd(model), backend="numpy")(ROWS, CLASSES)
    with pytest.raises(OperandError, match=r"an argument is .* of type ndarray; .* torch\.from_numpy"):
        flashlight.training_step(model, functional.cross_entropy, sgd(model))(ROWS.numpy(), CLASSES)
    with pytest.raises(ParameterError, match="expected a step that has run"):
        _ = flashlight.training_step(model, functional.cross_entropy, sgd(model)).source


def test_code_that_depends_on_values_is_an_error_at_its_line() -> None:
    class Branching(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(6, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x) if x.sum() > 0 else -self.layer(x)

    model = torch.nn.Sequential(Branching())
    with pytest.raises(UnsupportedOperationError) as caught:
        flashlight.training_step(model, functional.cross_entropy, sgd(model))(ROWS, CLASSES)
    assert "in 0 (Branching) at" in str(caught.value)
    assert "if x.sum() > 0" in str(caught.value)


def test_sparse_gradients_are_an_error() -> None:
    model = torch.nn.Embedding(11, 3, sparse=True)
    with pytest.raises(UnsupportedOperationError, match="sparse=False"):
        flashlight.training_step(model, lambda output: output.sum(), sgd(model))(TOKENS)


class _Branching(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cond(x.sum() > 0, lambda x: self.layer(x).relu(), lambda x: self.layer(x) - 1, (x,))  # type: ignore[no-any-return]


def test_what_torch_cannot_record_is_named_with_what_to_write() -> None:
    model = _Branching()
    step = flashlight.training_step(model, lambda output: output.sum(), torch.optim.SGD(model.parameters()))
    with pytest.raises(
        UnsupportedOperationError, match=r"torch says RuntimeError.*\n.*\n.*\n.*torch.where in place of torch.cond"
    ):
        step(torch.ones(3, 4))


def test_a_mixture_of_experts_trains_as_in_torch() -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    sizes = {
        "vocab_size": 32,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    config = transformers.MixtralConfig(
        **sizes, num_key_value_heads=1, num_local_experts=3, num_experts_per_tok=2, experts_implementation="batched_mm"
    )
    model = transformers.MixtralForCausalLM(config).train()
    twin = copy.deepcopy(model)
    step = flashlight.training_step(model, lambda output: output.loss, torch.optim.SGD(model.parameters(), lr=0.5))
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.5)
    for seed in range(3):
        tokens = torch.randint(0, 32, (2, 7), generator=torch.Generator().manual_seed(seed))
        found = step({"input_ids": tokens, "labels": tokens})
        expected = twin(input_ids=tokens, labels=tokens).loss
        optimizer.zero_grad()
        expected.backward()
        optimizer.step()
        torch.testing.assert_close(found, expected.detach(), rtol=1e-4, atol=1e-5)
