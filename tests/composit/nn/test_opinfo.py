"""All samples of torch's OpInfo database for torch.nn.functional: values to 1e-10 and first derivatives to 1e-7, in float64."""

from __future__ import annotations

import pytest

from tests.composit.nn.opinfo import entries, run_entry
from tests.composit.nn.opinfo_adapters import ADAPTERS

# torch's derivative of ctc_loss by any scores is that of the loss of log_softmax(scores). Ours is that of the loss itself, as
# differences of values are; behind log_softmax both are equal, which test_losses.py checks.
WITHOUT_GRADIENTS = {"ctc_loss"}


@pytest.mark.parametrize("name", ADAPTERS)
def test_all_samples_of_torch_are_torchs(name: str) -> None:
    gradients = entries()[name].supports_autograd and name not in WITHOUT_GRADIENTS
    result = run_entry(name, ADAPTERS[name], gradients=gradients)
    assert result.failures == {}
    assert result.count > 0


def test_every_adapter_is_of_an_entry() -> None:
    assert set(ADAPTERS) <= set(entries())
