"""Elements that leave a trace through storages, addresses, texts and DLPack: a guard, or the right values on other inputs."""

from __future__ import annotations

import copy
import ctypes
import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import composit as cnp
import flashlight
from composit.errors import GuardError
from flashlight.tracer import trace

X = torch.tensor([1.0, 2.0, 3.0])
NEW = np.array([4.0, 5.0, 6.0], np.float32)
pytestmark = [
    pytest.mark.filterwarnings("ignore::flashlight.DataLeavesWarning"),
    pytest.mark.filterwarnings("ignore:TypedStorage is deprecated:UserWarning"),
]


def traced(function: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    with torch.no_grad(), trace():
        return function(X)


def number_at(address: int) -> float:
    return float((ctypes.c_float * 3).from_address(address)[1])


class Wrapper:
    """An object of another library that hands on a tensor's memory."""

    def __init__(self, tensor: torch.Tensor, export: Callable[[torch.Tensor], object]) -> None:
        self.tensor = tensor
        self.export = export

    def __dlpack__(self, **options: Any) -> object:
        return self.export(self.tensor)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


def cast_in_memory(y: torch.Tensor) -> torch.Tensor:
    return torch.empty(0, dtype=torch.int32).set_(y.untyped_storage(), 0, (3,), (1,))


def written(y: torch.Tensor, write: Callable[[Any], object]) -> torch.Tensor:
    write(y.untyped_storage())
    return y


def saved(value: object) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(value, file)
    return file


READS: dict[str, Callable[[torch.Tensor], Any]] = {
    "list of bytes": lambda y: sum(y.untyped_storage().tolist()),
    "one byte": lambda y: y.untyped_storage()[3],
    "bytes": lambda y: sum(bytes(y.untyped_storage())),
    "typed": lambda y: y.storage()[1],
    "typed list": lambda y: sum(y.storage().tolist()),
    "clone": lambda y: torch.empty(0).set_(y.untyped_storage().clone(), 0, (3,), (1,)),
    "copied storage": lambda y: float(copy.deepcopy(y.storage())[1]),
    "pickled storage": lambda y: float(pickle.loads(pickle.dumps(y.storage()))[1]),
    "saved storage": lambda y: len(saved(y.untyped_storage()).getvalue()),
    "another storage": lambda y: written(torch.zeros(3), lambda storage: storage.copy_(y.untyped_storage())),
    "another dtype": cast_in_memory,
    "write of a byte": lambda y: written(y, lambda storage: storage.__setitem__(0, 1)),
    "write of all": lambda y: written(y, lambda storage: storage.fill_(0)),
    "bytes swapped": lambda y: written(y, lambda storage: storage.byteswap(torch.float32)),
    "address": lambda y: number_at(y.data_ptr()),
    "address of the storage": lambda y: number_at(y.untyped_storage().data_ptr()),
    "address of the typed storage": lambda y: number_at(y.storage().data_ptr()),
    "address and an offset": lambda y: number_at(y.data_ptr() + 0),
    "format": lambda y: float(f"{y.sum():.2f}"),
    "format method": lambda y: float("{:.3f}".format(y.sum())),  # noqa: UP032  # another function of Python
    "format without a specification": lambda y: float(f"{y.sum()}"),
    "text": lambda y: len(str(y * 1e6)),
    "repr in a list": lambda y: float(repr([y[0]])[8:-2]),
    "text in a number in a print": lambda y: y if print(float(f"{y[0]}")) else y * float(f"{y[0]}"),
    "import of another library": lambda y: torch.from_dlpack(Wrapper(y, lambda t: t.__dlpack__())),
    "capsule for another library": lambda y: float(
        np.from_dlpack(Wrapper(y, torch.utils.dlpack.to_dlpack))[0]  # type: ignore[arg-type]  # the stubs want more methods
    ),
}


@pytest.mark.parametrize("is_computed", [True, False])
@pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
def test_elements_that_leave_without_an_operation_are_guarded(
    read: Callable[[torch.Tensor], Any], is_computed: bool
) -> None:
    with torch.no_grad(), trace():
        y = X * 2 if is_computed else X.clone()
        output = X + read(y)
    if not isinstance(output, torch.Tensor) or output.dtype != torch.float32:
        output = output.float()
    np.testing.assert_allclose(cnp.evaluate(output), output.numpy(), rtol=1e-6)
    with pytest.raises(GuardError, match=r"Python might take another path at\n  File"):
        cnp.evaluate(output, inputs={X: NEW})


def test_elements_of_a_tensor_from_before_the_trace_are_guarded_before_an_operation_has_met_it() -> None:
    for read in (lambda x: x.untyped_storage()[3], lambda x: number_at(x.data_ptr())):
        x = torch.tensor([1.0, 2.0, 3.0])
        with trace():
            number = read(x)
            output = x * number
        np.testing.assert_array_equal(cnp.evaluate(output, inputs={x: x.numpy()}), output.numpy())
        with pytest.raises(GuardError):
            cnp.evaluate(output, inputs={x: NEW})


def test_elements_of_a_tensor_that_is_gone_are_guarded() -> None:
    with trace():
        storage = (X * 2).untyped_storage()
        output = X + storage[3]
    with pytest.raises(GuardError, match="storage read"):
        cnp.evaluate(output, inputs={X: NEW})


@pytest.mark.parametrize(
    "compare",
    [
        lambda y: y.data_ptr() == y[:].data_ptr(),
        lambda y: y.data_ptr() != y.clone().data_ptr(),
        lambda y: len({y.data_ptr(), y[:2].data_ptr()}),
        lambda y: y.data_ptr() % 4 + 1,
        lambda y: y.data_ptr() <= y[1:].data_ptr(),
        lambda y: {y.untyped_storage().data_ptr(): 2}[y.storage().data_ptr()],
    ],
)
def test_addresses_that_only_say_which_memory_it_is_guard_nothing(compare: Callable[[torch.Tensor], int]) -> None:
    output = traced(lambda x: x * 2 + compare(x * 3))
    np.testing.assert_array_equal(cnp.evaluate(output, inputs={X: NEW}), NEW * 2 + output[0].item() - 2)
    assert not flashlight.report(output).guards


def test_what_is_written_at_an_address_is_found() -> None:
    with trace():
        y = X * 2
        (ctypes.c_float * 3).from_address(y.data_ptr())[0] = 9.0
        output = y + 1
        output = output + X
    np.testing.assert_array_equal(cnp.evaluate(output), [11, 7, 10])
    with pytest.raises(GuardError):
        cnp.evaluate(output, inputs={X: NEW})


def test_a_text_that_is_only_shown_guards_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    def show(x: torch.Tensor) -> torch.Tensor:
        y = x * 2
        print(y, f"loss {y.sum():.2f}", "%s" % y, [y], str(y))  # noqa: UP031  # another function of Python
        assert y.dim() == 1, f"{y}"
        return y

    output = traced(show)
    assert "loss 12.00" in capsys.readouterr().out
    np.testing.assert_array_equal(cnp.evaluate(output, inputs={X: NEW}), NEW * 2)


@pytest.mark.parametrize("size", [2, 3])
def test_a_text_of_a_tensor_with_named_sizes_is_a_read(size: int) -> None:
    x = torch.ones(2, 3)
    with torch.no_grad(), trace(dynamic={x: {0: "batch"}}):
        output = x + float(f"{x.sum():.2f}") + len(str(x))
    with pytest.raises(GuardError, match=r"test_storages.py"):
        cnp.evaluate(output, inputs={x: np.full((size, 3), 5, np.float32)})


@pytest.mark.parametrize(
    "through", [lambda y: torch.from_dlpack(y), lambda y: torch.from_dlpack(torch.utils.dlpack.to_dlpack(y))]
)
@pytest.mark.parametrize(
    "make", [lambda x: x * 2, lambda x: torch._neg_view(x * 2), lambda x: torch.complex(x, x * 2).conj().imag]
)
def test_memory_that_comes_back_through_dlpack_is_followed_without_its_mark_of_negatives(
    through: Callable[[torch.Tensor], torch.Tensor], make: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    def exchange(x: torch.Tensor) -> torch.Tensor:
        y = make(x)
        other = through(y)
        other.add_(1)
        return torch.stack([y, other])

    output = traced(exchange)
    expected = exchange(torch.from_numpy(NEW))
    np.testing.assert_array_equal(cnp.evaluate(output, inputs={X: NEW}), expected.numpy())
