"""Derivatives of calls beyond the common forms: the first to ten digits, the second against differences of the first."""

from __future__ import annotations

import numpy as np
import pytest

from tests.operations.call_samples import CALLS
from tests.operations.differences import Comparison
from tests.operations.sample import Sample

every_call = pytest.mark.parametrize("sample", CALLS, ids=lambda sample: sample.name)


def test_names_of_calls_are_unique() -> None:
    names = [sample.name for sample in CALLS]
    assert len(names) == len(set(names))


@every_call
@pytest.mark.filterwarnings("ignore:Arrays of 2-dimensional vectors are deprecated")
def test_derivatives_agree_with_differences(sample: Sample) -> None:
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(*Comparison(sample, sample.operands()).first_to_ten_digits(), rtol=1e-7, atol=1e-9)
        # Step 1e-6 in float64: rounding leaves about 1e-9 of slopes below 100.
        np.testing.assert_allclose(*Comparison(sample, sample.operands()).second(), rtol=1e-5, atol=1e-5)
