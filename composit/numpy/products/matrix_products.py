"""Products of matrices and vectors: matmul, dot, inner, outer, vdot, tensordot, vecdot, matvec, vecmat.

einsum is in einsums.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from composit.apply import apply
from composit.errors import NoRuleError, ShapeError
from composit.numpy.arguments.normalizing import (
    TensorLike,
    as_tuple,
    broadcast_shapes,
    handle_of,
    loop_of,
    normalize_axis,
    promoted,
    spell_shape,
    whole,
)
from composit.numpy.calls.declarations import rule_for
from composit.numpy.calls.expressions import expressed
from composit.numpy.calls.ufuncs import generalized, generalized_functions
from composit.numpy.elementwise.casting import astype
from composit.numpy.elementwise.table import conjugate, multiply
from composit.numpy.manipulation.reshaping import expand_dims, moveaxis, ravel, reshape, transpose
from composit.numpy.products.expressions import over_axes
from composit.operation import Array, Operation, OperationKind, Results, Shape, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = [
    "dot",
    "inner",
    "matmul",
    "outer",
    "tensordot",
    "vdot",
    "vecdot",
]


@dataclass(frozen=True, slots=True)
class Matmul(Operation):
    """The matrix product, over leading axes that broadcast; a vector is a row on the left, a column on the right.

    Shapes:      (..., m, k) @ (..., k, n) -> (..., m, n)
    Dtype:       numpy promotion of both operands
    Derivative:  da = g @ swap(b), db = swap(a) @ g
    Raises:      ShapeError: the contracted lengths differ, or an operand is of rank 0
    Reference:   https://numpy.org/doc/stable/reference/generated/numpy.matmul.html
    """

    keeps_c_order = True
    kind = OperationKind.CONTRACTION

    @property
    def aliases(self) -> tuple[str, ...]:
        return ("linear",)

    @property
    def is_matrix_product(self) -> bool:
        return True

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return _matmul_types(*operand_types)

    def cost(self, operand_types: Sequence[TensorType], result_types: Sequence[TensorType]) -> int:
        # Each element of the result is a sum over the last axis of the first operand.
        return max(1, result_types[0].size * operand_types[0].shape[-1])

    def evaluate(self, *operands: Array) -> Results:
        return np.matmul(*operands)

    def evaluator(self) -> Callable[..., Results]:
        return np.matmul

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (a, b) = context.xp, context.cotangents, context.operands
        return [
            _left_cotangent(xp, g, a, b) if context.needs[0] else None,
            _right_cotangent(xp, g, a, b) if context.needs[1] else None,
        ]


def _left_cotangent(xp: Any, g: Any, a: Any, b: Any) -> Any:
    if xp.ndim(b) == 1:
        # (..., m, k) @ (k,) -> (..., m); for two vectors g is a scalar.
        return g * b if xp.ndim(a) == 1 else xp.expand_dims(g, -1) * b
    if xp.ndim(a) == 1:
        # (k,) @ (..., k, n) -> (..., n)
        return xp.squeeze(xp.matmul(b, xp.expand_dims(g, -1)), -1)
    return xp.matmul(g, xp.swapaxes(b, -1, -2))


def _right_cotangent(xp: Any, g: Any, a: Any, b: Any) -> Any:
    if xp.ndim(a) == 1:
        return g * a if xp.ndim(b) == 1 else xp.expand_dims(a, -1) * xp.expand_dims(g, -2)
    if xp.ndim(b) == 1:
        return xp.squeeze(xp.matmul(xp.swapaxes(a, -1, -2), xp.expand_dims(g, -1)), -1)
    if xp.ndim(b) == 2 and xp.ndim(a) > 2:
        # b had no batch axes, so its cotangent sums over them: multiply all rows at once instead.
        rows, columns = (-1, xp.shape(a)[-1]), (-1, xp.shape(g)[-1])
        if math.prod(xp.shape(a)) and math.prod(xp.shape(g)):
            return xp.matmul(xp.transpose(xp.reshape(a, rows)), xp.reshape(g, columns))
    return xp.matmul(xp.swapaxes(a, -1, -2), g)


@lru_cache(maxsize=4096)
def _matmul_types(a: TensorType, b: TensorType) -> tuple[TensorType]:
    shape = _matmul_shape(a.shape, b.shape)
    dtype = loop_of(np.matmul, a.dtype, b.dtype, None)[2]
    if dtype.hasobject:
        raise NoRuleError("matmul: products of objects are their own")
    return (tensor_type(shape, dtype, is_scalar=a.ndim == 1 and b.ndim == 1),)


_SIGNATURE = "(n?,k),(k,m?)->(n?,m?)"


def _matmul_shape(a: Shape, b: Shape) -> Shape:
    for index, shape in enumerate((a, b)):
        if not shape:
            raise ShapeError(
                f"matmul: Input operand {index} does not have enough dimensions (has 0, gufunc core with signature"
                f" {_SIGNATURE} requires 1): the shapes are {a} and {b}; use multiply, or * , for scalars"
            )
    rows, contracted = a[-2:-1], a[-1]
    other, columns = (b[0], ()) if len(b) == 1 else (b[-2], b[-1:])
    if contracted != other:
        raise ShapeError(
            f"matmul: Input operand 1 has a mismatch in its core dimension 0, with gufunc signature {_SIGNATURE} (size"
            f" {other} is different from {contracted}): the shapes are {a} and {b}; the last axis of the first must be"
            " as long as the last but one of the second"
        )
    leading = _leading_shape(a[:-2], b[:-2], rows + columns, (a, b))
    return leading + rows + columns


def _leading_shape(first: Shape, second: Shape, core: Shape, shapes: tuple[Shape, Shape]) -> Shape:
    if first == second or not second:
        return first
    try:
        return broadcast_shapes(first, second)
    except ValueError as error:
        remapped = " ".join(
            f"{spell_shape(shape)}->({','.join([*map(str, leading), 'newaxis', 'newaxis'])})"
            for shape, leading in zip(shapes, (first, second), strict=True)
        )
        raise ShapeError(
            f"operands could not be broadcast together with remapped shapes [original->remapped]: {remapped}  and"
            f" requested shape {spell_shape(core)}; the axes before the last two must be equal or 1, counted from the"
            " right"
        ) from error


_matmul = Matmul()


@generalized(np.matmul)
def matmul(x1: TensorLike, x2: TensorLike, /) -> LazyTensor:
    """Return the matrix product. See np.matmul."""
    return apply(_matmul, x1, x2)


@dataclass(frozen=True, slots=True)
class Dot(Operation):
    """Sums of products over the last axis of the first operand and one axis of the second: np.dot and np.inner.

    The result has the other axes of both: (2, 3) and (4, 3, 5) give (2, 4, 5), where Matmul would broadcast. numpy
    computes each sum separately, with other last bits than Matmul.

    axis:        the summed axis of the second operand: the last but one for np.dot, the last for np.inner; 0 if an
                 operand is a number, which multiplies all elements of the other
    Derivative:  g times the other operand, summed over the axes of g that came from the other operand
    Reference:   numpy.dot, numpy.inner
    """

    axis: int
    keeps_c_order = True
    kind = OperationKind.CONTRACTION

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        a, b = operand_types
        dtype = loop_of(np.matmul, a.dtype, b.dtype, None)[2]
        if dtype.hasobject:
            raise NoRuleError("dot: products of objects are their own")
        if not a.ndim or not b.ndim:
            return (tensor_type(a.shape + b.shape, dtype, is_scalar=a.ndim == b.ndim),)
        shape = a.shape[:-1] + b.shape[: self.axis] + b.shape[self.axis + 1 :]
        return (tensor_type(shape, dtype, is_scalar=not shape),)

    def cost(self, operand_types: Sequence[TensorType], result_types: Sequence[TensorType]) -> int:
        a, b = operand_types
        length = a.shape[-1] if a.ndim and b.ndim else 1
        return max(1, result_types[0].size * length)

    def evaluate(self, *operands: Array) -> Any:
        return (np.inner if self.axis == np.ndim(operands[1]) - 1 else np.dot)(*operands)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (a, b) = context.xp, context.cotangents, context.operands
        rows, columns = xp.ndim(a) - 1, xp.ndim(b) - 1
        if rows < 0 or columns < 0:
            return [g * b, g * a]
        left = right = None
        if context.needs[0]:
            others = tuple(axis for axis in range(columns + 1) if axis != self.axis)
            left = xp.tensordot(g, b, (tuple(range(rows, rows + columns)), others))
        if context.needs[1]:
            right = xp.moveaxis(xp.tensordot(a, g, (tuple(range(rows)), tuple(range(rows)))), 0, self.axis)
        return [left, right]


@rule_for(np.dot)
def dot(a: TensorLike, b: TensorLike) -> LazyTensor:
    """Return the sum of products over the last axis of a and the last but one of b. See np.dot."""
    x, y = handle_of(a), handle_of(b)
    if not x.ndim or not y.ndim:
        return apply(Dot(0), x, y)
    axis = max(y.ndim - 2, 0)
    if x.shape[-1] != y.shape[axis]:
        raise ShapeError(
            f"shapes {spell_shape(x.shape)} and {spell_shape(y.shape)} not aligned: {x.shape[-1]} (dim {x.ndim - 1}) !="
            f" {y.shape[axis]} (dim {axis}); dot sums over these two axes, which must be equally long"
        )
    return _product_of_matrices(x, y) if x.ndim <= 2 and y.ndim <= 2 else apply(Dot(axis), x, y)


def _product_of_matrices(x: Any, y: Any) -> LazyTensor:
    x, y = _with_common_dtype(x, y)
    if x.shape[-1] == 1 and (x.dtype.kind == "c" or 1 in (x.size, y.size)):
        # With one term np.dot multiplies without adding to 0, so complex results can differ in the last bit and -0.0
        # stays -0.0.
        return apply(Dot(max(y.ndim - 2, 0)), x, y)
    return matmul(x, y)


def _with_common_dtype(x: Any, y: Any) -> tuple[Any, Any]:
    # Unlike np.matmul, np.dot converts both operands before it multiplies, which may differ in the last bit.
    common = x.dtype if x.dtype == y.dtype else promoted(x.dtype, y.dtype)
    if common.kind not in "biufcO":
        raise NoRuleError(f"dot: elements of {common}, some of which np.dot multiplies and np.matmul does not")
    return astype(x, common) if x.dtype != common else x, astype(y, common) if y.dtype != common else y


def _strong(x: Any) -> LazyTensor:
    # np.dot converts its operands to arrays, so a Python scalar counts in the promotion with a full dtype.
    return x if x.type.weak is None else astype(x, x.dtype)


@rule_for(np.inner)
def inner(a: TensorLike, b: TensorLike, /) -> LazyTensor:
    """Return the sums of products over the last axes. See np.inner."""
    x, y = handle_of(a), handle_of(b)
    if not x.ndim or not y.ndim:
        return apply(Dot(0), x, y)
    if x.ndim > 2 or y.ndim > 2:
        if x.shape[-1] != y.shape[-1]:
            raise NoRuleError(f"inner: shapes {x.shape} and {y.shape}")
        return apply(Dot(y.ndim - 1), x, y)
    return dot(x, y if y.ndim == 1 else transpose(y))


@rule_for(np.outer)
def outer(a: TensorLike, b: TensorLike) -> LazyTensor:
    """Return the products of all pairs of elements. See np.outer."""
    x, y = (ravel(_strong(handle_of(value))) for value in (a, b))
    return multiply(expand_dims(x, 1), expand_dims(y, 0))


@rule_for(np.vdot)
def vdot(a: TensorLike, b: TensorLike, /) -> LazyTensor:
    """Return the sum of products of all elements, the first conjugated. See np.vdot."""
    x, y = ravel(_strong(handle_of(a))), ravel(_strong(handle_of(b)))
    if x.dtype.hasobject or y.dtype.hasobject:
        raise NoRuleError("vdot: products of objects are their own")
    x, y = _with_common_dtype(x, y)
    # Not dot, which keeps -0.0 of a single term: np.vdot always adds to 0.
    return matmul(conjugate(x) if x.dtype.kind == "c" else x, y)


@rule_for(np.tensordot)
def tensordot(a: TensorLike, b: TensorLike, axes: Any = 2) -> LazyTensor:
    """Return the sums of products over pairs of axes. See np.tensordot."""
    x, y = _strong(handle_of(a)), _strong(handle_of(b))
    first, second = _contracted_axes(axes, x, y)
    lengths = tuple(x.shape[axis] for axis in first)
    if lengths != tuple(y.shape[axis] for axis in second):
        raise ShapeError(
            f"shape-mismatch for sum: tensordot over axes {first} of shape {x.shape} and {second} of shape {y.shape};"
            " the lengths must be equal, pair by pair"
        )
    kept_first = tuple(axis for axis in range(x.ndim) if axis not in first)
    kept_second = tuple(axis for axis in range(y.ndim) if axis not in second)
    rows = tuple(x.shape[axis] for axis in kept_first)
    columns = tuple(y.shape[axis] for axis in kept_second)
    contracted = math.prod(lengths)
    left = reshape(transpose(x, kept_first + first), (math.prod(rows), contracted))
    right = reshape(transpose(y, second + kept_second), (contracted, math.prod(columns)))
    return reshape(_product_of_matrices(left, right), rows + columns)


def _contracted_axes(axes: Any, x: Any, y: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if isinstance(axes, Iterable) and getattr(axes, "ndim", None) != 0:
        given = [as_tuple(part) for part in axes]
        if len(given) != 2 or len(given[0]) != len(given[1]):
            raise ShapeError(
                f"shape-mismatch for sum: tensordot was given axes {axes!r}; expected one sequence for each operand,"
                " equally long"
            )
    else:
        number = whole(axes)
        given = [tuple(range(-number, 0)), tuple(range(number))]
    first = tuple(normalize_axis(axis, x.ndim) for axis in given[0])
    second = tuple(normalize_axis(axis, y.ndim) for axis in given[1])
    return first, second


@dataclass(frozen=True, slots=True)
class VectorProduct(Operation):
    """np.vecdot (vectors times vectors), np.matvec (matrices times vectors) or np.vecmat (vectors times matrices).

    vecdot and vecmat conjugate the first operand.

    Derivative:  for conj(a) b: conj(g b) for a and g conj(a) for b, along the same axes; matvec without conjugation
    Reference:   numpy.vecdot, numpy.matvec, numpy.vecmat
    """

    function: Literal["vecdot", "matvec", "vecmat"]
    keeps_c_order = True
    kind = OperationKind.CONTRACTION

    @property
    def name(self) -> str:
        return self.function

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        a, b = operand_types
        ufunc, (first, second) = _VECTOR_PRODUCTS[self.function]
        dtype = loop_of(ufunc, a.dtype, b.dtype, None)[2]
        fits = a.ndim >= first and b.ndim >= second and a.shape[-1] == b.shape[-second]
        if dtype.hasobject or not fits:
            raise NoRuleError(f"{self.function}: no rule for {a} and {b}")
        leading = broadcast_shapes(a.shape[: a.ndim - first], b.shape[: b.ndim - second])
        shape = leading + a.shape[a.ndim - first : -1] + b.shape[b.ndim - second + 1 :]
        return (tensor_type(shape, dtype, is_scalar=not shape),)

    def cost(self, operand_types: Sequence[TensorType], result_types: Sequence[TensorType]) -> int:
        return max(1, result_types[0].size * operand_types[0].shape[-1])

    def evaluate(self, *operands: Array) -> Results:
        return self.evaluator()(*operands)

    def evaluator(self) -> Callable[..., Results]:
        return _VECTOR_PRODUCTS[self.function][0]

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (a, b) = context.xp, context.cotangents, context.operands
        if self.function == "vecdot":
            column = xp.expand_dims(g, -1)
            return [_conjugated(xp, column * b), column * _conjugated(xp, a)]
        if self.function == "matvec":
            return [xp.expand_dims(g, -1) * xp.expand_dims(b, -2), xp.matvec(xp.swapaxes(a, -1, -2), g)]
        return [_conjugated(xp, xp.matvec(b, g)), xp.expand_dims(_conjugated(xp, a), -1) * xp.expand_dims(g, -2)]


def _conjugated(xp: Any, x: Any) -> Any:
    return xp.conjugate(x) if x.dtype.kind == "c" else x


# numpy's function, and the number of core axes of each operand.
_VECTOR_PRODUCTS: dict[str, tuple[np.ufunc, tuple[int, int]]] = {"vecdot": (np.vecdot, (1, 1))}


@generalized(np.vecdot)
def vecdot(x1: TensorLike, x2: TensorLike, /, *, axis: int = -1) -> LazyTensor:
    """Return the dot products of vectors along an axis, the first conjugated. See np.vecdot."""
    x, y = (handle_of(value) for value in (x1, x2))
    if axis != -1:
        x, y = (moveaxis(value, normalize_axis(axis, value.ndim), -1) for value in (x, y))
    return apply(VectorProduct("vecdot"), x, y)


if hasattr(np, "matvec"):  # numpy has the two since 2.2
    _VECTOR_PRODUCTS |= {"matvec": (np.matvec, (2, 1)), "vecmat": (np.vecmat, (1, 2))}
    __all__ += ["matvec", "vecmat"]

    @generalized(np.matvec)
    def matvec(x1: TensorLike, x2: TensorLike, /) -> LazyTensor:
        """Return matrices applied to vectors. See np.matvec."""
        return apply(VectorProduct("matvec"), x1, x2)

    @generalized(np.vecmat)
    def vecmat(x1: TensorLike, x2: TensorLike, /) -> LazyTensor:
        """Return vectors, conjugated, times matrices. See np.vecmat."""
        return apply(VectorProduct("vecmat"), x1, x2)


for _function in generalized_functions():
    expressed(_function.ufunc)(over_axes(_function.ufunc))
