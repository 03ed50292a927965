"""Memory that torch and composit share through DLPack, in both directions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import composit
import composit.numpy as cnp
import flashlight
from composit.errors import ExchangeError

DTYPES = [torch.float32, torch.float64, torch.float16, torch.int64, torch.uint8, torch.bool, torch.complex64]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_torch_tensor_is_a_tensor_here_without_a_copy(dtype: torch.dtype) -> None:
    given = torch.arange(6).reshape(2, 3).to(dtype)[:, ::2]
    tensor = cnp.from_dlpack(given, copy=False)
    assert np.shares_memory(np.asarray(tensor), given.numpy())
    np.testing.assert_array_equal(composit.evaluate(tensor), given.numpy(), strict=True)
    np.testing.assert_array_equal(composit.evaluate(tensor.T[0]), given.T[0].numpy())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_tensor_is_a_torch_tensor_without_a_copy(dtype: torch.dtype) -> None:
    array = torch.arange(6).reshape(2, 3).to(dtype).numpy()
    tensor = cnp.asarray(array, copy=False)
    found = torch.from_dlpack(tensor, copy=False)
    assert found.data_ptr() == array.ctypes.data
    assert found.dtype is dtype
    np.testing.assert_array_equal(found.numpy(), array)
    assert torch.from_dlpack(tensor.T, copy=False).stride() == (1, 3)


def test_a_result_is_computed_once_and_its_memory_handed_over() -> None:
    result = cnp.asarray(np.arange(3.0)) * 2
    first, second = (torch.from_dlpack(result, copy=False) for _ in range(2))
    assert first.data_ptr() == second.data_ptr()
    np.testing.assert_array_equal(first, [0, 2, 4])


def test_what_torch_writes_to_shared_memory_is_seen_and_a_copy_keeps_its_value() -> None:
    given = torch.zeros(3)
    shared, copied = cnp.from_dlpack(given, copy=False), cnp.from_dlpack(given)
    given[0] = 7
    np.testing.assert_array_equal(composit.evaluate(shared), [7, 0, 0])
    np.testing.assert_array_equal(composit.evaluate(copied), [0, 0, 0])


def test_by_default_torch_gets_memory_of_its_own() -> None:
    tensor = cnp.asarray(np.zeros(3)) + 1
    torch.from_dlpack(tensor).fill_(7)
    np.testing.assert_array_equal(composit.evaluate(tensor), [1, 1, 1])


def test_a_traced_tensor_that_leaves_so_is_guarded() -> None:
    x = torch.ones(3)
    with flashlight.tracer.trace():
        y = x * 2
        with pytest.warns(flashlight.DataLeavesWarning, match="through dlpack"):
            other = cnp.from_dlpack(y)
    np.testing.assert_array_equal(composit.evaluate(other), [2, 2, 2])


@pytest.mark.parametrize("copy", [None, False])
@pytest.mark.parametrize(
    ("given", "words"),
    [
        (torch.ones(3, requires_grad=True), "require gradient"),
        (torch.ones(3, dtype=torch.bfloat16), "Unsupported dtype"),
        (torch.eye(3).to_sparse(), "layout"),
        (torch.ones(3, dtype=torch.complex64).conj(), "conjugate"),
    ],
)
def test_what_torch_cannot_share_is_an_error_that_says_what_to_do(given: Any, words: str, copy: bool | None) -> None:
    with pytest.raises(ExchangeError, match=f"(?s)from_dlpack: .* cannot be exchanged; .* says: .*{words}"):
        cnp.from_dlpack(given, copy=copy)


def test_what_torch_has_no_dtype_for_is_an_error() -> None:
    for array in (np.array(["a"]), np.ones(2, np.longdouble), np.ones(2, "datetime64[s]")):
        with pytest.raises(ExchangeError, match="__dlpack__: .* cannot be exchanged; .* says: DLPack only supports"):
            torch.from_dlpack(cnp.asarray(array))
    assert issubclass(ExchangeError, BufferError)
    assert issubclass(ExchangeError, RuntimeError)
