"""Every backend gives numpy's answers on every row of the samples; the numpy backend is the oracle."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

import composit as cnp
from tests.operations.sample import Sample
from tests.operations.samples import SAMPLES

# A family is one program, so that one compiler run serves hundreds of rows; large ones are split.
ROWS_PER_PROGRAM = 150

# A few units in the last place of polynomials and reordered sums, of values around 1.
TOLERANCES = {
    np.dtype(np.float16): 2e-3,
    np.dtype(np.float32): 2e-5,
    np.dtype(np.float64): 1e-12,
    np.dtype(np.complex64): 2e-5,
    np.dtype(np.complex128): 1e-12,
}


def _groups() -> list[tuple[str, list[Sample]]]:
    families: dict[str, list[Sample]] = {}
    for sample in SAMPLES:
        families.setdefault(sample.family, []).append(sample)
    return [
        (f"{family} {start // ROWS_PER_PROGRAM}", rows[start : start + ROWS_PER_PROGRAM])
        for family, rows in families.items()
        for start in range(0, len(rows), ROWS_PER_PROGRAM)
    ]


# torch is an extra of the project; where it is absent there is nothing to test.
BACKENDS = ["mosaic", *(["torch"] if find_spec("torch") else [])]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("rows", [pytest.param(rows, id=name) for name, rows in _groups()])
def test_backends_agree_with_numpy(rows: Sequence[Sample], backend: str):
    with np.errstate(all="ignore"):
        results = {sample.name: sample.compute(cnp, *_tensors(sample)) for sample in rows}
        expected = cnp.evaluate(results)
        values = cnp.evaluate(results, backend=backend)
    differences = [name for name in results if not _agree(values[name], expected[name])]
    assert differences == []


def _agree(value: Any, expected: Any) -> bool:
    if isinstance(expected, tuple | list):
        return all(_agree(part, other) for part, other in zip(value, expected, strict=True))
    if (type(value), value.dtype, value.shape) != (type(expected), expected.dtype, expected.shape):
        return False
    tolerance = TOLERANCES.get(expected.dtype)
    if tolerance is None:
        return bool(np.array_equal(value, expected))
    return bool(np.allclose(value, expected, rtol=tolerance, atol=tolerance, equal_nan=True))


def _tensors(sample: Sample) -> list[Any]:
    return [cnp.asarray(x) if isinstance(x, np.ndarray) else x for x in sample.operands()]
