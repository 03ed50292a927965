"""Values that Python asks for now: bool, int, item, tolist, np.asarray, print. Each that can steer Python is a guard.

May import guards, handle, reductions, elementwise_table.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from composit.guards import from_outside, read_number, read_value
from composit.handle import TensorHandle, described
from composit.numpy.elementwise import table
from composit.numpy.inspection.known_values import known_value
from composit.numpy.reductions import reduce as reductions
from composit.numpy.tensor.array_callers import takes_memory
from composit.operation import Array


class Reads(TensorHandle):
    """The methods that compute the value because Python needs it."""

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
        """Return the values as an array of numpy's, a copy; the name by which matplotlib and others ask for one."""
        return np.array(read_value(self, "to_numpy"))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Return the value in memory that nobody can write to, since the tensor would not see it; a copy is the caller's."""
        value = np.asarray(from_outside(read_value(self, "array")))
        if copy or (copy is None and takes_memory(sys._getframe(1))):
            return np.array(value, dtype, copy=True)
        array = np.asarray(value, dtype, copy=copy)
        if array.dtype != value.dtype:
            # As of numpy's own array: what was converted is the caller's.
            return array
        array = array.view()
        array.flags.writeable = False
        return array

    def __contains__(self, value: Any) -> bool:
        return bool(reductions.any(table.equal(self, value)))

    def __repr__(self) -> str:
        """numpy's own of a scalar, which is computed for it, and of an array whose value is known; else what it is."""
        return _repr_of_scalar(self) if self._type.is_scalar else _repr_of_array(self)

    def __str__(self) -> str:
        return str(from_outside(read_value(self, "")))

    def __format__(self, format_spec: str) -> str:
        return format(from_outside(read_value(self, "")), format_spec)


def _instead_of_index(tensor: TensorHandle) -> str:
    """Return what to write; C functions that take any number ask what is no float of Python's for an index."""
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
