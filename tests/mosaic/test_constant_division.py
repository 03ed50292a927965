"""Division of 64-bit integers by a constant is a product with its reciprocal, and gives what numpy gives."""

import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import composit as cnp
import mosaic
from mosaic.runtime.compiler import Compiler
from mosaic.targets import get_target
from tests.mosaic.c_text import c_text
from tests.mosaic.compiled_helpers import assert_compiles
from tests.mosaic.test_related_operands import TARGETS
from tests.sampling import one_in

POSITIVE = [2, 3, 7, 8, 10, 641, 1000, 2**31 - 1, 2**32, 2**32 + 1, 10**18, 2**62, 2**62 + 1, 2**63 - 1]
DIVISORS = {
    "int64": [*POSITIVE, *(-divisor for divisor in POSITIVE), -(2**63), 0, 1, -1],
    "uint64": [*POSITIVE, 2**63, 2**63 + 1, (2**64 - 1) // 3, 2**64 - 2, 2**64 - 1, 0, 1],
}


def numbers_near_multiples(dtype: str) -> np.ndarray:
    """Both ends of the range, random numbers, and multiples of the divisors with their neighbours."""
    limits, rng = np.iinfo(dtype), np.random.default_rng(0)
    low, high = int(limits.min), int(limits.max)
    factors = [(low // each, high // each, 3, -3) for each in map(int, DIVISORS[dtype]) if each]
    divisors = [each for each in DIVISORS[dtype] if each]
    multiples = [each * factor for each, row in zip(divisors, factors, strict=True) for factor in row]
    near = [number + step for number in (0, low, high, *multiples) for step in (-1, 0, 1)]
    chosen = np.array([number for number in near if low <= number <= high], dtype)
    return np.concatenate([chosen, rng.integers(low, high, 100, dtype=dtype, endpoint=True)])


@pytest.mark.parametrize(("dtype", "target"), one_in(3, product(DIVISORS, TARGETS)))
def test_quotients_and_rests_are_numpys(dtype: str, target: str) -> None:
    x = numbers_near_multiples(dtype)
    given = cnp.asarray(x)
    divisors = [np.dtype(dtype).type(divisor) for divisor in DIVISORS[dtype]]
    with np.errstate(all="ignore"):
        outputs = [result for divisor in divisors for result in (given // divisor, given % divisor)]
        expected = [result for divisor in divisors for result in (x // divisor, x % divisor)]
    model = mosaic.compile(outputs, inputs=[given], target=target)
    for one, other in zip(model(x), expected, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


@pytest.mark.parametrize("dtype", DIVISORS)
def test_no_vector_is_divided(dtype: str) -> None:
    x = cnp.asarray(np.arange(100, dtype=dtype))
    kernel = c_text([x // 7, x % 10], [x]).partition("static void kernel_0")[2]
    assert "floor_divide_by_7" in kernel
    assert "remainder_by_10" in kernel


def test_smaller_integers_are_left_to_the_compiler() -> None:
    x = cnp.asarray(np.arange(100, dtype="int32"))
    assert "_by_7" not in c_text(x // 7, [x])


def test_it_compiles_for_another_processor(tmp_path: Path) -> None:
    x, y = cnp.asarray(np.arange(9)), cnp.asarray(np.arange(9, dtype="uint64"))
    zig = Compiler((sys.executable, "-m", "ziglang", "cc"), "zig", "zig")
    for name in ("aarch64", "x86-64-v3"):
        text = c_text([x // 7, x % -7, y // np.uint64(7)], [x, y], target=name)
        assert_compiles(text, tmp_path, get_target(name), zig)
