"""`scan`: a loop over time as one node, with a derivative of every order."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any, SupportsIndex

import composit.numpy as cnp
from composit.apply import apply
from composit.errors import OperandError, ParameterError, ShapeError
from composit.nn.scans.forms import leaves_of, paths_of, with_tensors
from composit.nn.scans.scan_operation import Scan
from composit.nn.scans.tracing import StepFunction, traced
from composit.nn.transforms import Container
from composit.numpy.arguments.normalizing import spell_shape
from composit.operation import TensorType, tensor_type

__all__ = ["scan"]


def scan(
    f: StepFunction,
    init: Container,
    xs: Container = None,
    *,
    length: SupportsIndex | None = None,
    reverse: bool = False,
    axis: SupportsIndex = 0,
) -> tuple[Container, Container]:
    """Return the last carry of a loop and what its steps gave, stacked: carry, y = f(carry, x) for each x along an axis of xs.

    Carry, xs and y are arrays, numbers, and containers of these; y may be None. f is called once, on placeholders, and its graph
    is the step of every turn; so neither the graph nor the C grows with the length. Tensors from outside that f uses count
    as operands, derivatives included. What it computes of these alone is computed once, and so is a draw of random numbers.

    length:  the number of steps; needed if there are no xs, else that of their axis
    reverse: from the last x to the first; y is stacked in the order of the x
    axis:    of each array in xs, and of what is stacked

    Shapes:      carry keeps its shapes and dtypes; a y of shape (n,) gives (length, n)
    Derivative:  backwards in time by a scan of its own, so of every order
    Raises:      ShapeError, DtypeError, OperandError: f changes the form of the carry; lengths differ; TracingError: f reads a value
    Reference:   jax.lax.scan
    Example:
        >>> import composit.numpy as cnp
        >>> total, sums = scan(lambda total, x: (total + x, total + x), 0.0, cnp.asarray([1.0, 2.0, 3.0]))
        >>> cnp.evaluate(total, sums)
        (np.float64(6.0), array([1., 3., 6.]))
    """
    form = with_tensors(xs)
    arrays, _ = leaves_of(form)
    place = index(axis)
    moved = [_with_first(each, place, name) for each, name in zip(arrays, paths_of(form, "xs"), strict=True)]
    count = _length(moved, length)
    types = [_slice_type(each.type) for each in moved]
    step = traced(f, init, form, types)
    operation = Scan(step.made.body, count, len(step.made.along), len(step.stacked_types), bool(reverse))
    along = [moved[number] for number in step.made.along]
    results: Any = apply(operation, *step.init, *along, *step.captured)
    several = results if isinstance(results, tuple) else (results,)
    first, last = operation.body.num_carried, operation.num_shown
    stacked = [each if place == 0 else cnp.moveaxis(each, 0, place) for each in several[first:last]]
    return step.fill_carry(several[:first]), step.fill_stacked(stacked)


def _with_first(array: Any, axis: int, name: str) -> Any:
    if not -array.ndim <= axis < array.ndim:
        raise ShapeError(
            f"scan: axis={axis} was given, and {name} has shape {spell_shape(array.shape)}; expected arrays that have this axis, along"
            " which scan runs; capture what is the same in each step, or stack it first"
        )
    return array if axis == 0 else cnp.moveaxis(array, axis, 0)


def _length(arrays: Sequence[Any], length: SupportsIndex | None) -> int:
    lengths = list(dict.fromkeys(each.shape[0] for each in arrays))
    if length is not None:
        lengths = list(dict.fromkeys([index(length), *lengths]))
    if not lengths:
        raise OperandError(
            f"scan: no xs with arrays and length={length!r} were given; expected one of them; pass length= to repeat a step"
        )
    if len(lengths) > 1:
        raise ShapeError(
            f"scan: the lengths {', '.join(map(str, lengths))} were given, by {'length= and ' if length is not None else ''}xs; expected"
            " one length; cut the arrays to the same one"
        )
    if lengths[0] < 0:
        raise ParameterError(f"scan: length={length!r} was given; expected 0 or more; pass how many steps to run")
    return int(lengths[0])


def _slice_type(own: TensorType) -> TensorType:
    shape = own.shape[1:]
    return tensor_type(shape, own.dtype, is_scalar=not shape)
