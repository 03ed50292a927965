"""Pickling: a tensor is pickled as numpy's arrays are, as its value in numpy's layout, without its graph.

`x.graph` and `x.node` pickle the graph.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from composit.apply import as_tensor, input_of
from composit.guards import read_value
from composit.handle import TensorHandle
from composit.numpy.tensor.array_flags import set_writeable
from composit.numpy.views.layout import stand_in_of
from composit.numpy.views.writes import is_writable
from composit.operation import Array

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

# From this protocol on, numpy's arrays without gaps are pickled with the flag that they are read-only.
_PROTOCOL_OF_BUFFERS = 5


class Pickling(TensorHandle):
    """The methods that pickle calls."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.__reduce_ex__(2)

    def __reduce_ex__(self, protocol: SupportsIndex, /) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        value = read_value(self, "")
        if self._type.is_scalar:
            return scalar_of_value, (value,)
        layout = stand_in_of(self)
        has_buffer = int(protocol) >= _PROTOCOL_OF_BUFFERS and _lies_in_one_piece(layout) and not self.dtype.hasobject
        return tensor_of_value, (_laid_out(np.asarray(value), layout), has_buffer and not is_writable(self))


def _lies_in_one_piece(layout: Array) -> bool:
    first, last = np.lib.array_utils.byte_bounds(layout)
    return bool(last - first == layout.nbytes)


def _laid_out(value: Array, layout: Array) -> Array:
    """Return the value in the order of a layout; in C order if the layout has gaps."""
    if value.strides == layout.strides:
        return value
    if _lies_in_one_piece(layout):
        array: Array = np.empty_like(layout, value.dtype)
    else:
        # numpy pickles an array with gaps without a separate buffer. Make one with gaps, so that pickle does the same.
        array = np.empty((*layout.shape, 2), value.dtype)[..., 0]
    array[...] = value
    return array


def tensor_of_value(array: Array, is_read_only: bool = False) -> LazyTensor:
    """Return a tensor with a loaded array; an array that shows foreign memory, such as a buffer, is copied."""
    owner = array.base
    is_own = type(array) is np.ndarray and (owner is None or isinstance(owner, bytes | bytearray))
    tensor = input_of(array if is_own else np.array(array, order="K", copy=True))
    if is_read_only:
        set_writeable(tensor, False)
    return tensor


def scalar_of_value(value: Any) -> LazyTensor:  # Any: a numpy scalar in, our scalar out
    """Return a scalar tensor with a loaded value."""
    return as_tensor(value)
