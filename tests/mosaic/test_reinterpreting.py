"""Memory read as numbers of another dtype, in C: each byte as numpy's."""

from __future__ import annotations

import numpy as np
import pytest

import composit as cnp
import mosaic
from tests.mosaic.test_complex_numbers import islands
from tests.sampling import one_in

DTYPES = ("f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")


@pytest.mark.parametrize("given", one_in(3, DTYPES))
def test_bytes_are_read_as_numbers_of_every_size(given: str) -> None:
    array = np.random.default_rng(0).integers(0, 255, (3, 2, 64), dtype=np.uint8).view(given)
    x = cnp.asarray(array)
    outputs = [part for dtype in DTYPES for part in (x.view(dtype), x[::-1].view(dtype).transpose(2, 0, 1))]
    expected = [part for dtype in DTYPES for part in (array.view(dtype), array[::-1].view(dtype).transpose(2, 0, 1))]
    model = mosaic.compile(outputs, inputs=[x])
    assert islands(model) == []
    for result, wanted in zip(model(array), expected, strict=True):
        # Bytes: a NaN may hold any.
        assert (result.dtype, result.shape, result.tobytes()) == (wanted.dtype, wanted.shape, wanted.tobytes())


def test_bits_are_computed_with_between_two_views() -> None:
    array = np.array([1.5, -2.0, -0.0, np.inf, 3e-40], np.float32)
    x = cnp.asarray(array)
    outputs = [(x.view("u4") ^ 0x80000000).view("f4"), (x.view("i4") >> 23) & 0xFF]
    model = mosaic.compile(outputs, inputs=[x])
    assert islands(model) == []
    np.testing.assert_array_equal(model(array)[0].view("u4"), (-array).view("u4"))
    np.testing.assert_array_equal(model(array)[1], (array.view("i4") >> 23) & 0xFF)
