"""The torch backend: numpy's values through torch, numpy where torch has no such operation, memory shared both ways.

That it agrees with numpy on every operation is the contract suite's to show (tests/operations/test_backends.py).
"""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
import torch

import composit as cnp
from composit.apply import apply
from composit.errors import ParameterError
from composit.evaluation import clear_prepared_programs
from composit.nn.operations.convolution import Convolution, FilterGradient, TransposedConvolution
from composit.numpy.indexing.taking import TakeAlongAxisAdjoint
from flashlight.backend import TorchBackend
from flashlight.backend.torch_functions import check_bounds
from flashlight.conversion import array_of, tensor_of


def test_the_backend_is_known_by_name() -> None:
    x = cnp.asarray(np.arange(6.0).reshape(2, 3))
    value = cnp.evaluate(cnp.exp(x) @ x.T, backend="torch")
    np.testing.assert_allclose(value, np.exp(np.arange(6.0).reshape(2, 3)) @ np.arange(6.0).reshape(2, 3).T)
    assert isinstance(value, np.ndarray)


def test_an_operation_that_torch_has_not_runs_through_numpy() -> None:
    x = cnp.asarray(np.array([3, 5, 6]))
    value = cnp.evaluate(cnp.gcd(x + 3, 6) * 2, backend="torch")
    np.testing.assert_array_equal(value, [12, 4, 6])
    assert value.dtype == np.int64


_CONVOLUTIONS: tuple[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]], ...] = (
    ((2, 4, 9), (6, 4, 3), {"strides": 2, "padding": 1}),
    ((2, 4, 9, 8), (6, 2, 3, 2), {"strides": (2, 1), "dilation": (1, 2), "groups": 2, "padding": 1}),
    ((2, 4, 10, 9), (6, 4, 2, 3), {"strides": 3}),  # rows and columns that no window reaches
    ((2, 4, 7, 6, 5), (3, 4, 3, 2, 2), {"strides": 2}),
    ((0, 4, 7, 6), (3, 4, 3, 2), {}),
)


@pytest.mark.parametrize(("shape", "kernel", "options"), _CONVOLUTIONS)
def test_torch_computes_convolutions_and_their_derivatives(
    shape: tuple[int, ...], kernel: tuple[int, ...], options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    x, filters = cnp.asarray(rng.normal(size=shape)), cnp.asarray(rng.normal(size=kernel))
    value = cnp.nn.convolution(x, filters, **options)
    gradients = cnp.nn.chain_rule({cnp.sum(value * value): 1.0}, [x, filters])
    second = cnp.nn.chain_rule({sum(cnp.sum(each * each) for each in gradients): 1.0}, [x, filters])
    expected = cnp.evaluate(value, *gradients, *second)
    if x.size:
        for kind in (Convolution, TransposedConvolution, FilterGradient):
            monkeypatch.setattr(kind, "evaluate", None)
    found = cnp.evaluate(value, *gradients, *second, backend="torch")
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-10, strict=True)


def test_torch_adds_at_indices_from_both_ends() -> None:
    g, indices = cnp.asarray(np.arange(1.0, 7.0).reshape(2, 3)), cnp.asarray(np.array([[0, -1, 3], [1, 1, -4]]))
    adjoint = TakeAlongAxisAdjoint(1, (2, 4))
    np.testing.assert_array_equal(
        cnp.evaluate(apply(adjoint, g, indices), backend="torch"), [[1.0, 0, 0, 5], [6, 9, 0, 0]]
    )
    with pytest.raises(IndexError, match="index 4 is out of bounds for axis with size 4"):
        cnp.evaluate(apply(adjoint, g, indices + 1), backend="torch")


def test_promotion_is_numpys() -> None:
    x = cnp.asarray(np.arange(3, dtype=np.int32))
    y = cnp.asarray(np.ones(3, dtype=np.float32))
    assert cnp.evaluate(x + y, backend="torch").dtype == np.float64
    assert cnp.evaluate(y * 0.1, backend="torch").dtype == np.float32
    assert isinstance(cnp.evaluate(y.sum(), backend="torch"), np.float32)


def test_results_share_no_memory_with_inputs() -> None:
    array = np.arange(4.0)
    x = cnp.asarray(array)
    value = cnp.evaluate(x.reshape(2, 2), backend="torch")
    value[:] = 7
    np.testing.assert_array_equal(cnp.evaluate(x), np.arange(4.0))


@pytest.mark.parametrize("dtype", ["uint16", "uint32", "uint64"])
def test_scalars_of_every_dtype_reach_torch(dtype: str) -> None:
    x = cnp.asarray(np.arange(6, dtype=dtype).reshape(2, 3))
    value = cnp.evaluate(cnp.tril(x) + x[1, 2], backend="torch")
    np.testing.assert_array_equal(value, cnp.evaluate(cnp.tril(x) + x[1, 2]))
    assert value.dtype == dtype


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (1, 4), (1, 1)])
def test_arrays_that_run_backwards_may_be_empty(shape: tuple[int, ...]) -> None:
    backwards = np.arange(float(np.prod(shape))).reshape(shape)[::-1, ::-1]
    np.testing.assert_array_equal(tensor_of(backwards).numpy(), backwards)
    x = cnp.asarray(np.arange(24).reshape(2, 3, 4))[:-3:2, 0:3:-2, -2::-2]
    assert cnp.evaluate(x + 1, backend="torch").shape == (0, 0, 2)


def test_an_error_shows_the_line_that_built_the_operation() -> None:
    x, index = cnp.asarray(np.arange(4.0)), cnp.asarray(np.array([9]))
    taken = cnp.take(x, index * 1)
    with pytest.raises(IndexError) as raised:
        cnp.evaluate(taken, backend="torch")
    assert "taken = cnp.take(x, index * 1)" in "".join(raised.value.__notes__)


def test_arrays_are_seen_by_torch_and_tensors_by_numpy_without_copying() -> None:
    array = np.arange(6.0).reshape(2, 3)
    array.flags.writeable = False
    tensor = tensor_of(array)
    assert np.shares_memory(tensor.numpy(), array)
    assert not array.flags.writeable
    back = array_of(torch.ones(3))
    assert not back.flags.writeable
    np.testing.assert_array_equal(tensor_of(array[::-1]).numpy(), array[::-1])


def test_a_prepared_program_keeps_no_values_alive() -> None:
    x = cnp.asarray(np.arange(4.0))
    operation = weakref.ref(x.node.operation)
    y = x + 1
    backend = TorchBackend()
    np.testing.assert_array_equal(cnp.evaluate(y, backend=backend), np.arange(1.0, 5.0))
    del x, y
    gc.collect()
    assert operation() is None
    clear_prepared_programs()


def _on_a_device(device: str) -> None:
    """Compare a program of most kinds of steps: constants, indices, a scan, and an operation that numpy has to compute."""
    rng = np.random.default_rng(0)
    x, index = cnp.asarray(rng.normal(size=(4, 3)).astype(np.float32)), cnp.asarray(np.array([[2, -1], [0, 3]]))
    last, every = cnp.nn.scan(lambda carry, row: (carry * 0.5 + row, carry), x[0] * 0, x)
    results = [
        cnp.matmul(x, x.T) + cnp.ones((4, 4), "float32"),
        x[index],
        cnp.take_along_axis(x, cnp.argsort(x, axis=0), axis=0),
        cnp.gcd(index * 4, 6),
        cnp.fft.fft(x),
        x.sum(),
        last,
        every,
        x,
    ]
    for value, expected in zip(
        cnp.evaluate(results, backend=TorchBackend(device=device)), cnp.evaluate(results), strict=True
    ):
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)
        assert type(value) is type(expected)
        assert value.dtype == expected.dtype


def test_operands_go_to_the_device_and_results_come_back() -> None:
    # torch keeps "cpu:0" apart from "cpu", so it takes the way of a device that is not the CPU.
    _on_a_device("cpu:0")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU that torch can use")
def test_a_gpu_gives_numpys_values_and_errors() -> None:
    _on_a_device("cuda")
    x, index = cnp.asarray(np.arange(4.0)), cnp.asarray(np.array([9]))
    with pytest.raises(IndexError, match="index 9 is out of bounds for axis with size 4"):
        cnp.evaluate(cnp.take(x, index * 1), backend=TorchBackend(device="cuda"))


def test_indices_are_checked_before_a_device_that_cannot_say_which_is_wrong() -> None:
    check_bounds(torch.tensor([-3, 2]), 3)
    check_bounds(torch.zeros(0, dtype=torch.int64), 0)
    for wrong in (3, -4):
        with pytest.raises(IndexError, match=f"index {wrong} is out of bounds for axis with size 3"):
            check_bounds(torch.tensor([[0, wrong]]), 3)


@pytest.mark.parametrize("device", ["gpu", "meta", "", "cuda:99", "privateuseone", None, 3.5])
def test_a_device_that_cannot_compute_is_an_error(device: Any) -> None:
    with pytest.raises(ParameterError, match=r"torch: device=.* on which torch .* cannot compute here .*'cpu'"):
        TorchBackend(device=device)
