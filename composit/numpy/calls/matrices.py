"""np.matrix and bmat: a subclass of numpy's matrix that returns tensors where numpy's returns plain arrays.

A matrix holds its elements in memory, and operations on matrices give matrices, by numpy's rules for subclasses.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from composit.handle import TensorHandle
from composit.numpy.calls.declarations import with_own_memory, without_rule
from composit.numpy.calls.fallback import call_numpy

__all__ = ["asmatrix", "bmat", "matrix"]

# Any, everywhere here: what numpy's functions take and return.
Function = Callable[..., Any]


def _out_of(function: Function) -> Function:
    """Return a method of numpy's that returns tensors in place of plain arrays."""

    @wraps(function)
    def method(self: Any, *args: Any, **kwargs: Any) -> object:
        return call_numpy(function, (self, *args), kwargs)

    return method


def _numpys_class(value: Any) -> object:
    return np.ndarray if isinstance(value, type) and issubclass(value, TensorHandle) else value


class _MatrixClass(type):
    """Makes numpy's own matrices pass as instances of our class, since numpy's own modules create such matrices."""

    def __instancecheck__(cls, instance: object) -> bool:
        return super().__instancecheck__(instance) or (cls is matrix and isinstance(instance, np.matrix))

    def __subclasscheck__(cls, subclass: type) -> bool:
        return super().__subclasscheck__(subclass) or (cls is matrix and issubclass(subclass, np.matrix))

    def __eq__(cls, other: object) -> bool:
        return cls is other or (cls is matrix and other is np.matrix)

    def __hash__(cls) -> int:
        return hash(np.matrix) if cls is matrix else super().__hash__()


class matrix(np.matrix, metaclass=_MatrixClass):  # numpy's name
    """An array of two axes whose `*` is the matrix product. See np.matrix."""

    A = property(_out_of(np.matrix.getA))
    A1 = property(_out_of(np.matrix.getA1))
    getA = _out_of(np.matrix.getA)
    getA1 = _out_of(np.matrix.getA1)
    nonzero = _out_of(np.matrix.nonzero)

    def view(self, *args: Any, **kwargs: Any) -> Any:
        """Return the memory read as another dtype or class; for `ndarray` a copy as a tensor. See np.ndarray.view."""
        given = [_numpys_class(value) for value in args]
        named = {name: _numpys_class(value) for name, value in kwargs.items()}
        result = super().view(*given, **named)
        return result if given == [*args] and named == kwargs else call_numpy(np.copy, (result,), {})


def of_matrices(function: Function) -> Function:
    """Return a numpy function that returns our matrices where numpy returns its own."""

    @wraps(function)
    def made(*args: Any, **kwargs: Any) -> object:
        result = function(*args, **kwargs)
        return result.view(matrix) if type(result) is np.matrix else result

    return made


def numpys_for_matrices(function: Function) -> Callable[[Function], Function]:
    """Decorate a rule: calls with a matrix go to numpy's function, which expects or makes exactly its own class."""
    theirs = of_matrices(function)

    def declare(rule: Function) -> Function:
        @wraps(rule)
        def chosen(*args: Any, **kwargs: Any) -> object:
            if not any(isinstance(value, np.matrix) for value in args):
                return rule(*args, **kwargs)
            given = (value.view(np.matrix) if type(value) is matrix else value for value in args)
            return call_numpy(theirs, tuple(given), kwargs)

        return chosen

    return declare


asmatrix = without_rule(with_own_memory(of_matrices(np.asmatrix)))


def bmat(obj: Any, ldict: Any = None, gdict: Any = None) -> Any:
    """Return a matrix of blocks; names in a string are variables of the caller. See np.bmat."""
    if isinstance(obj, str) and gdict is None:
        caller = sys._getframe(1)
        ldict, gdict = caller.f_locals, caller.f_globals
    return call_numpy(of_matrices(np.bmat), (obj, ldict, gdict), {})
