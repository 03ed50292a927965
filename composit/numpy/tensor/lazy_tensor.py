"""The classes of tensors: `ndarray`, `LazyScalar`, and their base `LazyTensor`."""

from __future__ import annotations

import sys
from numbers import Real
from types import new_class
from typing import Any, Never

import numpy as np

from composit.apply import as_tensor, input_of
from composit.errors import OperandError
from composit.guards import read_value
from composit.handle import TensorHandle, described
from composit.node import Node, check_label
from composit.numpy.tensor.array_api import ArrayApi
from composit.numpy.tensor.array_attributes import ArrayAttributes
from composit.numpy.tensor.array_callers import takes_arrays_only
from composit.numpy.tensor.array_methods import ArrayMethods, sign_methods
from composit.numpy.tensor.memory_methods import MemoryMethods
from composit.numpy.tensor.operators import Operators
from composit.numpy.tensor.pickling import Pickling
from composit.numpy.tensor.protocols import Protocols
from composit.numpy.tensor.reads import Reads
from composit.numpy.tensor.scalar_methods import ScalarMethods
from composit.operation import HANDLE_KINDS, Array, Dtype, Input, Scalar


class LazyTensor(Operators, ArrayAttributes, ArrayMethods, MemoryMethods, Reads, Protocols, ArrayApi, Pickling):
    """A lazy numpy array: numpy's operators, methods and functions on it build a graph, and `evaluate` computes it."""

    __slots__ = ()


def _real(value: Any) -> Any:
    return np.asarray(value) if isinstance(value, TensorHandle) else value


class _ExtendedArray(np.ndarray):
    """The base of users' subclasses of our `ndarray`: numpy's class, where our name `ndarray` means numpy's own."""

    def view(self, *args: Any, **kwargs: Any) -> Any:
        """Return the memory seen as another dtype or class. See np.ndarray.view."""
        given = [np.ndarray if value is ndarray else value for value in args]
        return super().view(*given, **{k: np.ndarray if value is ndarray else value for k, value in kwargs.items()})

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False, /) -> Any:
        """Return an array or tensor as an array of this class. See np.ndarray.__array_wrap__."""
        return super().__array_wrap__(_real(array), context, return_scalar)


def _memory_for(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Array:
    """Return the array that numpy's constructor makes, with a copy of the given buffer, else zeros.

    numpy leaves the memory uninitialised; then no two evaluations would agree.
    """
    made = np.ndarray(*map(_real, args), **{name: _real(value) for name, value in kwargs.items()})
    if len(args) > 2 or "buffer" in kwargs:
        return made.copy(order="K")
    if made.dtype.hasobject:
        return made
    memory = np.zeros(made.nbytes, np.uint8)
    return np.ndarray(made.shape, made.dtype, memory, strides=made.strides).copy(order="K")


class _ArrayClass(type):
    """The class of `ndarray`: calling it makes an array of a shape, numpy's arrays are instances, subclasses are numpy's."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> Any:
        if not any(isinstance(base, mcs) for base in bases):
            return super().__new__(mcs, name, bases, namespace)
        # A subclass may do anything with its memory, so it extends numpy's class.
        real = tuple(_ExtendedArray if isinstance(base, mcs) else base for base in bases)
        return new_class(name, real, options, lambda empty: empty.update(namespace))

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if len(args) > 1 and isinstance(args[1], Node):
            return super().__call__(*args, **kwargs)
        label = kwargs.pop("name", None)
        if label is not None:
            check_label("ndarray", label)
        return input_of(_memory_for(args, kwargs), label)

    def __instancecheck__(cls, instance: object) -> bool:
        return super().__instancecheck__(instance) or isinstance(instance, np.ndarray)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return super().__subclasscheck__(subclass) or issubclass(subclass, np.ndarray)


class ndarray(LazyTensor, metaclass=_ArrayClass):  # numpy's name
    """An array with known shape and dtype. Its elements are computed when they are needed.

    `ndarray(shape, dtype, ..., name=None)` makes one as numpy does, with an optional label. Numpy's own arrays are
    instances too. A subclass of this class derives from numpy's, since subclasses work on memory.
    """

    __slots__ = ()

    @property  # type: ignore[misc]  # of an instance it is read only
    def __class__(self) -> Any:
        """The class that `isinstance` sees: numpy's in the functions of `array_callers.py`."""
        return np.ndarray if takes_arrays_only(sys._getframe(1)) else type(self)

    @property
    def _numba_type_(self) -> Never:
        """Raise an error that helps: numba asks for this, and compiles for numpy's own arrays only."""
        raise OperandError(
            f"numba: a compiled function was called with {described(self)}, a composit tensor; expected an array of numpy's: call"
            " np.asarray or .to_numpy() first"
        )

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        wanted: Any = cls  # Any: a subclass of numpy's ndarray, if its `__new__` calls ours
        if not issubclass(wanted, TensorHandle):
            return np.ndarray.__new__(wanted, *args, **kwargs)
        return object.__new__(wanted)


class _ScalarClass(type):
    """The class of scalar classes: makes `type(s)(value)` and `dtype(type(s))` work as for numpy's scalars.

    Each class has numpy's abstract class (np.floating, ...) in its mro without deriving from it. So C code that asks
    for a number (pandas: "is it an np.floating?") takes it, and reads it through `__float__`. np.generic must not be in
    the mro: numpy's C code would read the value from the object's memory, which does not hold it.

    char: the character of the dtype
    """

    def mro(cls) -> list[type]:
        *ours, last = super().mro()
        numbers = [kind for kind in _ABSTRACT if issubclass(_dtype_of(cls).type, kind)]
        return [*ours, *numbers, last]

    @property
    def dtype(cls) -> Dtype:
        """The dtype of the scalars; object for LazyScalar, as numpy has it for any other class."""
        return _dtype_of(cls)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if len(args) > 1 and isinstance(args[1], Node):
            return super().__call__(*args, **kwargs)
        if isinstance(args[0], TensorHandle):
            return args[0]
        # A number of another class, such as the Fraction of statistics.mean, becomes a float.
        is_other = isinstance(args[0], Real) and not isinstance(args[0], int | np.generic)
        return as_tensor(np.asarray(float(args[0]) if is_other else args[0], *args[1:], **kwargs)[()])


_ABSTRACT = (np.floating, np.integer, np.complexfloating)


def _dtype_of(scalars: type) -> Dtype:
    char: str = scalars.__dict__.get("_char", "O")
    return np.dtype(char)


class LazyScalar(ScalarMethods, LazyTensor, metaclass=_ScalarClass):
    """A number where numpy returns a scalar, not an array: immutable, and also an instance of numpy's scalar class."""

    __slots__ = ()

    @property  # type: ignore[misc]  # of an instance it is read only
    def __class__(self) -> Any:
        """Numpy's class of these scalars, so that `isinstance(x.sum(), np.floating)` is true."""
        return self._type.dtype.type

    def __hash__(self) -> int:
        """Return the hash of the value, as numpy: elements, integers, strings and dates can be keys of dictionaries.

        Computed floats hash by identity: `chain_rule` uses a loss as a key, and must not compute it.
        """
        operation = self.node.operation
        if self._type.dtype.kind in "fc" and not (operation.is_view or isinstance(operation, Scalar | Input)):
            return object.__hash__(self)
        return hash(read_value(self, "hash"))

    # None: else Python would iterate by x[0], x[1], ..., and collections.abc would take it for an iterable.
    __iter__ = None  # type: ignore[assignment]  # arrays have it

    def view(self, *args: Any, **kwargs: Any) -> Any:
        """Return the number with the same bytes, read as another dtype. See np.generic.view."""
        result = super().view(*args, **kwargs)
        return result[()] if isinstance(result, LazyTensor) and not result.ndim else result


class _OfNumpyScalar:
    """An attribute that only numpy's scalars have (is_integer, numerator, ...), read from the value.

    One for each name, and no `__getattr__`: Python caches the slots of a class only if it has none, and every operation reads slots.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, scalar: LazyScalar | None, owner: type) -> Any:
        if scalar is not None and hasattr(scalar._type.dtype.type, self.name):
            return getattr(read_value(scalar, self.name), self.name)
        raise AttributeError(f"'composit.{owner.__qualname__}' object has no attribute {self.name!r}")


def _scalars_of(char: str, *numpy_classes: type) -> _ScalarClass:
    """Return the class of scalars of a dtype, with the attributes of numpy's classes that `LazyScalar` does not have."""
    ours = {name for kind in LazyScalar.__mro__ for name in kind.__dict__}
    names = {name for kind in numpy_classes for name in dir(kind) if not name.startswith("_")} - ours
    attributes = {name: _OfNumpyScalar(name) for name in sorted(names)}
    name = "LazyScalar" if char == "O" else f"Lazy{np.dtype(char).type.__name__.capitalize()}"
    return _ScalarClass(name, (LazyScalar,), {"__slots__": (), "__module__": __name__, "_char": char, **attributes})


for _kind in ndarray.__mro__[1:-1]:
    sign_methods(_kind)
_classes: dict[str, Any] = {
    "array": ndarray,
    # Booleans, strings, bytes, dates and records.
    "scalar": _scalars_of("O", *(np.dtype(char).type for char in np.typecodes["All"])),
    **{char: _scalars_of(char, np.dtype(char).type) for char in HANDLE_KINDS if len(char) == 1},
}
TENSOR_CLASSES = tuple([_classes[kind] for kind in HANDLE_KINDS])
# Libraries print the class of a value that they refuse ("expected np.ndarray (got ...)"), so the name says what to do.
for _class in (LazyScalar, *_classes.values()):
    _class.__name__ = "composit scalar: call float(), int() or .item() first"
ndarray.__name__ = "composit tensor: call np.asarray or .to_numpy() first"
