"""Evenly spaced numbers in all dtypes: from numbers, and from tensors of rank 0, which stay in the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import composit as cnp
import flashlight
from composit.nn import chain_rule

FUNCTIONS: dict[str, Callable[..., torch.Tensor]] = {
    "linspace": torch.linspace,
    "logspace": torch.logspace,
    "logspace of base 2": lambda *args, **kwargs: torch.logspace(*args, 2, **kwargs),
}
DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.complex64)
# The relative difference that rounding once more may make; the results of the other dtypes are equal to the last bit.
PRECISIONS = {
    torch.float64: 1e-14,
    torch.float32: 1e-6,
    torch.complex64: 2e-6,
    torch.float16: 1e-3,
    torch.bfloat16: 2**-8,
}
ENDS: dict[str, tuple[Any, Any]] = {
    "numbers": (0.9, 4.9),
    "a tensor and a number": (torch.tensor(0.9), 4.9),
    "a number and a tensor": (0.9, torch.tensor(4.9)),
    "tensors of two dtypes": (torch.tensor(0.9, dtype=torch.bfloat16), torch.tensor(4.9, dtype=torch.float64)),
    "falling": (torch.tensor(2), 0.3),
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
def test_evenly_spaced_numbers_are_torchs(
    ends: tuple[Any, Any], function: Callable[..., torch.Tensor], dtype: torch.dtype
) -> None:
    with flashlight.tracer.trace():
        results = [function(*ends, steps, dtype=dtype) for steps in (0, 1, 2, 5, 6)]
    for found, result in zip(cnp.evaluate(results), results, strict=True):
        expected = (result.float() if dtype is torch.bfloat16 else result).numpy()
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=PRECISIONS.get(dtype, 0), atol=0)


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_the_ends_may_be_other_numbers_later_and_have_no_gradient(function: Callable[..., torch.Tensor]) -> None:
    start, factor = torch.tensor(0.5, requires_grad=True), torch.tensor(2.0, requires_grad=True)
    with flashlight.tracer.trace():
        values = function(start, 3.0, 6, dtype=torch.float64) * factor * start
    found = cnp.evaluate(values, inputs={start: np.float32(1.25)})
    expected = function(torch.tensor(1.25), 3.0, 6, dtype=torch.float64) * 2 * 1.25
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-14)
    (gradient,) = chain_rule({values: np.ones(6)}, [start])
    values.sum().backward()
    np.testing.assert_allclose(cnp.evaluate(gradient), start.grad, rtol=1e-6)
