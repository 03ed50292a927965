"""The benchmark of the examples: its loops in torch learn what the examples learn."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("tqdm")

from benchmarks import examples
from examples import digits_cnn, digits_vit


def test_xor_in_torch_takes_the_same_steps() -> None:
    ours, theirs = examples._xor("numpy", 40), examples._xor_in_torch(40)
    np.testing.assert_allclose(ours.losses, theirs.losses, rtol=1e-4)
    assert 0.25 <= theirs.accuracy <= 1


@pytest.mark.parametrize(("module", "model"), [(digits_cnn, "cnn"), (digits_vit, "vit")])
def test_digits_in_torch_take_the_same_steps(module: object, model: str) -> None:
    few = ["--epochs", "2", "--truncate", "128"]
    shortened = SimpleNamespace(set_up=lambda options: module.set_up([*few, *options]))  # type: ignore[attr-defined]
    ours = partial(examples._digits, shortened)
    example = examples.Example("digits", ours, partial(examples._digits_in_torch, shortened, examples.MODELS[model]))
    outcomes = {"numpy": example.ours("numpy"), examples._TORCH: example.theirs()}
    assert len(outcomes["numpy"].losses) == len(outcomes[examples._TORCH].losses) == 4
    examples._compare(example, outcomes)
    with pytest.raises(AssertionError, match="losses by numpy differ"):
        examples._compare(example, outcomes | {"numpy": examples.Outcome([9.0] * 4, 0.0)})
