"""`check_gradients`: compares derivatives of a function with finite differences, for users' tests.

Each order is checked along random directions, forward and in reverse: a wrong derivative agrees along a random direction
with probability zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import composit.numpy as cnp
from composit.containers import flatten, map_leaves
from composit.errors import DtypeError, GradientError, ParameterError
from composit.nn.transforms import Container, Function, jvp, vjp

# Central differences err by (step squared) * third derivative + (rounding / step): least at the cube root of the rounding.
_STEPS = {"d": 6e-6, "f": 5e-3}
_TOLERANCES = {"d": 1e-6, "f": 1e-2}


def check_gradients(
    function: Function,
    args: Sequence[Container],
    order: int = 1,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    step: float | None = None,
    seed: int = 0,
) -> None:
    """Compare the derivatives of a function, up to an order, with central differences; return None where they agree.

    args:  the arguments, real floating arrays or tensors in containers; float64 is worth the memory here
    order: the highest order to check
    rtol, atol: allowed difference, relative and absolute; 1e-6 for float64 and 1e-2 for float32, loosened tenfold per order
    step:  relative step of the differences; 6e-6 for float64 and 5e-3 for float32
    seed:  of the random directions

    Raises:  GradientError: a derivative differs; it says of which order, and both numbers
             DtypeError: an argument is not real and floating; ParameterError: order below 1
    Example:
        >>> import composit.numpy as cnp
        >>> from composit.nn import check_gradients
        >>> check_gradients(lambda x: cnp.sum(cnp.tanh(x) ** 2), [cnp.asarray([0.5, -1.0])], order=2)
    """
    if order < 1:
        raise ParameterError(
            f"check_gradients: order={order!r} was given; expected a number of derivatives such as 1 or 2"
        )
    arrays = [map_leaves(arg, _as_array) for arg in args]
    code = _least_precise(arrays)
    rng = np.random.default_rng(seed)
    for level in range(1, order + 1):
        slack = 10.0 ** (level - 1)
        _check_once(
            function,
            arrays,
            level,
            rng,
            (_TOLERANCES[code] if rtol is None else rtol) * slack,
            (_TOLERANCES[code] if atol is None else atol) * slack,
            _STEPS[code] if step is None else step,
        )
        function = _derivative(function, arrays, rng)


def _as_array(leaf: Any) -> Any:  # Any: a tensor, an array, a number or anything else
    array = np.asarray(leaf)
    if array.dtype.char not in _STEPS:
        raise DtypeError(
            f"check_gradients: an argument of dtype {array.dtype} was given; expected float64 or float32; close the function over what "
            "is not differentiated, as in lambda x: f(x, labels)"
        )
    return array


def _least_precise(arrays: Sequence[Container]) -> str:
    return "f" if any(array.dtype.char == "f" for array in _leaves(arrays)) else "d"


def _leaves(container: Container) -> list[Any]:
    found: list[Any] = []
    map_leaves(container, found.append)
    return found


def _directions(container: Container, rng: np.random.Generator) -> Container:
    return map_leaves(container, lambda leaf: rng.standard_normal(np.shape(leaf)).astype(leaf.dtype))


def _derivative(function: Function, arrays: Sequence[Container], rng: np.random.Generator) -> Function:
    """Return the gradients of a random combination of the function's results, as a function of the same arguments."""
    outputs, rebuild = flatten(function(*map_leaves(list(arrays), cnp.asarray)))
    weights = [rng.standard_normal(output.shape).astype(output.dtype) for output in outputs]
    return lambda *args: vjp(function, *args)[1](rebuild(list(map(cnp.asarray, weights))))


def _check_once(
    function: Function,
    arrays: Sequence[Container],
    level: int,
    rng: np.random.Generator,
    rtol: float,
    atol: float,
    step: float,
) -> None:
    directions = _directions(list(arrays), rng)
    points = map_leaves(list(arrays), cnp.asarray)
    tangents = map_leaves(directions, cnp.asarray)
    result, change = jvp(function, points, tangents)
    outputs = flatten(result)[0]
    weights = [rng.standard_normal(output.shape).astype(output.dtype) for output in outputs]
    gradients = vjp(function, *points)[1](flatten(result)[1](list(map(cnp.asarray, weights))))
    expected = _difference(function, arrays, directions, step)
    forward = [np.asarray(each) for each in flatten(change)[0]]
    for place, (given, wanted) in enumerate(zip(forward, expected, strict=True)):
        if not np.allclose(given, wanted, rtol, atol * max(1.0, float(np.max(np.abs(wanted), initial=0.0)))):
            worst = np.unravel_index(int(np.argmax(np.abs(given - wanted))), given.shape) if given.shape else ()
            raise GradientError(
                f"check_gradients: the derivative of order {level} of result {place}, along a random direction, is {given[worst]:.9g} at "
                f"{tuple(map(int, worst))} and by central differences {wanted[worst]:.9g}; expected a difference below rtol={rtol:g}, "
                f"atol={atol:g}; look at the vjp of the operations on the way, or pass larger tolerances if the function is steep there"
            )
    in_reverse = _dot([np.asarray(each) for each in flatten(gradients)[0]], _leaves(directions))
    wanted_number = _dot(weights, forward)
    if not np.allclose(in_reverse, wanted_number, rtol, atol * max(1.0, abs(wanted_number))):
        raise GradientError(
            f"check_gradients: the derivative of order {level} is {in_reverse:.9g} in reverse and {wanted_number:.9g} forward, along the "
            "same random directions; expected one number; look at the vjp of the operations on the way"
        )


def _difference(
    function: Function, arrays: Sequence[Container], directions: Container, step: float
) -> list[np.ndarray]:
    scale = step * max(1.0, *[float(np.max(np.abs(leaf), initial=0.0)) for leaf in _leaves(list(arrays))])
    above, below = (_values(function, arrays, directions, sign * scale) for sign in (1.0, -1.0))
    return [(high - low) / (2 * scale) for high, low in zip(above, below, strict=True)]


def _values(function: Function, arrays: Sequence[Container], directions: Container, step: float) -> list[np.ndarray]:
    along = iter(_leaves(directions))
    moved = map_leaves(list(arrays), lambda leaf: cnp.asarray((leaf + step * next(along)).astype(leaf.dtype)))
    results = flatten(function(*moved))[0]
    return [np.asarray(each) for each in results]


def _dot(first: Sequence[Any], second: Sequence[Any]) -> float:
    return float(sum(np.sum(np.asarray(a, float) * np.asarray(b, float)) for a, b in zip(first, second, strict=True)))
