"""Integers of 8 and 16 bits are divided as float32: every pair of bytes, and quotients next to whole numbers, on each target."""

from collections.abc import Iterator

import numpy as np
import pytest

import composit as cnp
import mosaic
from tests.mosaic.c_text import c_text
from tests.mosaic.comparison import assert_same_values
from tests.mosaic.test_related_operands import DIVISIONS, TARGETS
from tests.sampling import in_turn


@pytest.fixture(autouse=True)
def _silent() -> Iterator[None]:
    """Dividing by zero and overflowing are among what is tested."""
    with np.errstate(all="ignore"):
        yield


def _pairs(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    limits = np.iinfo(dtype)
    if limits.bits == 8:
        every = np.arange(limits.min, limits.max + 1).astype(dtype)
        return np.repeat(every, 256), np.tile(every, 256)
    generator = np.random.default_rng(0)
    divisors = np.concatenate([np.arange(1, 300), generator.integers(1, limits.max + 1, 2000), [limits.max]])
    quotients = limits.max // divisors
    near = [whole * divisors + step for whole in (quotients, quotients // 2) for step in (-1, 0, 1)]
    a, b = np.concatenate(near).astype(dtype), np.tile(divisors, len(near)).astype(dtype)
    ends = np.array([limits.min, limits.max, 0, 1], dtype)
    signs = [(a, b), (-a, b), (a, -b), (-a, -b), (np.repeat(ends, 4), np.tile(ends, 4))]
    left, right = zip(*signs, strict=True)
    return np.concatenate(left), np.concatenate(right)


@pytest.mark.parametrize(("dtype", "target"), in_turn(["int8", "uint8", "int16", "uint16"], TARGETS))
def test_small_integers_are_divided_as_numpy_divides_them(dtype: str, target: str) -> None:
    a, b = _pairs(dtype)
    x, y = cnp.asarray(a), cnp.asarray(b)
    results = [getattr(cnp, name)(x, y) for name in DIVISIONS]
    model = mosaic.compile(results, inputs=[x, y], target=target)
    for name, found in zip(DIVISIONS, model(a, b), strict=True):
        assert_same_values(found, getattr(np, name)(a, b))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16"])
def test_small_integers_are_not_divided_one_by_one(dtype: str) -> None:
    x, y = (cnp.ones((256,), dtype=dtype) for _ in range(2))
    source = c_text([getattr(cnp, name)(x, y) for name in DIVISIONS], inputs=[x, y])
    lines = [line for line in source.splitlines() if not line.strip().startswith("/*")]
    divided = [line for line in lines if " / " in line or " % " in line]
    assert divided
    assert all("_f32x" in line for line in divided)
