"""ndarray's methods on tensors: each calls the function of the same name.

May import the families.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from composit.apply import apply
from composit.errors import ParameterError
from composit.handle import TensorHandle, make_tensor, mark_view
from composit.numpy import averages, contractions, indexing, movement, products, rearranging, reductions
from composit.numpy import elementwise_composites as composites
from composit.numpy import elementwise_table as table
from composit.numpy.arguments import check_casting
from composit.numpy.elementwise import Astype


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function as a method: the tensor is its first argument."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    method.__name__ = function.__name__
    method.__doc__ = f"Return {function.__name__}(self, ...). See np.ndarray.{function.__name__}."
    return method


def _lengths(given: tuple[Any, ...]) -> Any:
    """Return the one sequence given, or the numbers given one by one."""
    return given[0] if len(given) == 1 and (given[0] is None or np.ndim(given[0])) else given


def _view(part: Any, whole: TensorHandle) -> Any:
    if part is not whole:
        mark_view(part, whole)
    return part


class ArrayMethods(TensorHandle):
    """ndarray's methods and the attributes that are tensors."""

    __slots__ = ()

    sum = _method(reductions.sum)
    prod = _method(reductions.prod)
    max = _method(reductions.max)
    min = _method(reductions.min)
    all = _method(reductions.all)
    any = _method(reductions.any)
    argmax = _method(reductions.argmax)
    argmin = _method(reductions.argmin)
    cumsum = _method(reductions.cumsum)
    cumprod = _method(reductions.cumprod)
    mean = _method(averages.mean)
    var = _method(averages.var)
    std = _method(averages.std)
    clip = _method(composites.clip)
    round = _method(composites.round)
    dot = _method(products.dot)
    diagonal = _method(contractions.diagonal)
    trace = _method(contractions.trace)
    take = _method(indexing.take)
    repeat = _method(rearranging.repeat)
    swapaxes = _method(movement.swapaxes)
    squeeze = _method(movement.squeeze)
    ravel = _method(movement.ravel)

    def transpose(self, *axes: Any) -> Any:
        """Return the tensor with its axes in the order given, reversed without one. See np.ndarray.transpose."""
        return movement.transpose(self, _lengths(axes) if axes else None)

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> Any:
        """Return the elements in another shape, given as one sequence or length by length. See np.ndarray.reshape."""
        return movement.reshape(self, _lengths(shape), order, copy=copy)

    def flatten(self, order: str = "C") -> Any:
        """Return the elements along one axis, as a tensor of its own. See np.ndarray.flatten."""
        return movement.reshape(self, (-1,) if self.size else (0,), order, copy=True)

    def astype(
        self, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
    ) -> Any:
        """Return the elements in another dtype. See np.ndarray.astype."""
        target = np.dtype(dtype)
        check_casting(self.dtype, target, casting)
        if not copy and self.dtype == target:
            return self
        return apply(Astype(target), self)

    def copy(self, order: str = "C") -> Any:
        """Return the same value as a tensor of its own: assigning to either leaves the other alone."""
        return make_tensor(self.node, self.output_index)

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self.copy()

    def conj(self) -> Any:
        """Return the complex conjugate. See np.ndarray.conj."""
        return table.conjugate(self)

    conjugate = conj

    def view(self, *args: Any) -> Any:
        """Return a tensor that is a view of all of this one; memory cannot be read as another dtype."""
        if args:
            raise ParameterError(
                f"view: dtype or type {args!r} was given; a lazy tensor has no memory to read in another way, expected"
                " no argument; convert the values with astype"
            )
        return movement.reshape(self, self.shape)

    def fill(self, value: Any) -> None:
        """Set all elements to a value. See np.ndarray.fill."""
        self[...] = value  # type: ignore[index]  # Operators has it

    @property
    def T(self) -> Any:
        """The tensor with its axes reversed."""
        return movement.transpose(self)

    @property
    def mT(self) -> Any:
        """The tensor with its last two axes exchanged."""
        return movement.matrix_transpose(self)

    @property
    def real(self) -> Any:
        """The real part: numpy's is a view, so a write to either is noticed."""
        return _view(composites.real(self), self)

    @property
    def imag(self) -> Any:
        """The imaginary part: a view, as the real part."""
        return _view(composites.imag(self), self)

    def __round__(self, ndigits: int | None = None) -> Any:
        return composites.round(self, ndigits or 0)

    def __iter__(self) -> Any:
        if not self.ndim:
            raise TypeError(f"iteration over a 0-d array: {self!r} has no axis to go along; use item() for its value")
        return (self[position] for position in range(self.shape[0]))  # type: ignore[index]  # Operators has it

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError(f"len() of unsized object: {self!r} has no axes; use size for the number of elements")
        return self.shape[0]
