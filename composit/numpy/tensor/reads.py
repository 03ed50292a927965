"""Values that Python asks for now: bool, int, item, tolist, np.asarray, print. A read that can steer Python is a guard."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from composit.guards import from_outside, read_number, read_value
from composit.handle import TensorHandle, described
from composit.numpy.elementwise import table
from composit.numpy.inspection.shared_memory import known_value
from composit.numpy.reductions import reduce as reductions
from composit.numpy.tensor.array_callers import takes_memory
from composit.operation import Array


class Reads(TensorHandle):
    """The methods that compute the value at once, because Python needs it."""

    __slots__ = ()

    def __bool__(self) -> bool:
        if self._early.__class__ is tuple:
            return bool(read_number(self, "bool", sys._getframe(1)))
        if self._type.shape:
            self._check_truth()
        return bool(read_value(self, "bool"))

    def _check_truth(self) -> None:
        if self.size > 1:
            raise ValueError(
                "The truth value of an array with more than one element is ambiguous. Use a.any() or a.all(): "
                f"{described(self)} was used as a condition"
            )
        if self.size == 0:
            raise ValueError(
                "The truth value of an empty array is ambiguous. Use `array.size > 0` to check that an array is not"
                f" empty.: {described(self)} was used as a condition"
            )

    def _as_number(self, number: type, kind: str) -> Any:
        if self._type.shape:
            raise TypeError(
                f"only 0-dimensional arrays can be converted to Python scalars: {kind}() was asked of {described(self)}; use"
                " item() for one element, or tolist()"
            )
        return number(read_value(self, kind))

    def __int__(self) -> int:
        return self._as_number(int, "int")  # type: ignore[no-any-return]

    def __float__(self) -> float:
        if self._early.__class__ is tuple:
            return float(read_number(self, "float", sys._getframe(1)))
        return self._as_number(float, "float")  # type: ignore[no-any-return]

    def __complex__(self) -> complex:
        return self._as_number(complex, "complex")  # type: ignore[no-any-return]

    def __index__(self) -> int:
        if self.ndim or self.dtype.kind not in "iu":
            raise TypeError(
                f"only integer scalar arrays can be converted to a scalar index: {described(self)} was used as one;"
                f" {_instead_of_index(self)}"
            )
        return int(read_value(self, "index"))

    def item(self, *args: Any) -> Any:
        """Return one element as a Python scalar. See np.ndarray.item."""
        if not args and self.size != 1:
            raise ValueError(
                f"can only convert an array of size 1 to a Python scalar: item() was asked of {described(self)}; name the"
                " element, as in item(0), or use tolist()"
            )
        return np.asarray(read_value(self, "item")).item(*args)

    def tolist(self) -> Any:
        """Return the values as nested lists of Python scalars. See np.ndarray.tolist."""
        return read_value(self, "tolist").tolist()

    def to_numpy(self) -> Array:
        """Return a copy of the values as a numpy array; matplotlib and others look for this name."""
        return np.array(read_value(self, "to_numpy"))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Return the value read-only, since the tensor would not see writes; a copy can be written to."""
        value = np.asarray(from_outside(read_value(self, "array")))
        if copy or (copy is None and takes_memory(sys._getframe(1))):
            return np.array(value, dtype, copy=True)
        array = np.asarray(value, dtype, copy=copy)
        if array.dtype != value.dtype:
            # The conversion made a new array, so it can be written to.
            return array
        array = array.view()
        array.flags.writeable = False
        return array

    def __contains__(self, value: Any) -> bool:
        return bool(reductions.any(table.equal(self, value)))

    def __repr__(self) -> str:
        """Return numpy's repr of a scalar (computed now) or of an array with a known value; else shape and dtype."""
        return _repr_of_scalar(self) if self._type.is_scalar else _repr_of_array(self)

    def __str__(self) -> str:
        return str(from_outside(read_value(self, "")))

    def __format__(self, format_spec: str) -> str:
        return format(from_outside(read_value(self, "")), format_spec)


def _instead_of_index(tensor: TensorHandle) -> str:
    """Return the advice of the error. C functions that take any number ask for an index if it is no Python float."""
    if tensor.ndim == 0 and tensor.dtype.kind == "f":
        return "write float(x) where a number is taken, as in time.sleep(float(x)), and int(x) where an index is"
    return "use astype(int) or item()"


def _repr_of_scalar(scalar: TensorHandle) -> str:
    try:
        return repr(read_value(scalar, ""))
    except Exception:  # noqa: BLE001  # whoever looks at a value in a debugger is not asking for its error
        return described(scalar)


def _repr_of_array(array: TensorHandle) -> str:
    value = known_value(array)
    return described(array) if value is None else repr(np.asarray(value))
