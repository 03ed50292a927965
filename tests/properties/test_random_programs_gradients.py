"""Gradients of random programs against differences of numpy's values, in float64; and gradients of gradients."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.errors import DerivativeError
from composit.nn import chain_rule
from composit.types import LazyTensor
from tests.properties.random_programs import RandomProgram, random_program, say
from tests.sampling import one_in

pytestmark = pytest.mark.filterwarnings("ignore")  # numpy warns of infinities and empty means

PROGRAMS_PER_TEST = 100
LARGEST_VALUE = 1e4
Values = dict[str, Any]


@pytest.mark.parametrize("first_seed", one_in(2, range(0, 400, PROGRAMS_PER_TEST)))
def test_gradients_of_random_programs_agree_with_differences(first_seed: int):
    checked = sum(_check_gradients(seed) for seed in range(first_seed, first_seed + PROGRAMS_PER_TEST))
    assert checked > PROGRAMS_PER_TEST


@pytest.mark.parametrize("first_seed", range(0, 100, 50))
def test_second_derivatives_of_random_programs_agree_with_differences_of_gradients(first_seed: int):
    checked = sum(_check_second_derivatives(seed) for seed in range(first_seed, first_seed + 50))
    assert checked > 20


@pytest.mark.slow
@pytest.mark.parametrize("first_seed", range(1000, 6000, 500))
def test_gradients_of_many_random_programs_agree_with_differences(first_seed: int):
    for seed in range(first_seed, first_seed + 500):
        _check_gradients(seed)


def _check_gradients(seed: int) -> int:
    """Compare the gradient of each smooth line along a random direction; return how many there were."""
    program, inputs = _float64_program(seed)
    names = [name for name, value in inputs.items() if value.dtype == np.float64]
    generator = np.random.default_rng(seed)
    directions = {name: generator.normal(size=inputs[name].shape) for name in names}
    values = _run(program, np, inputs)
    checked = 0
    for name, value in values.items():
        if name in inputs or not _is_smooth_float64(value):
            continue
        tensors = {each: cnp.asarray(array) for each, array in inputs.items()}
        lazy = _run(program, cnp, tensors)
        weights = generator.normal(size=value.shape)

        def loss(x: Mapping[str, Any], name: str = name, weights: np.ndarray = weights) -> float:
            return float(np.sum(np.asarray(_run(program, np, dict(x)).get(name, np.nan)) * weights))

        numeric = _slope(loss, inputs, directions)
        if numeric is None:
            continue
        wanted = [tensors[each] for each in names]
        gradients = chain_rule({lazy[name]: cnp.asarray(weights)}, wanted, unreached="zeros")
        assert [(g.shape, g.dtype) for g in gradients] == [(t.shape, t.dtype) for t in wanted]
        analytic = _along(gradients, directions)
        # Infinities inside a program make 0 * inf in a gradient, as in every system of this kind.
        if np.isfinite(analytic):
            assert np.isclose(analytic, numeric, rtol=2e-4, atol=2e-4), f"seed {seed}, {name}\n{program}"
            checked += 1
    return checked


def _check_second_derivatives(seed: int) -> int:
    """Compare the gradient of a gradient's norm with differences of that norm."""
    program, inputs = _float64_program(seed)
    names = [name for name, value in inputs.items() if value.dtype == np.float64]
    directions = {name: np.random.default_rng(seed).normal(size=inputs[name].shape) for name in names}
    smooth = [n for n, v in _run(program, np, inputs).items() if n not in inputs and _is_smooth_float64(v)]
    if not smooth:
        return 0

    def norm(x: Mapping[str, Any]) -> tuple[LazyTensor, list[LazyTensor]]:
        tensors = {each: cnp.asarray(array) for each, array in x.items()}
        output = cnp.sum(cnp.tanh(_run(program, cnp, tensors)[smooth[-1]]))
        wanted = [tensors[each] for each in names]
        slopes = chain_rule({output: output}, wanted, unreached="zeros")
        return sum((cnp.sum(slope * slope) for slope in slopes), cnp.sum(wanted[0]) * 0.0), wanted

    numeric = _slope(lambda x: float(cnp.evaluate(norm(x)[0])), inputs, directions)
    total, wanted = norm(inputs)
    try:
        analytic = _along(chain_rule({total: total}, wanted, unreached="zeros"), directions)
    except DerivativeError:
        return 0
    if numeric is None or not np.isfinite(analytic):
        return 0
    assert np.isclose(analytic, numeric, rtol=1e-3, atol=1e-3), f"seed {seed}, {smooth[-1]}\n{program}"
    return 1


def _float64_program(seed: int) -> tuple[RandomProgram, Values]:
    """Return a program, and float64 inputs with no two elements alike where it has floats, else everywhere.

    Integers as they are drawn would be ties and exact zeros: points where `where(x, x, 0)` takes the branch that none of
    its neighbours takes, where `minimum` has two operands to choose from, and where differences may still look smooth.
    """
    source = random.Random(seed)
    program = random_program(source, source.randint(3, 10), safe=source.randrange(2) > 0)
    generator = np.random.default_rng(seed)
    # Arrays, also those without axes, which numpy's sum makes scalars.
    generic = {n: np.asarray(generator.normal(size=v.shape) + 0.1) for n, v in program.inputs.items()}
    floats = {name: generic[name] for name, value in program.inputs.items() if value.dtype.kind == "f"}
    # One float64 input at least, so that there is something to differentiate by.
    return program, {**program.inputs, **floats} if floats else generic


def _run(program: RandomProgram, xp: Any, inputs: Values) -> Values:
    """Return the values of the lines that numpy can say of float64."""
    values = dict(inputs)
    for line in program.lines:
        if "nextafter" in line.text or "spacing" in line.text:
            continue  # the neighbour of a float follows it with slope 1, but has no derivative in composit
        text = line.text.replace("'float32'", "'float64'").replace("np.float32", "np.float64")
        try:
            values[line.name] = say(xp, text, values)
        except (TypeError, ValueError, IndexError, NameError, OverflowError, AttributeError):
            continue
    return values


def _is_smooth_float64(value: Any) -> bool:
    if isinstance(value, tuple | list) or value.dtype != np.float64 or not value.size:
        return False
    return bool(np.all(np.abs(value) < LARGEST_VALUE))


def _slope(loss: Callable[[Values], float], inputs: Values, directions: Values) -> float | None:
    """Return the derivative along the directions by central differences, None where the sides do not agree."""

    def moved(step: float) -> float:
        return loss({**inputs, **{name: inputs[name] + step * way for name, way in directions.items()}})

    with np.errstate(all="ignore"):
        here = moved(0.0)
        central = (moved(1e-5) - moved(-1e-5)) / 2e-5
        sides = [(moved(step) - here) / step for step in (1e-6, -1e-6, 1e-5)]
    scale = max(1.0, abs(central))
    is_smooth = np.isfinite([central, *sides]).all() and all(abs(side - central) < 1e-3 * scale for side in sides)
    return central if is_smooth else None


def _along(gradients: list[LazyTensor], directions: Values) -> float:
    with np.errstate(all="ignore"):
        values = cnp.evaluate(list(gradients))
    return sum(float(np.sum(value * way)) for value, way in zip(values, directions.values(), strict=True))
