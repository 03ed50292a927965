"""Reading and writing single elements of arrays whose values are known, in numpy's own memory.

A loop that fills an array from its own elements then runs at numpy's speed. Drafts (`composit/drafts.py`) record what
the graph would be; they become nodes when the graph is asked for.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.drafts import Draft, Elements, new_draft
from composit.eager_results import eager
from composit.guards import MOST_KNOWN_BYTES, known_value_of, origin_of
from composit.handle import TensorHandle, known_scalar
from composit.node import Node, drop_values, root_origin
from composit.numpy.elementwise.known_numbers import number_of
from composit.numpy.views.basic_indices import BasicIndex
from composit.numpy.views.writes import Assign, copied, is_connected
from composit.operation import Dtype, Input, Operation, Shape, TensorType, tensor_type
from composit.origins import Origin, joined_two
from composit.source import Source
from composit.storage import storage_of, view_of, views_lock

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

Places = tuple[int, ...]


@lru_cache(maxsize=1024)
def types_of_element(whole: TensorType) -> tuple[TensorType, ...]:
    """Return the result types of a node that is one element of the array."""
    return (tensor_type((), whole.dtype, is_scalar=True),)


class ElementDraft(Draft):
    """One element. `detail` is its non-negative position in a vector, or its positions along all axes."""

    __slots__ = ()

    def operation(self) -> Operation:
        return BasicIndex(self.detail if isinstance(self.detail, tuple) else (self.detail,))


class WriteDraft(Draft):
    """An array with some elements replaced. `detail` is a basic index."""

    __slots__ = ()

    def operation(self) -> Operation:
        return Assign((), self.detail)


def places_within(shape: Shape, index: Any) -> Places | None:
    """Return the non-negative positions of the one element that integers within bounds choose; None for other indices."""
    if index.__class__ is int:
        if len(shape) != 1:
            return None
        (length,) = shape
        if 0 <= index < length:
            return (index,)
        return (index + length,) if -length <= index < 0 else None
    if index.__class__ is not tuple or len(index) != len(shape) or not index:
        return None
    if len(index) == 2:
        # As the loop below, for elements of matrices.
        i, j = index
        if i.__class__ is not int or j.__class__ is not int:
            return None
        if 0 <= i < shape[0] and 0 <= j < shape[1]:
            return index
    for entry, length in zip(index, shape, strict=True):
        if entry.__class__ is not int or not -length <= entry < length:
            return None
    if min(index) >= 0:
        return index
    return tuple([entry if entry >= 0 else entry + length for entry, length in zip(index, shape, strict=True)])


def elements_of(tensor: TensorHandle, types: tuple[TensorType, ...]) -> Elements | None:
    """Return the elements of a tensor whose values are known without running a program, else None.

    Known are inputs, values that a read left, and small results of creations such as zeros or arange.

    types: the types of one element
    """
    node = tensor._node or tensor.node
    operation = node._operation
    if type(operation) is Input and operation.has_value:
        elements = Elements(operation.read(), node, 0, types, None)
    else:
        known = known_value_of(node, tensor._output_index)
        if known is None:
            return None
        origin = None if known.origin is None else known.origin.alive()
        elements = Elements(known.value, node, tensor._output_index, types, origin)
    if view_of(tensor) is None:
        with views_lock:
            # Unless another thread has written to the tensor meanwhile.
            if tensor._early is None and tensor._node is node:
                tensor._early = elements
    return elements


def element_at(elements: Elements, index: Any, source: Source | None) -> LazyTensor | None:
    """Return one element as a lazy scalar whose number is known; None for an index that chooses anything else."""
    shape, array = elements.shape, elements.array
    place: Any = index
    if index.__class__ is not int or len(shape) != 1 or not 0 <= index < shape[0]:
        place = places_within(shape, index)
    if array is None or place is None:
        # Another thread has just ended this state and taken the array.
        return None
    draft = new_draft(ElementDraft, place, elements.state, None, elements.types, source, elements.index)
    return known_scalar(elements.types[0], array[place], elements.here or _origin_here(elements), draft)


def _origin_here(elements: Elements) -> Origin | Draft | None:
    """Return the origin of an element read now: those of the array's values, and the array itself."""
    values = None if elements.origin is None else elements.origin.alive()
    if values is None and elements.is_own:
        elements.here = elements.state
    else:
        own = elements.state.own_origin()
        elements.here = joined_two(values, own)
    return elements.here


# The classes of numbers that numpy writes to an array of each dtype without warning, rounding or error. Other numbers
# are left to numpy, and on its error nothing is written.
_INTEGERS = frozenset(np.dtype(code).type for code in "bhilqBHILQ")


def _same_integers(dtype: np.dtype[Any]) -> frozenset[type]:
    # Two of C's integer types may have the same size, with a numpy class for each.
    return frozenset(kind for kind in _INTEGERS if np.dtype(kind) == dtype)


_WRITTEN_AS_THEY_ARE: dict[Dtype, frozenset[type]] = {
    np.dtype("d"): frozenset((float, int, bool, np.float64, np.float32, np.float16, np.bool)) | _INTEGERS,
    np.dtype("f"): frozenset((bool, np.float32, np.float16, np.bool)) | _INTEGERS,
    np.dtype("D"): frozenset((complex, float, int, bool, np.complex128, np.float64, np.float32, np.bool)) | _INTEGERS,
    np.dtype("F"): frozenset((np.complex64, np.float32)),
    np.dtype("?"): frozenset((bool, np.bool)),
    **{np.dtype(code): _same_integers(np.dtype(code)) | {int, bool, np.bool} for code in "bhilqBHILQ"},
}
_NONE: frozenset[type] = frozenset()


def write_part(tensor: TensorHandle, index: tuple[Any, ...], value: Any, source: Source | None) -> bool:
    """Write a known value to elements of an array with known values; return False, without writing, if that is not possible.

    index: integers and slices, within bounds
    value: a tensor of the shape that the index chooses, or a number

    Raises:  OverflowError: numpy's, for a number that does not fit
    """
    known = _known_operand(value) if isinstance(value, TensorHandle) else (value, value, None)
    if known is None or not _is_written_as_it_is(known[0], tensor._type.dtype):
        return False
    if view_of(tensor) is not None or eager.strict:
        return False
    storage = storage_of(tensor)
    if storage.views:
        return False
    elements = tensor._early
    if elements is None:
        elements_of(tensor, types_of_element(tensor._type))
        elements = tensor._early
    if not isinstance(elements, Elements):
        return False
    values, operand, origin = known
    with storage.write_lock():
        if tensor._early is not elements or (not elements.is_own and not _take(tensor, elements)):
            return False
        state, array = elements.state, elements.array
        assert array is not None
        array[index] = values
        # Drop the reads that depend on the old value only, before the origin of the new one is computed.
        state.leave()
        if origin is not None and origin is not state:
            before = None if elements.origin is None else elements.origin.alive()
            elements.origin = joined_two(before, origin.alive())
        elements.here = None
        elements.state = new_draft(WriteDraft, index, state, operand, state.types, source)
        if storage.views:
            # Another thread has taken a view since the check above.
            storage.take_nodes_of_views(tensor, is_connected)
    return True


def _known_operand(tensor: TensorHandle) -> tuple[Any, Node | Draft, Origin | Draft | None] | None:
    """Return a value known without running a program, its node or draft, and its origin; None for other tensors."""
    early = tensor._early or number_of(tensor)
    if isinstance(early, tuple):
        number, origin, draft = early
        return number, tensor.node if draft is None else draft, origin
    if early is not None and early.is_own:
        return early.array, early.state, early.here or _origin_here(early)
    node = tensor._node or tensor.node
    if type(node._operation) is Input:
        return (node._operation.read(), node, root_origin(node)) if node._operation.has_value else None
    known = None if tensor._output_index else known_value_of(node, 0)
    return None if known is None else (known.value, node, origin_of(node, known))


def _is_written_as_it_is(value: Any, dtype: Dtype) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype == dtype or (value.dtype.kind in "biuf" and np.can_cast(value.dtype, dtype))
    return value.__class__ in _WRITTEN_AS_THEY_ARE.get(dtype, _NONE)


# Up to this size a copy of the array per node costs less than a write that is computed later.
_FEW_BYTES = 1024


def _references(held: object) -> int:
    return sys.getrefcount(held)


def _references_of_a_name() -> int:
    held = object()
    return _references(held)


# The references to a node that a write may replace: the tensor, its draft, and a local name. The references to its
# array are as many: the known value, the elements, and a local name. Any more are somebody else's.
_OWN_REFERENCES = 2 + _references_of_a_name()


def _take(tensor: TensorHandle, elements: Elements) -> bool:
    """Make the array the elements' own, to be written to; return False if others may still read it."""
    node, array = tensor._node, elements.array
    if node is None or node is not elements.state.made or len(node._types) != 1:
        return False
    if node._operation.runs_at_call or array.__class__ is not np.ndarray:
        return False
    num_bytes = node._types[0].num_bytes
    if isinstance(node._operation, Input):
        # An input keeps its value, so the write goes to a copy, as in evaluation.
        if num_bytes > MOST_KNOWN_BYTES:
            return False
        elements.array = copied(array)
    elif node._num_handles == 1 and max(_references(node), _references(array)) <= _OWN_REFERENCES:
        drop_values(node)
        array.flags.writeable = True
    elif num_bytes <= _FEW_BYTES:
        elements.array = copied(array)
    else:
        return False
    with views_lock:
        elements.is_own = True
        tensor._node = None
    return True
