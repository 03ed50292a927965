"""Rows of tables of embeddings, bags of them, and torch's derivatives of both."""

from __future__ import annotations

import numpy as np

import composit.numpy as cnp
from composit import nn
from composit.nn.arguments import counted_from_start
from composit.nn.gradient_flow import sloped
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, cast, pulled_back
from flashlight.table import Call, register

_BAG_MODES = ("sum", "mean", "max")
_MAX = _BAG_MODES.index("max")
_INTEGER = np.dtype(np.int64)


def _padding(padding_idx: int) -> int | None:
    return padding_idx if padding_idx >= 0 else None


def _counts(rows: int, indices: LazyTensor) -> LazyTensor:
    """Return how often each row is chosen."""
    places = cnp.reshape(indices, (-1,))
    return nn.scatter_add(cnp.zeros(rows, _INTEGER), places, cnp.ones(places.shape, _INTEGER), 0)


def _slowed(weight: LazyTensor, counts: LazyTensor) -> LazyTensor:
    """Return the table, with the gradient of each row divided by a count (`scale_grad_by_freq`)."""
    slopes = cast(1 / cnp.maximum(counts, 1), weight.dtype)
    return sloped(weight, cnp.broadcast_to(cnp.expand_dims(slopes, 1), weight.shape))


def _slowed_in_bags(weight: LazyTensor, indices: LazyTensor) -> LazyTensor:
    """Return the table, with the gradients that torch's kernel for bags gives: the n-th row that was chosen is divided by
    the count of the n-th of the sorted indices, which is another row where one was chosen twice before.
    """
    counts = _counts(weight.shape[0], indices)
    numbers = cnp.maximum(cnp.cumsum(cast(counts > 0, _INTEGER)) - 1, 0)
    return _slowed(weight, cnp.take(counts, cnp.take(cnp.sort(indices), numbers))) if indices.size else weight


@register(aten.embedding)
def _embedding(
    call: Call,
    weight: LazyTensor,
    indices: LazyTensor,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> LazyTensor:
    places = counted_from_start(indices, weight.shape[0])
    if weight.dtype.kind != "f":
        return cnp.take(weight, places, axis=0)
    table = _slowed(weight, _counts(weight.shape[0], indices)) if scale_grad_by_freq else weight
    return nn.embedding(places, table, padding_index=_padding(padding_idx))


@register(aten.embedding_dense_backward)
def _embedding_backward(
    call: Call, g: LazyTensor, indices: LazyTensor, num_weights: int, padding_idx: int, scale_grad_by_freq: bool
) -> LazyTensor:
    def forward(weight: LazyTensor) -> LazyTensor:
        return _embedding(call, weight, indices, padding_idx, scale_grad_by_freq)

    return pulled_back(forward, (cnp.zeros((num_weights, g.shape[-1]), g.dtype),), g)[0]


@register(aten._embedding_bag, aten._embedding_bag_forward_only)
def _embedding_bag(
    call: Call,
    weight: LazyTensor,
    indices: LazyTensor,
    offsets: LazyTensor,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: LazyTensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int = -1,
) -> list[LazyTensor]:
    starts = offsets[:-1] if include_last_offset else offsets
    is_inside = _inside(indices, starts, padding_idx)
    if mode == _MAX:
        bags, largest = _largest(weight, indices, is_inside)
    else:
        table = _slowed_in_bags(weight, indices) if scale_grad_by_freq else weight
        bags = _bags(table, indices, starts, mode, per_sample_weights, padding_idx)
        largest = cnp.zeros((), _INTEGER)
    sizes = cnp.sum(is_inside, axis=1)
    return [bags, *_for_backward(call, _bag_numbers(indices, starts), sizes, largest, mode)]


def _for_backward(
    call: Call, numbers: LazyTensor, sizes: LazyTensor, largest: LazyTensor, mode: int
) -> list[LazyTensor]:
    """Return the bag of each index, the size of each bag, and the largest rows: of those that torch leaves out, empty or zero."""
    (of_numbers, shape_of_numbers), (of_sizes, shape_of_sizes), (of_largest, shape_of_largest) = call.result_types[1:]
    numbers = numbers if shape_of_numbers == numbers.shape else cnp.zeros(shape_of_numbers, of_numbers)
    sizes = sizes if mode and shape_of_sizes == sizes.shape else cnp.zeros(shape_of_sizes, of_sizes)
    largest = (
        largest if mode == _MAX and shape_of_largest == largest.shape else cnp.broadcast_to(sizes, shape_of_largest)
    )
    return [cast(numbers, of_numbers), cast(sizes, of_sizes), cast(largest, of_largest)]


def _bag_numbers(indices: LazyTensor, starts: LazyTensor) -> LazyTensor:
    """Return the number of the bag of each index; bags begin at the starts."""
    begun = cnp.expand_dims(np.arange(indices.shape[0]), 1) >= starts
    return cnp.sum(begun, axis=1) - 1


def _inside(indices: LazyTensor, starts: LazyTensor, padding_idx: int) -> LazyTensor:
    """Return which index counts in which bag (bags, m)."""
    is_there = cnp.expand_dims(_bag_numbers(indices, starts), 0) == np.arange(starts.shape[0])[:, None]
    return is_there & (indices != padding_idx) if padding_idx >= 0 else is_there


def _bags(
    weight: LazyTensor, indices: LazyTensor, starts: LazyTensor, mode: int, factors: LazyTensor | None, padding_idx: int
) -> LazyTensor:
    return nn.embedding_bag(
        counted_from_start(indices, weight.shape[0]),
        weight,
        starts,
        mode=_BAG_MODES[mode],
        weights_of_indices=factors,
        padding_index=_padding(padding_idx),
    )


def _largest(weight: LazyTensor, indices: LazyTensor, is_inside: LazyTensor) -> tuple[LazyTensor, LazyTensor]:
    """Return the largest elements of each bag, and the first rows that they come from: of an empty bag 0 and row 0."""
    if not indices.shape[0]:
        shape = (is_inside.shape[0], weight.shape[1])
        return cnp.zeros(shape, weight.dtype), cnp.zeros(shape, _INTEGER)
    rows = cnp.take(weight, counted_from_start(indices, weight.shape[0]), axis=0)
    lowest = cnp.where(cnp.expand_dims(is_inside, 2), cnp.expand_dims(rows, 0), -np.inf)
    # torch keeps the first element of a bag unless a later one is larger: a first NaN stays, others never count.
    opening = cnp.expand_dims(cnp.argmax(is_inside, axis=1), 1)
    is_opening = cnp.expand_dims(np.arange(indices.shape[0]) == opening, 2)
    ranked = cnp.where(cnp.isnan(lowest), cnp.where(is_opening, np.inf, -np.inf), lowest)
    first = cnp.where(cnp.max(ranked, axis=1) == -np.inf, opening, cnp.argmax(ranked, axis=1))
    is_filled = cnp.any(is_inside, axis=1, keepdims=True)
    largest = cnp.where(is_filled, cnp.take_along_axis(rows, first, axis=0), 0)
    return largest, cnp.where(is_filled, cnp.take(indices, first), 0)


@register(aten._embedding_bag_backward)
def _embedding_bag_backward(
    call: Call,
    g: LazyTensor,
    indices: LazyTensor,
    offsets: LazyTensor,
    bag_numbers: LazyTensor,
    bag_sizes: LazyTensor,
    largest: LazyTensor,
    num_weights: int,
    scale_grad_by_freq: bool,
    mode: int,
    sparse: bool,
    per_sample_weights: LazyTensor | None,
    padding_idx: int = -1,
) -> object:
    if sparse:
        return NotImplemented
    zeros = cnp.zeros((num_weights, g.shape[1]), g.dtype)
    if mode == _MAX:
        return nn.scatter_add(zeros, largest, cnp.where(cnp.expand_dims(bag_sizes, 1) > 0, g, 0), 0)
    starts = _starts(g, offsets)

    def forward(weight: LazyTensor) -> LazyTensor:
        table = _slowed_in_bags(weight, indices) if scale_grad_by_freq else weight
        return _bags(table, indices, starts, mode, per_sample_weights, padding_idx)

    return pulled_back(forward, (zeros,), g)[0]


def _starts(g: LazyTensor, offsets: LazyTensor) -> LazyTensor:
    """Return the offsets without the last, which `include_last_offset` adds and the backward operations are not told of."""
    starts: LazyTensor = offsets[: g.shape[0]]
    return starts


@register(aten._embedding_bag_per_sample_weights_backward)
def _embedding_bag_factors_backward(
    call: Call,
    g: LazyTensor,
    weight: LazyTensor,
    indices: LazyTensor,
    offsets: LazyTensor,
    bag_numbers: LazyTensor,
    mode: int,
    padding_idx: int = -1,
) -> LazyTensor:
    def forward(factors: LazyTensor) -> LazyTensor:
        return _bags(weight, indices, _starts(g, offsets), mode, factors, padding_idx)

    return pulled_back(forward, (cnp.zeros(indices.shape, weight.dtype),), g)[0]
