"""Models, data and an optimizer for the tests of `training_step`."""

from __future__ import annotations

import torch

IMAGES, ROWS = torch.linspace(-1, 1, 1024).reshape(8, 2, 8, 8).sin(), torch.linspace(-2, 2, 48).reshape(8, 6).sin()
CLASSES, TOKENS = torch.arange(8) % 3, torch.arange(20).reshape(4, 5) % 11


def sgd(model: torch.nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def mlp() -> torch.nn.Sequential:
    nn = torch.nn
    return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3))
