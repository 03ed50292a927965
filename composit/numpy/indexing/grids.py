"""Objects that build indices and grids from subscripts: `ix_`, `r_`, `c_`, `mgrid`, `ogrid`, `indices`, `ndenumerate`.

Joining tensors (`np.r_[x, y]`) is lazy. Tensors as ends of slices are read, since they decide a length.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import index_exp, ndindex, s_

from composit.apply import as_tensor
from composit.containers import flatten
from composit.errors import NoRuleError
from composit.guards import read_value
from composit.handle import TensorHandle
from composit.numpy.arguments.normalizing import TensorLike, promoted
from composit.numpy.calls.declarations import rule_for, without_rule
from composit.numpy.calls.fallback import REFUSALS, call_numpy, let_numpy_decide
from composit.numpy.calls.matrices import bmat, of_matrices
from composit.numpy.creation.from_values import asarray
from composit.numpy.manipulation.joining import concatenate
from composit.numpy.manipulation.reshaping import reshape

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["c_", "index_exp", "indices", "ix_", "mgrid", "ndenumerate", "ndindex", "ogrid", "r_", "s_"]

indices = without_rule(np.indices)


@rule_for(np.ix_)
def ix_(*args: TensorLike) -> tuple[Any, ...]:
    """Return the index arrays of an open mesh, each along its own axis. See np.ix_."""
    opened = []
    for position, indices_along in enumerate(args):
        tensor = asarray(indices_along)
        if tensor.ndim != 1 or tensor.dtype.kind == "b":
            raise NoRuleError(f"ix_: argument {position} is no list of integers")
        if not tensor.size and not hasattr(indices_along, "dtype"):
            tensor = tensor.astype(np.intp)
        opened.append(reshape(tensor, (1,) * position + tensor.shape + (1,) * (len(args) - position - 1)))
    return tuple(opened)


def _known_slices(key: Any) -> object:
    """Return the subscript with tensors in its slices replaced by their values, which decide a length."""
    if isinstance(key, tuple):
        return tuple(_known_slices(part) for part in key)
    if not isinstance(key, slice):
        return key
    ends = (key.start, key.stop, key.step)
    return slice(*(read_value(end, "index") if isinstance(end, TensorHandle) else end for end in ends))


class Grid:
    """Coordinates of a grid that a subscript of slices describes: dense (`mgrid`) or open (`ogrid`).

    Example:
        >>> import composit.numpy as np
        >>> np.mgrid[0:2, 0:3].shape
        (2, 2, 3)
        >>> [axis.shape for axis in np.ogrid[0:2, 0:3]]
        [(2, 1), (1, 3)]
    """

    __slots__ = ("_numpys", "sparse")

    def __init__(self, numpys: Callable[[Any], Any], sparse: bool) -> None:
        self._numpys = numpys
        self.sparse = sparse

    def __getitem__(self, key: Any) -> Any:
        return call_numpy(self._numpys, (_known_slices(key),), {})


def _dense(key: Any) -> object:
    return np.mgrid[key]


def _open(key: Any) -> object:
    return np.ogrid[key]


mgrid = Grid(_dense, sparse=False)
ogrid = Grid(_open, sparse=True)


class Concatenator:
    """Joins the parts listed in a subscript: slices as ranges, numbers, tensors.

    axis:    the axis along which the parts are joined
    ndmin:   the least number of axes of each part
    trans1d: where the axes of a smaller part go among the `ndmin` axes; counted from the end if negative

    Example:
        >>> import composit.numpy as np
        >>> np.r_[1:3, np.zeros(2), 5].tolist()
        [1.0, 2.0, 0.0, 0.0, 5.0]
    """

    __slots__ = ("_numpys", "axis", "matrix", "ndmin", "trans1d")
    concatenate = staticmethod(concatenate)

    def __init__(self, numpys: Callable[[Any], Any], axis: int = 0, ndmin: int = 1, trans1d: int = -1) -> None:
        self._numpys = numpys
        self.axis = axis
        self.ndmin = ndmin
        self.trans1d = trans1d
        self.matrix = False

    def __len__(self) -> int:
        return 0

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            # The string is the text of a matrix and may name variables of the caller.
            caller = sys._getframe(1)
            return bmat(key, caller.f_globals, caller.f_locals)
        known = _known_slices(key)
        if not flatten(known)[0]:
            return call_numpy(self._numpys, (known,), {})
        try:
            return self._joined(known if isinstance(known, tuple) else (known,))
        except REFUSALS as refusal:
            return let_numpy_decide(refusal, self._numpys, (known,), {})

    def _joined(self, items: tuple[Any, ...]) -> LazyTensor:
        axis, ndmin, start = self.axis, self.ndmin, self.trans1d
        if isinstance(items[0], str):
            numbers_given = items[0].split(",")
            if not all(number.strip().removeprefix("-").isdecimal() for number in numbers_given):
                raise NoRuleError(f"concatenation: {items[0]!r:.40} asks for a matrix, or is no list of integers")
            given = [int(number) for number in numbers_given]
            axis, ndmin, start = (*given, *(axis, ndmin, start)[len(given) :])
            items = items[1:]
        numbers = [item for item in items if isinstance(item, bool | int | float | complex | np.generic)]
        parts = [item if _is_one_of(item, numbers) else _part(item) for item in items]
        dtype = promoted(*(part.dtype if isinstance(part, TensorHandle) else part for part in parts))
        tensors = [part if isinstance(part, TensorHandle) else as_tensor(np.array(part, dtype)[()]) for part in parts]
        return concatenate([_with_axes(tensor, ndmin, start) for tensor in tensors], axis)


def _is_one_of(item: Any, found: list[Any]) -> bool:
    return any(item is one for one in found)


def _part(item: Any) -> LazyTensor:
    """Return a slice or array as a tensor."""
    if isinstance(item, str):
        raise NoRuleError(f"r_: {item!r} is a string, which can only come first")
    return asarray(np.r_[item] if isinstance(item, slice) else item)


def _with_axes(tensor: Any, ndmin: int, start: int) -> Any:
    added = ndmin - tensor.ndim
    if added <= 0:
        return tensor
    before = start if start >= 0 else start + added + 1
    if not 0 <= before <= added:
        raise NoRuleError(f"r_: {start} is no place among {ndmin} axes for {tensor.ndim}")
    return reshape(tensor, (1,) * before + tensor.shape + (1,) * (added - before))


@of_matrices
def _rows(key: Any) -> object:
    return np.r_[key]


@of_matrices
def _columns(key: Any) -> object:
    return np.c_[key]


r_ = Concatenator(_rows)
c_ = Concatenator(_columns, axis=-1, ndmin=2, trans1d=0)


class ndenumerate:  # numpy's name
    """Pairs of index and element of all elements in C order; the element is a scalar tensor. See np.ndenumerate.

    Example:
        >>> import composit.numpy as np
        >>> [(index, int(value)) for index, value in np.ndenumerate(np.array([[1, 2]]))]
        [((0, 0), 1), ((0, 1), 2)]
    """

    __slots__ = ("_array", "_positions")

    def __init__(self, arr: TensorLike) -> None:
        self._array = asarray(arr)
        self._positions = ndindex(*self._array.shape)

    def __iter__(self) -> Iterator[tuple[tuple[int, ...], Any]]:
        return self

    def __next__(self) -> tuple[tuple[int, ...], Any]:
        index = next(self._positions)
        return index, self._array[index]
