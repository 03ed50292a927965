"""The suite `training`: every model is the same in composit and in torch."""

import numpy as np
import pytest

from benchmarks.bert.step_probe import _composit
from benchmarks.bert.training_words import shapes
from benchmarks.bert.workload import Sizes
from benchmarks.training.cases import Case, cases
from benchmarks.training.contenders import prepare


@pytest.mark.parametrize("case", [cases()[0], cases()[-1]], ids=lambda case: case.name)
def test_losses_of_a_step_are_torchs(case: Case) -> None:
    ours, theirs = (prepare(name, case, 1) for name in ("mosaic", "torch eager"))
    np.testing.assert_allclose([ours() for _ in range(3)], [theirs() for _ in range(3)], atol=1e-5)


def test_a_step_of_bert_is_built_and_compiled_in_times_of_their_own() -> None:
    sizes = Sizes(layers=1, hidden=8, heads=2, intermediate=8, vocabulary=8, sequence=4)
    seconds = _composit(sizes, 1)
    assert seconds["building"] > 0
    assert seconds["compiling"] > 0
    assert shapes(sizes)["0 wide weight"] == (8, 8)
