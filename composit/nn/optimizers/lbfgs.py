"""L-BFGS: minimises a function of few and exactly known values, evaluating it as often as the line search asks.

Source:     Nocedal and Wright, Numerical Optimization, 2006: algorithm 7.4 (two loops), 3.5 and 3.6 (strong Wolfe line search)
Weaknesses: needs exact gradients of one function: no mini-batches, no noise; keeps `memory` pairs of vectors of all parameters
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

import composit.numpy as cnp
from composit.backends import BackendChoice
from composit.containers import Rebuild, flatten, map_leaves
from composit.errors import DtypeError, ParameterError
from composit.evaluation import evaluate
from composit.handle import described
from composit.nn.transforms import Container, Function, value_and_grad
from composit.operation import Array

_SUFFICIENT_DECREASE, _CURVATURE = 1e-4, 0.9  # c1 and c2 of Nocedal and Wright, page 62
_MOST_TRIALS = 25


@dataclass(frozen=True, slots=True)
class Minimum:
    """Where a minimisation ended.

    parameters:      fresh inputs in the form that was given
    value:           of the function there
    gradient_norm:   the largest element of the gradient there
    num_steps, num_evaluations: how often the parameters moved, and how often the function was computed
    has_converged:   whether the gradient is below the tolerance
    message:         why it ended, for people
    """

    parameters: Any  # Any: a container of tensors, as it was given
    value: float
    gradient_norm: float
    num_steps: int
    num_evaluations: int
    has_converged: bool
    message: str


Vector: TypeAlias = Array  # of float64: all parameters, one after the other
Pair = tuple[Vector, Vector]


def lbfgs(
    function: Function,
    parameters: Container,
    *,
    num_steps: int = 100,
    memory: int = 10,
    tolerance: float = 1e-6,
    backend: BackendChoice = "numpy",
    progress: Callable[[int, float], None] | None = None,
) -> Minimum:
    """Return the minimum that L-BFGS reaches from `parameters`. The graph of the function is built once, and run at each trial.

    function:  of the parameters, giving one real number
    num_steps: at most so many steps
    memory:    how many earlier steps the curvature is estimated from
    tolerance: end when no element of the gradient is larger
    backend:   of `evaluate`
    progress:  called after each step with its number and the value

    Raises:  DtypeError: parameters that are not real and floating; ParameterError
    Example:
        >>> import composit.numpy as cnp
        >>> from composit.nn import optimizers
        >>> rosenbrock = lambda x: cnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
        >>> minimum = optimizers.lbfgs(rosenbrock, cnp.asarray([-1.2, 1.0]))
        >>> minimum.has_converged, np.round(cnp.evaluate(minimum.parameters), 6).tolist()
        (True, [1.0, 1.0])
    """
    if num_steps < 0 or memory < 1:
        raise ParameterError(
            f"lbfgs: num_steps={num_steps!r} and memory={memory!r} were given; expected num_steps >= 0 and memory >= 1; 10 pairs "
            "of memory are usual"
        )
    search = _Search(function, parameters, backend)
    x = search.start
    value, gradient = search.at(x)
    pairs: deque[Pair] = deque(maxlen=memory)
    message = "the number of steps is used up"
    step = 0
    while np.max(np.abs(gradient), initial=0.0) > tolerance and step < num_steps:
        direction = _downwards(gradient, pairs)
        first = 1.0 if pairs else min(1.0, 1.0 / float(np.sum(np.abs(gradient))))
        found = _line_search(search, x, value, gradient, direction, first)
        if found is None:
            message = "the line search found no lower value: the gradient is inexact, or rounding hides the decrease"
            break
        length, value, next_gradient = found
        move, change = length * direction, next_gradient - gradient
        if move @ change > 1e-10 * float(change @ change):
            pairs.append((move, change))
        x, gradient, step = x + move, next_gradient, step + 1
        if progress is not None:
            progress(step, value)
    norm = float(np.max(np.abs(gradient), initial=0.0))
    if norm <= tolerance:
        message = "the gradient is below the tolerance"
    elif np.isnan(norm):
        message = "the gradient is not a number"
    return Minimum(search.parameters(x), value, norm, step, search.num_evaluations, norm <= tolerance, message)


def _downwards(gradient: Vector, pairs: deque[Pair]) -> Vector:
    """Return a direction in which the value falls; pairs that lead upwards are forgotten."""
    direction = _direction(gradient, pairs)
    if direction @ gradient < 0:
        return direction
    pairs.clear()
    return -gradient


class _Search:
    """The function as value and gradient of one vector."""

    def __init__(self, function: Function, parameters: Container, backend: BackendChoice) -> None:
        tensors = map_leaves(parameters, cnp.asarray)
        self._leaves, self._rebuild = _real_leaves(tensors)
        self._backend = backend
        arrays = [np.asarray(leaf) for leaf in self._leaves]
        self.start: Vector = np.concatenate([np.zeros(0), *[array.ravel() for array in arrays]])
        self._inputs = [cnp.asarray(array) for array in arrays]
        value, gradients = value_and_grad(lambda leaves: function(self._rebuild(leaves)))(self._inputs)
        # With the inputs among the outputs, a parameter that the function does not read is no error.
        self._results = [value, *gradients, *self._inputs]
        self.num_evaluations = 0

    def at(self, x: Vector) -> tuple[float, Vector]:
        """Return value and gradient at a point."""
        self.num_evaluations += 1
        given = dict(zip(self._inputs, self._parts(x), strict=True))
        value, *others = evaluate(self._results, inputs=given, backend=self._backend)
        gradients = others[: len(self._inputs)]
        return float(value), np.concatenate([np.zeros(0), *[np.ravel(each) for each in gradients]])

    def parameters(self, x: Vector) -> Container:
        """Return the point in the form of the parameters."""
        return self._rebuild([cnp.asarray(part) for part in self._parts(x)])

    def _parts(self, x: Vector) -> list[Any]:
        ends = np.cumsum([leaf.size for leaf in self._leaves])
        parts = np.split(x, ends[:-1]) if self._leaves else []
        return [part.reshape(leaf.shape).astype(leaf.dtype) for part, leaf in zip(parts, self._leaves, strict=True)]


def _real_leaves(tensors: Container) -> tuple[list[Any], Rebuild]:
    leaves, rebuild = flatten(tensors)
    for leaf in leaves:
        if leaf.dtype.kind != "f":
            raise DtypeError(
                f"lbfgs: a parameter is {described(leaf)} of dtype {leaf.dtype}; expected real floating numbers; convert it with astype"
            )
    return leaves, rebuild


def _direction(gradient: Vector, pairs: deque[Pair]) -> Vector:
    """Return minus the gradient times the estimated inverse of the Hessian."""
    q = gradient.copy()
    weights = []
    for move, change in reversed(pairs):
        weight = (move @ q) / (move @ change)
        q -= weight * change
        weights.append(weight)
    if pairs:
        move, change = pairs[-1]
        q *= (move @ change) / (change @ change)
    for (move, change), weight in zip(pairs, reversed(weights), strict=True):
        q += (weight - (change @ q) / (move @ change)) * move
    return -q


@dataclass(frozen=True, slots=True)
class _Point:
    """A trial along the search direction: how far, the value, the slope along the direction, the whole gradient."""

    length: float
    value: float
    slope: float
    gradient: Vector


def _line_search(
    search: _Search, x: Vector, value: float, gradient: Vector, direction: Vector, first: float
) -> tuple[float, float, Vector] | None:
    """Return a length that fulfils the strong Wolfe conditions, the value and the gradient there; None if none was found."""
    start = _Point(0.0, value, float(gradient @ direction), gradient)

    def trial(length: float) -> _Point:
        there, slope = search.at(x + length * direction)
        return _Point(length, there, float(slope @ direction), slope)

    before, length = start, first
    for number in range(_MOST_TRIALS):
        point = trial(length)
        if not _is_lower(point, start) or (number and point.value >= before.value):
            return _zoomed(trial, start, before, point)
        if abs(point.slope) <= -_CURVATURE * start.slope:
            return point.length, point.value, point.gradient
        if point.slope >= 0:
            return _zoomed(trial, start, point, before)
        before, length = point, 2.0 * length
    return None


def _zoomed(
    trial: Callable[[float], _Point], start: _Point, low: _Point, high: _Point
) -> tuple[float, float, Vector] | None:
    for _ in range(_MOST_TRIALS):
        point = trial(_between(low, high))
        if not _is_lower(point, start) or point.value >= low.value:
            high = point
        else:
            if abs(point.slope) <= -_CURVATURE * start.slope:
                return point.length, point.value, point.gradient
            if point.slope * (high.length - low.length) >= 0:
                high = low
            low = point
    # Rounding can hide the second condition; a lower value is still a step.
    return (low.length, low.value, low.gradient) if low.value < start.value else None


def _is_lower(point: _Point, start: _Point) -> bool:
    # False for NaN.
    return point.value <= start.value + _SUFFICIENT_DECREASE * point.length * start.slope


def _between(low: _Point, high: _Point) -> float:
    """Return the minimum of the parabola through both values and the slope at `low`, kept off the ends; else the middle."""
    width = high.length - low.length
    curvature = high.value - low.value - low.slope * width
    share = -0.5 * low.slope * width / curvature if np.isfinite(curvature) and curvature > 0 else 0.5
    return low.length + width * min(0.9, max(0.1, share))
