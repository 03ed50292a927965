"""Quantiles as an expression of sorted elements, from which their derivatives come: s[i] + w (s[i + 1] - s[i]) by rank.

Source: R. J. Hyndman and Y. Fan, Sample Quantiles in Statistical Packages (1996), for the ranks and weights of the methods.
At a rank that is an integer, a kink, the weight changes as it does for higher ranks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from composit.numpy.calls.expressions import Expressed
from composit.numpy.reductions.arguments import reduced_shape
from composit.numpy.reductions.running import merged_last
from composit.operation import Axes


@dataclass(frozen=True, slots=True)
class Choice:
    """Which elements are sorted together, whether NaN are left out, and whether the result keeps the axes."""

    axes: Axes
    keepdims: bool
    skips_nan: bool


# Any, everywhere here: tensors, and their namespace.
Rank = Callable[[Any, Any, Any], Any]


def _between(alpha: float, beta: float) -> Rank:
    return lambda xp, n, q: n * q + (alpha + q * (1 - alpha - beta)) - 1


def _averaged(xp: Any, n: Any, q: Any) -> Expressed:
    rank = n * q - 1
    below = xp.floor(rank)
    return below + xp.where(rank == below, 0.5, 1)


def _closest(xp: Any, n: Any, q: Any) -> Expressed:
    rank = n * q - 1.5
    below = xp.floor(rank)
    return xp.where((rank == below) & (below % 2 == 1), below, below + 1)


def _middle(xp: Any, n: Any, q: Any) -> Expressed:
    return 0.5 * (xp.floor((n - 1) * q) + xp.ceil((n - 1) * q))


# For each of numpy's methods, the fractional rank of quantile q among n elements.
_RANKS: Mapping[str, Rank] = {
    "inverted_cdf": lambda xp, n, q: xp.ceil(n * q - 1),
    "averaged_inverted_cdf": _averaged,
    "closest_observation": _closest,
    "interpolated_inverted_cdf": _between(0, 1),
    "hazen": _between(0.5, 0.5),
    "weibull": _between(0, 0),
    "linear": lambda xp, n, q: (n - 1) * q,
    "median_unbiased": _between(1 / 3, 1 / 3),
    "normal_unbiased": _between(3 / 8, 3 / 8),
    "lower": lambda xp, n, q: xp.floor((n - 1) * q),
    "higher": lambda xp, n, q: xp.ceil((n - 1) * q),
    "midpoint": _middle,
    "nearest": lambda xp, n, q: xp.rint((n - 1) * q),
}


def quantiles_by_sorting(xp: Any, x: Any, q: Any, method: str, choice: Choice) -> Expressed:
    """Return the quantiles of x along axes; those of each q come first in the shape."""
    rows = xp.sort(merged_last(x, choice.axes), axis=-1)
    # q with one axis for each of the rows, so that it broadcasts against their counts.
    count = _counts(xp, rows, choice)
    shape = xp.shape(q)
    q = xp.reshape(q, (math.prod(shape),) + (1,) * (rows.ndim - 1))
    last = xp.maximum(count - 1, 0)
    rank = _RANKS[method](xp, count, q)
    # Not clip, whose derivative at a border is half.
    rank = xp.where(rank < 0, 0, xp.where(rank > last, last, rank))
    below = xp.minimum(xp.floor(rank), xp.maximum(last - 1, 0))
    low, high = _at(xp, rows, below), _at(xp, rows, xp.minimum(below + 1, last))
    result = low + (high - low) * (rank - below)
    if not choice.skips_nan:
        # NaN are sorted to the end, and one makes the result NaN.
        result = xp.where(xp.isnan(rows[..., -1]), rows[..., -1], result)
    return xp.reshape(result, (*shape, *reduced_shape(x.shape, choice.axes, choice.keepdims)))


def _counts(xp: Any, rows: Any, choice: Choice) -> Expressed:
    if not choice.skips_nan:
        return rows.shape[-1]
    return xp.sum(xp.logical_not(xp.isnan(rows)), axis=-1)


def _at(xp: Any, rows: Any, ranks: Any) -> Expressed:
    """Return for each rank (q, ...) the elements of the rows (..., n) there."""
    ranks = xp.broadcast_to(ranks, (ranks.shape[0], *rows.shape[:-1]))
    places = xp.moveaxis(xp.astype(ranks, "int64"), 0, -1)
    return xp.moveaxis(xp.take_along_axis(rows, places, axis=-1), -1, 0)


def chosen_elements(xp: Any, x: Any, result: Any, num_leading: int, choice: Choice) -> Expressed:
    """Return the elements of x along axes that equal the result, whose first axes belong to different choices."""
    rows = merged_last(x, choice.axes)
    wanted = xp.reshape(result, (-1, *rows.shape[:-1]))
    order = xp.argsort(rows, axis=-1, kind="stable")
    # The number of smaller elements is the rank of the first one that is equal.
    ranks = xp.sum(rows < xp.expand_dims(wanted, -1), axis=-1)
    found = _at(xp, xp.take_along_axis(rows, order, axis=-1), ranks)
    return xp.reshape(found, result.shape)
