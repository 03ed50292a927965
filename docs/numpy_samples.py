"""One lazy call of each function that has a rule: what the table of numpy's names measures.

A call is written as arguments; A is a matrix, V a vector, both of float32, N a vector of integers, C of complex numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import composit.numpy as cnp

A = cnp.asarray(np.array([[2.0, 0.5, 0.25], [0.5, 3.0, 0.75], [0.25, 0.75, 4.0]], np.float32))
V = cnp.asarray(np.array([0.25, 0.5, 0.75], np.float32))
N = cnp.asarray(np.array([0, 2, 1]))
C = cnp.asarray(np.array([1 + 2j, 2, 3], np.complex64))
B = cnp.asarray(np.array([True, False, True]))
T = cnp.asarray(np.ones((2, 2, 2), np.float32))

Call = Callable[[Callable[..., Any]], Any]  # a function in, its result out

# Tried in this order where a function has no call of its own below.
FORMS: tuple[Call, ...] = (
    lambda function: function(A),
    lambda function: function(A, A),
    lambda function: function(V),
    lambda function: function(V, V),
    lambda function: function([A, A]),
    lambda function: function(A, 1),
    lambda function: function(A, 0, 1),
    lambda function: function(3),
    lambda function: function((2, 3)),
    lambda function: function(N),
    lambda function: function(N, N),
    lambda function: function(),
)


def _writing(*operands: Any) -> Call:
    """Return a call that writes to a tensor of its own, which is the result."""

    def call(function: Callable[..., Any]) -> Any:
        written = cnp.multiply(A, 1)
        function(written, *operands)
        return written

    return call


CALLS: Mapping[str, Call] = {
    "apply_over_axes": lambda function: function(cnp.sum, A, [0]),
    "copyto": _writing(A),
    "fill_diagonal": _writing(1.0),
    "put": _writing([0, 1], [1.0, 2.0]),
    "put_along_axis": _writing(N[:, None], 1.0, 1),
    "place": _writing(A > 1, [1.0, 2.0]),
    "putmask": _writing(A > 1, A),
    "extract": lambda function: function(B, V),
    "astype": lambda function: function(A, np.float64),
    "broadcast_to": lambda function: function(A, (2, 3, 3)),
    "choose": lambda function: function(N, [V, V, V]),
    "dsplit": lambda function: function(T, 2),
    "einsum": lambda function: function("ij,jk->ik", A, A),
    "einsum_path": lambda function: function("ij,jk->ik", A, A),
    "full": lambda function: function((2, 3), 1.0),
    "insert": lambda function: function(V, 1, 2.0),
    "interp": lambda function: function(V, [0.0, 1.0], [1.0, 2.0]),
    "isin": lambda function: function(N, [1, 2]),
    "linalg.tensorsolve": lambda function: function(A, V),
    "lib.stride_tricks.sliding_window_view": lambda function: function(V, 2),
    "reshape": lambda function: function(A, (9,)),
    "select": lambda function: function([B, V > 0], [V, 2 * V]),
    "take_along_axis": lambda function: function(A, N[:, None], 1),
    "unpackbits": lambda function: function(cnp.asarray(np.array([1, 2], np.uint8))),
    "where": lambda function: function(B, V, 0.0),
}
