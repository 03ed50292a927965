"""Borders: constant, reflected and replicated. Negative widths crop."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

import composit.numpy as cnp
from composit.operation import Array
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, pulled_back
from flashlight.table import Call, Row, register


def _widths(x: LazyTensor, pad: Sequence[int]) -> list[tuple[int, int]]:
    # torch names the widths of the last axis first.
    pairs = list(zip(pad[::2], pad[1::2], strict=True))[::-1]
    return [(0, 0)] * (x.ndim - len(pairs)) + pairs


@register(aten.constant_pad_nd)
def _constant(call: Call, x: LazyTensor, pad: Sequence[int], value: complex = 0) -> LazyTensor:
    widths = _widths(x, pad)
    if any(width < 0 for pair in widths for width in pair):
        x = x[
            tuple(
                slice(max(-before, 0), length - max(-after, 0))
                for (before, after), length in zip(widths, x.shape, strict=True)
            )
        ]
        widths = [(max(before, 0), max(after, 0)) for before, after in widths]
    filling = np.asarray(value).astype(call.dtype)[()]
    return cnp.pad(x, widths, constant_values=filling) if any(map(any, widths)) else x


def _edge(places: Array, length: int) -> Array:
    return np.clip(places, 0, length - 1)


def _reflected(places: Array, length: int) -> Array:
    distance = np.abs(places)
    return np.where(distance < length, distance, 2 * (length - 1) - distance)


def _repeated(x: LazyTensor, pad: Sequence[int], places_of: Callable[[Array, int], Array]) -> LazyTensor:
    for axis, (before, after) in enumerate(_widths(x, pad)):
        if before or after:
            length = x.shape[axis]
            x = cnp.take(x, places_of(np.arange(-before, length + after), length), axis)
    return x


def _repeating(places_of: Callable[[Array, int], Array]) -> Row:
    def row(call: Call, x: LazyTensor, pad: Sequence[int]) -> LazyTensor:
        return _repeated(x, pad, places_of)

    return row


def _derivative(places_of: Callable[[Array, int], Array]) -> Row:
    def row(call: Call, g: LazyTensor, x: LazyTensor, pad: Sequence[int]) -> LazyTensor:
        return pulled_back(lambda operand: _repeated(operand, pad, places_of), (x,), g)[0]

    return row


register(aten.reflection_pad1d, aten.reflection_pad2d, aten.reflection_pad3d)(_repeating(_reflected))
register(aten.replication_pad1d, aten.replication_pad2d, aten.replication_pad3d)(_repeating(_edge))
register(aten.reflection_pad1d_backward, aten.reflection_pad2d_backward, aten.reflection_pad3d_backward)(
    _derivative(_reflected)
)
register(aten.replication_pad1d_backward, aten.replication_pad2d_backward, aten.replication_pad3d_backward)(
    _derivative(_edge)
)
