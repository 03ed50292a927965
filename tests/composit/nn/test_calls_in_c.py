"""Every function of composit.nn, and its gradient, is C: mosaic leaves nothing of it to numpy, and has numpy's values."""

from __future__ import annotations

import numpy as np
import pytest

import composit as cnp
import mosaic
from tests.composit.nn.calls import CALLS, Call, islands, outputs_of, public_functions

# Those whose statements are not covered by the rows of other tests.
WITH_OWN_STATEMENTS = (
    "gather",
    "scatter",
    "scatter_add",
    "top_k",
    "multinomial",
    "max_unpool",
    "embedding_bag",
    "rrelu",
)


def test_every_public_function_has_calls() -> None:
    assert set(public_functions()) == set(CALLS)
    assert all(CALLS.values())


def test_numpy_runs_nothing_of_them() -> None:
    found = {}
    for name, calls in CALLS.items():
        with np.errstate(all="ignore"):
            left = {operation: reason for call in calls for operation, reason in islands(call).items()}
        if left:
            found[name] = left
    assert found == {}


@pytest.mark.parametrize("names", [[f"operations.{name}" for name in WITH_OWN_STATEMENTS], ["losses.ctc"]], ids=len)
def test_values_and_gradients_are_numpys(names: list[str]) -> None:
    assert differences([call for name in names for call in CALLS[name]]) == []


def differences(calls: list[Call]) -> list[str]:
    """What differs between the results of one compiled program of all calls and numpy's."""
    every = [outputs_of(call) for call in calls]
    inputs = [each for given, _ in every for each in given]
    outputs = [parts for _, parts in every]
    model = mosaic.compile({"results": outputs, "given": inputs}, inputs=inputs)
    assert "numpy island" not in model.explain()
    found, expected = model(*cnp.evaluate(inputs))["results"], cnp.evaluate(outputs)
    return [
        f"call {number}, result {place}: {np.asarray(one)} for {np.asarray(other)}"
        for number, pair in enumerate(zip(found, expected, strict=True))
        for place, (one, other) in enumerate(zip(*pair, strict=True))
        if not _agree(np.asarray(one), np.asarray(other))
    ]


def _agree(value: np.ndarray, expected: np.ndarray) -> bool:
    is_same_type = (value.dtype, value.shape) == (expected.dtype, expected.shape)
    finite = np.abs(expected[np.isfinite(expected)])
    scale = max(1.0, float(finite.max())) if finite.size else 1.0
    return is_same_type and bool(np.allclose(value, expected, rtol=1e-11, atol=1e-12 * scale, equal_nan=True))
