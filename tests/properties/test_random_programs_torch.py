"""Random programs on the torch backend: what numpy computes, to torch's last bits."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import composit as cnp
from tests.properties.random_programs import parts, random_program, say
from tests.sampling import one_in

pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")  # numpy warns of infinities and empty means

PROGRAMS_PER_TEST = 50


@pytest.mark.parametrize("first_seed", one_in(2, range(0, 300, PROGRAMS_PER_TEST)))
def test_random_programs_compute_what_numpy_computes(first_seed: int):
    for seed in range(first_seed, first_seed + PROGRAMS_PER_TEST):
        check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first_seed", range(1000, 6000, 1000))
def test_many_random_programs_compute_what_numpy_computes(first_seed: int):
    for seed in range(first_seed, first_seed + 1000):
        check(seed)


def test_a_split_into_one_part_is_the_array():
    x = cnp.asarray(np.arange(6.0).reshape(2, 3))
    (part,) = cnp.split(x, 1, axis=1)
    np.testing.assert_array_equal(cnp.evaluate(part * 2, backend="torch"), np.arange(6.0).reshape(2, 3) * 2)


def check(seed: int) -> None:
    """Compare all values of one program: integers exactly, floats to 1e-5 of the largest (sums in another order)."""
    source = random.Random(seed)
    program = random_program(source, source.randint(2, 12), safe=source.randrange(3) > 0)
    lazy = program.run(cnp, {n: cnp.asarray(v) for n, v in program.inputs.items()}, lambda line, error: None)
    lines = [line for line in program.lines if line.name in lazy]
    with np.errstate(all="ignore"):
        values, expected = [cnp.evaluate([lazy[each.name] for each in lines], backend=b) for b in ("torch", "numpy")]
        seen = dict(program.inputs) | {line.name: value for line, value in zip(lines, values, strict=True)}
        for line, value, wanted in zip(lines, values, expected, strict=True):
            pairs = list(zip(parts(value), parts(wanted), strict=True))
            for part, number in pairs:
                assert (type(part), part.shape, part.dtype) == (type(number), number.shape, number.dtype), line.text
            if not all(_are_close(part, number) for part, number in pairs):
                # The sign of a NaN is nobody's, and torch gives another than numpy: a line that reads it (copysign,
                # signbit) or a last bit is right if numpy says the same of torch's operands.
                pairs = list(zip(parts(value), parts(say(np, line.text, seen)), strict=True))
            assert all(_are_close(part, number) for part, number in pairs), (
                f"seed {seed}, {line.name}: {pairs}\n{program}"
            )


def _are_close(value: Any, wanted: Any) -> bool:
    if wanted.dtype.kind != "f":
        return bool(np.array_equal(value, wanted))
    largest = float(np.max(np.abs(wanted[np.isfinite(wanted)]), initial=0))
    return np.allclose(value, wanted, rtol=1e-5, atol=1e-6 * largest, equal_nan=True)
