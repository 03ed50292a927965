"""Random programs: values are Python's own, and reverse derivatives are forward ones and finite differences."""

import numpy as np
import pytest

from composit.kernels import register
from tests.composit.kernels.random_programs import compiled, written
from tests.composit.kernels.test_derivatives import STEP, run

COUNT = 24
QUICK, ALL = 40, 20_000


def check(seed: int) -> None:
    """Compare a program with Python on some elements, and its derivatives with each other."""
    function = compiled(written(seed), f"random {seed}")
    unit = register(function).unit
    rng = np.random.default_rng(seed)
    x, y, n = rng.uniform(-2, 2, COUNT), rng.uniform(-2, 2, COUNT), rng.integers(0, 5, COUNT)
    expected = [float(function(*arguments)) for arguments in zip(x.tolist(), y.tolist(), n.tolist(), strict=True)]
    # Python and numpy compute the same operations; a sum of functions loses a few last bits where it cancels.
    np.testing.assert_allclose(run(unit, x, y, n)[0], expected, rtol=1e-12, atol=1e-12, err_msg=f"seed {seed}")
    one, zero = np.ones(COUNT), np.zeros(COUNT)
    backward = run(unit.vjp(), x, y, n, one)
    forward = run(unit.jvp, x, y, n, one, zero)[1], run(unit.jvp, x, y, n, zero, one)[1]
    np.testing.assert_allclose(backward, forward, rtol=1e-9, atol=1e-9, err_msg=f"seed {seed}")
    difference = (run(unit, x + STEP, y, n)[0] - run(unit, x - STEP, y, n)[0]) / (2 * STEP)
    # A step may cross to another branch.
    assert np.isclose(backward[0], difference, rtol=1e-3, atol=1e-4).mean() > 0.8, f"seed {seed}"


def test_random_programs_compute_what_python_computes() -> None:
    for seed in range(QUICK):
        check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(QUICK, ALL, 500))
def test_many_random_programs_compute_what_python_computes(start: int) -> None:
    for seed in range(start, min(start + 500, ALL)):
        check(seed)
