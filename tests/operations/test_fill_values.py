"""A fill value is converted to the array's dtype as numpy's assignment converts it, whichever backend computes."""

from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp

FILLS = [-1.5, 300.7, 2.0, True, np.float32(-2.5), np.int64(300), np.uint8(200)]


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")  # numpy's, of a number that does not fit
@pytest.mark.parametrize("backend", ["numpy", "mosaic", "torch"])
@pytest.mark.parametrize("dtype", ["bool", "int8", "int32", "int64", "uint8", "uint32", "uint64", "float32"])
def test_a_number_outside_the_range_of_the_dtype_is_converted_as_numpy_converts_it(dtype: str, backend: str) -> None:
    if backend == "torch":
        pytest.importorskip("torch")
    x = np.ones((2, 3), dtype)

    def results(xp: Any) -> list[Any]:
        filled = [xp.full_like(xp.asarray(x), fill) for fill in FILLS]
        return [*filled, *(each | xp.asarray(x) for each in filled if each.dtype.kind != "f")]

    expected = results(np)
    for given, wanted in zip(cnp.evaluate(results(cnp), backend=backend), expected, strict=True):
        np.testing.assert_array_equal(given, wanted)
        assert given.dtype == wanted.dtype
