"""Python's operators on tensors, with numpy's rules for arrays."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from composit.handle import TensorHandle
from composit.numpy.assignment.setitem import set_item
from composit.numpy.calls.fallback import REFUSALS, call_numpy, let_numpy_decide
from composit.numpy.calls.ufuncs import GeneralizedFunction, is_asked
from composit.numpy.elementwise import table
from composit.numpy.elementwise.functions import ElementwiseFunction, short_path
from composit.numpy.indexing.subscripts import get_item
from composit.numpy.products.matrix_products import matmul
from composit.numpy.tensor.power_operator import power_in_place, power_operator
from composit.numpy.views.writes import assign_result_locked, cast_for_writing
from composit.storage import write_lock

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

# Any: operands are tensors, arrays, numbers and what has __lazy_tensor__.
BinaryMethod: TypeAlias = "Callable[[Any, Any], LazyTensor]"
Universal: TypeAlias = ElementwiseFunction | GeneralizedFunction


def _in_place(function: Universal, tensor: Any, other: Any, ufunc: np.ufunc, lazily: BinaryMethod) -> Any:
    """Carry out `x += y` with numpy's rules, and return the tensor.

    lazily: the function of two operands, which raises if its rule declines and does not ask numpy

    Raises:  DtypeError: the result's dtype is of another kind than the tensor's; ShapeError: it has another shape
    """
    if tensor._type.is_scalar:
        # numpy's scalars are immutable: Python then computes x = x + y.
        return NotImplemented
    lock = write_lock(tensor)
    try:
        lock.acquire()
        try:
            result = lazily(tensor, other)
            if result._type is not tensor._type:
                result = cast_for_writing(tensor, result, ufunc.__name__)
            assign_result_locked(tensor, result)
        finally:
            lock.release()
    except REFUSALS as refusal:
        if is_asked(other):
            return function(tensor, other, out=(tensor,))
        if ufunc is np.matmul:
            # `@=` has rules for vectors that matmul with out= has not.
            let_numpy_decide(refusal, _multiply_in_place, (), {"out": tensor, "other": other})
        else:
            let_numpy_decide(refusal, ufunc, (tensor, other), {"out": tensor})
    return tensor


def _multiply_in_place(out: Any, other: Any) -> None:
    out @= other


def _defers(other: Any) -> bool:
    """Return whether numpy's arrays leave the operator to the other operand, by `__array_ufunc__ = None` or as a subclass."""
    kind = type(other)
    if kind in _NEVER_DEFERRED_TO or issubclass(kind, TensorHandle):
        return False
    protocol = getattr(kind, "__array_ufunc__", _defers)
    if protocol is None:
        return True
    if isinstance(other, np.ndarray):
        return kind is not np.ndarray
    # The older rule, for classes without the protocol: a higher `__array_priority__` than an array's 0 wins.
    return protocol is _defers and _priority(other) > 0


_NEVER_DEFERRED_TO = frozenset((bool, int, float, complex, list, tuple, np.ndarray))


def _priority(other: Any) -> float:
    priority = getattr(other, "__array_priority__", -1.0)
    return priority if isinstance(priority, int | float) else -1.0


def _binary(function: Universal, python_operator: Callable[[Any, Any], Any]) -> BinaryMethod:
    lazily = function.of_two

    def method(self: Any, other: Any) -> Any:
        if _defers(other):
            return NotImplemented
        try:
            return lazily(self, other)
        except REFUSALS as refusal:
            if is_asked(other):
                return function(self, other)
            return let_numpy_decide(refusal, python_operator, (self, other), {})

    return _shortened(function, method, False)


def _shortened(function: Universal, method: BinaryMethod, is_reflected: bool) -> BinaryMethod:
    if isinstance(function, ElementwiseFunction) and function.nout == 1:
        return short_path(function, method, is_reflected)
    return method


def _reflected(function: Universal, python_operator: Callable[[Any, Any], Any]) -> BinaryMethod:
    lazily = function.of_two

    def method(self: Any, other: Any) -> Any:
        if getattr(type(other), "__array_ufunc__", _defers) is None:
            return NotImplemented
        if _defers(other):
            # A class that knows arrays but no tensors, such as np.matrix.
            return call_numpy(python_operator, (other, self), {})
        try:
            return lazily(other, self)
        except REFUSALS as refusal:
            if is_asked(other):
                return function(other, self)
            return let_numpy_decide(refusal, python_operator, (other, self), {})

    return _shortened(function, method, True)


def _updating(function: Universal, ufunc: np.ufunc) -> BinaryMethod:
    lazily = _shortened(function, function.of_two, False)

    def method(self: Any, other: Any) -> Any:
        return _in_place(function, self, other, ufunc, lazily)

    return method


def _unary(function: Callable[..., LazyTensor]) -> Callable[[Any], LazyTensor]:
    def method(self: Any) -> LazyTensor:
        return function(self)

    return method


class Operators(TensorHandle):
    """The operators. Each calls numpy's function of the same meaning; comparisons are elementwise."""

    __slots__ = ()

    __add__, __radd__, __iadd__ = (
        _binary(table.add, operator.add),
        _reflected(table.add, operator.add),
        _updating(table.add, np.add),
    )
    __sub__, __rsub__ = _binary(table.subtract, operator.sub), _reflected(table.subtract, operator.sub)
    __isub__ = _updating(table.subtract, np.subtract)
    __mul__, __rmul__ = _binary(table.multiply, operator.mul), _reflected(table.multiply, operator.mul)
    __imul__ = _updating(table.multiply, np.multiply)
    __truediv__, __rtruediv__ = _binary(table.divide, operator.truediv), _reflected(table.divide, operator.truediv)
    __itruediv__ = _updating(table.divide, np.divide)
    __floordiv__, __rfloordiv__ = (
        _binary(table.floor_divide, operator.floordiv),
        _reflected(table.floor_divide, operator.floordiv),
    )
    __ifloordiv__ = _updating(table.floor_divide, np.floor_divide)
    __mod__, __rmod__ = _binary(table.remainder, operator.mod), _reflected(table.remainder, operator.mod)
    __imod__ = _updating(table.remainder, np.remainder)
    __divmod__, __rdivmod__ = _binary(table.divmod, divmod), _reflected(table.divmod, divmod)
    __pow__ = power_operator(_binary(table.power, operator.pow))
    __rpow__ = _reflected(table.power, operator.pow)
    __ipow__ = power_in_place(_updating(table.power, np.power))
    __matmul__, __rmatmul__ = _binary(matmul, operator.matmul), _reflected(matmul, operator.matmul)
    __imatmul__ = _updating(matmul, np.matmul)
    __and__, __rand__ = _binary(table.bitwise_and, operator.and_), _reflected(table.bitwise_and, operator.and_)
    __iand__ = _updating(table.bitwise_and, np.bitwise_and)
    __or__, __ror__ = _binary(table.bitwise_or, operator.or_), _reflected(table.bitwise_or, operator.or_)
    __ior__ = _updating(table.bitwise_or, np.bitwise_or)
    __xor__, __rxor__ = _binary(table.bitwise_xor, operator.xor), _reflected(table.bitwise_xor, operator.xor)
    __ixor__ = _updating(table.bitwise_xor, np.bitwise_xor)
    __lshift__, __rlshift__ = _binary(table.left_shift, operator.lshift), _reflected(table.left_shift, operator.lshift)
    __ilshift__ = _updating(table.left_shift, np.left_shift)
    __rshift__, __rrshift__ = (
        _binary(table.right_shift, operator.rshift),
        _reflected(table.right_shift, operator.rshift),
    )
    __irshift__ = _updating(table.right_shift, np.right_shift)

    __neg__ = _unary(table.negative)
    __pos__ = _unary(table.positive)
    __abs__ = _unary(table.absolute)
    __invert__ = _unary(table.invert)

    __eq__ = _binary(table.equal, operator.eq)  # type: ignore[assignment]  # elementwise, as numpy's
    __ne__ = _binary(table.not_equal, operator.ne)  # type: ignore[assignment]
    __lt__ = _binary(table.less, operator.lt)
    __le__ = _binary(table.less_equal, operator.le)
    __gt__ = _binary(table.greater, operator.gt)
    __ge__ = _binary(table.greater_equal, operator.ge)
    # Defining __eq__ removes the inherited hash; tensors hash by identity.
    __hash__ = TensorHandle.__hash__

    # Bound directly: one more Python frame would cost time at each step of a loop over elements.
    __getitem__ = get_item
    __setitem__ = set_item
