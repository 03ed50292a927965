"""The classes of tensors: arrays, scalars, and `LazyTensor`, which both are. May import all families."""

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
    """What a subclass of ours extends: numpy's array, to which the name `ndarray` of ours means numpy's own class."""

    def view(self, *args: Any, **kwargs: Any) -> Any:
        """Return the memory seen as another dtype or class. See np.ndarray.view."""
        given = [np.ndarray if value is ndarray else value for value in args]
        return super().view(*given, **{k: np.ndarray if value is ndarray else value for k, value in kwargs.items()})

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False, /) -> Any:
        """Return an array or a tensor as one of this class. See np.ndarray.__array_wrap__."""
        return super().__array_wrap__(_real(array), context, return_scalar)


def _memory_for(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Array:
    """Return what numpy's constructor makes, with the elements of the buffer that is given, else zeros.

    Memory as it is found would make no two evaluations alike.
    """
    made = np.ndarray(*map(_real, args), **{name: _real(value) for name, value in kwargs.items()})
    if len(args) > 2 or "buffer" in kwargs:
        return made.copy(order="K")
    if made.dtype.hasobject:
        return made
    memory = np.zeros(made.nbytes, np.uint8)
    return np.ndarray(made.shape, made.dtype, memory, strides=made.strides).copy(order="K")


class _ArrayClass(type):
    """What `ndarray` does as a class: makes arrays of a shape, knows numpy's own, and leaves subclasses to numpy."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> Any:
        if not any(isinstance(base, mcs) for base in bases):
            return super().__new__(mcs, name, bases, namespace)
        # A subclass holds memory and may do anything with it: numpy's own class is what it wants to extend.
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
    """An array of known shape and dtype whose elements are computed when they are needed.

    `ndarray(shape, dtype, ..., name=None)` makes one, as numpy's, with a label if `name` is given. Numpy's own arrays are
    instances too; a subclass is one of numpy's class, since it extends memory and not values.
    """

    __slots__ = ()

    @property  # type: ignore[misc]  # of an instance it is read only
    def __class__(self) -> Any:
        """The class, which `isinstance` asks for; numpy's for functions of other libraries that take no other array."""
        return np.ndarray if takes_arrays_only(sys._getframe(1)) else type(self)

    @property
    def _numba_type_(self) -> Never:
        """What numba asks of a value that it does not know: it compiles for numpy's own arrays."""
        raise OperandError(
            f"numba: a compiled function was called with {described(self)}, a composit tensor; expected an array of numpy's: call"
            " np.asarray or .to_numpy() first"
        )

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        wanted: Any = cls  # Any: a subclass of numpy's own, where `__new__` of one calls ours
        if not issubclass(wanted, TensorHandle):
            return np.ndarray.__new__(wanted, *args, **kwargs)
        return object.__new__(wanted)


class _ScalarClass(type):
    """What `type(s)(value)` and `dtype(type(s))` do where `s` is a scalar: what the classes of numpy's scalars do.

    A class of numbers has numpy's abstract class of such numbers among its own, without being derived from it: C code that
    asks for a number (pandas: "is it an np.floating?") finds one, and reads it through `__float__`. Were np.generic there
    as well, numpy's C code would read the value from the memory of the object, where there is none.

    char: the character of the dtype
    """

    def mro(cls) -> list[type]:
        *ours, last = super().mro()
        numbers = [kind for kind in _ABSTRACT if issubclass(_dtype_of(cls).type, kind)]
        return [*ours, *numbers, last]

    @property
    def dtype(cls) -> Dtype:
        """The dtype of the scalars; objects for a class of several kinds, as numpy has it of any class."""
        return _dtype_of(cls)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if len(args) > 1 and isinstance(args[1], Node):
            return super().__call__(*args, **kwargs)
        if isinstance(args[0], TensorHandle):
            return args[0]
        # A number of Python's library, as `statistics` makes of a mean, is made a float.
        is_other = isinstance(args[0], Real) and not isinstance(args[0], int | np.generic)
        return as_tensor(np.asarray(float(args[0]) if is_other else args[0], *args[1:], **kwargs)[()])


_ABSTRACT = (np.floating, np.integer, np.complexfloating)


def _dtype_of(scalars: type) -> Dtype:
    char: str = scalars.__dict__.get("_char", "O")
    return np.dtype(char)


class LazyScalar(ScalarMethods, LazyTensor, metaclass=_ScalarClass):
    """One number where numpy gives a scalar and no array: immutable, and an instance of numpy's scalar class too."""

    __slots__ = ()

    @property  # type: ignore[misc]  # of an instance it is read only
    def __class__(self) -> Any:
        """Numpy's class of such scalars: `isinstance(x.sum(), np.floating)` is as true as it is of numpy's own."""
        return self._type.dtype.type

    def __hash__(self) -> int:
        """As numpy's, by value: elements of arrays, integers, texts, dates are keys of dictionaries.

        Floats that were computed hash by identity: a loss is a key of `chain_rule`, which must not compute it.
        """
        operation = self.node.operation
        if self._type.dtype.kind in "fc" and not (operation.is_view or isinstance(operation, Scalar | Input)):
            return object.__hash__(self)
        return hash(read_value(self, "hash"))

    # None keeps Python from trying x[0], x[1], ..., and tells `collections.abc` that nothing is to be gone through.
    __iter__ = None  # type: ignore[assignment]  # arrays have it

    def view(self, *args: Any, **kwargs: Any) -> Any:
        """Return the number whose bytes are these, read as another dtype. See np.generic.view."""
        result = super().view(*args, **kwargs)
        return result[()] if isinstance(result, LazyTensor) and not result.ndim else result

    def __getattr__(self, name: str) -> Any:
        # What only numpy's scalars have (is_integer, as_integer_ratio, numerator, ...) is asked of the number itself.
        if not name.startswith("_") and hasattr(self._type.dtype.type, name):
            return getattr(read_value(self, name), name)
        return super().__getattr__(name)


def _numbers(char: str) -> _ScalarClass:
    """Return the class of the scalars of a dtype."""
    name = f"Lazy{np.dtype(char).type.__name__.capitalize()}"
    return _ScalarClass(name, (LazyScalar,), {"__slots__": (), "__module__": __name__, "_char": char})


for _kind in ndarray.__mro__[1:-1]:
    sign_methods(_kind)
_classes: dict[str, Any] = {
    "array": ndarray,
    "scalar": LazyScalar,
    **{char: _numbers(char) for char in HANDLE_KINDS if len(char) == 1},
}
TENSOR_CLASSES = tuple([_classes[kind] for kind in HANDLE_KINDS])
# What other libraries call a value whose class they do not know: "expected np.ndarray (got ...)".
for _class in _classes.values():
    _class.__name__ = "composit scalar: call float(), int() or .item() first"
ndarray.__name__ = "composit tensor: call np.asarray or .to_numpy() first"
