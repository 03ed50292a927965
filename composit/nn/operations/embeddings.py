"""Rows of a table chosen by integers (embedding, embedding_bag), one_hot, and rotary_embedding of positions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import composit.numpy as cnp
from composit.apply import apply
from composit.derivative_types import Namespace
from composit.errors import ParameterError, ShapeError
from composit.nn.arguments import check_shape, floating, integral, one_of
from composit.nn.composition import Composition, Value
from composit.nn.distances import norm_along
from composit.nn.gradient_flow import stop_gradient
from composit.numpy.arguments.normalizing import TensorLike, handle_of
from composit.numpy.elementwise.casting import astype
from composit.numpy.indexing.advanced_indices import known_integers
from composit.numpy.indexing.taking import Take, TakeAdjoint
from composit.operation import Array, OperationKind, TensorType, VjpContext

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["embedding", "embedding_bag", "one_hot", "rotary_embedding"]


@dataclass(frozen=True, slots=True)
class PaddedRows(Composition):
    """Rows of a table at indices, one of which is padding: its row gets no gradient. Operands: table and indices.

    Derivative:  g added at the indices that are not the padding
    """

    padding: int
    kind = OperationKind.MOVEMENT
    raises_by_value = True

    def may_raise(self, operand_types: Sequence[TensorType], are_known: Sequence[bool]) -> bool:
        return not are_known[1]

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return Take(0, "raise").result_types(*operand_types)

    def compose(self, xp: Namespace, *operands: Value) -> Value:
        table, indices = operands
        return xp.take(table, indices, axis=0)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (table, indices) = context.xp, context.cotangents, context.operands
        is_padding = xp.expand_dims(indices == self.padding, -1)
        adjoint = TakeAdjoint(0, "raise", xp.shape(table))
        return [xp.apply(adjoint, xp.where(is_padding, 0, g), indices), None]


def embedding(
    indices: TensorLike,
    weight: TensorLike,
    *,
    padding_index: int | None = None,
    largest_norm: float | None = None,
    norm_order: float = 2.0,
) -> LazyTensor:
    """Return the rows of weight at the indices.

    padding_index: the row at this index gets no gradient
    largest_norm:  rows with a larger norm are scaled down to it; the scale counts as a constant

    Shapes:      (...), (rows, n) -> (..., n)
    Dtype:       that of weight
    Derivative:  by weight: g added at the indices, once for each time that one is there
    Raises:      DtypeError: the indices are no integers; ShapeError: weight is no matrix; OutOfBoundsError: there is no such row
    Reference:   torch.nn.functional.embedding
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(embedding([1, 0], [[1.0, 2.0], [3.0, 4.0]]))
        array([[3., 4.],
               [1., 2.]])
    """
    places, table = integral("embedding", indices, "indices"), _table("embedding", weight)
    if padding_index is None:
        rows = cnp.take(table, places, axis=0)
    else:
        rows = apply(PaddedRows(_row("embedding", padding_index, table.shape[0])), table, places)
    if largest_norm is not None:
        rows = rows * _scale("embedding", rows, largest_norm, norm_order)
    return rows


def _table(function: str, weight: TensorLike) -> LazyTensor:
    table = floating(function, weight, "weight")
    if table.ndim != 2:
        raise ShapeError(f"{function}: weight has shape {table.shape}; expected a matrix (rows, n); reshape it first")
    return table


def _row(function: str, index: int, count: int) -> int:
    if not -count <= index < count:
        raise ParameterError(f"{function}: padding_index={index} was given for {count} rows; expected one of them")
    return index % count


def _scale(function: str, rows: LazyTensor, largest: float, order: float) -> LazyTensor:
    lengths = norm_along(function, rows, order, (rows.ndim - 1,), True)
    # torch adds 1e-7 to the length that it divides by.
    scale: LazyTensor = stop_gradient(cnp.where(lengths > largest, largest / (lengths + 1e-7), 1))
    return scale


def embedding_bag(
    indices: TensorLike,
    weight: TensorLike,
    offsets: TensorLike | None = None,
    *,
    mode: str = "mean",
    weights_of_indices: TensorLike | None = None,
    padding_index: int | None = None,
    includes_last_offset: bool = False,
) -> LazyTensor:
    """Return the mean, the sum or the largest elements of rows of weight, bag by bag.

    offsets:              where each bag begins among the indices, which then have one axis; a bag may be empty, and gives 0
    mode:                 "mean", "sum" or "max"
    weights_of_indices:   multiply the rows; only for mode="sum"
    padding_index:        a row that does not count
    includes_last_offset: the last offset is the end of the last bag

    Shapes:      indices (bags, m), or (m,) with offsets (bags,); weight (rows, n) -> (bags, n)
    Dtype:       that of weight
    Derivative:  by weight and weights_of_indices; equal largest elements share it
    Raises:      ShapeError, DtypeError, ParameterError: arguments do not fit; OutOfBoundsError: there is no such row
    Reference:   torch.nn.functional.embedding_bag
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(embedding_bag([0, 1, 1], [[1.0], [3.0]], [0, 2], mode="sum"))
        array([[4.],
               [3.]])
    """
    name = "embedding_bag"
    reduce = one_of(name, "mode", mode, _MODES)
    places, table = integral(name, indices, "indices"), _table(name, weight)
    bags, count = _bags(name, places, offsets, includes_last_offset)
    if weights_of_indices is not None and mode != "sum":
        raise ParameterError(
            f"embedding_bag: weights_of_indices was given for mode={mode!r}; expected mode='sum'; multiply the rows first"
        )
    flat = cnp.reshape(places, (-1,))
    rows = cnp.take(table, flat, axis=0)
    counts = cnp.ones(flat.shape, bool) if padding_index is None else flat != _row(name, padding_index, table.shape[0])
    if weights_of_indices is not None:
        factors = floating(name, weights_of_indices, "weights_of_indices")
        check_shape(name, "weights_of_indices", factors, places.shape, "that of the indices")
        rows = rows * cnp.reshape(factors, (-1, 1))
    return reduce(rows, bags, counts, count)


def _bags(
    function: str, places: LazyTensor, offsets: TensorLike | None, includes_last_offset: bool
) -> tuple[LazyTensor, int]:
    """Return the number of the bag of each index, and how many bags there are."""
    if offsets is None:
        if places.ndim != 2:
            raise ShapeError(f"{function}: indices have shape {places.shape}; expected (bags, m), or (m,) with offsets")
        return handle_of(np.repeat(np.arange(places.shape[0]), places.shape[1])), places.shape[0]
    starts = integral(function, offsets, "offsets")
    if places.ndim != 1 or starts.ndim != 1:
        raise ShapeError(
            f"{function}: indices and offsets have shapes {places.shape} and {starts.shape}; expected (m,) and (bags,); reshape them first"
        )
    starts = starts[:-1] if includes_last_offset else starts
    known = known_integers(starts)
    positions = np.arange(places.shape[0])
    if known is not None:
        return handle_of(_bag_of(known, positions)), starts.shape[0]
    begun = cnp.expand_dims(positions, 1) >= cnp.expand_dims(starts, 0)
    return cnp.sum(begun, axis=1) - 1, starts.shape[0]


def _bag_of(starts: Array, positions: Array) -> Array:
    return np.searchsorted(starts, positions, side="right") - 1


def _sum_of_bags(rows: LazyTensor, bags: LazyTensor, counts: LazyTensor, count: int) -> LazyTensor:
    chosen = cnp.where(cnp.expand_dims(counts, 1), rows, 0)
    return apply(TakeAdjoint(0, "raise", (count, rows.shape[1])), chosen, bags)


def _mean_of_bags(rows: LazyTensor, bags: LazyTensor, counts: LazyTensor, count: int) -> LazyTensor:
    sizes = apply(TakeAdjoint(0, "raise", (count,)), counts.astype(rows.dtype), bags)
    return _sum_of_bags(rows, bags, counts, count) / cnp.expand_dims(cnp.maximum(sizes, 1), 1)


def _largest_of_bags(rows: LazyTensor, bags: LazyTensor, counts: LazyTensor, count: int) -> LazyTensor:
    if not rows.shape[0]:
        return cnp.zeros((count, rows.shape[1]), rows.dtype)
    # (bags, m): which row is in which bag. Large where there are many bags, but without a loop over them.
    is_inside = (cnp.expand_dims(bags, 0) == np.arange(count)[:, None]) & cnp.expand_dims(counts, 0)
    lowest = cnp.where(cnp.expand_dims(is_inside, 2), cnp.expand_dims(rows, 0), -np.inf)
    largest = cnp.max(lowest, axis=1)
    return cnp.where(cnp.any(is_inside, axis=1, keepdims=True), largest, 0)


_MODES: dict[str, Callable[[LazyTensor, LazyTensor, LazyTensor, int], LazyTensor]] = {
    "mean": _mean_of_bags,
    "sum": _sum_of_bags,
    "max": _largest_of_bags,
}


def one_hot(indices: TensorLike, num_classes: int | None = None, *, dtype: object = np.int64) -> LazyTensor:
    """Return 1 at the place of each index along a new last axis, 0 elsewhere; zeros for an index that is no class.

    num_classes: None reads the indices and takes the largest and one more

    Shapes:      (...) -> (..., num_classes)
    Dtype:       int64, or the dtype given
    Derivative:  none: the result does not depend on numbers that change
    Raises:      DtypeError: the indices are no integers; ParameterError: num_classes is negative
    Reference:   torch.nn.functional.one_hot
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(one_hot([0, 2], 3))
        array([[1, 0, 0],
               [0, 0, 1]])
    """
    places = integral("one_hot", indices, "indices")
    count = int(cnp.max(places, initial=-1)) + 1 if num_classes is None else num_classes
    if count < 0:
        raise ParameterError(f"one_hot: num_classes={count} was given; expected 0 or more")
    is_there: LazyTensor = cnp.expand_dims(places, -1) == np.arange(count)
    return astype(is_there, dtype)


def rotary_embedding(
    x: TensorLike, positions: TensorLike | None = None, *, base: float = 10_000.0, interleaved: bool = False
) -> LazyTensor:
    """Return x with pairs of its last axis rotated by position * base ** (-2 i / n), for the pairs i = 0 ... n / 2 - 1.

    positions:   None counts the axis before the last from 0
    interleaved: pairs are neighbours (0, 1), (2, 3), ...; else element i is paired with i + n / 2

    Shapes:      (..., length, n), positions (length,) or what broadcasts to (..., length) -> the shape of x
    Dtype:       that of x; integers become float64
    Derivative:  by x: g rotated back
    Raises:      ShapeError: n is odd, or positions do not fit
    Reference:   Su et al., RoFormer, 2021; halves are paired as in Llama
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(rotary_embedding([[1.0, 0.0], [1.0, 0.0]])).round(3)
        array([[1.   , 0.   ],
               [0.54 , 0.841]])
    """
    tensor = floating("rotary_embedding", x)
    if tensor.ndim < 2 or tensor.shape[-1] % 2:
        raise ShapeError(
            f"rotary_embedding: x has shape {tensor.shape}; expected (..., length, n) with an even n; reshape it first"
        )
    pairs = tensor.shape[-1] // 2
    places = handle_of(np.arange(tensor.shape[-2]) if positions is None else positions)
    if places.ndim > tensor.ndim - 1 or (places.ndim and places.shape[-1] not in (1, tensor.shape[-2])):
        raise ShapeError(
            f"rotary_embedding: positions have shape {places.shape} for x with shape {tensor.shape}; expected"
            f" ({tensor.shape[-2]},), one for each place along the axis before the last"
        )
    angles = cnp.expand_dims(places.astype(np.float64), -1) * (base ** (-np.arange(pairs) / max(pairs, 1)))
    cosines, sines = cnp.cos(angles).astype(tensor.dtype), cnp.sin(angles).astype(tensor.dtype)
    if interleaved:
        first, second = tensor[..., 0::2], tensor[..., 1::2]
        rotated = cnp.stack([first * cosines - second * sines, second * cosines + first * sines], axis=-1)
        return cnp.reshape(rotated, tensor.shape)
    first, second = tensor[..., :pairs], tensor[..., pairs:]
    return cnp.concatenate([first * cosines - second * sines, second * cosines + first * sines], axis=-1)
