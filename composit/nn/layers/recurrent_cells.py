"""One step of recurrent networks: rnn_cell, lstm_cell and gru_cell. Layers over sequences are in recurrent.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import composit.numpy as cnp
from composit.apply import apply_several
from composit.errors import ShapeError
from composit.nn.arguments import check_shape, floating, one_of
from composit.nn.operations.activations import relu, sigmoid
from composit.nn.operations.products import linear
from composit.numpy.arguments.normalizing import TensorLike
from composit.numpy.manipulation.joining import Split

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["gru_cell", "lstm_cell", "rnn_cell"]

NONLINEARITIES: Mapping[str, Callable[..., Any]] = {"tanh": cnp.tanh, "relu": relu}


def rnn_step(hidden: Any, given: Any, weight: Any, nonlinearity: Callable[..., Any]) -> Any:
    """Return the next hidden state. given: what the input and the biases give; weight: (hidden, hidden), as torch stores it."""
    return nonlinearity(given + hidden @ cnp.transpose(weight))


def lstm_step(state: Sequence[Any], given: Any, weight: Any, projection: Any) -> tuple[Any, Any]:
    """Return the next hidden state and cell. given: what the input and the biases give to all gates."""
    hidden, cell = state
    gates = given + hidden @ cnp.transpose(weight)
    update, forget, new, output = _parts(gates, cell.shape[-1])
    cell = sigmoid(forget) * cell + sigmoid(update) * cnp.tanh(new)
    hidden = sigmoid(output) * cnp.tanh(cell)
    return hidden if projection is None else hidden @ cnp.transpose(projection), cell


def gru_step(hidden: Any, given: Any, weight: Any, bias: Any) -> Any:
    """Return the next hidden state. given: what the input and its bias give to all gates."""
    own = hidden @ cnp.transpose(weight)
    if bias is not None:
        own = own + bias
    size = hidden.shape[-1]
    of_x, of_state = _parts(given, size), _parts(own, size)
    reset, update = (sigmoid(one + other) for one, other in zip(of_x[:2], of_state[:2], strict=True))
    new = cnp.tanh(of_x[2] + reset * of_state[2])
    # (1 - update) new + update hidden
    return new + update * (hidden - new)


def _parts(gates: Any, size: int) -> Sequence[Any]:
    """Return the gates, which lie side by side along the last axis."""
    boundaries = tuple(range(size, gates.shape[-1], size))
    # One node for all parts, whose derivative is one, too; numpy's split would make a view of each.
    return apply_several(Split(boundaries, gates.ndim - 1), gates)


def rnn_cell(
    x: TensorLike,
    hidden: TensorLike,
    input_weight: TensorLike,
    hidden_weight: TensorLike,
    input_bias: TensorLike | None = None,
    hidden_bias: TensorLike | None = None,
    *,
    nonlinearity: str = "tanh",
) -> LazyTensor:
    """Return the next hidden state: tanh(x @ input_weight^T + input_bias + hidden @ hidden_weight^T + hidden_bias).

    nonlinearity: "tanh" or "relu"

    Shapes:      x (..., n), hidden (..., m), weights (m, n) and (m, m), biases (m,) -> (..., m)
    Derivative:  by all operands
    Raises:      ShapeError: shapes do not fit; ParameterError: there is no such nonlinearity
    Reference:   torch.nn.RNNCell
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(rnn_cell([[1.0]], [[2.0]], [[3.0]], [[-1.5]]))
        array([[0.]])
    """
    function = one_of("rnn_cell", "nonlinearity", nonlinearity, NONLINEARITIES)
    state, weight = _checked("rnn_cell", hidden, hidden_weight, 1)
    return function(_given("rnn_cell", x, input_weight, input_bias) + _given("rnn_cell", state, weight, hidden_bias))  # type: ignore[no-any-return]  # a tensor


def lstm_cell(
    x: TensorLike,
    state: tuple[TensorLike, TensorLike],
    input_weight: TensorLike,
    hidden_weight: TensorLike,
    input_bias: TensorLike | None = None,
    hidden_bias: TensorLike | None = None,
    projection: TensorLike | None = None,
) -> tuple[LazyTensor, LazyTensor]:
    """Return the next hidden state and cell; gates are in torch's order: input, forget, cell, output.

    Shapes:      x (..., n), hidden state (..., m or p) and cell (..., m), weights (4 m, n) and (4 m, m or p), biases (4 m,), projection
                 (p, m) -> (..., m or p) and (..., m)
    Derivative:  by all operands
    Raises:      ShapeError: shapes do not fit
    Reference:   torch.nn.LSTMCell
    Example:
        >>> import composit.numpy as cnp
        >>> import numpy as np
        >>> hidden, cell = lstm_cell([[1.0]], ([[0.0]], [[1.0]]), np.zeros((4, 1)), np.zeros((4, 1)))
        >>> cnp.evaluate(cell)
        array([[0.5]])
    """
    hidden, cell = state
    cells = floating("lstm_cell", cell, "state[1]")
    projected = None if projection is None else floating("lstm_cell", projection, "projection")
    own, weight = _checked("lstm_cell", hidden, hidden_weight, 4, cells.shape[-1])
    given = _given("lstm_cell", x, input_weight, input_bias)
    if hidden_bias is not None:
        given = given + floating("lstm_cell", hidden_bias, "hidden_bias")
    return lstm_step((own, cells), given, weight, projected)


def gru_cell(
    x: TensorLike,
    hidden: TensorLike,
    input_weight: TensorLike,
    hidden_weight: TensorLike,
    input_bias: TensorLike | None = None,
    hidden_bias: TensorLike | None = None,
) -> LazyTensor:
    """Return the next hidden state; gates are in torch's order: reset, update, new.

    Shapes:      x (..., n), hidden (..., m), weights (3 m, n) and (3 m, m), biases (3 m,) -> (..., m)
    Derivative:  by all operands
    Raises:      ShapeError: shapes do not fit
    Reference:   torch.nn.GRUCell
    Example:
        >>> import composit.numpy as cnp
        >>> import numpy as np
        >>> cnp.evaluate(gru_cell([[1.0]], [[2.0]], np.zeros((3, 1)), np.zeros((3, 1))))
        array([[1.]])
    """
    state, weight = _checked("gru_cell", hidden, hidden_weight, 3)
    bias = None if hidden_bias is None else floating("gru_cell", hidden_bias, "hidden_bias")
    return gru_step(state, _given("gru_cell", x, input_weight, input_bias), weight, bias)  # type: ignore[no-any-return]  # a tensor


def _given(function: str, x: TensorLike, weight: TensorLike, bias: TensorLike | None) -> LazyTensor:
    return linear(floating(function, x), floating(function, weight, "weight"), bias)


def _checked(
    function: str, hidden: TensorLike, weight: TensorLike, num_gates: int, size: int | None = None
) -> tuple[LazyTensor, LazyTensor]:
    """Return the hidden state and its weight. size: of the cell, None for that of the hidden state."""
    state, matrix = floating(function, hidden, "hidden"), floating(function, weight, "hidden_weight")
    if not state.ndim:
        raise ShapeError(f"{function}: the hidden state has shape (); expected (..., m); reshape it first")
    rows = num_gates * (state.shape[-1] if size is None else size)
    reason = f"{num_gates} rows for each hidden unit, and as many columns as the hidden state of shape {state.shape}"
    check_shape(function, "hidden_weight", matrix, (rows, state.shape[-1]), reason)
    return state, matrix
