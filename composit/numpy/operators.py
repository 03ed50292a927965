"""Python's operators on tensors, as numpy defines them on arrays.

May import elementwise_table, linalg, subscripts, handle, errors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from composit.errors import OperandError
from composit.handle import TensorHandle
from composit.numpy import elementwise_table as table
from composit.numpy.assignment import assign_result, cast_for_writing
from composit.numpy.elementwise import ElementwiseFunction, short_path
from composit.numpy.linalg import matmul
from composit.numpy.numpy_call import REFUSALS, let_numpy_decide
from composit.numpy.subscripts import get_item
from composit.numpy.writing import set_item

# Any: operands are tensors, arrays, numbers and what has __lazy_tensor__; results are LazyTensor.
Value = Any


def _in_place(function: Callable[..., Value], tensor: Any, other: Value, ufunc: np.ufunc) -> Value:
    """Return the tensor, moved on to the result: numpy's rules for `x += y`.

    Raises:  DtypeError: the result's dtype is not of the tensor's kind; ShapeError: it has another shape
    """
    try:
        result = function(tensor, other)
        if tensor.type.is_scalar:
            # numpy's scalars are immutable: the name is bound to a new one.
            return result
        assign_result(tensor, cast_for_writing(tensor, result, ufunc.__name__))
    except OperandError:
        return NotImplemented
    except REFUSALS as refusal:
        let_numpy_decide(refusal, ufunc, (tensor, other), {"out": tensor})
    return tensor


def _binary(function: Callable[..., Value]) -> Callable[[Any, Value], Value]:
    def method(self: Any, other: Value) -> Value:
        try:
            return function(self, other)
        except OperandError:
            return NotImplemented

    is_short = isinstance(function, ElementwiseFunction) and function.nout == 1
    return short_path(function, method) if is_short else method  # type: ignore[arg-type]  # checked above


def _reflected(function: Callable[..., Value]) -> Callable[[Any, Value], Value]:
    def method(self: Any, other: Value) -> Value:
        try:
            return function(other, self)
        except OperandError:
            return NotImplemented

    return method


def _updating(function: Callable[..., Value], ufunc: np.ufunc) -> Callable[[Any, Value], Value]:
    def method(self: Any, other: Value) -> Value:
        return _in_place(function, self, other, ufunc)

    return method


def _unary(function: Callable[..., Value]) -> Callable[[Any], Value]:
    def method(self: Any) -> Value:
        return function(self)

    return method


class Operators(TensorHandle):
    """The operators: each calls numpy's function of the same meaning; comparisons are elementwise."""

    __slots__ = ()

    __add__, __radd__, __iadd__ = _binary(table.add), _reflected(table.add), _updating(table.add, np.add)
    __sub__, __rsub__ = _binary(table.subtract), _reflected(table.subtract)
    __isub__ = _updating(table.subtract, np.subtract)
    __mul__, __rmul__ = _binary(table.multiply), _reflected(table.multiply)
    __imul__ = _updating(table.multiply, np.multiply)
    __truediv__, __rtruediv__ = _binary(table.divide), _reflected(table.divide)
    __itruediv__ = _updating(table.divide, np.divide)
    __floordiv__, __rfloordiv__ = _binary(table.floor_divide), _reflected(table.floor_divide)
    __ifloordiv__ = _updating(table.floor_divide, np.floor_divide)
    __mod__, __rmod__ = _binary(table.remainder), _reflected(table.remainder)
    __imod__ = _updating(table.remainder, np.remainder)
    __divmod__, __rdivmod__ = _binary(table.divmod), _reflected(table.divmod)
    __pow__, __rpow__ = _binary(table.power), _reflected(table.power)
    __ipow__ = _updating(table.power, np.power)
    __matmul__, __rmatmul__ = _binary(matmul), _reflected(matmul)
    __imatmul__ = _updating(matmul, np.matmul)
    __and__, __rand__ = _binary(table.bitwise_and), _reflected(table.bitwise_and)
    __iand__ = _updating(table.bitwise_and, np.bitwise_and)
    __or__, __ror__ = _binary(table.bitwise_or), _reflected(table.bitwise_or)
    __ior__ = _updating(table.bitwise_or, np.bitwise_or)
    __xor__, __rxor__ = _binary(table.bitwise_xor), _reflected(table.bitwise_xor)
    __ixor__ = _updating(table.bitwise_xor, np.bitwise_xor)
    __lshift__, __rlshift__ = _binary(table.left_shift), _reflected(table.left_shift)
    __ilshift__ = _updating(table.left_shift, np.left_shift)
    __rshift__, __rrshift__ = _binary(table.right_shift), _reflected(table.right_shift)
    __irshift__ = _updating(table.right_shift, np.right_shift)

    __neg__ = _unary(table.negative)
    __pos__ = _unary(table.positive)
    __abs__ = _unary(table.absolute)
    __invert__ = _unary(table.invert)

    __eq__ = _binary(table.equal)
    __ne__ = _binary(table.not_equal)
    __lt__ = _binary(table.less)
    __le__ = _binary(table.less_equal)
    __gt__ = _binary(table.greater)
    __ge__ = _binary(table.greater_equal)
    # Python drops the hash where __eq__ is defined; tensors hash by identity.
    __hash__ = TensorHandle.__hash__

    def __getitem__(self, index: Any) -> Any:
        return get_item(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        set_item(self, index, value)
