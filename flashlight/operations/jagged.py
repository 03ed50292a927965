"""Sequences of several lengths that lie behind each other, as torch's nested tensors of layout torch.jagged hold them, padded and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import composit.numpy as cnp
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, cast
from flashlight.table import Call, register


@register(aten._jagged_to_padded_dense_forward)
def _padded(
    call: Call, values: LazyTensor, offsets: Sequence[LazyTensor], max_lengths: Sequence[int], padding_value: float = 0
) -> object:
    if len(offsets) != 1:
        return NotImplemented
    starts, ends = offsets[0][:-1, None], offsets[0][1:, None]
    places = starts + np.arange(max_lengths[0])
    is_there = cnp.reshape(places < ends, call.shape[:2] + (1,) * (values.ndim - 1))
    if not values.shape[0]:
        return cnp.full(call.shape, padding_value, dtype=call.dtype)
    elements = cnp.take(values, cnp.minimum(places, values.shape[0] - 1), axis=0)
    return cast(cnp.where(is_there, elements, call.dtype.type(padding_value)), call.dtype)


@register(aten._padded_dense_to_jagged_forward)
def _joined(call: Call, dense: LazyTensor, offsets: Sequence[LazyTensor], total_L: int | None = None) -> object:
    if len(offsets) != 1:
        return NotImplemented
    places = np.arange(call.shape[0])
    # The last sequence that begins at or before the place; of empty ones before it none has the place.
    sequence = cnp.sum(cnp.asarray(places)[:, None] >= offsets[0][1:], axis=1)
    return cast(dense[sequence, places - cnp.take(offsets[0], sequence)], call.dtype)
