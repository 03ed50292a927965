"""Recurrent layers by composit.nn's, as the dispatcher shows them in inference mode and fused on the CPU; packed sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

import composit.numpy as cnp
from composit import nn
from composit.operation import Array
from composit.types import LazyTensor
from flashlight.conversion import array_of
from flashlight.operations.arguments import aten, cast
from flashlight.table import Call, Row, register

# torch's numbers of the kinds of layers that its fused layer knows.
_LSTM, _GRU = 2, 3


def _named(params: Sequence[LazyTensor], has_biases: bool, num_layers: int, bidirectional: bool) -> dict[str, Any]:
    """Return torch's flat list of parameters by name: for each layer and direction weights, biases and a projection."""
    directions = ("", "_reverse") if bidirectional else ("",)
    kinds = ["weight_ih", "weight_hh", *(["bias_ih", "bias_hh"] if has_biases else [])]
    if len(params) == num_layers * len(directions) * (len(kinds) + 1):
        kinds.append("weight_hr")
    names = [f"{kind}_l{layer}{end}" for layer in range(num_layers) for end in directions for kind in kinds]
    return dict(zip(names, params, strict=True))


def _layer(function: Callable[..., Any]) -> Row:
    def row(
        call: Call,
        x: LazyTensor,
        state: Any,
        params: Sequence[LazyTensor],
        has_biases: bool,
        num_layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
        batch_first: bool,
    ) -> object:
        if dropout and train:
            return NotImplemented
        named = _named(params, has_biases, num_layers, bidirectional)
        first = tuple(state) if isinstance(state, list) else state
        output, last = function(x, first, named, batch_first=batch_first)
        return [output, *(last if isinstance(last, tuple) else (last,))]

    return row


register(aten.lstm.input)(_layer(nn.lstm))
register(aten.gru.input)(_layer(nn.gru))
register(aten.rnn_tanh.input)(_layer(nn.rnn))
register(aten.rnn_relu.input)(_layer(partial(nn.rnn, nonlinearity="relu")))


@register(aten.mkldnn_rnn_layer)
def _fused_layer(
    call: Call,
    x: LazyTensor,
    weight0: LazyTensor,
    weight1: LazyTensor,
    weight2: LazyTensor,
    weight3: LazyTensor,
    hx_: LazyTensor,
    cx_: LazyTensor,
    reverse: bool,
    batch_sizes: Sequence[int],
    mode: int,
    hidden_size: int,
    num_layers: int,
    has_biases: bool,
    bidirectional: bool,
    batch_first: bool,
    train: bool,
) -> object:
    # One call is one direction of one layer, with the times first, whatever the last arguments say of the whole.
    if mode not in (_LSTM, _GRU) or batch_sizes:
        return NotImplemented
    named = {"weight_ih_l0": weight0, "weight_hh_l0": weight1}
    if has_biases:
        named |= {"bias_ih_l0": weight2, "bias_hh_l0": weight3}
    steps = cnp.flip(x, 0) if reverse else x
    states = [cnp.reshape(each, (1, -1, hidden_size)) for each in (hx_, cx_)]
    if mode == _LSTM:
        output, (hidden, cell) = nn.lstm(steps, states, named)
    else:
        output, hidden = nn.gru(steps, states[0], named)
        cell = states[1]
    types = call.result_types
    results = [cnp.flip(output, 0) if reverse else output, hidden, cell]
    shaped: list[LazyTensor | None] = [
        cnp.reshape(cast(each, dtype), shape) for each, (dtype, shape) in zip(results, types[:3], strict=True)
    ]
    # The fourth result is memory for torch's backward pass, None without one.
    memory: list[LazyTensor | None] = [cnp.zeros(shape, dtype) for dtype, shape in types[3:]]
    return [*shaped, *(memory or [None])]


# torch runs layers on packed sequences step by step, and packs and pads by operations of its own: what it does there is recorded.
@register(aten._pack_padded_sequence)
def _pack(call: Call, x: LazyTensor, lengths: LazyTensor, batch_first: bool) -> list[LazyTensor]:
    steps, sequences, batch_sizes = _packed_places(array_of(call.arguments[1]))
    data = x[sequences, steps] if batch_first else x[steps, sequences]
    return [data, cnp.asarray(batch_sizes)]


@register(aten._pack_padded_sequence_backward)
def _unpack_gradient(
    call: Call, g: LazyTensor, input_size: Sequence[int], batch_sizes: LazyTensor, batch_first: bool
) -> LazyTensor:
    num_sequences, sizes = input_size[0 if batch_first else 1], array_of(call.arguments[2])
    lengths = (sizes[:, None] > np.arange(num_sequences)).sum(axis=0)
    steps, sequences, _ = _packed_places(lengths)
    gradient = cnp.zeros(tuple(input_size), g.dtype)
    gradient[(sequences, steps) if batch_first else (steps, sequences)] = g
    return gradient


def _packed_places(lengths: Array) -> tuple[Array, Array, Array]:
    """Return the step and the sequence of each packed element, in order of steps, and how many sequences each step has.

    Lengths descend, so the sequences that a step has are the first ones.
    """
    steps, sequences = np.nonzero(np.arange(lengths.max())[:, None] < lengths)
    return steps, sequences, np.bincount(steps).astype(np.int64)
