"""Recurrent layers by composit.nn's: whole layers as the dispatcher shows them in inference mode, and the fused layer of the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import composit.numpy as cnp
from composit import nn
from composit.types import LazyTensor
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
