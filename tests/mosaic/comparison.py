"""Compiled programs against the numpy backend, which says what is right."""

from collections.abc import Sequence
from typing import Any

import numpy as np

import composit as cnp
from mosaic.backend import MosaicBackend

# float32 sums of some hundred terms in another order, and vector functions within a few units in the last place.
TOLERANCE = {2: 2e-3, 4: 2e-5, 8: 1e-12}

fused, unfused = MosaicBackend(fuse=True), MosaicBackend(fuse=False)


def assert_same_values(given: Any, expected: Any) -> None:
    """Shape and dtype are equal; floats are close, relative to the largest of the array; everything else is equal."""
    given, expected = np.asarray(given), np.asarray(expected)
    assert given.shape == expected.shape
    assert given.dtype == expected.dtype
    if expected.dtype.kind not in "fc":
        np.testing.assert_array_equal(given, expected)
        return
    tolerance = TOLERANCE[expected.real.itemsize]
    finite = np.abs(expected[np.isfinite(expected)])
    scale = float(finite.max()) if finite.size else 1.0
    np.testing.assert_allclose(given, expected, rtol=tolerance, atol=tolerance * max(scale, 1.0))


def check(*outputs: Any) -> None:
    """Compile the outputs with and without fusion, and compare both with numpy."""
    with np.errstate(all="ignore"):
        expected = cnp.evaluate(list(outputs))
    for backend in (unfused, fused):
        with np.errstate(all="ignore"):
            given = cnp.evaluate(list(outputs), backend=backend)
        for number, (one, other) in enumerate(zip(given, expected, strict=True)):
            try:
                assert_same_values(one, other)
            except AssertionError as error:
                error.add_note(f"output {number}, {outputs[number]!r}, fused: {backend is fused}")
                raise


def tensor(*shape: int, dtype: str = "float32", seed: int = 0) -> Any:
    """A tensor of numbers that are not special: normal, small integers, or truth values."""
    rng = np.random.default_rng([seed, *shape])
    kind = np.dtype(dtype).kind
    if kind == "f":
        return cnp.asarray(rng.standard_normal(shape).astype(dtype))
    if kind == "b":
        return cnp.asarray(rng.integers(0, 2, shape).astype(bool))
    return cnp.asarray(rng.integers(0 if kind == "u" else -9, 10, shape).astype(dtype))


def tensors(shapes: Sequence[tuple[int, ...]], dtype: str = "float32") -> list[Any]:
    """One tensor for each shape."""
    return [tensor(*shape, dtype=dtype, seed=index) for index, shape in enumerate(shapes)]
