"""Checks the arguments of compiled functions, and converts their layout.

Types are exact: a program is compiled for shapes and dtypes, and a silent conversion could change a result. Layout is
not: an array that is not contiguous or aligned is copied, an output that cannot be written in place is computed
elsewhere first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np

from composit.errors import DtypeError, ShapeError
from composit.input_keys import array_given

Array = np.ndarray[Any, Any]  # of any shape and dtype: both are checked when it is passed

# C-contiguous and aligned, in the bits of ndarray.flags.num.
PLAIN: Final = 0x0001 | 0x0100


Order = tuple[int, ...] | None


class ArrayType(Protocol):
    """The shape and dtype that an array must have; a TensorType is one."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...


@runtime_checkable
class _ExportsDLPack(Protocol):
    """An object that hands its memory over by the DLPack protocol."""

    def __dlpack__(self, *, stream: None = None) -> Any: ...

    def __dlpack_device__(self) -> tuple[int, int]: ...


@dataclass(frozen=True, slots=True)
class Signature:
    """The types of inputs and outputs of a compiled function, and the memory it needs.

    output_orders: for each output its axes from the outermost in memory inward, or None for row-major order
    num_status:    elements of the last output, which is no result: not 0 where an index is out of bounds; 0 without it
    """

    inputs: tuple[ArrayType, ...]
    outputs: tuple[ArrayType, ...]
    arena_bytes: int = 0
    input_names: tuple[str, ...] = ()
    output_orders: tuple[Order, ...] = ()
    num_status: int = 0

    @property
    def results(self) -> tuple[ArrayType, ...]:
        """The outputs that a caller gets."""
        return self.outputs[:-1] if self.num_status else self.outputs

    def order(self, position: int) -> Order:
        """The order in memory of an output's axes."""
        return self.output_orders[position] if position < len(self.output_orders) else None

    def input_name(self, position: int) -> str:
        """The name of an input in messages."""
        name = self.input_names[position] if position < len(self.input_names) else ""
        return f"input {position} ({name})" if name else f"input {position}"

    def wrong_count(self, what: str, num_given: int, num_expected: int) -> TypeError:
        """The error for a wrong number of arrays."""
        return TypeError(
            f"call: {num_given} arrays were given as {what} of a compiled program that has {num_expected}; "
            f"pass one array for each, in the order in which they were given to compile"
        )


def adapt_input(signature: Signature, position: int, value: Any) -> Array:
    """The value as a contiguous, aligned array with its input's own dtype object, copied if its layout requires it."""
    expected = signature.inputs[position]
    if type(value) is np.ndarray and value.dtype is expected.dtype and value.shape == expected.shape:
        if value.flags.num & PLAIN == PLAIN:
            return value
    array = _as_array(value)
    _check(signature.input_name(position), array, expected)
    plain = np.require(array, expected.dtype, ["C", "A"]).view(np.ndarray)
    # A dtype such as StringDType owns memory that its elements point to, so an equal dtype will not do.
    return plain if expected.dtype.hasobject else plain.view(expected.dtype)


def adapt_inputs(signature: Signature, arrays: Sequence[Any]) -> list[Array]:
    """The values of all inputs as arrays that fit.

    Raises: TypeError: there are more or fewer; ShapeError, DtypeError: one does not fit
    """
    if len(arrays) != len(signature.inputs):
        raise signature.wrong_count("inputs", len(arrays), len(signature.inputs))
    return [adapt_input(signature, position, array) for position, array in enumerate(arrays)]


def place_outputs(signature: Signature, out: Sequence[Array], arrays: Sequence[Any]) -> list[Array]:
    """The arrays to compute into: the caller's where their layout fits and nothing else overlaps them."""
    check_outputs(signature.outputs, out)
    places, given = [], [array if type(array) is np.ndarray else _as_array(array) for array in arrays]
    for position, (expected, array) in enumerate(zip(signature.outputs, out, strict=True)):
        others = [*given, *out[:position], *out[position + 1 :]]
        order = signature.order(position)
        is_plain = (array if order is None else array.transpose(order)).flags.num & PLAIN == PLAIN
        is_alone = not any(np.may_share_memory(array, other) for other in others)
        places.append(array if is_plain and is_alone else empty_in_order(expected, order))
    return places


def empty_in_order(one: ArrayType, order: Order) -> Array:
    """An array of that type whose axes lie in memory in that order, with arbitrary values."""
    if order is None:
        return np.empty(one.shape, one.dtype)
    places = tuple(order.index(axis) for axis in range(len(order)))
    return np.empty(tuple(one.shape[axis] for axis in order), one.dtype).transpose(places)


def check_outputs(expected: Sequence[ArrayType], out: Sequence[Array]) -> None:
    """Return if results of these types can be written to the caller's arrays.

    Raises: TypeError: there are more or fewer, or one is no writable array; ShapeError, DtypeError: one does not fit
    """
    if len(out) != len(expected):
        raise TypeError(
            f"call: out has {len(out)} arrays; expected one for each of the {len(expected)} outputs; "
            "leave it away to get fresh arrays"
        )
    for position, (one, array) in enumerate(zip(expected, out, strict=True)):
        _check_writable(position, array)
        _check(f"out[{position}]", array, one)


def _as_array(value: Any) -> Array:
    """The value as numpy sees it, through DLPack if that is its only way."""
    array = array_given(value)
    return np.from_dlpack(value) if array.dtype == object and isinstance(value, _ExportsDLPack) else array


def _check(name: str, array: Array, expected: ArrayType) -> None:
    if array.shape != expected.shape:
        raise ShapeError(
            f"call: {name} has shape {array.shape} and the program was compiled for {expected.shape}; "
            f"pass that shape, or compile again for the new one"
        )
    if array.dtype != expected.dtype:
        raise DtypeError(
            f"call: {name} has dtype {array.dtype} and the program was compiled for {expected.dtype}; "
            f"convert it with .astype({str(expected.dtype)!r}), or compile again for {array.dtype}"
        )


def _check_writable(position: int, array: object) -> None:
    if not isinstance(array, np.ndarray) or not array.flags.writeable:
        kind = type(array)
        given = "read-only" if isinstance(array, np.ndarray) else f"of type {kind.__module__}.{kind.__qualname__}"
        raise TypeError(
            f"call: out[{position}] is {given} and must be a writable numpy array; leave out away to get fresh arrays"
        )
