"""Methods with which numpy's scalars differ from arrays: arithmetic, comparisons, and methods that they lack."""

from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from composit.errors import ScalarError
from composit.guards import read_value
from composit.handle import TensorHandle, described
from composit.numpy.calls.fallback import DECLINES, call_numpy
from composit.numpy.elementwise import composites, table
from composit.numpy.elementwise.functions import ElementwiseFunction, short_path
from composit.numpy.elementwise.known_numbers import at_once
from composit.numpy.tensor.operators import Operators

if TYPE_CHECKING:
    from composit.numpy.arguments.normalizing import TensorLike
    from composit.numpy.tensor.lazy_tensor import LazyTensor

_NUMBERS = (int, float, complex, np.generic)


def _is_scalar(value: object) -> bool:
    return value._type.is_scalar if isinstance(value, TensorHandle) else isinstance(value, _NUMBERS)


def _of_scalars(
    function: ElementwiseFunction, of_arrays: Callable[..., LazyTensor], reflected: bool = False
) -> Callable[..., Any]:
    """Return the method of an operator: numpy's scalar arithmetic if all operands are scalars, else that of arrays."""

    def method(self: Any, *others: Any) -> LazyTensor:  # Any: as TensorLike
        if all(map(_is_scalar, others)):
            try:
                return function.of_scalars(*others, self) if reflected else function.of_scalars(self, *others)
            except DECLINES:
                # `of_arrays` asks numpy, which raises its error.
                pass
        return of_arrays(self, *others)

    if function.nin != 2 or function.nout != 1:
        return method
    return short_path(function, method, reflected, of_scalars=True)


def _known_or(
    function: ElementwiseFunction,
    compute: Callable[[Any, Any], Any],
    of_arrays: Callable[..., LazyTensor],
    reflected: bool = False,
) -> Callable[..., Any]:
    return at_once(function, compute, _of_scalars(function, of_arrays, reflected), reflected)


def _compared(
    function: ElementwiseFunction, compute: Callable[[Any, Any], Any], of_arrays: Callable[..., Any]
) -> Callable[..., Any]:
    return at_once(function, compute, of_arrays, of_scalars=False)


def _of_lists(
    method: Callable[[Any, TensorLike], LazyTensor], python_operator: Callable[[Any, Any], Any], reflected: bool
) -> Callable[..., Any]:
    """Return the method for `*`, in which a list times a numpy integer is repeated, as in Python."""

    def times(self: Any, other: TensorLike) -> LazyTensor:
        if isinstance(other, list | tuple):
            repeated: LazyTensor = call_numpy(python_operator, (other, self) if reflected else (self, other), {})
            return repeated
        return method(self, other)

    return times


class _Absent:
    """A method that arrays have and scalars lack: `hasattr` is False, and Python's use of it raises numpy's error."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __get__(self, scalar: Any, owner: type | None = None) -> Any:
        if scalar is None:
            return self
        raise ScalarError(
            f"{self.text.format(scalar.dtype)}: {described(scalar)} is one number; use item() for its value"
        )


class ScalarMethods(Operators):
    """The methods of scalars that replace those of arrays."""

    __slots__ = ()

    __add__ = _known_or(table.add, operator.add, Operators.__add__)
    __radd__ = _known_or(table.add, operator.add, Operators.__radd__, True)
    __sub__ = _known_or(table.subtract, operator.sub, Operators.__sub__)
    __rsub__ = _known_or(table.subtract, operator.sub, Operators.__rsub__, True)
    __mul__ = at_once(
        table.multiply,
        operator.mul,
        _of_lists(_of_scalars(table.multiply, Operators.__mul__), operator.mul, False),
        False,
    )
    __rmul__ = at_once(
        table.multiply,
        operator.mul,
        _of_lists(_of_scalars(table.multiply, Operators.__rmul__, True), operator.mul, True),
        True,
    )
    __truediv__ = _known_or(table.divide, operator.truediv, Operators.__truediv__)
    __rtruediv__ = _known_or(table.divide, operator.truediv, Operators.__rtruediv__, True)
    __floordiv__ = _known_or(table.floor_divide, operator.floordiv, Operators.__floordiv__)
    __rfloordiv__ = _known_or(table.floor_divide, operator.floordiv, Operators.__rfloordiv__, True)
    __mod__ = _known_or(table.remainder, operator.mod, Operators.__mod__)
    __rmod__ = _known_or(table.remainder, operator.mod, Operators.__rmod__, True)
    __divmod__ = _of_scalars(table.divmod, Operators.__divmod__)
    __rdivmod__ = _of_scalars(table.divmod, Operators.__rdivmod__, True)
    __pow__ = _known_or(table.power, operator.pow, Operators.__pow__)
    __rpow__ = _known_or(table.power, operator.pow, Operators.__rpow__, True)
    __eq__ = _compared(table.equal, operator.eq, Operators.__eq__)
    __ne__ = _compared(table.not_equal, operator.ne, Operators.__ne__)
    __lt__ = _compared(table.less, operator.lt, Operators.__lt__)
    __le__ = _compared(table.less_equal, operator.le, Operators.__le__)
    __gt__ = _compared(table.greater, operator.gt, Operators.__gt__)
    __ge__ = _compared(table.greater_equal, operator.ge, Operators.__ge__)
    # Defining __eq__ removes the inherited hash; LazyScalar defines its own.
    __hash__ = TensorHandle.__hash__
    __neg__ = _of_scalars(table.negative, Operators.__neg__)
    __abs__ = _of_scalars(table.absolute, Operators.__abs__)

    __len__ = _Absent("object of type 'numpy.{}' has no len()")
    __contains__ = _Absent("argument of type 'numpy.{}' is not iterable")
    __setitem__ = _Absent("'numpy.{}' object does not support item assignment")
    __delitem__ = _Absent("'numpy.{}' object does not support item deletion")

    def __round__(self, ndigits: int | None = None) -> Any:
        if not hasattr(self.dtype.type, "__round__"):
            self._refuse("__round__")
        # Without digits the result is a Python int.
        return builtins.round(read_value(self, "round")) if ndigits is None else composites.round(self, ndigits)

    def __trunc__(self) -> int:
        if not hasattr(self.dtype.type, "__trunc__"):
            self._refuse("__trunc__")
        truncated: int = math.trunc(read_value(self, "trunc"))
        return truncated

    def _refuse(self, name: str) -> NoReturn:
        raise TypeError(
            f"type numpy.{self.dtype} doesn't define {name} method: it was asked of {described(self)}; use item()"
        )
