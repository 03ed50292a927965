"""Known integer positions as operands: the same positions are the same leaf, so that equal selections stay equal.

An index such as `[0, 2]` or the border of a pad is a parameter of the call, not an array that somebody created; it is
an operand because it may be long. May import apply, operation, keys, locks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import numpy as np

from composit.apply import input_of, leaf
from composit.keys import Key, digest, encode
from composit.locks import fork_safe_lock
from composit.operation import Array, Input

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

# Reading more than this to find an equal one costs more than holding it twice.
MAX_SHARED_POSITIONS = 65536

_shared: WeakValueDictionary[Key, Input] = WeakValueDictionary()
_shared_lock = fork_safe_lock()


def positions_of(values: Array) -> LazyTensor:
    """Return a tensor of the positions, which are copied; equal positions are one leaf while it is alive."""
    if values.size > MAX_SHARED_POSITIONS:
        return input_of(values.copy())
    key = digest(encode(values.dtype), encode(values.shape), values.tobytes())
    with _shared_lock:
        known = _shared.get(key)
        if known is not None:
            return leaf(known)
        made = input_of(np.array(values))
        operation = made.node.operation
        assert isinstance(operation, Input)
        _shared[key] = operation
        return made
