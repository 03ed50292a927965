"""ResNet with bottlenecks as a torch module, written from the paper, with torchvision's names of parameters.

torchvision itself cannot be installed beside every torch (its wheels want the same build). Strides are in the 3 x 3
convolutions, as in torchvision. Reference: He et al., Deep Residual Learning for Image Recognition, 2015, table 1.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import nn

_EXPANSION = 4


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = _EXPANSION * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        return torch.relu(self.downsample(x) + self.bn3(self.conv3(y)))


def resnet(counts: Sequence[int] = (3, 4, 6, 3), width: int = 64, num_classes: int = 1000) -> nn.Module:
    """Return the network: ResNet-50 unless told otherwise."""
    stages = OrderedDict()
    inputs = width
    for stage, count in enumerate(counts):
        blocks = []
        for number in range(count):
            stride = 2 if stage and not number else 1
            blocks.append(Bottleneck(inputs, width * 2**stage, stride))
            inputs = _EXPANSION * width * 2**stage
        stages[f"layer{stage + 1}"] = nn.Sequential(*blocks)
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False),
            bn1=nn.BatchNorm2d(width),
            relu=nn.ReLU(),
            maxpool=nn.MaxPool2d(3, stride=2, padding=1),
            **stages,
            avgpool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            fc=nn.Linear(inputs, num_classes),
        )
    )
