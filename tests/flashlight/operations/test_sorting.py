"""Places in sequences by torch's own steps: also of NaN, in sequences that are not sorted, and beside other dtypes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

import composit as cnp
import flashlight
import mosaic
from tests.sampling import one_in

Tensor = torch.Tensor
NAN = float("nan")
SEQUENCES = {
    "sorted": [0.1, 1.0, 2.3, 2.5, 2.5, 7.0],
    "with NaN at the end": [0.1, 1.0, 2.3, 2.5, NAN, NAN],
    "falling": [7.0, 2.5, 2.3, 2.3, 1.0, 0.1],
    "in no order": [1.0, 5.0, 2.0, 8.0, NAN, 3.0],
    "of one": [1.0],
}
SOUGHT = [2.3, NAN, -1.0, 9.0, 2.5, float("inf"), 0.0, 1.0]


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("sequence", SEQUENCES.values(), ids=SEQUENCES)
def test_positions_of_numbers_are_torchs_in_any_sequence(sequence: list[float], right: bool) -> None:
    numbers, sought = torch.tensor(sequence), torch.tensor(SOUGHT)
    with flashlight.tracer.trace():
        in_all = torch.searchsorted(numbers, sought, right=right)
        in_rows = torch.searchsorted(
            torch.stack([numbers, numbers.flip(0)]), sought.expand(2, 8).contiguous(), right=right
        )
        counted = torch.bucketize(sought, numbers, right=right, out_int32=True)
    outputs = [in_all, in_rows, counted]
    model = mosaic.compile(outputs, inputs=[numbers, sought])
    for found in (cnp.evaluate(outputs), model(numbers.numpy(), sought.numpy())):
        for value, expected in zip(found, outputs, strict=True):
            assert value.dtype == expected.numpy().dtype
            np.testing.assert_array_equal(value, expected.numpy())


def test_all_positions_in_an_empty_sequence_are_0() -> None:
    sought = torch.tensor(SOUGHT)
    with flashlight.tracer.trace():
        found = torch.searchsorted(torch.empty(0), sought)
    np.testing.assert_array_equal(cnp.evaluate(found), np.zeros(8))


def test_positions_are_torchs_on_other_sequences() -> None:
    numbers, sought = torch.tensor(SEQUENCES["sorted"]), torch.tensor(SOUGHT)
    order = torch.arange(6).flip(0)
    with flashlight.tracer.trace():
        found = torch.searchsorted(numbers, sought, sorter=order)
    for sequence in ("with NaN at the end", "falling", "in no order"):
        other = torch.tensor(SEQUENCES[sequence])
        expected = torch.searchsorted(other, sought, sorter=order)
        np.testing.assert_array_equal(cnp.evaluate(found, inputs={numbers: other.numpy()}), expected.numpy())


# torch rounds the sought number of rank 0 to the dtype of the sequence: 0.1 is 0.1001 in bfloat16, and 0.09998 in float16.
OF_OTHER_DTYPES: dict[str, Callable[[Tensor], Tensor]] = {
    "a number": lambda sequence: torch.searchsorted(sequence, 0.1),
    "a number from the right": lambda sequence: torch.bucketize(0.1, sequence, right=True),
    "of rank 0": lambda sequence: torch.searchsorted(sequence, torch.tensor(0.1, dtype=torch.float64), right=True),
    "an integer": lambda sequence: torch.bucketize(torch.tensor(2), sequence, right=True),
}


@pytest.mark.parametrize("find", OF_OTHER_DTYPES.values(), ids=OF_OTHER_DTYPES)
@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.uint8], ids=str
)
def test_positions_of_numbers_of_other_dtypes_are_torchs(dtype: torch.dtype, find: Callable[[Tensor], Tensor]) -> None:
    sequence = torch.tensor([0.1, 1.0, 2.0, 3.0]).to(dtype)
    with flashlight.tracer.trace():
        found = find(sequence)
    np.testing.assert_array_equal(cnp.evaluate(found), found.numpy())


ORDERS: dict[str, Callable[[Tensor], tuple[Tensor, ...]]] = {
    "sort": lambda x: tuple(torch.sort(x, -1)),
    "descending": lambda x: tuple(torch.sort(x, -1, descending=True)),
    "stable": lambda x: tuple(torch.sort(x, dim=-1, stable=True)),
    "argsort": lambda x: (torch.argsort(x, 0),),
    "msort": lambda x: (torch.msort(x),),
    "kthvalue": lambda x: tuple(torch.kthvalue(x, 20, 0)),
    "median": lambda x: tuple(torch.median(x, 0)),
    "mode": lambda x: tuple(torch.mode(x, 0)),
}


# torch has no kthvalue and no median of bool.
_ORDERS_BY_DTYPE = [
    (name, dtype)
    for name in ORDERS
    for dtype in (torch.float32, torch.int64, torch.bfloat16, torch.bool)
    if dtype is not torch.bool or name not in ("kthvalue", "median")
]


@pytest.mark.parametrize(("name", "dtype"), one_in(3, _ORDERS_BY_DTYPE))
def test_of_equal_elements_those_are_chosen_that_torch_chooses(name: str, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    x, other = (torch.randint(0, 3, (40, 35), generator=generator).to(dtype) for _ in range(2))
    if dtype.is_floating_point:
        x[3, 4] = x[30, 5] = x[0, 5] = torch.nan
    with flashlight.tracer.trace():
        found = ORDERS[name](x)
    given = other.float() if dtype is torch.bfloat16 else other
    for values, wanted in (
        (cnp.evaluate(found), ORDERS[name](x)),
        (cnp.evaluate(found, inputs={x: given.numpy()}), ORDERS[name](other)),
        (mosaic.compile(found, inputs=[x])(given.numpy()), ORDERS[name](other)),
    ):
        for value, tensor in zip(values, wanted, strict=True):
            expected = tensor.float() if tensor.dtype is torch.bfloat16 else tensor
            np.testing.assert_array_equal(value, expected.numpy())
