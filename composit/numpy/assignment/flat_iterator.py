"""`x.flat`: the elements in C order along one axis, for reading, iterating and writing."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.errors import NoRuleError
from composit.handle import TensorHandle, described, make_tensor
from composit.numpy.assignment.in_place import repeated, write_flat
from composit.numpy.calls.fallback import REFUSALS, call_numpy, let_numpy_decide
from composit.numpy.indexing.advanced_indices import known_integers
from composit.numpy.indexing.subscripts import get_item
from composit.numpy.manipulation.reshaping import Reshape, reshape
from composit.numpy.views.layout import flags_of
from composit.numpy.views.writes import assign_elements, is_writable
from composit.operation import Array, Dtype

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

# Any, everywhere here: indices and values in all of numpy's forms, and tensors.


def _read(a: Array, index: Any) -> object:
    return a.flat[index]


def _write(a: Array, index: Any, value: Any) -> None:
    a.flat[index] = value


class FlatIterator:
    """A tensor's elements in C order, with one index, and an iterator over them. See np.flatiter."""

    __slots__ = ("_position", "_tensor")
    __hash__ = None  # type: ignore[assignment]  # numpy's compares by element as well

    def __init__(self, tensor: Any) -> None:
        self._tensor: LazyTensor = tensor
        self._position = 0

    @property
    def base(self) -> LazyTensor:
        """The tensor whose elements these are."""
        return self._tensor

    @property
    def index(self) -> int:
        """The number of elements that the iterator has returned."""
        return self._position

    @property
    def coords(self) -> tuple[int, ...]:
        """The index of the next element, one integer per axis."""
        rest, reversed_coords = self._position, []
        for length in reversed(self._tensor.shape[1:]):
            rest, coordinate = divmod(rest, length)
            reversed_coords.append(coordinate)
        return (rest, *reversed(reversed_coords)) if self._tensor.ndim else ()

    def copy(self) -> LazyTensor:
        """Return the elements as a tensor of one axis."""
        flattened = reshape(self._tensor, self._tensor.size)
        return make_tensor(flattened.node, flattened.output_index)

    def __lazy_tensor__(self) -> LazyTensor:
        return self.copy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        result = np.array(self.copy(), dtype)
        # If the elements do not lie in C order without gaps, numpy returns a read-only copy.
        result.flags.writeable = is_writable(self._tensor) and bool(flags_of(self._tensor).c_contiguous)
        return result

    def __len__(self) -> int:
        return int(self._tensor.size)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._position >= len(self):
            raise StopIteration
        element = get_item(reshape(self._tensor, len(self)), self._position)
        self._position += 1
        return element

    def __getitem__(self, index: Any) -> Any:
        plain = index[0] if isinstance(index, tuple) and len(index) == 1 else index
        is_position = isinstance(plain, int) and not isinstance(plain, bool) and -len(self) <= plain < len(self)
        if self._tensor.dtype.kind not in "OSUVT" and (is_position or isinstance(plain, slice)):
            return _detached(get_item(self.copy(), plain))
        return call_numpy(_read, (self._tensor, index), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        size = len(self)
        is_known = isinstance(index, slice) or (
            isinstance(index, int) and not isinstance(index, bool) and -size <= index < size
        )
        tensor = self._tensor
        if tensor.type.is_scalar:
            # numpy writes to a temporary array made of the scalar, so the write has no effect.
            call_numpy(_write, (tensor.copy(), index, value), {}, ())
            return
        if not is_writable(tensor):
            raise ValueError(
                f"underlying array is read-only: flat of {described(tensor)} was written to; take a copy() first"
            )
        if is_known and _is_taken_as_it_is(value, tensor.dtype):
            if isinstance(index, int):
                # A write to one element, also where a view shows that element several times.
                assign_elements(tensor, tuple(map(int, np.unravel_index(index % size, tensor.shape))), value)
            else:
                assign_elements(tensor, (index,), value, (), (Reshape((size,)),))
            return
        try:
            _set(tensor, index, value)
        except REFUSALS as refusal:
            let_numpy_decide(refusal, _write, (tensor, index, value), {}, ("a",))

    def __delitem__(self, index: Any) -> None:
        raise TypeError(
            f"Cannot delete iterator elements: {described(index):.40}; delete returns an array without them"
        )

    def _compared(self, compare: Callable[[Any, Any], Any], other: object) -> LazyTensor:
        answer: LazyTensor = compare(self.copy(), other)
        return answer

    def __eq__(self, other: object) -> LazyTensor:  # type: ignore[override]  # elementwise, as numpy's
        return self._compared(operator.eq, other)

    def __ne__(self, other: object) -> LazyTensor:  # type: ignore[override]
        return self._compared(operator.ne, other)

    def __lt__(self, other: Any) -> LazyTensor:
        return self._compared(operator.lt, other)

    def __le__(self, other: Any) -> LazyTensor:
        return self._compared(operator.le, other)

    def __gt__(self, other: Any) -> LazyTensor:
        return self._compared(operator.gt, other)

    def __ge__(self, other: Any) -> LazyTensor:
        return self._compared(operator.ge, other)


def _is_taken_as_it_is(value: Any, dtype: Dtype) -> bool:
    """Return whether the value is a number that the dtype can surely hold; False where that is not quickly known."""
    if dtype.kind == "f":
        return isinstance(value, int | float) and abs(value) < 2**10
    return type(value) is int and dtype.kind in "iu" and (-(2**7) if dtype.kind == "i" else 0) <= value < 2**7


def _detached(part: TensorHandle) -> LazyTensor:
    # numpy's flat returns copies, not views.
    return make_tensor(part.node, part.output_index)


def set_flat(tensor: Any, value: Any) -> None:
    """Carry out `x.flat = value`: write the values in C order, starting over where there are too few."""
    FlatIterator(tensor)[:] = value


def _set(tensor: Any, index: Any, value: Any) -> None:
    """Write one value to each position, starting over with the first where there are too few."""
    if tensor.dtype.kind not in "biufcmM":
        raise NoRuleError("flat: the elements are objects or strings")
    plain = index[0] if isinstance(index, tuple) and len(index) == 1 else index
    if isinstance(plain, slice):
        write_flat(tensor, plain, repeated(value, len(range(tensor.size)[plain])))
        return
    places = known_integers(plain)
    if places is None or places.ndim > 1 or places.dtype.kind not in "iu" or (not places.ndim and np.size(value) != 1):
        raise NoRuleError("flat: the positions are not known integers, or one position has several values")
    write_flat(tensor, places.reshape(-1), repeated(value, places.size))
