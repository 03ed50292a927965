"""`ufunc.at` of functions other than add and subtract: elements replaced by a function of them, once per time they are chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from composit.guards import read_value
from composit.numpy.calls.expressions import pulled_back
from composit.numpy.elementwise.functions import ElementwiseFunction
from composit.numpy.reductions.running import AccumulateRuns
from composit.numpy.views.writes import ARRAY, Assign, Index, Write
from composit.operation import Array, Operation, VjpContext


@dataclass(frozen=True, slots=True)
class FunctionAt(Write):
    """The first operand with chosen elements y replaced by f(y, value), one time after the other; f(y) if f has one operand.

    Derivative:  that of the running results of each element. The indices are read
    Reference:   numpy.ufunc.at
    """

    function: ElementwiseFunction
    steps: tuple[Operation, ...]
    index: Index

    @property
    def name(self) -> str:
        return f"{self.function.name}.at"

    def write(self, part: Array, index: Index, value: Any) -> None:
        values = (value,) if self.function.nin == 2 else ()
        self.function.ufunc.at(part, index, *values)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (base, _, *indices) = context.xp, context.operands
        known = [np.asarray(read_value(each, "places")) for each in indices]
        numbers = np.arange(base.size).reshape(base.shape)
        places = self.reader(xp, base, known).evaluate(numbers, *known)
        express = self._by_runs if self.function.nin == 2 else self._by_rounds

        def expression(base: Any, value: Any, *indices: Any) -> Any:
            return xp.reshape(express(xp, xp.reshape(base, -1), value, places), base.shape)

        return pulled_back(context, expression)

    def _by_runs(self, xp: Any, flat: Any, value: Any, places: Array) -> Any:
        values = xp.reshape(xp.broadcast_to(value, places.shape), -1)
        order = np.argsort(places.ravel(), kind="stable")
        chosen, counts = np.unique(places, return_counts=True)
        # One run per chosen element: the element itself, then the values that it meets, in their order.
        begins = np.cumsum(counts + 1) - (counts + 1)
        are_starts = np.zeros(len(order) + len(chosen), bool)
        are_starts[begins] = True
        sources = np.empty(len(are_starts), np.intp)
        sources[begins] = chosen
        sources[~are_starts] = flat.size + order
        elements = xp.take(xp.concatenate([flat, values]), sources)
        running = xp.apply(AccumulateRuns(self.function), elements, are_starts)
        return _replaced(xp, flat, chosen, xp.take(running, begins + counts))

    def _by_rounds(self, xp: Any, flat: Any, value: Any, places: Array) -> Any:
        # An element that is chosen n times is part of the first n rounds.
        chosen, counts = np.unique(places, return_counts=True)
        for turn in range(max(counts, default=0)):
            again = chosen[counts > turn]
            flat = _replaced(xp, flat, again, xp.apply(self.function.operation, xp.take(flat, again)))
        return flat


def _replaced(xp: Any, flat: Any, places: Array, values: Any) -> Any:
    """Return the vector with other elements at different places."""
    return xp.apply(Assign((), (ARRAY,)), flat, values, places)
