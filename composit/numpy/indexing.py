"""Elements chosen by position: basic and advanced indexing, take, take_along_axis, and their adjoints.

What `x[...]` means is resolved in subscripts.py; here are the operations. May import arguments, apply,
operation, errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from composit.apply import MAX_NUM_AXES, apply
from composit.errors import DtypeError, NoRuleError, OutOfBoundsError, ParameterError, ShapeError
from composit.handle import TensorHandle
from composit.numpy.arguments import AxisLike, TensorLike, handle_of, is_number, normalize_axis, spell_shape
from composit.numpy.movement import ravel
from composit.numpy.numpy_function import rule_for
from composit.numpy.positions import positions_of
from composit.operation import Array, Input, Operation, Shape, TensorType, tensor_type

__all__ = [
    "take",
    "take_along_axis",
]

# Start, stop and step of a slice are as `range` takes them: a stop of -1 means "down to the first element".
BasicEntry: TypeAlias = int | slice | None
AdvancedEntry: TypeAlias = int | slice | str

# One element of these is a Python object or has methods of its own: numpy's own scalar is what a program wants.
WITHOUT_LAZY_SCALARS = "OSUVT"

# Stands for the next index operand in AdvancedIndex.index.
ARRAY: Literal["array"] = "array"


@dataclass(frozen=True, slots=True)
class BasicIndex(Operation):
    """The elements at integers and slices; None is a new axis.

    index:       covers every axis; integers are not negative, slices are as `range` takes them
    Derivative:  g at these places, zeros elsewhere
    Reference:   https://numpy.org/doc/stable/user/basics.indexing.html#basic-indexing
    """

    index: tuple[BasicEntry, ...]
    is_view = True

    @property
    def name(self) -> str:
        return "getitem"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        shape = tuple(
            [
                1 if entry is None else len(range(entry.start, entry.stop, entry.step))
                for entry in self.index
                if not isinstance(entry, int)
            ]
        )
        if len(shape) > MAX_NUM_AXES:
            raise OutOfBoundsError(
                f"number of dimensions must be within [0, {MAX_NUM_AXES}], indexing result would have {len(shape)}: each"
                " None in an index makes an axis; leave some out"
            )
        # numpy gives a scalar where integers are left of no axis, an array where the index has slices.
        return (tensor_type(shape, operand_types[0].dtype, not shape),)

    def evaluate(self, *operands: Array) -> Any:
        return np.asarray(operands[0])[_as_python(self.index)]

    def view_of(self, array: Array) -> Array:
        # With an Ellipsis, integers for all axes give a rank-0 array that shows the element.
        return array[(*_as_python(self.index), Ellipsis)]

    def vjp(
        self, xp: Any, cotangents: Sequence[Any], operands: Sequence[Any], results: Sequence[Any], needs: Sequence[bool]
    ) -> Sequence[Any]:
        return [xp.apply(BasicIndexAdjoint(self.index, xp.shape(operands[0])), cotangents[0])]


def _as_python(index: tuple[BasicEntry, ...]) -> tuple[BasicEntry, ...]:
    return tuple(
        slice(entry.start, None, entry.step) if entry.__class__ is slice and entry.stop < 0 else entry
        for entry in index
    )


@dataclass(frozen=True, slots=True)
class Field(Operation):
    """One field of records, or records of some fields: a view. Derivative: none exists, a field is chosen by name."""

    names: str | tuple[str, ...]
    is_view = True

    @property
    def name(self) -> str:
        return "getitem"

    @property
    def _index(self) -> Any:
        return self.names if isinstance(self.names, str) else list(self.names)

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        stand_in = np.zeros((), operand_types[0].dtype)[self._index]
        # A field that is an array adds its axes.
        return (tensor_type(operand_types[0].shape + np.shape(stand_in), stand_in.dtype),)

    def evaluate(self, *operands: Array) -> Any:
        return np.asarray(operands[0])[self._index]


@dataclass(frozen=True, slots=True)
class BasicIndexAdjoint(Operation):
    """Zeros of a shape, with the operand at the places that a basic index chooses: the adjoint of BasicIndex."""

    index: tuple[BasicEntry, ...]
    shape: Shape

    @property
    def name(self) -> str:
        return "getitem_adjoint"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type(self.shape, operand_types[0].dtype),)

    def evaluate(self, *operands: Array) -> Array:
        result = np.zeros(self.shape, np.asarray(operands[0]).dtype)
        result[_as_python(self.index)] = operands[0]
        return result

    def vjp(
        self, xp: Any, cotangents: Sequence[Any], operands: Sequence[Any], results: Sequence[Any], needs: Sequence[bool]
    ) -> Sequence[Any]:
        return [xp.apply(BasicIndex(self.index), cotangents[0])]


@dataclass(frozen=True, slots=True)
class AdvancedIndex(Operation):
    """The elements at integer arrays that broadcast, with numpy's placement of the axes.

    index:       one entry per axis of the first operand: ARRAY (the next index operand), an integer, or slice(None)
    Shapes:      the arrays' axes stand where they were if they were neighbours, else first
    Derivative:  g added at these places, as often as they are chosen
    Reference:   https://numpy.org/doc/stable/user/basics.indexing.html#advanced-indexing
    """

    index: tuple[AdvancedEntry, ...]

    @property
    def name(self) -> str:
        return "getitem"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        x, *indices = operand_types
        chosen = broadcast_indices([index.shape for index in indices])
        kept = [x.shape[axis] for axis, entry in enumerate(self.index) if entry.__class__ is slice]
        place = self.place
        shape = (*kept[:place], *chosen, *kept[place:])
        return (tensor_type(shape, x.dtype, not shape),)

    @property
    def place(self) -> int:
        """Where in the result the axes of the index arrays begin."""
        axes = [axis for axis, entry in enumerate(self.index) if entry.__class__ is not slice]
        return axes[0] if axes[-1] - axes[0] == len(axes) - 1 else 0

    def evaluate(self, *operands: Array) -> Any:
        return operands[0][_with_arrays(self.index, operands[1:])]

    def vjp(
        self, xp: Any, cotangents: Sequence[Any], operands: Sequence[Any], results: Sequence[Any], needs: Sequence[bool]
    ) -> Sequence[Any]:
        x, *indices = operands
        adjoint = AdvancedIndexAdjoint(self.index, xp.shape(x))
        return [xp.apply(adjoint, cotangents[0], *indices), *[None] * len(indices)]


def _with_arrays(index: tuple[AdvancedEntry, ...], arrays: Sequence[Array]) -> tuple[Any, ...]:
    following = iter(arrays)
    return tuple([next(following) if entry.__class__ is str else entry for entry in index])


def broadcast_indices(shapes: Sequence[Shape]) -> Shape:
    """Return the shape that index arrays broadcast to.

    Raises:  OutOfBoundsError: they do not fit, an IndexError with numpy's text
    """
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as error:
        listed = " ".join(map(spell_shape, shapes))
        raise OutOfBoundsError(
            f"shape mismatch: indexing arrays could not be broadcast together with shapes {listed} : aligned at the"
            " last axis, their lengths must be equal or 1; use np.ix_ for all combinations"
        ) from error


@dataclass(frozen=True, slots=True)
class AdvancedIndexAdjoint(Operation):
    """Zeros of a shape, with the first operand added at the places that the index arrays choose."""

    index: tuple[AdvancedEntry, ...]
    shape: Shape

    @property
    def name(self) -> str:
        return "getitem_adjoint"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type(self.shape, operand_types[0].dtype),)

    def evaluate(self, *operands: Array) -> Array:
        result = np.zeros(self.shape, np.asarray(operands[0]).dtype)
        np.add.at(result, _with_arrays(self.index, operands[1:]), operands[0])
        return result

    def vjp(
        self, xp: Any, cotangents: Sequence[Any], operands: Sequence[Any], results: Sequence[Any], needs: Sequence[bool]
    ) -> Sequence[Any]:
        indices = operands[1:]
        return [xp.apply(AdvancedIndex(self.index), cotangents[0], *indices), *[None] * len(indices)]


@dataclass(frozen=True, slots=True)
class Take(Operation):
    """The elements at integers along one axis, or in the flattened array. Operands: the array and the indices.

    mode:        what an index out of bounds means: "raise", "wrap" or "clip"
    Derivative:  g added at these places, as often as they are chosen
    Reference:   https://numpy.org/doc/stable/reference/generated/numpy.take.html
    """

    axis: int | None
    mode: str

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        x, indices = operand_types
        axis = self.axis
        shape = indices.shape if axis is None else (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
        length = x.size if axis is None else x.shape[axis]
        if not length and indices.size:
            raise OutOfBoundsError(
                f"cannot do a non-empty take from an empty axes.: take of {indices.size} indices from shape {x.shape},"
                f" axis {axis}"
            )
        return (tensor_type(shape, x.dtype, not shape),)

    def evaluate(self, *operands: Array) -> Any:
        return np.take(operands[0], operands[1], self.axis, mode=self.mode)  # type: ignore[call-overload]  # checked by take

    def vjp(
        self, xp: Any, cotangents: Sequence[Any], operands: Sequence[Any], results: Sequence[Any], needs: Sequence[bool]
    ) -> Sequence[Any]:
        adjoint = TakeAdjoint(self.axis, self.mode, xp.shape(operands[0]))
        return [xp.apply(adjoint, cotangents[0], operands[1]), None]


@dataclass(frozen=True, slots=True)
class TakeAdjoint(Operation):
    """Zeros of a shape, with the first operand added at the indices along an axis: the adjoint of Take."""

    axis: int | None
    mode: str
    shape: Shape

    @property
    def name(self) -> str:
        return "take_adjoint"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type(self.shape, operand_types[0].dtype),)

    def evaluate(self, *operands: Array) -> Array:
        g, indices = operands
        result = np.zeros(self.shape, np.asarray(g).dtype)
        target, axis = (result.reshape(-1), 0) if self.axis is None else (result, self.axis)
        if self.mode == "wrap":
            indices = np.remainder(indices, target.shape[axis])
        elif self.mode == "clip":
            indices = np.clip(indices, 0, target.shape[axis] - 1)
        place: tuple[Any, ...] = (*[slice(None)] * axis, indices)
        np.add.at(target, place, g)
        return result

    def vjp(
        self, xp: Any, cotangents: Sequence[Any], operands: Sequence[Any], results: Sequence[Any], needs: Sequence[bool]
    ) -> Sequence[Any]:
        return [xp.take(cotangents[0], operands[1], axis=self.axis, mode=self.mode), None]


@dataclass(frozen=True, slots=True)
class TakeAlongAxis(Operation):
    """The elements at integers along an axis, row by row. Operands: the array and the indices, which broadcast.

    Derivative:  g added at these places, as often as they are chosen
    Reference:   https://numpy.org/doc/stable/reference/generated/numpy.take_along_axis.html
    """

    axis: int

    @property
    def name(self) -> str:
        return "take_along_axis"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        x, indices = operand_types
        rows = (*x.shape[: self.axis], 1, *x.shape[self.axis + 1 :])
        return (tensor_type(broadcast_indices([rows, indices.shape]), x.dtype),)

    def evaluate(self, *operands: Array) -> Array:
        return np.take_along_axis(operands[0], operands[1], self.axis)

    def vjp(
        self, xp: Any, cotangents: Sequence[Any], operands: Sequence[Any], results: Sequence[Any], needs: Sequence[bool]
    ) -> Sequence[Any]:
        adjoint = TakeAlongAxisAdjoint(self.axis, xp.shape(operands[0]))
        return [xp.apply(adjoint, cotangents[0], operands[1]), None]


@dataclass(frozen=True, slots=True)
class TakeAlongAxisAdjoint(Operation):
    """Zeros of a shape, with the first operand added at the indices, row by row: the adjoint of TakeAlongAxis."""

    axis: int
    shape: Shape

    @property
    def name(self) -> str:
        return "take_along_axis_adjoint"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type(self.shape, operand_types[0].dtype),)

    def evaluate(self, *operands: Array) -> Array:
        g, indices = operands
        result = np.zeros(self.shape, np.asarray(g).dtype)
        places: list[Array] = list(np.ogrid[tuple(slice(length) for length in self.shape)])
        places[self.axis] = indices
        np.add.at(result, tuple(places), g)
        return result

    def vjp(
        self, xp: Any, cotangents: Sequence[Any], operands: Sequence[Any], results: Sequence[Any], needs: Sequence[bool]
    ) -> Sequence[Any]:
        return [xp.take_along_axis(cotangents[0], operands[1], self.axis), None]


def known_integers(index: Any) -> Array | None:
    """Return the values of an index if they are known without computing anything: arrays, numbers, created inputs."""
    if not isinstance(index, TensorHandle):
        return np.asarray(index)
    operation = index.node.operation
    if isinstance(operation, Input):
        return np.asarray(operation.read())
    return None if index._known is None else np.asarray(index._known.value)


def check_bounds(values: Array | None, axis: int | None, length: int) -> None:
    """Raise numpy's IndexError for the first known index out of bounds."""
    if values is None or not values.size or (values.min() >= -length and values.max() < length):
        return
    worst = values[(values < -length) | (values >= length)].flat[0]
    raise OutOfBoundsError(
        f"index {worst} is out of bounds for axis {0 if axis is None else axis} with size {length}: indices run from"
        f" {-length} to {length - 1}"
    )


@rule_for(np.take)
def take(
    a: TensorLike, indices: TensorLike, axis: AxisLike | None = None, out: None = None, mode: str = "raise"
) -> Any:
    """Return the elements at the indices along an axis. See np.take."""
    if mode not in ("raise", "wrap", "clip"):
        raise ParameterError(
            f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r}): choose what take does then"
        )
    tensor = handle_of(a)
    # numpy takes axis 0 and -1 of a scalar.
    position = None if axis is None else normalize_axis(axis, tensor.ndim or 1)
    position = position if tensor.ndim else None
    places = _places_of(indices)
    if not np.can_cast(places.dtype, np.intp, "same_kind"):
        raise DtypeError(
            f"Cannot cast array data from {places.dtype!r} to {np.dtype(np.intp)!r} according to the rule 'same_kind':"
            " take needs integers as indices; convert them with astype(int)"
        )
    result = apply(Take(position, mode), tensor, places)
    if result.type.is_scalar and tensor.dtype.kind in WITHOUT_LAZY_SCALARS:
        raise NoRuleError("take: one element of objects")
    if mode == "raise" and result.size:
        length = tensor.size if position is None else tensor.shape[position]
        check_bounds(known_integers(places), position, length)
    return result


def _places_of(indices: TensorLike) -> Any:
    """Return the indices as a tensor; a number becomes an integer as by astype, which numpy refuses to arrays."""
    if hasattr(indices, "__lazy_tensor__"):
        tensor = handle_of(indices)
        return tensor.astype(np.intp) if tensor.type.is_scalar and tensor.dtype.kind == "f" else tensor
    # An empty list says nothing of its dtype; numpy reads it as integers.
    is_empty_list = isinstance(indices, list | tuple) and not np.size(indices)
    values = np.zeros(np.shape(indices), np.intp) if is_empty_list else np.asarray(indices)
    return positions_of(values.astype(np.intp) if is_number(indices) and values.dtype.kind == "f" else values)


@rule_for(np.take_along_axis)
def take_along_axis(arr: TensorLike, indices: TensorLike, axis: AxisLike | None = -1) -> Any:
    """Return the elements at the indices along an axis, row by row. See np.take_along_axis."""
    tensor = handle_of(arr)
    places = handle_of(indices) if hasattr(indices, "__lazy_tensor__") else positions_of(np.asarray(indices))
    if places.dtype.kind not in "iu":
        raise OutOfBoundsError(
            f"`indices` must be an integer array: take_along_axis was given {places.dtype}; use astype(int)"
        )
    if axis is None:
        if places.ndim != 1:
            raise ShapeError(
                "when axis=None, `indices` must have a single dimension.: take_along_axis was given shape"
                f" {places.shape}; ravel it"
            )
        tensor, axis = ravel(tensor), 0
    position = normalize_axis(axis, tensor.ndim)
    if tensor.ndim != places.ndim:
        raise ShapeError(
            f"`indices` and `arr` must have the same number of dimensions: the shapes are {places.shape} and"
            f" {tensor.shape}; expand_dims the indices"
        )
    check_bounds(known_integers(indices), position, tensor.shape[position])
    return apply(TakeAlongAxis(position), tensor, places)
