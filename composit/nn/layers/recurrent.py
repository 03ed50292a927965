"""Recurrent layers on `nn.scan`: rnn, lstm and gru over sequences, with several layers, both directions and sequences of several lengths.

Parameters are a mapping with torch's names: `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0` of the first layer, `..._l1` of
the second, `..._l0_reverse` of the direction from the end, `weight_hr_l0` of a projection. So the arrays of a torch module's
`named_parameters()` fit as they are. One step of each is in recurrent_cells.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import composit.numpy as cnp
from composit.errors import ParameterError, ShapeError
from composit.nn.arguments import check_shape, floating, integral, one_of
from composit.nn.layers.recurrent_cells import NONLINEARITIES, gru_step, lstm_step, rnn_step
from composit.nn.layers.recurrent_parameters import Direction, directions_of
from composit.nn.operations.products import linear
from composit.nn.operations.random_choices import dropout
from composit.nn.operations.scanning import scan
from composit.numpy.arguments.normalizing import TensorLike
from composit.operation import Array

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["gru", "lstm", "rnn"]


def rnn(
    x: TensorLike,
    state: TensorLike | None,
    parameters: Mapping[str, TensorLike],
    *,
    nonlinearity: str = "tanh",
    batch_first: bool = False,
    dropout_rate: float = 0.0,
    seed: Any = None,
    lengths: TensorLike | None = None,
) -> tuple[LazyTensor, LazyTensor]:
    """Return the hidden states of the last layer at all times, and the last hidden state of each layer and direction.

    h = tanh(x @ weight_ih^T + bias_ih + h @ weight_hh^T + bias_hh)

    state:        the first hidden states; None for zeros
    parameters:   arrays by torch's names; how many layers and directions there are follows from the names
    nonlinearity: "tanh" or "relu"
    batch_first:  x and the result are (batch, times, ...)
    dropout_rate: elements of what a layer hands to the next are dropped with this probability; seed as for `dropout`
    lengths:      how many times of each example count: a state stops at its last time, and the result is 0 behind it, as with torch's
                  pack_padded_sequence, in any order of lengths; what stands behind in x has no influence

    Shapes:      x (times, batch, n), state (layers * directions, batch, hidden) -> (times, batch, directions * hidden), and that of
                 state; without batch for one sequence
    Dtype:       numpy promotion of x and the parameters; integers become float64
    Derivative:  of every order, by x, state and parameters; backwards in time by `scan`
    Raises:      ShapeError: shapes do not fit; ParameterError: names are missing or unknown
    Reference:   torch.nn.RNN
    Example:
        >>> import composit.numpy as cnp
        >>> import numpy as np
        >>> weights = {"weight_ih_l0": np.ones((2, 3)), "weight_hh_l0": np.zeros((2, 2))}
        >>> y, last = rnn(np.zeros((5, 1, 3)), None, weights)
        >>> y.shape, last.shape
        ((5, 1, 2), (1, 1, 2))
    """
    function = one_of("rnn", "nonlinearity", nonlinearity, NONLINEARITIES)

    def step(state: Sequence[Any], x: Any, own: Direction) -> list[Any]:
        return [rnn_step(state[0], x, own.hidden_weight, function)]

    kind = _Kind("rnn", 1, 1, step)
    output, states = _run(kind, x, [state], parameters, _Options(batch_first, dropout_rate, seed, lengths))
    return output, states[0]


def lstm(
    x: TensorLike,
    state: Sequence[TensorLike] | None,
    parameters: Mapping[str, TensorLike],
    *,
    batch_first: bool = False,
    dropout_rate: float = 0.0,
    seed: Any = None,
    lengths: TensorLike | None = None,
) -> tuple[LazyTensor, tuple[LazyTensor, LazyTensor]]:
    """Return the hidden states of the last layer at all times, and the last hidden states and cells of each layer and direction.

    Gates are in torch's order: input, forget, cell, output. With `weight_hr_l0` among the parameters, hidden states are projected.

    state:       the first hidden states and cells; None for zeros
    The other parameters are those of `rnn`.

    Shapes:      x (times, batch, n), states (layers * directions, batch, hidden), of hidden states (..., projected) if there is a
                 projection -> (times, batch, directions * hidden or projected), and those of the states
    Dtype:       numpy promotion of x and the parameters; integers become float64
    Derivative:  of every order, by x, states and parameters; backwards in time by `scan`
    Raises:      ShapeError: shapes do not fit; ParameterError: names are missing or unknown
    Reference:   torch.nn.LSTM; Hochreiter and Schmidhuber, Long Short-Term Memory, 1997; Sak et al., 2014, for the projection
    Example:
        >>> import composit.numpy as cnp
        >>> import numpy as np
        >>> weights = {"weight_ih_l0": np.ones((8, 3)), "weight_hh_l0": np.zeros((8, 2))}
        >>> y, (hidden, cell) = lstm(np.zeros((5, 1, 3)), None, weights)
        >>> y.shape, hidden.shape, cell.shape
        ((5, 1, 2), (1, 1, 2), (1, 1, 2))
    """
    if state is not None and not (isinstance(state, list | tuple) and len(state) == 2):
        raise ParameterError(
            f"lstm: a state of type {type(state).__name__} was given; expected a pair (hidden states, cells); pass None for zeros"
        )

    def step(state: Sequence[Any], x: Any, own: Direction) -> list[Any]:
        return list(lstm_step(state, x, own.hidden_weight, own.projection))

    kind = _Kind("lstm", 4, 2, step)
    given = [None, None] if state is None else list(state)
    output, states = _run(kind, x, given, parameters, _Options(batch_first, dropout_rate, seed, lengths))
    return output, (states[0], states[1])


def gru(
    x: TensorLike,
    state: TensorLike | None,
    parameters: Mapping[str, TensorLike],
    *,
    batch_first: bool = False,
    dropout_rate: float = 0.0,
    seed: Any = None,
    lengths: TensorLike | None = None,
) -> tuple[LazyTensor, LazyTensor]:
    """Return the hidden states of the last layer at all times, and the last hidden state of each layer and direction.

    Gates are in torch's order: reset, update, new. The parameters are those of `rnn`.

    Shapes:      those of `rnn`
    Dtype:       numpy promotion of x and the parameters; integers become float64
    Derivative:  of every order, by x, state and parameters; backwards in time by `scan`
    Raises:      ShapeError: shapes do not fit; ParameterError: names are missing or unknown
    Reference:   torch.nn.GRU; Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, 2014
    Example:
        >>> import composit.numpy as cnp
        >>> import numpy as np
        >>> weights = {"weight_ih_l0": np.ones((6, 3)), "weight_hh_l0": np.zeros((6, 2))}
        >>> y, last = gru(np.zeros((5, 1, 3)), None, weights)
        >>> y.shape, last.shape
        ((5, 1, 2), (1, 1, 2))
    """

    def step(state: Sequence[Any], x: Any, own: Direction) -> list[Any]:
        return [gru_step(state[0], x, own.hidden_weight, own.hidden_bias)]

    kind = _Kind("gru", 3, 1, step)
    output, states = _run(kind, x, [state], parameters, _Options(batch_first, dropout_rate, seed, lengths))
    return output, states[0]


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of recurrent layer: rnn, lstm or gru.

    num_gates:  how many times as many rows as hidden units the weights have
    num_states: how many states there are; the first is the hidden one
    step:       (states, what x gives to the gates, parameters) -> new states
    """

    name: str
    num_gates: int
    num_states: int
    step: Callable[[Sequence[Any], Any, Direction], list[Any]]


@dataclass(frozen=True, slots=True)
class _Options:
    batch_first: bool
    dropout_rate: float
    seed: Any  # Any: as for dropout
    lengths: TensorLike | None


def _run(
    kind: _Kind,
    x: TensorLike,
    states: Sequence[TensorLike | None],
    parameters: Mapping[str, TensorLike],
    options: _Options,
) -> tuple[LazyTensor, list[LazyTensor]]:
    """Return the result of the last layer, and each kind of state stacked over layers and directions."""
    tensor = floating(kind.name, x)
    if tensor.ndim not in (2, 3):
        raise ShapeError(
            f"{kind.name}: x has shape {tensor.shape}; expected (times, batch, n), or (times, n) for one sequence; reshape it first"
        )
    is_single = tensor.ndim == 2
    if is_single:
        tensor = cnp.expand_dims(tensor, 1)
    elif options.batch_first:
        tensor = cnp.swapaxes(tensor, 0, 1)
    layers = directions_of(kind.name, parameters, kind.num_gates, tensor.shape[2])
    first = _first_states(kind, states, layers, tensor, is_single)
    mask = _mask(kind.name, options.lengths, tensor)
    last: list[list[LazyTensor]] = []
    for number, directions in enumerate(layers):
        if number and options.dropout_rate:
            tensor = dropout(tensor, options.dropout_rate, seed=options.seed)
        outputs = []
        for own in directions:
            starts = [each[len(last)] for each in first]
            output, finals = _one_direction(kind, tensor, starts, own, mask)
            outputs.append(output)
            last.append(finals)
        tensor = outputs[0] if len(outputs) == 1 else cnp.concatenate(outputs, axis=-1)
    stacked = [cnp.stack([finals[k] for finals in last]) for k in range(kind.num_states)]
    if is_single:
        return cnp.squeeze(tensor, 1), [cnp.squeeze(each, 1) for each in stacked]
    return cnp.swapaxes(tensor, 0, 1) if options.batch_first else tensor, stacked


def _one_direction(
    kind: _Kind, x: LazyTensor, starts: Sequence[Any], own: Direction, mask: LazyTensor | None
) -> tuple[LazyTensor, list[LazyTensor]]:
    """Return the hidden states at all times, and the last states."""
    # Else a NaN behind the last time would reach the gradients of the weights as 0 * NaN.
    x = x if mask is None else cnp.where(mask, x, 0)
    # The part of the gates that depends on x alone: one product for all times, before the loop.
    given = linear(x, own.input_weight, own.bias)

    def step(states: list[Any], each: Any) -> tuple[list[Any], Any]:
        new = kind.step(states, each["given"], own)
        if mask is not None:
            new = [cnp.where(each["mask"], one, old) for one, old in zip(new, states, strict=True)]
        return new, new[0]

    xs = {"given": given} if mask is None else {"given": given, "mask": mask}
    finals, output = scan(step, list(starts), xs, reverse=own.is_reversed)
    return output if mask is None else cnp.where(mask, output, 0), finals


def _first_states(
    kind: _Kind, states: Sequence[TensorLike | None], layers: list[list[Direction]], x: LazyTensor, is_single: bool
) -> list[list[LazyTensor]]:
    """Return, for each kind of state, the first one of each layer and direction, in the dtype of the result."""
    every = [own for directions in layers for own in directions]
    dtype = np.result_type(x.dtype, *(own.input_weight.dtype for own in every))
    found = []
    for place, (name, state) in enumerate(zip(("state", "cells"), states, strict=False)):
        # Hidden states are projected, cells are not.
        sizes = [own.num_hidden if place else own.num_outputs for own in every]
        if state is None:
            found.append([cnp.zeros((x.shape[1], size), dtype) for size in sizes])
            continue
        tensor = floating(kind.name, state, name)
        shape = (len(every), *(() if is_single else (x.shape[1],)), sizes[0])
        check_shape(kind.name, name, tensor, shape, "(layers * directions, batch, hidden)")
        tensor = tensor.astype(dtype) if tensor.dtype != dtype else tensor
        parts = [tensor[number] for number in range(len(every))]
        found.append([cnp.expand_dims(each, 0) if is_single else each for each in parts])
    return found


def _mask(function: str, lengths: TensorLike | None, x: LazyTensor) -> LazyTensor | None:
    """Return which times of each example count, (times, batch, 1); None if all do."""
    if lengths is None:
        return None
    tensor = integral(function, lengths, "lengths")
    check_shape(function, "lengths", tensor, x.shape[1:2], "one length for each example")
    if isinstance(lengths, list | tuple | np.ndarray):
        _check_lengths(function, np.asarray(lengths), x.shape[0])
    return cnp.expand_dims(np.arange(x.shape[0])[:, np.newaxis] < tensor, 2)


def _check_lengths(function: str, lengths: Array, num_times: int) -> None:
    if lengths.size and not 0 <= lengths.min() <= lengths.max() <= num_times:
        raise ParameterError(
            f"{function}: lengths from {lengths.min()} to {lengths.max()} were given for {num_times} times; expected 0 to {num_times}; cut"
            " them, or pad x"
        )
