"""Samples of torch's OpInfo database for torch.nn.functional: values to 1e-10 and first derivatives to 1e-7, in float64.

The default run takes the first samples of every second entry and a part of the others; the slow run takes all.
"""

from __future__ import annotations

import pytest

from tests.composit.nn.opinfo import entries, run_entry
from tests.composit.nn.opinfo_adapters import ADAPTERS
from tests.composit.nn.opinfo_spatial import SPATIAL
from tests.sampling import one_in

# torch's derivative of ctc_loss by any scores is that of the loss of log_softmax(scores). Ours is that of the loss itself, as
# differences of values are; behind log_softmax both are equal, which test_losses.py checks.
# Where several elements are put to one place, torch's derivative of max_unpool gives all of them the gradient of the one that
# stays; its own records check gradients in the entries "|grad" only, which have no such places.
WITHOUT_GRADIENTS = {"ctc_loss", "max_unpool1d", "max_unpool2d", "max_unpool3d"}
ROWS = {**ADAPTERS, **SPATIAL}


@pytest.mark.parametrize("name", one_in(2, ROWS))
def test_a_part_of_torchs_samples_are_torchs(name: str) -> None:
    _check(name, one_in=31)


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_all_samples_of_torch_are_torchs(name: str) -> None:
    _check(name, one_in=1)


def _check(name: str, one_in: int) -> None:
    gradients = entries()[name].supports_autograd and name not in WITHOUT_GRADIENTS
    result = run_entry(name, ROWS[name], gradients=gradients, one_in=one_in)
    assert result.failures == {}
    assert result.count > 0


def test_every_entry_has_an_adapter() -> None:
    assert set(ROWS) == set(entries())
