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
from flashlight.operations.arguments import aten, cast, pulled_back
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


def _fused(mode: int, hidden_size: int, has_biases: bool, reverse: bool) -> Callable[..., list[LazyTensor]]:
    """Return one direction of one layer as a function of its operands: output, hidden state and cell, the times first."""

    def layer(x: LazyTensor, *operands: LazyTensor) -> list[LazyTensor]:
        *weights, hx, cx = operands
        names = ("weight_ih_l0", "weight_hh_l0", *(("bias_ih_l0", "bias_hh_l0") if has_biases else ()))
        named = dict(zip(names, weights, strict=False))
        steps = cnp.flip(x, 0) if reverse else x
        states = [cnp.reshape(each, (1, -1, hidden_size)) for each in (hx, cx)]
        if mode == _LSTM:
            output, (hidden, cell) = nn.lstm(steps, states, named)
        else:
            output, hidden = nn.gru(steps, states[0], named)
            cell = states[1]
        return [cnp.flip(output, 0) if reverse else output, hidden, cell]

    return layer


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
    if mode not in (_LSTM, _GRU) or batch_sizes:
        return NotImplemented
    results = _fused(mode, hidden_size, has_biases, reverse)(x, weight0, weight1, weight2, weight3, hx_, cx_)
    types = call.result_types
    shaped: list[LazyTensor | None] = [
        cnp.reshape(cast(each, dtype), shape) for each, (dtype, shape) in zip(results, types[:3], strict=True)
    ]
    # The fourth result is memory for torch's backward pass, None without one.
    memory: list[LazyTensor | None] = [cnp.zeros(shape, dtype) for dtype, shape in types[3:]]
    return [*shaped, *(memory or [None])]


@register(aten.mkldnn_rnn_layer_backward)
def _fused_layer_backward(
    call: Call,
    x: LazyTensor,
    weight1: LazyTensor,
    weight2: LazyTensor,
    weight3: LazyTensor,
    weight4: LazyTensor,
    hx_: LazyTensor,
    cx_tmp: LazyTensor,
    output: LazyTensor,
    hy_: LazyTensor,
    cy_: LazyTensor,
    grad_output: LazyTensor | None,
    grad_hy: LazyTensor | None,
    grad_cy: LazyTensor | None,
    reverse: bool,
    mode: int,
    hidden_size: int,
    num_layers: int,
    has_biases: bool,
    *rest: object,
) -> object:
    if mode not in (_LSTM, _GRU):
        return NotImplemented
    layer = _fused(mode, hidden_size, has_biases, reverse)
    operands = [x, weight1, weight2, weight3, weight4, hx_, cx_tmp]
    results = zip(layer(*operands), (grad_output, grad_hy, grad_cy), strict=True)
    cotangents = [cnp.zeros_like(result) if g is None else cnp.reshape(g, result.shape) for result, g in results]
    gradients = pulled_back(layer, operands, cotangents)
    return [
        cnp.reshape(cast(each, dtype), shape) for each, (dtype, shape) in zip(gradients, call.result_types, strict=True)
    ]


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
