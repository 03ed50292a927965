"""ndarray's methods on tensors: each calls the function of the same name, or numpy's own method on the value.

Methods about memory are in memory_methods.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply
from composit.handle import TensorHandle, described
from composit.numpy.arguments.normalizing import check_casting, named_dtype
from composit.numpy.arguments.signatures import signature_of
from composit.numpy.assignment import in_place
from composit.numpy.calls.fallback import REFUSALS, call_numpy, let_numpy_decide
from composit.numpy.creation.from_values import lies_in
from composit.numpy.elementwise import composites, table
from composit.numpy.elementwise.casting import Astype
from composit.numpy.indexing import choosing, diagonals, taking
from composit.numpy.manipulation import reshaping
from composit.numpy.manipulation.reinterpreting import copied_in_order
from composit.numpy.products import matrix_products
from composit.numpy.rearranging import flips_and_repeats
from composit.numpy.reductions import reduce as reductions
from composit.numpy.sorting import sort_and_search
from composit.numpy.statistics import averages
from composit.numpy.views.writes import assign_result, is_writable, writing_to

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

Function = Callable[..., Any]  # Any: what numpy's functions take and return


_IN_PLACE = ("self", "out")


def _method(function: Function) -> Function:
    """Return the function as a method: the tensor is its first argument."""

    def method(self: Any, *args: Any, **kwargs: Any) -> object:
        return function(self, *args, **kwargs)

    method.__name__ = function.__name__
    method.__doc__ = f"Return {function.__name__}(self, ...). See np.ndarray.{function.__name__}."
    return method


@dataclass(frozen=True)
class _NumpysMethod:
    """A method of ndarray as a function: calls the method of this name, since numpy's scalars have their own."""

    __name__: str

    def __call__(self, /, *args: Any, **kwargs: Any) -> object:
        return getattr(args[0], self.__name__)(*args[1:], **kwargs)

    @property
    def __signature__(self) -> inspect.Signature | None:
        """numpy's signature; `call_numpy` finds in it the arguments that the method writes to."""
        return signature_of(getattr(np.ndarray, self.__name__))


def numpys(method: Function, writes: tuple[str, ...] = ()) -> Function:
    """Return a method that runs numpy's own on the value, at the call.

    writes: ("self",) if it changes the array in place
    """

    function = _NumpysMethod(method.__name__)

    def public(self: Any, *args: Any, **kwargs: Any) -> object:
        return call_numpy(function, (self, *args), kwargs, writes)

    public.__name__ = method.__name__
    public.__doc__ = f"Return what np.ndarray.{method.__name__} returns, computed when it is called. See its page."
    return public


def _truth_method(function: Function) -> Function:
    """Return `any` or `all` as a method: it has a parameter dtype that the function has not."""
    by_numpy = numpys(getattr(np.ndarray, function.__name__), _IN_PLACE)

    def method(
        self: Any, /, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True
    ) -> object:
        if dtype is None:
            return function(self, axis, out, keepdims, where=where)
        return by_numpy(self, axis=axis, dtype=dtype, out=out, keepdims=keepdims, where=where)

    method.__name__ = function.__name__
    method.__doc__ = f"Return {function.__name__}(self, ...). See np.ndarray.{function.__name__}."
    return method


def _lengths(given: tuple[Any, ...]) -> Any:
    """Return the sequence if one was given, else the tuple of numbers: reshape((2, 3)) and reshape(2, 3)."""
    return given[0] if len(given) == 1 and (given[0] is None or np.ndim(given[0])) else given


def _conjugate(array: Any, out: Any = None) -> Any:
    return array.conj() if out is None else array.conj(out)


# The dtypes with a fixed size. The size of strings depends on the elements.
_SIZED = frozenset("biufcmM")


class ArrayMethods(TensorHandle):
    """ndarray's methods that compute with the elements."""

    __slots__ = ()

    sum = _method(reductions.sum)
    prod = _method(reductions.prod)
    max = _method(reductions.max)
    min = _method(reductions.min)
    all = _truth_method(reductions.all)
    any = _truth_method(reductions.any)
    argmax = _method(reductions.argmax)
    argmin = _method(reductions.argmin)
    cumsum = _method(reductions.cumsum)
    cumprod = _method(reductions.cumprod)
    mean = _method(averages.mean)
    var = _method(averages.var)
    std = _method(averages.std)
    round = _method(composites.round)
    dot = _method(matrix_products.dot)
    diagonal = _method(diagonals.diagonal)
    trace = _method(diagonals.trace)
    take = _method(taking.take)
    repeat = _method(flips_and_repeats.repeat)
    swapaxes = _method(reshaping.swapaxes)
    squeeze = _method(reshaping.squeeze)
    ravel = _method(reshaping.ravel)
    argsort = _method(sort_and_search.argsort)
    argpartition = _method(sort_and_search.argpartition)
    searchsorted = _method(sort_and_search.searchsorted)
    nonzero = numpys(np.ndarray.nonzero)
    put = _method(in_place.put)

    def choose(self, /, *choices: Any, out: Any = None, mode: Any = "raise") -> LazyTensor:
        """Return elements of the choices, picked by number; choices in one sequence or one by one. See np.ndarray.choose."""
        return choosing.choose(self, choices[0] if len(choices) == 1 else choices, out=out, mode=mode)

    def compress(self, /, condition: Any, axis: Any = None, out: Any = None) -> LazyTensor:
        """Return the slices where a condition is true. See np.ndarray.compress."""
        return choosing.compress(condition, self, axis=axis, out=out)

    def sort(self, /, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> None:
        """Sort the elements in place. See np.ndarray.sort."""
        options = {"axis": axis, "kind": kind, "order": order, "stable": stable}
        if axis is None or not is_writable(self):
            call_numpy(np.ndarray.sort, (self,), options, _IN_PLACE)
        else:
            with writing_to(self):
                assign_result(self, sort_and_search.sort(self, **options))

    def partition(self, /, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> None:
        """Put the kth elements in their sorted places, smaller before, larger after. See np.ndarray.partition."""
        if axis is None or not is_writable(self):
            options = {"axis": axis, "kind": kind, "order": order}
            call_numpy(np.ndarray.partition, (self, kth), options, _IN_PLACE)
        else:
            with writing_to(self):
                assign_result(self, sort_and_search.partition(self, kth, axis, kind, order))

    def clip(self, /, min: Any = None, max: Any = None, out: Any = None, **kwargs: Any) -> LazyTensor:
        """Return the elements limited to an interval. See np.ndarray.clip."""
        if out is not None:
            kwargs["out"] = out
        return composites.clip(self, min, max, **kwargs)

    def transpose(self, *axes: Any) -> LazyTensor:
        """Return the tensor with its axes in the given order, by default reversed. See np.ndarray.transpose."""
        return reshaping.transpose(self, _lengths(axes) if axes else None)

    def reshape(self, *shape: Any, order: Any = "C", copy: bool | None = None) -> LazyTensor:
        """Return the elements in another shape: one sequence, or length by length. See np.ndarray.reshape."""
        if not shape:
            flat: LazyTensor = call_numpy(np.ndarray.reshape, (self,), {"order": order, "copy": copy})
            return flat
        return reshaping.reshape(self, _lengths(shape), order, copy=copy)

    def flatten(self, order: Any = "C") -> LazyTensor:
        """Return a copy of the elements along one axis. See np.ndarray.flatten."""
        return copied_in_order(reshaping.ravel(self, order), "K")

    def astype(
        self, dtype: Any, order: Any = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
    ) -> Any:  # Any: the tensor itself, whose class derives from this one, or another
        """Return the elements in another dtype. See np.ndarray.astype."""
        try:
            target = named_dtype(dtype)
            check_casting(self.dtype, target, casting)
        except REFUSALS as refusal:
            return let_numpy_decide(refusal, np.ndarray.astype, (self, dtype, order, casting, subok, copy), {})
        if target.kind not in _SIZED or self.dtype.kind not in _SIZED:
            return call_numpy(np.ndarray.astype, (self, dtype, order, casting, subok, copy), {})
        if self.dtype == target:
            return self if not copy and lies_in(self, order) else copied_in_order(self, order)
        result = apply(Astype(target), self)
        return result if order == "K" else copied_in_order(result, order)

    def copy(self, order: Any = "C") -> LazyTensor:
        """Return a copy: assigning to either does not change the other. See np.ndarray.copy."""
        return copied_in_order(self, "C" if order is None else order)

    def __copy__(self) -> LazyTensor:
        return copied_in_order(self, "K")

    def __deepcopy__(self, memo: dict[int, Any], /) -> object:
        if self.dtype.hasobject:
            return call_numpy(np.ndarray.__deepcopy__, (self, memo), {})
        return copied_in_order(self, "K")

    def conj(self, out: Any = None, /) -> Any:  # Any: as astype
        """Return the complex conjugate; a real tensor itself. See np.ndarray.conj."""
        if out is not None or self.dtype.kind not in "biufc":
            return call_numpy(_conjugate, (self, *(() if out is None else (out,))), {}, _IN_PLACE)
        return table.conjugate(self) if self.dtype.kind == "c" else self

    conjugate = conj

    def fill(self, value: Any) -> None:
        """Set all elements to a value. See np.ndarray.fill."""
        if np.ndim(value) or not isinstance(value, int | float):
            call_numpy(np.ndarray.fill, (self, value), {}, _IN_PLACE)
        else:
            self[...] = value

    def __iter__(self) -> Any:
        if not self.ndim:
            raise TypeError(
                f"iteration over a 0-d array: {described(self)} has no axis to go along; use item() for its value"
            )
        return (self[position] for position in range(self.shape[0]))  # type: ignore[index]  # Operators has it

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError(
                f"len() of unsized object: {described(self)} has no axes; use size for the number of elements"
            )
        return self.shape[0]


# Here tensors have parameters of their own.
_OWN_SIGNATURES = ("__init__", "__new__")


def sign_methods(kind: type) -> None:
    """Give each method of a class the signature of numpy's method."""
    for name, method in vars(kind).items():
        theirs = getattr(np.ndarray, name, None)
        if isinstance(method, FunctionType) and callable(theirs) and name not in _OWN_SIGNATURES:
            method.__signature__ = signature_of(theirs)  # type: ignore[attr-defined]  # what inspect reads
