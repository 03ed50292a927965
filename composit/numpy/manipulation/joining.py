"""Joining and splitting along an axis: concatenate, stack, split, vstack, hsplit, ..., and atleast_1d, _2d, _3d."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply, apply_several
from composit.errors import NoRuleError, OutOfBoundsError, ShapeError
from composit.numpy.arguments.normalizing import (
    AxisLike,
    TensorLike,
    check_casting,
    handle_of,
    named_dtype,
    normalize_axis,
    promoted,
    whole,
)
from composit.numpy.calls.declarations import rule_for
from composit.numpy.manipulation.reshaping import expand_dims, ravel, reshape, transpose
from composit.numpy.views.basic_indices import BasicIndex
from composit.operation import (
    MAX_NUM_AXES,
    Array,
    Axes,
    Dtype,
    Operation,
    OperationKind,
    Results,
    Shape,
    TensorType,
    VjpContext,
    tensor_type,
)
from composit.storage import mark_view

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = [
    "array_split",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "column_stack",
    "concat",
    "concatenate",
    "dsplit",
    "dstack",
    "hsplit",
    "hstack",
    "split",
    "stack",
    "unstack",
    "vsplit",
    "vstack",
]


def common_dtype(operand_types: Sequence[TensorType]) -> Dtype:
    """Return the dtype in which operands of these types are concatenated; Python scalars promote weakly (NEP 50)."""
    first = operand_types[0]
    if all(operand.dtype is first.dtype and operand.weak is None for operand in operand_types):
        # np.concatenate converts to native byte order and packs records.
        is_plain = first.dtype.isnative and first.dtype.names is None
        return first.dtype if is_plain else np.promote_types(first.dtype, first.dtype)
    dtype = promoted(*(operand.dtype if operand.weak is None else operand.weak(0) for operand in operand_types))
    return _as_joined(dtype, [operand.dtype for operand in operand_types])


def dtype_of_stack(dtypes: Sequence[Dtype]) -> Dtype:
    """Return the dtype in which arrays are stacked; unlike in concatenate, Python scalars count like arrays."""
    return _as_joined(promoted(*dtypes), dtypes)


def _as_joined(dtype: Dtype, dtypes: Sequence[Dtype]) -> Dtype:
    if dtype.kind == "M" and any(each.kind != "M" for each in dtypes):
        raise NoRuleError("joining: dates and lengths of time, which promote to dates and are not cast to them")
    return dtype


@dataclass(frozen=True, slots=True)
class Concatenate(Operation):
    """The operands one after the other along an existing axis.

    Derivative:  g split into the operands' parts
    Reference:   https://numpy.org/doc/stable/reference/generated/numpy.concatenate.html
    """

    axis: int
    keeps_c_order = True
    kind = OperationKind.MOVEMENT

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        shapes = [operand.shape for operand in operand_types]
        _check_joinable(shapes, self.axis)
        first, axis = shapes[0], self.axis
        length = sum(shape[axis] for shape in shapes)
        return (tensor_type((*first[:axis], length, *first[axis + 1 :]), common_dtype(operand_types)),)

    def evaluate(self, *operands: Array) -> Array:
        return np.concatenate(operands, axis=self.axis)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,) = context.xp, context.cotangents
        lengths = [xp.shape(operand)[self.axis] for operand in context.operands]
        return xp.split(g, tuple(itertools.accumulate(lengths[:-1])), axis=self.axis)  # type: ignore[no-any-return]


def _check_joinable(shapes: Sequence[Shape], axis: int) -> None:
    first = shapes[0]
    for index, shape in enumerate(shapes):
        if len(shape) != len(first):
            raise ShapeError(
                "all the input arrays must have same number of dimensions, but the array at index 0 has "
                f"{len(first)} dimension(s) and the array at index {index} has {len(shape)} dimension(s): "
                f"the shapes are {first} and {shape}; use expand_dims, or stack for a new axis"
            )
        for dimension, (here, there) in enumerate(zip(first, shape, strict=True)):
            if dimension != axis and here != there:
                raise ShapeError(
                    "all the input array dimensions except for the concatenation axis must match exactly, but along"
                    f" dimension {dimension}, the array at index 0 has size {here} and the array at index {index} has"
                    f" size {there}: the shapes are {first} and {shape}, joined along axis {axis}"
                )


@dataclass(frozen=True, slots=True)
class Stack(Operation):
    """The operands, all of one shape, side by side along a new axis.

    Derivative:  g unstacked along that axis
    Reference:   https://numpy.org/doc/stable/reference/generated/numpy.stack.html
    """

    axis: int
    keeps_c_order = True
    kind = OperationKind.MOVEMENT

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        first = operand_types[0].shape
        for index, operand in enumerate(operand_types):
            if operand.shape != first:
                raise ShapeError(
                    f"all input arrays must have the same shape: stack was given {first} at index 0 and {operand.shape}"
                    f" at index {index}; use concatenate along an axis they have"
                )
        if len(first) >= MAX_NUM_AXES:
            raise OutOfBoundsError(
                f"number of dimensions must be within [0, {MAX_NUM_AXES}], indexing result would have {len(first) + 1}: stack"
                " adds an axis to those of its arrays; concatenate along an axis they have"
            )
        # Unlike concatenate(axis=None), stack converts its operands to arrays first: Python scalars count like arrays.
        dtype = dtype_of_stack([operand.dtype for operand in operand_types])
        return (tensor_type((*first[: self.axis], len(operand_types), *first[self.axis :]), dtype),)

    def evaluate(self, *operands: Array) -> Array:
        return np.stack(operands, axis=self.axis)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp = context.xp
        parts = xp.split(context.cotangents[0], len(context.operands), axis=self.axis)
        return [xp.squeeze(part, self.axis) for part in parts]


@dataclass(frozen=True, slots=True)
class Split(Operation):
    """The parts between boundaries along an axis: n boundaries give n + 1 results.

    boundaries: the indices of np.split, clipped to the length of the axis
    Derivative: the cotangents of the parts joined, with zeros for unused parts
    Reference:  https://numpy.org/doc/stable/reference/generated/numpy.split.html
    """

    boundaries: tuple[int, ...]
    axis: int
    kind = OperationKind.MOVEMENT

    @property
    def num_results(self) -> int:
        return len(self.boundaries) + 1

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        shape, dtype, axis = operand_types[0].shape, operand_types[0].dtype, self.axis
        ends = (0, *self.boundaries, shape[axis])
        lengths = [max(stop - start, 0) for start, stop in itertools.pairwise(ends)]
        return tuple([tensor_type((*shape[:axis], n, *shape[axis + 1 :]), dtype) for n in lengths])

    def cost(self, operand_types: Sequence[TensorType], result_types: Sequence[TensorType]) -> int:
        # The parts are views of the operand.
        return 0

    def evaluate(self, *operands: Array) -> Results:
        parts = np.split(operands[0], self.boundaries, axis=self.axis)
        return tuple(parts) if len(parts) > 1 else parts[0]

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp = context.xp
        parts = [
            _zeros(xp, part) if g is None else g for g, part in zip(context.cotangents, context.results, strict=True)
        ]
        ends = (0, *self.boundaries, xp.shape(context.operands[0])[self.axis])
        if list(ends) == sorted(ends):
            return [xp.concatenate(parts, axis=self.axis)]
        # Boundaries that do not ascend give parts that overlap: each cotangent is added at its place.
        total = None
        for part, start in zip(parts, ends, strict=False):
            stop = ends[-1] - start - xp.shape(part)[self.axis]
            widths = [(0, 0)] * xp.ndim(part)
            widths[self.axis] = (start, stop)
            placed = xp.pad(part, widths)
            total = placed if total is None else total + placed
        return [total]


def _zeros(xp: Any, like: Any) -> Any:
    # A broadcast scalar: xp.zeros would make a new leaf each time, and equal derivatives would not be equal nodes.
    return xp.broadcast_to(like.dtype.type(0), xp.shape(like))


# numpy counts the arrays to join in a C int.
_MOST_ARRAYS = np.iinfo(np.intc).max


def _tensors(arrays: Iterable[TensorLike], function: str) -> list[Any]:
    if not hasattr(arrays, "__getitem__"):
        raise NoRuleError(f"{function}: arrays that are no sequence")
    if isinstance(arrays, Sized) and len(arrays) > _MOST_ARRAYS:
        raise ValueError(f"{function}() only supports up to {_MOST_ARRAYS} arrays but got {len(arrays)}.")
    tensors = [handle_of(array) for array in arrays]
    if not tensors:
        raise ShapeError(
            f"need at least one array to {function}: an empty sequence was given; its dtype and shape are unknown"
        )
    return tensors


@rule_for(np.concatenate)
def concatenate(
    arrays: Iterable[TensorLike],
    /,
    axis: AxisLike | None = 0,
    out: None = None,
    *,
    dtype: Any = None,
    casting: str = "same_kind",
) -> LazyTensor:
    """Return the tensors joined along an axis; flattened first with axis=None. See np.concatenate."""
    if casting not in ("same_kind", "no", "equiv", "safe", "unsafe"):
        raise NoRuleError(f"concatenate: casting {casting!r}")
    tensors = _tensors(arrays, "concatenate")
    if axis is None:
        tensors = [ravel(tensor) if tensor.type.weak is None else tensor for tensor in tensors]
        flat_dtype = common_dtype([tensor.type for tensor in tensors])
        tensors = [ravel(_cast(t, flat_dtype, "unsafe")) if t.type.weak else t for t in tensors]
        axis = 0
    elif any(tensor.ndim == 0 for tensor in tensors):
        raise ShapeError(
            f"zero-dimensional arrays cannot be concatenated: the shapes are {[tensor.shape for tensor in tensors]};"
            " use stack, or concatenate(..., axis=None)"
        )
    return apply(Concatenate(normalize_axis(axis, tensors[0].ndim)), *_all_cast(tensors, dtype, casting))


concat = concatenate


def _all_cast(tensors: list[Any], dtype: Any, casting: str) -> list[Any]:
    """Return the tensors cast to the given or the common dtype; unchanged where Concatenate itself casts them."""
    if dtype is None and casting == "same_kind":
        return tensors
    target = common_dtype([tensor.type for tensor in tensors]) if dtype is None else named_dtype(dtype)
    return [_cast(tensor, target, casting) for tensor in tensors]


def _cast(tensor: LazyTensor, dtype: Dtype, casting: str) -> LazyTensor:
    if not dtype.isnative or dtype.subdtype is not None or casting == "same_value":
        raise NoRuleError(f"joining: dtype {dtype} or casting {casting!r}")
    check_casting(tensor.dtype, dtype, casting)
    cast: LazyTensor = tensor if tensor.dtype == dtype and tensor.type.weak is None else tensor.astype(dtype)
    return cast


@rule_for(np.stack)
def stack(
    arrays: Iterable[TensorLike], axis: AxisLike = 0, out: None = None, *, dtype: Any = None, casting: str = "same_kind"
) -> LazyTensor:
    """Return the tensors side by side along a new axis. See np.stack."""
    tensors = _tensors(arrays, "stack")
    return apply(Stack(normalize_axis(axis, tensors[0].ndim + 1)), *_all_cast(tensors, dtype, casting))


def _at_least(arys: Sequence[TensorLike], raised: Any) -> Any:
    results = tuple(raised(value) for value in arys)
    return results[0] if len(results) == 1 else results


@rule_for(np.atleast_1d)
def atleast_1d(*arys: TensorLike) -> Any:
    """Return each tensor with one axis or more. See np.atleast_1d."""
    return _at_least(arys, lambda value: handle_of(value) if handle_of(value).ndim else reshape(value, 1))


@rule_for(np.atleast_2d)
def atleast_2d(*arys: TensorLike) -> Any:
    """Return each tensor with two axes or more; new ones come first. See np.atleast_2d."""
    return _at_least(arys, lambda value: _raise_ndim(value, ((0, 1), (0,))))


@rule_for(np.atleast_3d)
def atleast_3d(*arys: TensorLike) -> Any:
    """Return each tensor with three axes or more; a vector of length n becomes (1, n, 1). See np.atleast_3d."""
    return _at_least(arys, lambda value: _raise_ndim(value, ((0, 1, 2), (0, 2), (2,))))


def _raise_ndim(value: TensorLike, axes_by_ndim: Sequence[Axes]) -> LazyTensor:
    tensor = handle_of(value)
    return tensor if tensor.ndim >= len(axes_by_ndim) else expand_dims(tensor, axes_by_ndim[tensor.ndim])


@rule_for(np.vstack)
def vstack(tup: Iterable[TensorLike], *, dtype: Any = None, casting: str = "same_kind") -> LazyTensor:
    """Return the tensors on top of each other; vectors are rows. See np.vstack."""
    return concatenate([atleast_2d(value) for value in _tensors(tup, "concatenate")], 0, dtype=dtype, casting=casting)


@rule_for(np.hstack)
def hstack(tup: Iterable[TensorLike], *, dtype: Any = None, casting: str = "same_kind") -> LazyTensor:
    """Return the tensors beside each other, along axis 1, or 0 for vectors. See np.hstack."""
    tensors = [handle_of(atleast_1d(value)) for value in _tensors(tup, "concatenate")]
    axis = 0 if tensors and tensors[0].ndim == 1 else 1
    return concatenate(tensors, axis, dtype=dtype, casting=casting)


@rule_for(np.dstack)
def dstack(tup: Iterable[TensorLike]) -> LazyTensor:
    """Return the tensors joined along their third axis. See np.dstack."""
    return concatenate([atleast_3d(value) for value in _tensors(tup, "concatenate")], 2)


@rule_for(np.column_stack)
def column_stack(tup: Iterable[TensorLike]) -> LazyTensor:
    """Return the tensors side by side in one matrix; a vector is a column. See np.column_stack."""
    tensors = _tensors(tup, "concatenate")
    return concatenate([transpose(atleast_2d(t)) if t.ndim < 2 else t for t in tensors], 1)


@rule_for(np.array_split)
def array_split(ary: TensorLike, indices_or_sections: Any, axis: AxisLike = 0) -> list[LazyTensor]:
    """Return parts between the given indices, or a given number of nearly equal parts. See np.array_split."""
    tensor = handle_of(ary)
    position = normalize_axis(axis, tensor.ndim)
    length = tensor.shape[position]
    boundaries = _boundaries(indices_or_sections, length)
    split = Split(boundaries, position)
    parts = list(apply_several(split, tensor)) if boundaries else [apply(split, tensor)]
    if tensor is ary:
        whole = [slice(0, length, 1) for length in tensor.shape]
        for part, start, stop in zip(parts, (0, *boundaries), (*boundaries, length), strict=True):
            whole[position] = slice(*slice(start, stop).indices(length))
            mark_view(part, tensor, BasicIndex(tuple(whole)))
    return parts


def _boundaries(indices_or_sections: Any, length: int) -> tuple[int, ...]:
    if isinstance(indices_or_sections, Iterable) and np.ndim(indices_or_sections):  # type: ignore[arg-type]
        return tuple(slice(whole(index)).indices(length)[1] for index in indices_or_sections)
    sections = whole(indices_or_sections)
    if sections <= 0:
        raise ShapeError(
            f"number sections must be larger than 0.: {sections} was given; an axis has one section or more"
        )
    each, extras = divmod(length, sections)
    lengths = [each + 1] * extras + [each] * (sections - extras - 1)
    return tuple(itertools.accumulate(lengths)) if extras < sections else tuple(itertools.accumulate(lengths[:-1]))


@rule_for(np.split)
def split(ary: TensorLike, indices_or_sections: Any, axis: AxisLike = 0) -> list[LazyTensor]:
    """Return parts between the given indices, or a given number of equal parts. See np.split."""
    if not np.ndim(indices_or_sections):
        length = handle_of(ary).shape[axis]
        if length % whole(indices_or_sections):
            raise ShapeError(
                f"array split does not result in an equal division: {length} elements in {indices_or_sections}"
                " sections; use array_split for sections of unequal length"
            )
    return array_split(ary, indices_or_sections, axis)


@rule_for(np.unstack)
def unstack(x: TensorLike, /, *, axis: AxisLike = 0) -> tuple[Any, ...]:
    """Return the parts of the tensor along an axis, without that axis. See np.unstack."""
    tensor = handle_of(x)
    if not tensor.ndim:
        raise ShapeError(
            "Input array must be at least 1-d.: unstack was given a tensor of rank 0; it has no axis to go along"
        )
    position = normalize_axis(axis, tensor.ndim)
    before = (slice(None),) * position
    return tuple(tensor[(*before, index)] for index in range(tensor.shape[position]))


def _split_along(function: str, ary: TensorLike, indices_or_sections: Any, axis: int, least: int) -> list[Any]:
    ndim = handle_of(ary).ndim
    if ndim < least:
        raise ShapeError(
            f"{function} only works on arrays of {least} or more dimensions: one of {ndim} was given; use split with an"
            " axis"
        )
    return split(ary, indices_or_sections, axis)


@rule_for(np.hsplit)
def hsplit(ary: TensorLike, indices_or_sections: Any) -> list[Any]:
    """Return the parts of the tensor along axis 1, or 0 for a vector. See np.hsplit."""
    return _split_along("hsplit", ary, indices_or_sections, 0 if handle_of(ary).ndim == 1 else 1, 1)


@rule_for(np.vsplit)
def vsplit(ary: TensorLike, indices_or_sections: Any) -> list[Any]:
    """Return the parts of the tensor along axis 0. See np.vsplit."""
    return _split_along("vsplit", ary, indices_or_sections, 0, 2)


@rule_for(np.dsplit)
def dsplit(ary: TensorLike, indices_or_sections: Any) -> list[Any]:
    """Return the parts of the tensor along axis 2. See np.dsplit."""
    return _split_along("dsplit", ary, indices_or_sections, 2, 3)
