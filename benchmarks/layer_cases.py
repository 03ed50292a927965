"""The layers that the suite `layers` measures: each as composit's function, as torch's, and with arrays to call it on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn as torch_nn

from composit import nn

Array = np.ndarray[Any, Any]
Layer = Callable[..., Any]  # tensors of composit or torch -> a tensor
_torch = torch_nn.functional


@dataclass(frozen=True, slots=True)
class Case:
    """A layer at one size.

    arrays:         its operands; those that are floating are differentiated
    most_of_numpy:  the numpy backend may take this many times torch's time
    most_of_mosaic: and a compiled program this many times
    """

    name: str
    layer: Layer
    torch_layer: Layer
    arrays: tuple[Array, ...]
    most_of_numpy: float = 3.0
    most_of_mosaic: float = 1.03


def cases() -> Iterator[Case]:
    """Every layer at every size."""
    for family in (_linear, _convolution, _attention, _softmax, _activations, _normalization, _embedding, _pooling):
        yield from family(np.random.default_rng(0))


def _normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> Array:
    return (scale * rng.normal(size=shape)).astype(np.float32)


def _linear(rng: np.random.Generator) -> Iterator[Case]:
    for rows, inputs, outputs in ((32, 64, 128), (32, 1024, 2048), (128, 2048, 4096)):
        weight = _normal(rng, outputs, inputs, scale=inputs**-0.5)
        arrays = (_normal(rng, rows, inputs), weight, _normal(rng, outputs))
        yield Case(f"linear {rows}x{inputs}->{outputs}", nn.linear, _torch.linear, arrays)


def _convolution(rng: np.random.Generator) -> Iterator[Case]:
    for n, channels, side, outputs, strides in (
        (4, 3, 32, 16, 1),
        (8, 32, 64, 64, 1),
        (8, 32, 64, 64, 2),
        (8, 64, 128, 128, 1),
        (10, 64, 112, 64, 1),
        (10, 256, 28, 256, 1),
        (10, 512, 14, 512, 1),
    ):
        filters = _normal(rng, outputs, channels, 3, 3, scale=(9 * channels) ** -0.5)
        yield Case(
            f"conv2d {n}x{channels}x{side}x{side} k3 c{outputs}" + f" s{strides}" * (strides > 1),
            lambda x, w, b, s=strides: nn.convolution(x, w, b, padding=1, strides=s),
            lambda x, w, b, s=strides: _torch.conv2d(x, w, b, padding=1, stride=s),
            (_normal(rng, n, channels, side, side), filters, _normal(rng, outputs)),
            most_of_numpy=5.0,
            most_of_mosaic=1.0,
        )


def _attention(rng: np.random.Generator) -> Iterator[Case]:
    for batch, length, width, heads in ((16, 32, 64, 4), (32, 64, 128, 8), (32, 128, 256, 8)):
        size = width // heads
        pairs = [
            part for _ in range(4) for part in (_normal(rng, width, width, scale=width**-0.5), _normal(rng, width))
        ]
        yield Case(
            f"attention {batch}x{length}x{width} h{heads}",
            lambda x, *parts, size=size: nn.multi_head_attention(x, None, *parts, head_size=size),
            lambda x, *parts, size=size: _torch_attention(x, parts, size),
            (_normal(rng, batch, length, width), *pairs),
        )


def _torch_attention(x: Any, parts: tuple[Any, ...], head_size: int) -> Any:
    def affine(x: Any, number: int) -> Any:
        return _torch.linear(x, parts[2 * number].T, parts[2 * number + 1])

    heads = [affine(x, number).unflatten(-1, (-1, head_size)).transpose(1, 2) for number in range(3)]
    return affine(_torch.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2), 3)


def _softmax(rng: np.random.Generator) -> Iterator[Case]:
    for rows, columns in ((128, 64), (512, 256), (1024, 512)):
        x = _normal(rng, rows, columns)
        for name in ("softmax", "log_softmax"):
            ours, theirs = getattr(nn, name), getattr(_torch, name)
            yield Case(
                f"{name} {rows}x{columns}",
                lambda x, f=ours: f(x, axis=-1),
                lambda x, f=theirs: f(x, dim=-1),
                (x,),
            )


def _activations(rng: np.random.Generator) -> Iterator[Case]:
    for name in ("gelu", "relu", "silu"):
        yield Case(f"{name} 512x1024", getattr(nn, name), getattr(_torch, name), (_normal(rng, 512, 1024),))


_ROWS: tuple[tuple[int, ...], ...] = ((512, 256), (32, 128, 768))
_BATCHES: tuple[tuple[int, ...], ...] = ((64, 256), (8, 64, 32, 32))


def _normalization(rng: np.random.Generator) -> Iterator[Case]:
    for shape in _ROWS:
        width = shape[-1]
        yield Case(
            f"layer norm {'x'.join(map(str, shape))}",
            nn.layer_norm,
            lambda x, w, b, width=width: _torch.layer_norm(x, (width,), w, b),
            (_normal(rng, *shape), _normal(rng, width), _normal(rng, width)),
        )
    for shape in _BATCHES:
        channels = shape[1]
        yield Case(
            f"batch norm {'x'.join(map(str, shape))}",
            lambda x, w, b: nn.batch_norm_training(x, None, None, w, b)[0],
            lambda x, w, b: _torch.batch_norm(x, None, None, w, b, training=True),
            (_normal(rng, *shape), _normal(rng, channels), _normal(rng, channels)),
        )


def _embedding(rng: np.random.Generator) -> Iterator[Case]:
    indices = rng.integers(0, 30_000, (32, 128))
    yield Case("embedding 30000x512 at 32x128", nn.embedding, _torch.embedding, (indices, _normal(rng, 30_000, 512)))


def _pooling(rng: np.random.Generator) -> Iterator[Case]:
    for n, channels, side, size, strides, padding in ((8, 64, 64, 2, 2, 0), (8, 64, 56, 3, 2, 1)):
        yield Case(
            f"max pool {n}x{channels}x{side}x{side} k{size} s{strides}",
            lambda x, k=size, s=strides, p=padding: nn.max_pool(x, kernel_size=k, strides=s, padding=p),
            lambda x, k=size, s=strides, p=padding: _torch.max_pool2d(x, k, s, p),
            (_normal(rng, n, channels, side, side),),
            most_of_numpy=5.0,
            most_of_mosaic=1.0,
        )
    yield Case(
        "average pool 8x64x64x64 k2 s2",
        lambda x: nn.average_pool(x, kernel_size=2, strides=2),
        lambda x: _torch.avg_pool2d(x, 2),
        (_normal(rng, 8, 64, 64, 64),),
        most_of_numpy=5.0,
        most_of_mosaic=1.0,
    )
    yield Case(
        "adaptive average pool 8x512x14x14 to 7x7",
        lambda x: nn.adaptive_average_pool(x, 7),
        lambda x: _torch.adaptive_avg_pool2d(x, 7),
        (_normal(rng, 8, 512, 14, 14),),
        most_of_numpy=5.0,
        most_of_mosaic=1.0,
    )
