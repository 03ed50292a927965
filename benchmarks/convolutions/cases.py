"""The convolutions that the suite measures: those of VGG-16, ai3's four, depthwise, first layers, 1x1, and random ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.contest import Bound
from benchmarks.module_workload import Built

_PLAIN = Bound(1.0, 0.85)


@dataclass(frozen=True, slots=True)
class Convolution:
    """A 2-D convolution with bias; lengths and steps are the same along both axes, except `width`.

    width:          of the image; 0 where it is as wide as it is high
    has_algorithms: each named algorithm takes part, ours and the others'
    """

    batch: int
    channels: int
    height: int
    outputs: int
    kernel: int
    padding: int = 0
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    width: int = 0
    bound: Bound = _PLAIN
    prefix: str = ""
    has_algorithms: bool = False

    @property
    def name(self) -> str:
        """The shape, and what differs from a plain convolution."""
        parts = {"p": self.padding, "s": self.stride - 1 and self.stride, "d": self.dilation - 1 and self.dilation}
        parts["g"] = self.groups - 1 and self.groups
        marks = "".join(f" {letter}{value}" for letter, value in parts.items() if value)
        shape = f"{self.batch}x{self.channels}x{self.height}x{self.columns}"
        return f"{self.prefix}{shape} k{self.kernel} c{self.outputs}{marks}"

    @property
    def columns(self) -> int:
        """The width of the image."""
        return self.width or self.height

    @property
    def tolerance(self) -> float:
        """The error of a Winograd algorithm with tiles of 4, as a part of the largest output; the table prints each error."""
        return 1e-4

    @property
    def num_flops(self) -> float:
        """Floating-point operations of the definition."""
        reach = self.dilation * (self.kernel - 1) + 1
        sides = [(length + 2 * self.padding - reach) // self.stride + 1 for length in (self.height, self.columns)]
        window = self.channels // self.groups * self.kernel**2
        return 2.0 * self.batch * self.outputs * sides[0] * sides[1] * window

    def built(self) -> Built:
        """Return the module and an image, the same in every process."""
        torch.manual_seed(0)
        module = nn.Conv2d(
            self.channels,
            self.outputs,
            self.kernel,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )
        return module, (torch.randn(self.batch, self.channels, self.height, self.columns),)


@dataclass(frozen=True, slots=True)
class Workload:
    """A convolution and a number of threads."""

    convolution: Convolution
    num_threads: int
    onnx_path: Path | None = None

    def exported(self, path: Path | None) -> Workload:
        """Return the same workload with the path of its exported module."""
        return replace(self, onnx_path=path)

    def built(self) -> Built:
        """Return the module in evaluation mode, and its input; torch has as many threads as we are given."""
        torch.set_num_threads(self.num_threads)
        module, inputs = self.convolution.built()
        return module.eval(), inputs


def cases() -> Iterator[Convolution]:
    """The convolutions of the table, then those that nothing was tuned for."""
    yield from _vgg()
    yield from _of_ai3()
    depthwise: dict[str, Any] = {"kernel": 3, "padding": 1}
    for channels, height, stride in ((96, 56, 1), (32, 112, 1), (96, 112, 2), (576, 14, 1)):
        yield Convolution(
            1, channels, height, channels, **depthwise, stride=stride, groups=channels, prefix="depthwise "
        )
    yield Convolution(1, 3, 224, 64, 7, padding=3, stride=2, prefix="first layer ")
    yield Convolution(1, 3, 224, 32, 3, padding=1, stride=2, prefix="first layer ")
    for channels, height, outputs in ((64, 56, 256), (256, 56, 64), (512, 28, 128), (1024, 14, 256), (96, 56, 24)):
        yield Convolution(1, channels, height, outputs, 1)
    yield Convolution(1, 128, 56, 128, 3, padding=1, stride=2)
    yield Convolution(1, 256, 56, 512, 1, stride=2)
    yield Convolution(1, 256, 28, 256, 3, padding=1, groups=32, prefix="grouped ")
    yield from random_cases()


def _vgg() -> Iterator[Convolution]:
    """The nine shapes of VGG-16's convolutions."""
    shapes = ((3, 224, 64), (64, 224, 64), (64, 112, 128), (128, 112, 128), (128, 56, 256), (256, 56, 256))
    for channels, height, outputs in (*shapes, (256, 28, 512), (512, 28, 512), (512, 14, 512)):
        yield Convolution(1, channels, height, outputs, 3, padding=1, bound=Bound(0.80, 0.60), prefix="VGG-16 ")


def _of_ai3() -> Iterator[Convolution]:
    """The four shapes that ai3 publishes figures of, with as many outputs as inputs and no padding."""
    for channels, height in ((3, 224), (64, 112), (256, 28), (512, 14)):
        yield Convolution(10, channels, height, channels, 3, has_algorithms=True, prefix="ai3 ")


def random_cases(seed: int = 0, number: int = 16) -> Iterator[Convolution]:
    """Convolutions of sizes that nothing was tuned for; none may take 1.3 times the fastest peer's time."""
    generator = np.random.default_rng(seed)

    def length(low: int, high: int) -> int:
        return round(float(np.exp(generator.uniform(np.log(low), np.log(high)))))

    for _ in range(number):
        kind = generator.choice(["plain", "plain", "plain", "depthwise", "grouped"])
        kernel = int(generator.choice([1, 1, 2, 3, 3, 3, 3, 4, 5, 7]))
        stride, dilation = int(generator.choice([1, 1, 1, 2, 3])), int(generator.choice([1, 1, 1, 2]))
        channels, outputs, groups = length(1, 300), length(1, 300), 1
        if kind == "depthwise":
            outputs = groups = channels
        if kind == "grouped":
            groups = int(generator.choice([2, 4, 8]))
            channels, outputs = (groups * -(-each // groups) for each in (channels, outputs))
        yield Convolution(
            length(1, 8),
            channels,
            length(7, 100) + dilation * kernel,
            outputs,
            kernel,
            padding=int(generator.integers(0, kernel)),
            stride=stride,
            dilation=dilation,
            groups=groups,
            width=length(7, 100) + dilation * kernel,
            bound=Bound(1.3),
            prefix="random ",
        )
