"""The networks of these programs, with seeded weights: a small classifier of pictures, and VGG-16 in any width."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

# Channels of VGG-16's convolutions; M is a maximum over 2 x 2.
_VGG16 = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")


def classifier(seed: int = 0, num_classes: int = 4) -> nn.Sequential:
    """Return two convolutions and a linear layer; (batch, 3, n, n) -> (batch, num_classes)."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(64, num_classes),
    )


def vgg16(divisor: int = 1, seed: int = 0) -> nn.Sequential:
    """Return VGG-16 with all widths divided, in evaluation mode; (batch, 3, n, n) with n at least 32 -> (batch, 1000)."""
    torch.manual_seed(seed)
    width, last = 4096 // divisor, 512 // divisor
    head = (nn.Linear(49 * last, width), nn.ReLU(), nn.Dropout(), nn.Linear(width, width), nn.ReLU(), nn.Dropout())
    return nn.Sequential(
        *_features(divisor), nn.AdaptiveAvgPool2d(7), nn.Flatten(), *head, nn.Linear(width, 1000)
    ).eval()


def _features(divisor: int) -> Iterator[nn.Module]:
    channels = 3
    for each in _VGG16:
        if isinstance(each, str):
            yield nn.MaxPool2d(2)
            continue
        yield nn.Conv2d(channels, each // divisor, 3, padding=1)
        yield nn.ReLU(inplace=True)
        channels = each // divisor
