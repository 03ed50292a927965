"""Windows of views, arrays with channels last, and the adjoint of windows: what convolution and pooling share.

Window p of an axis holds the elements s * p + d * k of x; so element q of x lies in the windows p for which q - d * k is a
multiple of s. All q with one remainder r by s have the same taps k, and their windows lie evenly apart: the adjoint
of windows is, for each remainder, a sum over windows of g, with a border of zeros around it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from itertools import product

import numpy as np

from mosaic.ir.expressions import Apply, Expression, literal, map_views
from mosaic.ir.views import Shape, View
from mosaic.lowering.registry import Context

Border = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Windows:
    """How windows lie along the spatial axes: their lengths, strides and dilation."""

    kernel: Shape
    strides: Shape
    dilation: Shape

    def split(self) -> tuple[Windows, Windows]:
        """Return the windows along all axes but the last, and those along the last."""
        fields = (self.kernel, self.strides, self.dilation)
        return Windows(*(each[:-1] for each in fields)), Windows(*(each[-1:] for each in fields))

    def of_axis(self, place: int) -> Windows:
        """Return the windows along one spatial axis."""
        fields = (self.kernel, self.strides, self.dilation)
        return Windows(*(each[place : place + 1] for each in fields))

    def along(self, x: View, axis: int) -> View:
        """Return the windows along one axis, wherever it is: the positions in its place, and the taps last."""
        return along_axis(self.over, x, axis)

    def over(self, x: View, start: int = 1) -> View:
        """Return x[..., lengths..., rest...], with spatial axes from `start` on, as [..., positions..., group, k..., c].

        Of the rest, the first axis comes before the taps, and the others after them.
        """
        rank = len(self.kernel)
        spatial = range(start, start + rank)
        lengths = [x.shape[axis] for axis in spatial]
        positions = [
            (length - apart * (taps - 1) - 1) // step + 1
            for length, taps, step, apart in zip(lengths, self.kernel, self.strides, self.dilation, strict=True)
        ]
        between = [x.strides[axis] * step for axis, step in zip(spatial, self.strides, strict=True)]
        within = [x.strides[axis] * apart for axis, apart in zip(spatial, self.dilation, strict=True)]
        after = start + rank + 1
        shape = (*x.shape[:start], *positions, *x.shape[start + rank : after], *self.kernel, *x.shape[after:])
        strides = (*x.strides[:start], *between, *x.strides[start + rank : after], *within, *x.strides[after:])
        return View(x.buffer, x.offset, shape, strides)


def along_axis(over: Callable[[View, int], View], x: View, axis: int) -> View:
    """Return windows along one axis, wherever it is: the positions in its place, and the taps last.

    over: gives those along the last axes, from one of them on
    """
    others = [other for other in range(x.ndim) if other != axis]
    seen = over(x.transpose((*others, axis)), x.ndim - 1)
    return seen.transpose((*range(axis), x.ndim - 1, *range(axis, x.ndim - 1), x.ndim))


@dataclass(frozen=True, slots=True)
class AxisPart:
    """The elements of one remainder along an axis: how many, their taps, and the windows of the bordered g that they lie in.

    taps:  the numbers of the taps, in the order of the windows of g
    start: the first element of g, in the border's count, of the first window
    step:  how far apart the taps' elements of g are
    """

    remainder: int
    stride: int
    count: int
    taps: range
    start: int
    step: int


@dataclass(frozen=True, slots=True)
class Part:
    """The elements of x with one remainder along each axis."""

    axes: tuple[AxisPart, ...]

    @property
    def is_empty(self) -> bool:
        """Whether no window has these elements."""
        return any(not axis.taps for axis in self.axes)

    @property
    def kernel(self) -> Shape:
        """How many taps there are along each axis."""
        return tuple(len(axis.taps) for axis in self.axes)

    def of_result(self, result: View, start: int) -> View:
        """Return these elements of an array whose spatial axes begin at `start`."""
        for place, axis in enumerate(self.axes, start=start):
            result = result.slice_axis(place, axis.remainder, axis.count, axis.stride)
        return result

    def of_filters(self, filters: View, start: int) -> View:
        """Return the taps of filters, in the order of the windows of g."""
        for place, axis in enumerate(self.axes, start=start):
            filters = filters.slice_axis(place, axis.taps.start, len(axis.taps), axis.taps.step)
        return filters

    def over(self, g: View, start: int = 1) -> View:
        """Return the windows of the bordered g, as `Windows.over` does."""
        for place, axis in enumerate(self.axes, start=start):
            g = g.slice_axis(place, axis.start, axis.count + axis.step * (len(axis.taps) - 1))
        ones = (1,) * len(self.axes)
        return Windows(self.kernel, ones, tuple(axis.step for axis in self.axes)).over(g, start)


@dataclass(frozen=True, slots=True)
class Adjoint:
    """The parts of x, and the border that g needs for all of them."""

    parts: tuple[Part, ...]
    border: Border


def adjoint_windows(windows: Windows, lengths: Shape, positions: Shape) -> Adjoint:
    """Return how the adjoint of windows is computed: x has these lengths, g these positions."""
    axes, border = [], []
    for taps, stride, dilation, length, count in zip(
        windows.kernel, windows.strides, windows.dilation, lengths, positions, strict=True
    ):
        parts = [_axis_part(taps, stride, dilation, length, r) for r in range(min(stride, length))]
        used = [part for part in parts if part.taps]
        before = max([0, *(-part.start for part in used)])
        last = [part.start + part.count - 1 + part.step * (len(part.taps) - 1) for part in used]
        border.append((before, max([0, *(place - (count - 1) for place in last)])))
        axes.append(
            [
                AxisPart(part.remainder, part.stride, part.count, part.taps, part.start + before, part.step)
                for part in parts
            ]
        )
    return Adjoint(tuple(Part(chosen) for chosen in product(*axes)), tuple(border))


def _axis_part(taps: int, stride: int, dilation: int, length: int, remainder: int) -> AxisPart:
    # d * k = r (mod s) has solutions if gcd(d, s) divides r; they lie s / gcd(d, s) apart.
    common = math.gcd(stride, dilation)
    chosen = range(0)
    for first in range(min(taps, stride // common)):
        if (dilation * first - remainder) % stride == 0:
            chosen = range(first, taps, stride // common)
    # q = s * j + r lies in window j + (r - d * k) / s. The last tap has the first window, so taps go backwards.
    chosen = chosen[::-1]
    start = (remainder - dilation * chosen[0]) // stride if chosen else 0
    return AxisPart(remainder, stride, -(-(length - remainder) // stride), chosen, start, dilation // common)


most_unrolled = 9
"""Windows of so few elements are added or compared in one expression: lanes along them would be mostly empty."""


def define_reduction(context: Context, result: View, reducer: str, expression: Expression, reduced: Shape) -> View:
    """Append a definition of the reduction over the last axes, term by term in one expression if there are few."""
    if math.prod(reduced) > most_unrolled or not result.size:
        return context.define(result, expression, reducer, reduced)
    terms = [_at_tap_of(expression, tap) for tap in np.ndindex(*reduced)]
    return context.define(result, reduce(lambda one, other: Apply(reducer, (one, other), result.dtype), terms))


def _at_tap_of(expression: Expression, tap: tuple[int, ...]) -> Expression:
    return map_views(expression, lambda view: at_tap(view, tap))


def at_tap(view: View, tap: tuple[int, ...]) -> View:
    """Return the elements at one place along the last axes."""
    start = view.ndim - len(tap)
    for axis, place in enumerate(tap, start=start):
        view = view.slice_axis(axis, place, 1)
    return view.drop_axes(range(start, view.ndim))


def channels_last(context: Context, x: View) -> View:
    """Return x[n, channels, lengths...] itself if its channels lie side by side, else copied so."""
    if x.strides[1] == 1 or x.shape[1] == 1 or not x.size:
        return x
    stored = context.memory.temporary((x.shape[0], *x.shape[2:], x.shape[1]), x.dtype)
    return context.copy(x, stored.transpose((0, x.ndim - 1, *range(1, x.ndim - 1))))


def with_border(context: Context, x: View, border: Border, is_first: bool = False) -> View:
    """Return x[n, channels, lengths...] with a border of zeros, its channels side by side, or if it `is_first` in their order."""
    if not any(map(any, border)) or not x.size:
        return x if is_first else channels_last(context, x)
    lengths = [length + sum(sides) for length, sides in zip(x.shape[2:], border, strict=True)]
    if is_first:
        whole = context.memory.temporary((*x.shape[:2], *lengths), x.dtype)
        context.copy(x, define_border(context, whole, ((0, 0), (0, 0), *border), literal(0, x.dtype)))
        return whole
    stored = context.memory.temporary((x.shape[0], *lengths, x.shape[1]), x.dtype)
    seen = stored.transpose((0, x.ndim - 1, *range(1, x.ndim - 1)))
    context.copy(x, define_border(context, seen, ((0, 0), (0, 0), *border), literal(0, x.dtype)))
    return seen


fewest_in_border = 4096
"""A whole array of so few elements is filled at once: its border takes a kernel for each axis."""


def define_border(context: Context, whole: View, widths: Border, value: Expression) -> View:
    """Append definitions of at least the border of an array; return what lies inside."""
    inside = whole
    sides: list[View] = []
    for axis, (before, after) in enumerate(widths):
        length = inside.shape[axis]
        if before and before == after <= length - after:
            # Both sides in one view: their distance is the stride of an axis before all others.
            apart, near = inside.strides[axis] * (length - after), inside.slice_axis(axis, 0, before)
            sides.append(View(near.buffer, near.offset, (2, *near.shape), (apart, *near.strides)))
        else:
            sides += [inside.slice_axis(axis, 0, before)] if before else []
            sides += [inside.slice_axis(axis, length - after, after)] if after else []
        inside = inside.slice_axis(axis, before, length - before - after)
    if whole.size <= fewest_in_border or whole.size > 2 * inside.size:
        sides = [whole]
    for side in sides:
        context.define(side, value)
    return inside
