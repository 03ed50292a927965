"""The suite `layers`: what a backward pass starts from, and a comparison of values before anything is timed."""

from dataclasses import replace

import numpy as np
import pytest

import composit.numpy as cnp
from benchmarks.layer_cases import Case
from benchmarks.layers import _contenders, _kept, _parts
from composit import nn
from composit.nn import chain_rule
from composit.value import value_of

_NAMES = ["mosaic", "numpy", "numpy, graph anew"]


def _softmax_case() -> Case:
    x = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    return Case("softmax", lambda x: nn.softmax(x, axis=-1), lambda x: x.softmax(dim=-1), (x,))


def test_the_backward_pass_of_softmax_starts_from_the_result_and_its_gradient() -> None:
    x, g = cnp.asarray(np.ones((3, 5))), cnp.asarray(np.ones((3, 5)))
    y = nn.softmax(x, axis=-1)
    kept = _kept(y, chain_rule({y: g}, [x]))
    assert {value_of(each) for each in kept} == {value_of(y), value_of(g)}


def test_every_part_has_its_contenders() -> None:
    found = {part.name: list(_contenders(part, 1, _NAMES)) for part in _parts(_softmax_case())}
    everybody = ["torch", *_NAMES]
    assert found == {"forward": everybody, "backward": everybody[:3], "both": everybody}


def test_a_contender_that_computes_something_else_is_an_error() -> None:
    wrong = replace(_softmax_case(), torch_layer=lambda x: x.softmax(dim=0))
    forward = next(iter(_parts(wrong)))
    with pytest.raises(AssertionError, match=r"forward, mosaic: .* difference"):
        _contenders(forward, 1, _NAMES)
