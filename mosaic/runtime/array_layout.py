"""Where CPython and numpy keep the fields of an array, as `invoke.c` reads them.

numpy's own macros compile these offsets into every extension module, so they belong to its stable binary interface;
an interpreter that lays objects out differently is noticed by comparing once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np

from composit.errors import InternalError
from mosaic.runtime.arguments import Array, ArrayType
from mosaic.runtime.library import foreign_interface

_HEAD_BYTES: Final = object.__basicsize__


@dataclass(frozen=True, slots=True)
class InputTypes:
    """The types of inputs as a C table, with the memory that the table points to."""

    table: Any  # struct mosaic_type[]
    owned: tuple[Any, ...]


def address_of_fields(array: Array) -> int:
    """The address of the array's fields, valid as long as the array is alive: not of its data, and no identity."""
    return id(array) + _HEAD_BYTES


def input_types(types: Sequence[ArrayType]) -> InputTypes:
    """The C table that inputs are compared with."""
    interface = foreign_interface()
    table = interface.new("struct mosaic_type[]", max(len(types), 1))
    shapes = [interface.new("intptr_t[]", max(len(one.shape), 1)) for one in types]
    for entry, one, shape in zip(table, types, shapes, strict=False):
        shape[0 : len(one.shape)] = list(one.shape)
        entry.dtype, entry.shape, entry.ndim = _address_of(one.dtype), shape, len(one.shape)
    return InputTypes(table, (tuple(types), tuple(shapes)))


@lru_cache(maxsize=1)
def verify_layout() -> None:
    """Compare what C would read with what Python says.

    Raises: InternalError: this interpreter keeps arrays differently
    """
    interface = foreign_interface()
    array = np.zeros((2, 3), np.float32)
    fields = interface.cast("struct numpy_array *", address_of_fields(array))
    data = interface.cast("char *", array.ctypes.data)
    expected = (data, 2, _address_of(array.dtype), array.flags.num)
    read = (fields.data, fields.ndim, fields.dtype, fields.flags)
    # The pointers are followed only if everything beside them is as expected.
    if read != expected or (*fields.shape[0:2], *fields.strides[0:2]) != (*array.shape, *array.strides):
        raise InternalError(
            f"call: C reads {read} from an array of which Python says {expected}; compiled code needs CPython and "
            "numpy 2; use another backend on this interpreter"
        )


def _address_of(dtype: np.dtype[Any]) -> Any:
    """The address of a dtype object; numpy has one object for each of its own dtypes."""
    return foreign_interface().cast("void *", id(dtype))
