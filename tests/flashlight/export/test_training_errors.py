"""`training_step` says what it cannot train, and what to do."""

from __future__ import annotations

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
