"""Kernel sizes, strides and padding of convolutions and pooling: their forms, resulting lengths, and windows of arrays.

A spatial axis of length n, padded, has (n - d * (k - 1) - 1) // s + 1 positions of a kernel of k taps that stand d apart, s from
one position to the next.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from composit.errors import ParameterError, ShapeError
from composit.operation import Array, Shape

PerAxis: TypeAlias = int | Sequence[int]
Sides: TypeAlias = tuple[tuple[int, int], ...]
Padding: TypeAlias = int | str | Sequence[int] | Sequence[tuple[int, int]]


def per_axis(function: str, name: str, value: Any, rank: int, least: int = 1) -> Shape:  # Any: checked here
    """Return one integer for each spatial axis, from a number for all axes or a sequence of one for each.

    Raises:  ParameterError: other forms, or integers below `least`
    """
    try:
        numbers = tuple(map(operator.index, value)) if np.ndim(value) else (operator.index(value),)
    except TypeError as error:
        raise _wrong_parameter(function, name, value, rank, least) from error
    if len(numbers) == 1:
        numbers *= rank
    if len(numbers) != rank or min(numbers, default=least) < least:
        raise _wrong_parameter(function, name, value, rank, least)
    return numbers


def _wrong_parameter(function: str, name: str, value: object, rank: int, least: int) -> ParameterError:
    return ParameterError(
        f"{function}: {name}={value!r} was given for {rank} spatial axes; expected an integer of at least {least}, or one for each"
        f" axis; pass for example {name}={least if rank == 1 else (least,) * rank}"
    )


def effective_lengths(kernel: Shape, dilation: Shape) -> Shape:
    """Return the elements that a kernel spans along each axis."""
    return tuple(step * (taps - 1) + 1 for taps, step in zip(kernel, dilation, strict=True))


def output_lengths(lengths: Shape, kernel: Shape, strides: Shape, dilation: Shape) -> Shape:
    """Return the number of positions along each padded axis; 0 or less where the kernel is longer than the axis."""
    spans = effective_lengths(kernel, dilation)
    return tuple((length - span) // step + 1 for length, span, step in zip(lengths, spans, strides, strict=True))


def padding_sides(
    function: str, padding: Padding, lengths: Shape, kernel: Shape, strides: Shape, dilation: Shape
) -> Sides:
    """Return (before, after) for each spatial axis.

    "same" pads so that there are ceil(length / stride) positions, with the odd element after; "valid" does not pad.

    Raises:  ParameterError: another word or form, or a negative number
    """
    rank = len(kernel)
    if padding == "valid":
        return ((0, 0),) * rank
    if padding == "same":
        spans = effective_lengths(kernel, dilation)
        missing = [
            max((-(-length // step) - 1) * step + span - length, 0)
            for length, span, step in zip(lengths, spans, strides, strict=True)
        ]
        return tuple((total // 2, total - total // 2) for total in missing)
    if not isinstance(padding, str) and np.ndim(padding) == 2:
        pairs = [per_axis(function, "padding", pair, 2, least=0) for pair in padding]  # type: ignore[union-attr]
        if len(pairs) == rank:
            return tuple((before, after) for before, after in pairs)
    if isinstance(padding, str) or np.ndim(padding) > 1:
        raise ParameterError(
            f"{function}: padding={padding!r} was given for {rank} spatial axes; expected a number, one or a pair (before, after) for each"
            ' axis, "same" or "valid"; pass padding=0 for none'
        )
    return tuple((width, width) for width in per_axis(function, "padding", padding, rank, least=0))


def check_kernel_fits(function: str, kernel: Shape, dilation: Shape, lengths: Shape, sides: Sides) -> None:
    """Raise a ShapeError if the kernel is longer than a padded axis."""
    padded = tuple(length + sum(side) for length, side in zip(lengths, sides, strict=True))
    spans = effective_lengths(kernel, dilation)
    if any(span > length for span, length in zip(spans, padded, strict=True)):
        spread = f", which span {spans} with dilation {dilation}" if spans != kernel else ""
        raise ShapeError(
            f"{function}: kernels of {kernel} elements{spread} slide over x with spatial lengths {lengths}, {padded} when padded; expected"
            " kernels that are not longer than x; pass more padding or a smaller kernel"
        )


def windows(array: Array, kernel: Shape, strides: Shape, dilation: Shape) -> Array:
    """Return a view of all windows along the last axes, which writes to the array.

    Shapes:  (..., *lengths) -> (..., *kernel, *positions)
    """
    rank = len(kernel)
    start = array.ndim - rank
    positions = output_lengths(array.shape[start:], kernel, strides, dilation)
    steps = array.strides[start:]
    shape = (*array.shape[:start], *kernel, *positions)
    within = tuple(step * apart for step, apart in zip(steps, dilation, strict=True))
    between = tuple(step * apart for step, apart in zip(steps, strides, strict=True))
    return np.lib.stride_tricks.as_strided(array, shape, (*array.strides[:start], *within, *between))
