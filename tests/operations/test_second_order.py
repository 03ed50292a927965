"""Second derivatives of every operation, of real and of complex operands, against differences of first derivatives.

With random weights w, directions v and d, and s(x) = Re sum(gradient of Re sum(w f(x)) * v): the gradient of s along d
is compared with (s(x + h d) - s(x - h d)) / 2 h. First derivatives of complex operands are compared with differences of
numpy's values; test_contract.py does so for real ones. Cotangents pair without conjugation: dL = Re sum(g * dx).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.operations.differences import Comparison, inexact_parts
from tests.operations.sample import Sample
from tests.operations.samples import SAMPLES

INEXACT = (np.float64, np.complex128)
DIFFERENTIABLE = [sample for sample in SAMPLES if sample.differentiable]

# numpy has no such function of complex numbers.
REAL_ONLY = {
    *(
        f"elementwise.{name}"
        for name in "arctan2 cbrt ceil copysign deg2rad degrees divmod erf fabs fix floor floor_divide fmod frexp heaviside"
        " hypot ldexp logaddexp logaddexp2 modf nextafter rad2deg radians remainder trunc".split()
    ),
    *("calculus.interp", "calculus.unwrap", "sorting.percentile", "sorting.quantile"),
    *("fft.ihfft", "fft.rfft", "fft.rfft2", "fft.rfftn"),
    # Its strides are those of float64.
    "movement.as_strided",
}


def _from_eigenvectors(xp: Any, x: Any) -> Any:
    # Vectors are compared with their own conjugates, since LAPACK chooses their phases.
    values, vectors = xp.linalg.eigh(x)
    return values, vectors[..., :, None, :] * xp.conj(vectors)[..., None, :, :]


def _from_singular_vectors(xp: Any, x: Any) -> Any:
    left, values, right = xp.linalg.svd(x, full_matrices=False)
    return values, left[..., :, :, None] * right[..., None, :, :]


INVARIANTS: dict[str, Callable[..., Any]] = {"linalg.eigh": _from_eigenvectors, "linalg.svd": _from_singular_vectors}


def _is_of(sample: Sample, names: set[str]) -> bool:
    return sample.name in names or sample.name.split(" ")[0] in names


COMPLEX = [
    replace(sample, compute=INVARIANTS.get(sample.name.split(" ")[0], sample.compute))
    for sample in DIFFERENTIABLE
    if not _is_of(sample, REAL_ONLY)
]


def _complex_operands(sample: Sample) -> list[Any]:
    generator = np.random.default_rng(2)
    return [
        np.asarray(x + 0.5j * generator.normal(size=x.shape)) if isinstance(x, np.ndarray) and x.dtype in INEXACT else x
        for x in sample.operands()
    ]  # a line of its own keeps the domains of the real parts


@pytest.mark.parametrize("sample", DIFFERENTIABLE, ids=lambda sample: sample.name)
def test_second_derivatives_agree_with_differences(sample: Sample) -> None:
    with np.errstate(all="ignore"):
        analytic, numeric = Comparison(sample, sample.operands()).second()
    # Step 1e-6 in float64: rounding leaves about 1e-9 of slopes below 100.
    np.testing.assert_allclose(analytic, numeric, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sample", COMPLEX, ids=lambda sample: sample.name)
def test_derivatives_of_complex_operands_agree_with_differences(sample: Sample) -> None:
    with np.errstate(all="ignore"):
        comparison = Comparison(sample, _complex_operands(sample))
        np.testing.assert_allclose(*comparison.first(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(*comparison.second(), rtol=1e-5, atol=1e-5)


def test_every_function_that_numpy_has_of_complex_numbers_is_compared() -> None:
    refused = set()
    for sample in DIFFERENTIABLE:
        try:
            with np.errstate(all="ignore"):
                has_result = bool(inexact_parts(sample.by_numpy(*_complex_operands(sample))))
        except (TypeError, ValueError):
            has_result = False
        if not has_result:
            refused.add(sample.name.split(" ")[0])
    assert refused == REAL_ONLY - {"movement.as_strided"}
