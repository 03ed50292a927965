"""Integer positions, known at the call, as operands of nodes: equal positions share one leaf.

The index `[0, 2]` and the border of a pad are parameters of the call. They are operands because they may be long, and
share a leaf so that equal selections stay equal expressions.
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

# Above this size, hashing the positions to find an equal leaf costs more than storing them twice.
MAX_SHARED_POSITIONS = 65536

_shared: WeakValueDictionary[Key, Input] = WeakValueDictionary()
_shared_lock = fork_safe_lock()


def positions_of(values: Array) -> LazyTensor:
    """Return a tensor with a copy of the positions; equal positions share one leaf while it is alive."""
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
