"""`scatter_reduce`: elements combined into places that indices choose along an axis, by sum, product, mean or extremum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import composit.numpy as cnp
from composit.apply import apply
from composit.errors import ShapeError
from composit.nn.arguments import integral, one_of
from composit.nn.operations.choosing import scatter, scatter_add
from composit.numpy.arguments.normalizing import AxisLike, TensorLike, handle_of, normalize_axis
from composit.numpy.indexing.taking import TakeAlongAxisAdjoint
from composit.operation import Array, Operation, OperationKind, TensorType, VjpContext

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["scatter_reduce"]

_FUNCTIONS: dict[str, np.ufunc] = {"prod": np.multiply, "amax": np.maximum, "amin": np.minimum}


@dataclass(frozen=True, slots=True)
class ScatterReduce(Operation):
    """x with elements of the source combined into it: for axis 0, result[indices[i, j], j] = f(that, source[i, j]).

    Operands: x, integers, and a source of the shape of the integers, which are no longer than x along other axes.

    reduction:   "prod", "amax" or "amin"
    Derivative:  of a product, by each factor the product of the others; of an extremum, g shared by the elements equal to it
    Reference:   torch.scatter_reduce
    """

    axis: int
    reduction: str
    kind = OperationKind.MOVEMENT

    @property
    def name(self) -> str:
        return f"scatter_{self.reduction}"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (operand_types[0],)

    def evaluate(self, *operands: Array) -> Array:
        x, places, source = operands
        result = np.array(x)
        grid: list[Array] = list(np.ogrid[tuple(slice(length) for length in places.shape)])
        grid[self.axis] = places
        _FUNCTIONS[self.reduction].at(result, tuple(grid), source)
        return result

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (x, places, source), (y,) = context.xp, context.cotangents, context.operands, context.results
        if self.reduction == "prod":
            return self._of_product(xp, g, x, places, source)
        is_in_x = (x == y) * xp.ones((), x.dtype)
        is_in_source = (source == self._gathered(xp, y, places)) * xp.ones((), x.dtype)
        share = g / self._sum(xp, is_in_x, places, is_in_source)
        return [share * is_in_x, None, self._gathered(xp, share, places) * is_in_source]

    def _of_product(self, xp: Any, g: Any, x: Any, places: Any, source: Any) -> Sequence[Any]:
        """Divide the product by each factor; where factors are 0, the product of the others counts the zeros.

        Where one other factor is 0, that factor stands in the product, so that the second derivative sees it.
        """
        ones = xp.where(x == 0, 1, x), xp.where(source == 0, 1, source)
        zeros = (x == 0) * xp.ones((), x.dtype), (source == 0) * xp.ones((), x.dtype)
        values = xp.where(x == 0, x, 0), xp.where(source == 0, source, 0)
        rest = xp.apply(self, ones[0], places, ones[1])  # the product without zeros
        count = self._sum(xp, zeros[0], places, zeros[1])
        total = self._sum(xp, values[0], places, values[1])
        of_x = _of_others(xp, rest / ones[0], count - zeros[0], total - values[0])
        gathered = [self._gathered(xp, each, places) for each in (rest, count, total)]
        of_source = _of_others(xp, gathered[0] / ones[1], gathered[1] - zeros[1], gathered[2] - values[1])
        return [g * of_x, None, self._gathered(xp, g, places) * of_source]

    def _gathered(self, xp: Any, x: Any, places: Any) -> Any:
        shape = xp.shape(places)
        cut = tuple([slice(None) if axis == self.axis else slice(length) for axis, length in enumerate(shape)])
        return xp.take_along_axis(x[cut], places, self.axis)

    def _sum(self, xp: Any, x: Any, places: Any, source: Any) -> Any:
        """Return x with the source added at the places."""
        shape, full = xp.shape(places), xp.shape(x)
        reached = (*shape[: self.axis], full[self.axis], *shape[self.axis + 1 :])
        added = xp.apply(TakeAlongAxisAdjoint(self.axis, reached), source, places)
        missing = [(0, long - short) for long, short in zip(full, reached, strict=True)]
        return x + (xp.pad(added, missing) if any(sum(pair) for pair in missing) else added)


def _of_others(xp: Any, rest: Any, num_zeros: Any, zero: Any) -> Any:
    """Return the product of some factors.

    rest: the product of the factors that are not 0
    num_zeros: how many others there are
    zero: the sum of these: a single one is its own sum, and derivatives by it come from here
    """
    return xp.where(num_zeros == 0, rest, xp.where(num_zeros == 1, zero * rest, 0))


def scatter_reduce(
    x: TensorLike,
    indices: TensorLike,
    source: TensorLike,
    axis: AxisLike,
    *,
    reduction: str,
    includes_self: bool = True,
) -> LazyTensor:
    """Return x with elements of the source combined into it along an axis, at the indices.

    reduction:     "sum", "prod", "mean", "amax" or "amin"
    includes_self: whether elements of x count among those that an index brings to their place, or are replaced by them

    Shapes:      indices are no longer than x along other axes, and than the source along all -> the shape of x
    Dtype:       that of x; means of integers are rounded down
    Derivative:  by x and source
    Raises:      ShapeError: shapes do not fit; DtypeError; ParameterError: another reduction; AxisError
    Reference:   torch.scatter_reduce
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(scatter_reduce([1.0, 2.0], [0, 0, 1], [10.0, 20.0, 30.0], 0, reduction="amax"))
        array([20., 30.])
    """
    tensor, places = handle_of(x), integral("scatter_reduce", indices, "indices")
    position = normalize_axis(axis, tensor.ndim)
    combine = one_of("scatter_reduce", "reduction", reduction, _REDUCTIONS)
    given = handle_of(source)
    if given.ndim != places.ndim or any(one > other for one, other in zip(places.shape, given.shape, strict=True)):
        raise ShapeError(
            f"scatter_reduce: source has shape {given.shape} for indices with shape {places.shape}; expected at least as many"
            " elements along each axis; broadcast_to it first"
        )
    part: LazyTensor = given[tuple(slice(length) for length in places.shape)].astype(tensor.dtype)
    base = tensor if includes_self else scatter(tensor, places, _neutral(reduction, tensor), position)
    return combine(base, places, part, position, reduction, includes_self)


def _neutral(reduction: str, x: LazyTensor) -> Any:
    """Return the number that changes nothing when it is combined."""
    if reduction in ("sum", "mean"):
        return x.dtype.type(0)
    if reduction == "prod":
        return x.dtype.type(1)
    is_maximum = reduction == "amax"
    if x.dtype.kind == "f":
        return x.dtype.type(-np.inf if is_maximum else np.inf)
    limits = np.iinfo(x.dtype)
    return x.dtype.type(limits.min if is_maximum else limits.max)


def _sum(x: LazyTensor, places: LazyTensor, source: LazyTensor, axis: int, *how: Any) -> LazyTensor:
    return scatter_add(x, places, source, axis)


def _mean(
    x: LazyTensor, places: LazyTensor, source: LazyTensor, axis: int, reduction: str, includes_self: bool
) -> LazyTensor:
    total = scatter_add(x, places, source, axis)
    ones = cnp.ones(places.shape, np.int64)
    start = cnp.ones(x.shape, np.int64) if includes_self else cnp.zeros(x.shape, np.int64)
    count = cnp.maximum(scatter_add(start, places, ones, axis), 1)
    if x.dtype.kind in "iu":
        return cnp.astype(cnp.floor_divide(total, count), x.dtype)
    return cnp.divide(total, cnp.astype(count, x.dtype))


def _by_function(
    x: LazyTensor, places: LazyTensor, source: LazyTensor, axis: int, reduction: str, includes_self: bool
) -> LazyTensor:
    return apply(ScatterReduce(axis, reduction), x, places, source)


_REDUCTIONS = {"sum": _sum, "mean": _mean, "prod": _by_function, "amax": _by_function, "amin": _by_function}
