"""`Metadata`: shape, strides and offset of a tensor, as numbers and expressions of sizes. It has no memory.

A length is an int, or one of torch's symbolic integers; mypy's stubs know no arithmetic of both, so that it is Any here.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch

from flashlight.sizes.symbols import SYMBOLIC

Strides = tuple[Any, ...] | Callable[[], tuple[Any, ...]] | None


class Metadata:
    """What torch knows of a tensor besides its elements.

    order: its axes, the one with the longest stride first, for a tensor without gaps whose strides follow from the shape
    fake:  torch's fake tensor of it, where one was made
    """

    __slots__ = ("_key", "_numel", "_strides", "device", "dtype", "fake", "offset", "order", "shape")

    def __init__(
        self,
        shape: Sequence[Any],
        dtype: torch.dtype,
        device: torch.device,
        strides: Strides = None,
        offset: Any = 0,
        order: tuple[int, ...] | None = None,
        fake: torch.Tensor | None = None,
    ) -> None:
        self.shape = tuple(shape)
        self.dtype, self.device = dtype, device
        # Computed when somebody asks, since expressions are slow to multiply.
        self._strides = strides
        self.order = order
        self.offset = offset
        self.fake = fake
        self._numel: Any = None
        self._key: Hashable = None

    @classmethod
    def of(cls, fake: torch.Tensor) -> Metadata:
        """Return the record of a fake tensor."""
        return cls(fake.shape, fake.dtype, fake.device, fake.stride(), fake.storage_offset(), None, fake)

    @property
    def strides(self) -> tuple[Any, ...]:
        """The strides, as numbers and expressions."""
        if not isinstance(self._strides, tuple):
            self._strides = self._strides() if self._strides is not None else strides_in(self.order, self.shape)
        return self._strides

    @property
    def numel(self) -> Any:
        """How many elements there are."""
        if self._numel is None:
            self._numel = 1
            for length in self.shape:
                self._numel = self._numel * length
        return self._numel

    @property
    def key(self) -> Hashable:
        """Equal for tensors for which torch's rules give the same."""
        if self._key is None:
            layout = keys_of(self.strides) if self.order is None else self.order
            self._key = keys_of(self.shape), self.dtype, self.device, layout, key_of(self.offset)
        return self._key

    def strides_by(self, number: Callable[[Any], int]) -> tuple[int, ...]:
        """Return the strides in numbers, where a function gives the number for an expression."""
        if self.order is None:
            return tuple(map(number, self.strides))
        return strides_in(self.order, [number(length) for length in self.shape])

    def fake_by(self, is_own: bool = False) -> torch.Tensor:
        """Return the fake tensor, in torch's open FakeTensorMode. is_own: another one than others may have got"""
        if self.fake is not None and not is_own:
            return self.fake
        fake = torch.empty_strided(self.shape, self.strides, dtype=self.dtype, device=self.device)
        if not isinstance(self.offset, int) or self.offset:
            fake = fake.as_strided(self.shape, self.strides, self.offset)
        if not is_own:
            self.fake = fake
        return fake


def strides_in(order: Sequence[int] | None, shape: Sequence[Any]) -> tuple[Any, ...]:
    """Return the strides of a tensor without gaps, whose axes lie in this order, or in C order."""
    strides: list[Any] = [1] * len(shape)
    step: Any = 1
    for axis in reversed(range(len(shape)) if order is None else order):
        strides[axis] = step
        step = step * shape[axis]
    return tuple(strides)


def order_of(tensor: torch.Tensor) -> tuple[int, ...] | None:
    """Return the order in which the axes of a tensor without gaps lie in memory; None for another tensor."""
    if tensor.is_contiguous():
        return tuple(range(tensor.ndim))
    strides = tensor.stride()
    order = tuple(sorted(range(tensor.ndim), key=lambda axis: -strides[axis]))
    return order if strides_in(order, tensor.shape) == strides else None


def key_of(length: Any) -> Hashable:
    """Return what is equal for equal expressions, and for equal numbers."""
    key: Hashable = length.node.expr if isinstance(length, SYMBOLIC) else length
    return key


def keys_of(lengths: Sequence[Any]) -> tuple[Hashable, ...]:
    """Return the keys of several lengths."""
    return tuple(map(key_of, lengths))


def are_equal(length: Any, other: Any) -> bool:
    """Return whether two lengths are the same number or expression; nothing is noted."""
    return length is other or key_of(length) == key_of(other)
