"""The operator `**`. As in numpy, `x ** 2` of an array is `square(x)`; `power(x, 2)` would have other last bits.

The exponents with such a function depend on numpy's version, so numpy is asked once per exponent and dtype.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.numpy.elementwise import table
from composit.operation import Dtype

if TYPE_CHECKING:
    from composit.numpy.arguments.normalizing import TensorLike
    from composit.numpy.tensor.lazy_tensor import LazyTensor


@dataclass(frozen=True, slots=True)
class _Called:
    """The function that numpy's operator calls for an array.

    function: composit's function of the same name
    dtype:    the dtype to which the array is cast first
    """

    function: Callable[..., LazyTensor]
    dtype: Dtype


class _Asked(np.ndarray[Any, Any]):
    """An array whose operators return the ufunc that they call and the dtype of its operand, instead of calling it."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> tuple[np.ufunc, Dtype]:
        return ufunc, inputs[0].dtype


def _to_the_power_of_zero(x: TensorLike, **options: Any) -> LazyTensor:
    # A Python exponent, so that the dtype of x stays.
    return table.power(x, 0, **options)


_INSTEAD: dict[np.ufunc, Callable[..., LazyTensor]] = {
    np.square: table.square,
    np.reciprocal: table.reciprocal,
    np.sqrt: table.sqrt,
    np.positive: table.positive,
    np._core.umath._ones_like: _to_the_power_of_zero,  # type: ignore[attr-defined]  # missing in numpy's stubs
}


@lru_cache(maxsize=1024, typed=True)
def _called(exponent: object, dtype: Dtype, is_in_place: bool) -> _Called | None:
    array: Any = np.empty(1, dtype).view(_Asked)
    if is_in_place:
        array **= exponent
    else:
        array = array**exponent
    ufunc, operand_dtype = array
    function = _INSTEAD.get(ufunc)
    return None if function is None else _Called(function, operand_dtype)


def _called_for(array: Any, exponent: Any, is_in_place: bool) -> _Called | None:
    if exponent.__class__ is np.ndarray:
        exponent = None if exponent.ndim else exponent[()]
    if exponent is None or array._type.is_scalar:
        return None
    return _called(exponent, array._type.dtype, is_in_place)


_NUMBERS = frozenset(
    (int, float, bool, np.ndarray, *(kind for kind in np.sctypeDict.values() if issubclass(kind, np.number)))
)


def power_operator(power: Callable[[Any, TensorLike], LazyTensor]) -> Callable[[Any, TensorLike], LazyTensor]:
    """Return the method `x ** exponent`.

    power: the method to use if numpy calls `power`
    """

    def method(self: Any, exponent: TensorLike) -> LazyTensor:
        called = _called_for(self, exponent, False) if exponent.__class__ in _NUMBERS else None
        if called is None:
            return power(self, exponent)
        return called.function(self if called.dtype == self._type.dtype else self.astype(called.dtype))

    return method


def power_in_place(power: Callable[[Any, TensorLike], LazyTensor]) -> Callable[[Any, TensorLike], LazyTensor]:
    """Return the method `x **= exponent`. See `power_operator`."""

    def method(self: Any, exponent: TensorLike) -> LazyTensor:
        called = _called_for(self, exponent, True) if exponent.__class__ in _NUMBERS else None
        return power(self, exponent) if called is None else called.function(self, out=self)

    return method
