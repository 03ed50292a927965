"""Convolutions' gradients, pooling and batch norm against torch: `python -m benchmarks derivatives [--threads 1 2] [--only PATTERN]`.

Gradients of a convolution are timed apart: that of its input, that of its filters, and both with the forward pass, as a training
step has them. Pooling and batch norm are timed forward, and forward and backward together.

On one thread the clock is that of the process, which stands still while others have the core. Values are compared with
torch's first. All contenders work on arrays in C order, and make new arrays for their results.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import composit.numpy as cnp
import mosaic
from benchmarks.measure import Run, run_interleaved
from benchmarks.report import print_as_measured
from composit import nn
from composit.nn import chain_rule
from composit.program import ancestors_in_order

Array = np.ndarray[Any, np.dtype[Any]]  # Any: of any shape and dtype
_torch = torch.nn.functional
_TOLERANCE = 3e-4  # of the largest element
_BASE, _COMPILED = "torch", "mosaic"


@dataclass(frozen=True, slots=True)
class Shapes:
    """A convolution of x[n, channels, side, side] with square filters; padding keeps the lengths where strides are 1."""

    name: str
    n: int
    channels: int
    side: int
    outputs: int
    kernel: int = 3
    strides: int = 1
    groups: int = 1

    @property
    def arguments(self) -> tuple[int, int, int]:
        """Strides, padding and groups."""
        return self.strides, self.kernel // 2, self.groups


CONVOLUTIONS = (
    Shapes("LeNet 64x6x14 to 16, k5", 64, 6, 14, 16, 5),
    Shapes("ResNet stem 4x3x224 to 64, k7 s2", 4, 3, 224, 64, 7, 2),
    Shapes("ResNet 8x64x56 to 64, k3", 8, 64, 56, 64),
    Shapes("ResNet 8x256x56 to 64, k1", 8, 256, 56, 64, 1),
    Shapes("ResNet 8x128x56 to 128, k3 s2", 8, 128, 56, 128, 3, 2),
    Shapes("ResNet 8x256x56 to 512, k1 s2", 8, 256, 56, 512, 1, 2),
    Shapes("ResNet 8x256x14 to 256, k3", 8, 256, 14, 256),
    Shapes("ResNet 8x512x7 to 512, k3", 8, 512, 7, 512),
    Shapes("VGG 2x64x112 to 128, k3", 2, 64, 112, 128),
    Shapes("VGG 2x512x28 to 512, k3", 2, 512, 28, 512),
    Shapes("depthwise 8x96x56, k3", 8, 96, 56, 96, 3, 1, 96),
    Shapes("depthwise 8x144x56, k3 s2", 8, 144, 56, 144, 3, 2, 144),
    Shapes("ResNeXt 8x128x56 to 128, k3 g32", 8, 128, 56, 128, 3, 1, 32),
    Shapes("digits 64x32x14 to 64, k3", 64, 32, 14, 64),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a call of each contender.

    make:     makes the tensors of the outputs, from those of the inputs
    """

    name: str
    make: Callable[..., list[Any]]  # Any: tensors
    with_torch: Callable[..., Sequence[Any]]
    arrays: tuple[Array, ...]


def run_derivatives(num_threads: int, num_rounds: int, only: str) -> None:
    """Print a row for each gradient: torch's time, and mosaic's as a multiple of it."""
    torch.set_num_threads(num_threads)
    print_as_measured(
        f"derivatives, {num_threads} thread{'s' * (num_threads > 1)}: times as multiples of torch's",
        ["derivative", "torch us", f"{_COMPILED:>24} x"],
        (_timed(row, num_threads, num_rounds) for row in rows() if re.search(only, row.name)),
        width=56,
    )


def rows() -> Iterator[Row]:
    """Return all rows; the same numbers in each process."""
    rng = np.random.default_rng(0)
    for shapes in CONVOLUTIONS:
        yield from _of_convolution(shapes, rng)
    yield from _of_layers(rng)


def _normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> Array:
    return (scale * rng.normal(size=shape)).astype(np.float32)


def _of_convolution(shapes: Shapes, rng: np.random.Generator) -> Iterator[Row]:
    strides, padding, groups = shapes.arguments
    depth = shapes.channels // groups * shapes.kernel**2
    x = _normal(rng, shapes.n, shapes.channels, shapes.side, shapes.side)
    w = _normal(rng, shapes.outputs, shapes.channels // groups, shapes.kernel, shapes.kernel, scale=depth**-0.5)
    count = (shapes.side + 2 * padding - shapes.kernel) // strides + 1
    g = _normal(rng, shapes.n, shapes.outputs, count, count, scale=0.1)

    def made(x: Any, w: Any, g: Any, which: tuple[int, ...]) -> list[Any]:
        y = nn.convolution(x, w, strides=strides, padding=padding, groups=groups)
        gradients = chain_rule({y: g}, [(x, w)[each] for each in which])
        return gradients if len(which) == 1 else [y, *gradients]

    def theirs(x: Any, w: Any, g: Any, which: tuple[int, ...]) -> list[Any]:
        mask = [0 in which, 1 in which, False]
        start = [_torch.conv2d(x, w, None, strides, padding, 1, groups)] if len(which) > 1 else []
        ends = torch.ops.aten.convolution_backward(
            g, x, w, None, [strides] * 2, [padding] * 2, [1, 1], False, [0, 0], groups, mask
        )
        return [*start, *(each for each in ends if each is not None)]

    for part, which in (("input", (0,)), ("filters", (1,)), ("forward and both", (0, 1))):
        yield Row(
            f"{shapes.name}, {part}",
            lambda x, w, g, which=which: made(x, w, g, which),
            lambda x, w, g, which=which: theirs(x, w, g, which),
            (x, w, g),
        )


def _of_layers(rng: np.random.Generator) -> Iterator[Row]:
    for shape in ((8, 64, 112, 112), (64, 32, 28, 28), (8, 512, 14, 14)):
        name = "x".join(map(str, shape))
        for size, strides, padding in ((2, 2, 0), (3, 2, 1)):
            yield from _of_layer(
                f"max pool {name} k{size} s{strides}",
                lambda x, k=size, s=strides, p=padding: nn.max_pool(x, kernel_size=k, strides=s, padding=p),
                lambda x, k=size, s=strides, p=padding: _torch.max_pool2d(x, k, s, p),
                (_normal(rng, *shape),),
            )
        yield from _of_layer(
            f"average pool {name} k2 s2",
            lambda x: nn.average_pool(x, kernel_size=2, strides=2),
            lambda x: _torch.avg_pool2d(x, 2),
            (_normal(rng, *shape),),
        )
    for size in (1, 7):
        yield from _of_layer(
            f"adaptive average pool 8x512x14x14 to {size}",
            lambda x, size=size: nn.adaptive_average_pool(x, size),
            lambda x, size=size: _torch.adaptive_avg_pool2d(x, size),
            (_normal(rng, 8, 512, 14, 14),),
        )
    for shape in ((8, 64, 56, 56), (8, 512, 7, 7)):
        yield from _of_layer(
            f"batch norm {'x'.join(map(str, shape))}",
            lambda x, w, b: nn.batch_norm_training(x, None, None, w, b)[0],
            lambda x, w, b: _torch.batch_norm(x, None, None, w, b, training=True),
            (_normal(rng, *shape), _normal(rng, shape[1]), _normal(rng, shape[1])),
        )


def _of_layer(
    name: str, layer: Callable[..., Any], torch_layer: Callable[..., Any], arrays: tuple[Array, ...]
) -> Iterator[Row]:
    shape = torch_layer(*map(torch.tensor, arrays)).shape
    g = np.random.default_rng(1).normal(size=shape).astype(np.float32)

    def both(*operands: Any) -> list[Any]:
        y = layer(*operands[:-1])
        return [y, *chain_rule({y: operands[-1]}, list(operands[:-1]))]

    def their_both(*operands: Any) -> list[Any]:
        learned = [each.detach().requires_grad_() for each in operands[:-1]]
        y = torch_layer(*learned)
        return [y.detach(), *torch.autograd.grad(y, learned, operands[-1])]

    yield Row(f"{name}, forward", lambda *xs: [layer(*xs)], lambda *xs: [torch_layer(*xs)], arrays)
    yield Row(f"{name}, both", both, their_both, (*arrays, g))


def _timed(row: Row, num_threads: int, num_rounds: int) -> Sequence[str]:
    tensors = [cnp.asarray(array) for array in row.arrays]
    outputs = row.make(*tensors)
    reached = {id(node) for node in ancestors_in_order([each.node for each in outputs])}
    used = [number for number, each in enumerate(tensors) if id(each.node) in reached]
    compiled = mosaic.compile(outputs, inputs=[tensors[number] for number in used], num_threads=num_threads)
    arrays = [row.arrays[number] for number in used]
    theirs = [torch.tensor(array) for array in row.arrays]
    for one, other in zip(compiled(*arrays), row.with_torch(*theirs), strict=True):
        _check_close(row.name, one, other.detach().numpy())
    clock_ns = time.process_time_ns if num_threads == 1 else time.perf_counter_ns
    runs: dict[str, Run] = {_BASE: lambda: row.with_torch(*theirs), _COMPILED: lambda: compiled(*arrays)}
    timings = run_interleaved(runs, num_rounds, clock_ns=clock_ns)
    return row.name, f"{timings.seconds(_BASE).median * 1e6:.4g}", str(timings.ratio(_COMPILED, _BASE))


def _check_close(name: str, one: Array, other: Array) -> None:
    difference = float(np.max(np.abs(one - other), initial=0.0)) / max(1e-3, float(np.max(np.abs(other), initial=0.0)))
    if one.shape != other.shape or not difference <= _TOLERANCE:
        raise AssertionError(f"{name}: shapes {one.shape} and {other.shape}, difference {difference:.2e}")
