"""What statistics that numpy computes at the call are differentiated as: masked averages, weighted covariances, histograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from composit.numpy.calls.expressions import Expressed, expressed
from composit.numpy.reductions.arguments import axes_of

# Any, everywhere here: tensors, their namespace, and numpy's arguments.
_absent: Any = np._NoValue


def _is_kept(keepdims: Any) -> bool:
    return keepdims is not _absent and bool(keepdims)


def _chosen(xp: Any, x: Any, where: Any, skips_nan: bool) -> Expressed:
    """Return a mask of the elements that count, in the shape of x."""
    mask = xp.broadcast_to(True if where is _absent else xp.asarray(where), x.shape)
    return mask & xp.logical_not(xp.isnan(x)) if skips_nan and x.dtype.kind in "fc" else mask


def _mean(skips_nan: bool) -> Expressed:
    def mean(
        xp: Any,
        results: Sequence[Any],
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        keepdims: Any = _absent,
        *,
        where: Any = _absent,
    ) -> Expressed:
        x = xp.asarray(a)
        mask = _chosen(xp, x, where, skips_nan)
        axes, kept = axes_of(axis, x.ndim), _is_kept(keepdims)
        total = xp.sum(xp.where(mask, x, 0), axis=axes, keepdims=kept, dtype=results[0].dtype)
        return total / xp.sum(mask, axis=axes, keepdims=kept)

    return mean


expressed(np.mean)(_mean(False))
expressed(np.nanmean)(_mean(True))


def _variance(skips_nan: bool, is_root: bool) -> Expressed:
    def variance(
        xp: Any,
        results: Sequence[Any],
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        ddof: Any = 0,
        keepdims: Any = _absent,
        *,
        where: Any = _absent,
        mean: Any = _absent,
        correction: Any = _absent,
    ) -> Expressed:
        x = xp.asarray(a)
        mask = _chosen(xp, x, where, skips_nan)
        axes, kept = axes_of(axis, x.ndim), _is_kept(keepdims)
        count = xp.sum(mask, axis=axes, keepdims=True)
        x = xp.where(mask, x, 0)
        if mean is _absent:
            mean = xp.sum(x, axis=axes, keepdims=True) / count
        # Elements that do not count are 0 before they are squared: the second derivative multiplies by them again.
        deviation = xp.where(mask, x - mean, 0)
        squares = deviation * deviation
        if deviation.dtype.kind == "c":
            squares = xp.square(xp.real(deviation)) + xp.square(xp.imag(deviation))
        rest = count - (ddof if correction is _absent else correction)
        total = xp.sum(squares, axis=axes, keepdims=True) / rest
        total = total if kept else xp.squeeze(total, axis=axes)
        return xp.sqrt(total) if is_root else total

    return variance


expressed(np.var)(_variance(False, False))
expressed(np.std)(_variance(False, True))
expressed(np.nanvar)(_variance(True, False))
expressed(np.nanstd)(_variance(True, True))


def _extremum(name: str, neutral: float) -> Expressed:
    def extremum(
        xp: Any,
        results: Sequence[Any],
        a: Any,
        axis: Any = None,
        keepdims: Any = _absent,
        initial: Any = _absent,
        where: Any = _absent,
    ) -> Expressed:
        x = xp.asarray(a)
        # All of them NaN: the result is one, and no element is chosen.
        chosen = xp.where(_chosen(xp, x, where, True), x, neutral if initial is _absent else initial)
        first = {} if initial is _absent else {"initial": initial}
        return getattr(xp, name)(chosen, axis=axis, keepdims=_is_kept(keepdims), **first)

    return extremum


expressed(np.nanmax)(_extremum("max", -np.inf))
expressed(np.nanmin)(_extremum("min", np.inf))


@expressed(np.cov)
def _cov(
    xp: Any,
    results: Sequence[Any],
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Expressed:
    rows = _variables(xp, m, rowvar)
    if y is not None:
        rows = xp.concatenate([rows, _variables(xp, y, rowvar)], axis=0)
    rows = rows if dtype is None else xp.astype(rows, dtype)
    lost = ddof if ddof is not None else int(not bias)
    given = [xp.asarray(each) for each in (fweights, aweights) if each is not None]
    if not given:
        weights, total = None, rows.shape[1]
    else:
        weights = given[0] * given[1] if len(given) == 2 else given[0]
        total = xp.sum(weights)
    mean = (xp.sum(rows if weights is None else rows * weights, axis=1) / total)[:, None]
    # As numpy counts: repetitions by their number, other weights by how evenly they are spread.
    is_even = aweights is None or not lost
    rest = total - lost if is_even else total - lost * xp.sum(weights * xp.asarray(aweights)) / total
    deviations = rows - mean
    weighted = deviations if weights is None else deviations * weights
    return xp.squeeze(xp.matmul(weighted, xp.conjugate(xp.transpose(deviations))) / rest)


def _variables(xp: Any, values: Any, rowvar: bool) -> Expressed:
    rows = xp.asarray(values)
    is_column = not rowvar and rows.ndim == 2 and rows.shape[0] != 1
    rows = xp.atleast_2d(rows)
    return xp.transpose(rows) if is_column else rows


@expressed(np.bincount)
def _bincount(xp: Any, results: Sequence[Any], x: Any, /, weights: Any = None, minlength: Any = 0) -> Expressed:
    return results[0] if weights is None else _sums_by_bin(xp, xp.asarray(x), weights, results[0].size)


def _sums_by_bin(xp: Any, numbers: Any, weights: Any, num_bins: int) -> Expressed:
    """Return for each bin the sum of the weights of the elements with its number."""
    weights = xp.asarray(weights)
    sums = xp.zeros(num_bins, weights.dtype if weights.dtype.kind in "fc" else float)
    xp.add.at(sums, xp.ravel(numbers), xp.ravel(weights))
    return sums


def _edges(xp: Any, results_edges: Any, values: Any, bins: Any, between: Any) -> Expressed:
    """Return the edges of bins along one axis: given, or evenly spaced between limits or between the extreme values."""
    if np.ndim(bins) == 1:
        return xp.asarray(bins)
    num_edges = results_edges.shape[0]
    if between is not None:
        low, high = between
    elif not values.size:
        low, high = 0.0, 1.0
    else:
        low, high = xp.min(values), xp.max(values)
    # numpy widens an interval that is a point by one half on either side.
    widened = xp.where(xp.asarray(low) == high, 0.5, 0.0)
    return xp.linspace(low - widened, high + widened, num_edges)


def _numbers_in(xp: Any, values: Any, edges: Any) -> Expressed:
    """Return the number of each value's bin; one more than the last for values outside. The last bin has both its edges."""
    count = edges.shape[0] - 1
    numbers = xp.searchsorted(edges, values, side="right") - 1
    numbers = xp.where(values == edges[-1], count - 1, numbers)
    return xp.where((numbers < 0) | (numbers >= count) | xp.isnan(values), count, numbers)


@expressed(np.histogram)
def _histogram(
    xp: Any,
    results: Sequence[Any],
    a: Any,
    bins: Any = 10,
    range: Any = None,
    density: Any = None,
    weights: Any = None,
) -> Expressed:
    heights, known_edges = results
    values = xp.ravel(xp.asarray(a))
    edges = _edges(xp, known_edges, values, bins, range)
    if weights is not None:
        numbers = _numbers_in(xp, values, known_edges)
        heights = _sums_by_bin(xp, numbers, weights, heights.size + 1)[:-1]
    elif density:
        heights = xp.histogram(values, known_edges)[0]
    return (heights / (xp.diff(edges) * xp.sum(heights)) if density else heights), edges


@expressed(np.histogram_bin_edges)
def _histogram_bin_edges(
    xp: Any, results: Sequence[Any], a: Any, bins: Any = 10, range: Any = None, weights: Any = None
) -> Expressed:
    return _edges(xp, results[0], xp.ravel(xp.asarray(a)), bins, range)


@expressed(np.histogramdd)
def _histogramdd(
    xp: Any,
    results: Sequence[Any],
    sample: Any,
    bins: Any = 10,
    range: Any = None,
    density: Any = None,
    weights: Any = None,
) -> Expressed:
    heights, *known_edges = results
    is_matrix = hasattr(sample, "ndim")
    points = xp.atleast_2d(sample if is_matrix else xp.transpose(xp.stack([xp.asarray(each) for each in sample])))
    points = xp.transpose(points) if is_matrix and sample.ndim == 1 else points
    num_axes = len(known_edges)
    columns = [points[:, axis] for axis in _upto(num_axes)]
    each_bins = bins if isinstance(bins, list | tuple) or np.ndim(bins) else (bins,) * num_axes
    limits = (None,) * num_axes if range is None else range
    edges = [_edges(xp, *given) for given in zip(known_edges, columns, each_bins, limits, strict=True)]
    if weights is not None or density:
        # One bin more along each axis takes what lies outside.
        shape = tuple(each.shape[0] for each in known_edges)
        numbers = [_numbers_in(xp, *pair) for pair in zip(columns, known_edges, strict=True)]
        flat = sum((number * stride for number, stride in zip(numbers, _strides(shape), strict=True)), start=0)
        one_each = xp.ones(points.shape[0]) if weights is None else weights
        sums = _sums_by_bin(xp, flat, one_each, int(np.prod(shape)))
        heights = xp.reshape(sums, shape)[tuple(slice(-1) for _ in shape)]
    if density:
        total = xp.sum(heights)
        for axis, each in enumerate(edges):
            heights = heights / xp.reshape(xp.diff(each), (-1,) + (1,) * (num_axes - 1 - axis))
        heights = heights / total
    return heights, *edges


def _upto(count: int) -> Sequence[int]:
    return tuple(np.arange(count).tolist())


def _strides(shape: tuple[int, ...]) -> list[int]:
    return [int(np.prod(shape[axis + 1 :])) for axis in _upto(len(shape))]


@expressed(np.histogram2d)
def _histogram2d(
    xp: Any,
    results: Sequence[Any],
    x: Any,
    y: Any,
    bins: Any = 10,
    range: Any = None,
    density: Any = None,
    weights: Any = None,
) -> Expressed:
    # A single vector of edges is for both axes.
    is_shared = np.ndim(bins) == 1 and len(bins) not in (1, 2)
    return _histogramdd(xp, results, [x, y], [bins, bins] if is_shared else bins, range, density, weights)
