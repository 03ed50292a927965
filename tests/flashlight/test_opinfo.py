"""torch's own samples of its operators, captured: values by numpy alone and gradients by chain_rule, with torch forbidden to compute.

The default run takes every entry's first sample in turns; all samples of all entries are slow.
"""

from __future__ import annotations

from itertools import product

import pytest
import torch

from tests.composit.nn.opinfo import entries
from tests.flashlight.opinfo import run_entry
from tests.flashlight.opinfo_exceptions import ON_CUDA, OTHERWISE_IN_HALF, WITHOUT_GRADIENTS, WITHOUT_VALUES
from tests.sampling import one_in

NAMES = [name for name in entries("") if name not in WITHOUT_VALUES]


def _check(name: str, most: int | None) -> None:
    outcome = run_entry(name, most=most)
    assert outcome.values == {}
    if name not in WITHOUT_GRADIENTS:
        assert outcome.gradients == {}


@pytest.mark.parametrize("name", NAMES[::18])
def test_the_first_samples_of_an_entry_are_torchs(name: str) -> None:
    _check(name, 2)


# Every third pair, so that both dtypes and all parts of the list are among them.
@pytest.mark.parametrize(
    ("name", "dtype"),
    one_in(
        5,
        product(
            [name for name in NAMES[5::12] if name not in OTHERWISE_IN_HALF],
            [torch.bfloat16, torch.float16],
        ),
    ),
)
def test_the_first_samples_of_half_precision_are_torchs(name: str, dtype: torch.dtype) -> None:
    assert run_entry(name, most=2, dtype=dtype).values == {}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bfloat16", "float16"])
@pytest.mark.parametrize("name", [name for name in NAMES if name not in OTHERWISE_IN_HALF])
def test_samples_of_half_precision_are_torchs(name: str, dtype: torch.dtype) -> None:
    assert run_entry(name, most=4, dtype=dtype).values == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_all_samples_of_an_entry_are_torchs(name: str) -> None:
    _check(name, None)


def test_the_entries_that_are_left_out_exist() -> None:
    # torch lists those of CUDA on some machines only.
    of_cpu = {name for name, reason in WITHOUT_VALUES.items() if reason != ON_CUDA}
    of_cpu |= set(OTHERWISE_IN_HALF)
    assert of_cpu | set(WITHOUT_GRADIENTS) <= set(entries(""))
    assert len(NAMES) >= 680
