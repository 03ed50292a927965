"""numpy.lib.mixins: NDArrayOperatorsMixin, whose operators call composit's universal functions instead of numpy's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from composit.numpy.calls.ufuncs import ufunc
from composit.numpy.elementwise import table
from composit.numpy.products.matrix_products import matmul

__all__ = ["NDArrayOperatorsMixin"]

# Any: operands and results are of any class.
Method = Callable[..., Any]


def _defers(other: Any) -> bool:
    return getattr(other, "__array_ufunc__", _defers) is None


def _binary(function: Any, name: str) -> Method:
    def method(self: Any, other: Any) -> object:
        return NotImplemented if _defers(other) else function(self, other)

    return _called(method, name)


def _reflected(function: Any, name: str) -> Method:
    def method(self: Any, other: Any) -> object:
        return NotImplemented if _defers(other) else function(other, self)

    return _called(method, f"r{name}")


def _in_place(function: Any, name: str) -> Method:
    def method(self: Any, other: Any) -> object:
        return function(self, other, out=(self,))

    return _called(method, f"i{name}")


def _unary(function: Any, name: str) -> Method:
    def method(self: Any) -> object:
        return function(self)

    return _called(method, name)


def _called(method: Method, name: str) -> Method:
    method.__name__ = f"__{name}__"
    return method


def _three(function: ufunc, name: str) -> tuple[Method, Method, Method]:
    return _binary(function, name), _reflected(function, name), _in_place(function, name)


class NDArrayOperatorsMixin:
    """Defines all operators for a class that has `__array_ufunc__`. See np.lib.mixins.NDArrayOperatorsMixin."""

    __slots__ = ()

    __lt__ = _binary(table.less, "lt")
    __le__ = _binary(table.less_equal, "le")
    __eq__ = _binary(table.equal, "eq")
    __ne__ = _binary(table.not_equal, "ne")
    __gt__ = _binary(table.greater, "gt")
    __ge__ = _binary(table.greater_equal, "ge")

    __add__, __radd__, __iadd__ = _three(table.add, "add")
    __sub__, __rsub__, __isub__ = _three(table.subtract, "sub")
    __mul__, __rmul__, __imul__ = _three(table.multiply, "mul")
    __matmul__, __rmatmul__, __imatmul__ = _three(matmul, "matmul")
    __truediv__, __rtruediv__, __itruediv__ = _three(table.divide, "truediv")
    __floordiv__, __rfloordiv__, __ifloordiv__ = _three(table.floor_divide, "floordiv")
    __mod__, __rmod__, __imod__ = _three(table.remainder, "mod")
    __divmod__, __rdivmod__ = _binary(table.divmod, "divmod"), _reflected(table.divmod, "divmod")
    __pow__, __rpow__, __ipow__ = _three(table.power, "pow")
    __lshift__, __rlshift__, __ilshift__ = _three(table.left_shift, "lshift")
    __rshift__, __rrshift__, __irshift__ = _three(table.right_shift, "rshift")
    __and__, __rand__, __iand__ = _three(table.bitwise_and, "and")
    __xor__, __rxor__, __ixor__ = _three(table.bitwise_xor, "xor")
    __or__, __ror__, __ior__ = _three(table.bitwise_or, "or")

    __neg__ = _unary(table.negative, "neg")
    __pos__ = _unary(table.positive, "pos")
    __abs__ = _unary(table.absolute, "abs")
    __invert__ = _unary(table.invert, "invert")
