"""torch's own transformer: within a trace it takes the fused path that it takes without one, also on nested tensors."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import composit as cnp
from composit.errors import GuardError
from flashlight.tracer import trace

PADDING = torch.tensor([[False, False, False, True], [False, True, True, True]])


def encoder(norm_first: bool = False, activation: str = "relu") -> nn.TransformerEncoder:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=norm_first, activation=activation)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=not norm_first).eval()


@pytest.fixture(autouse=True)
def prototypes_warn() -> Any:
    with warnings.catch_warnings():
        # torch calls its nested tensors a prototype.
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode], ids=lambda context: context.__name__)
@pytest.mark.parametrize(
    ("norm_first", "activation", "masked", "padded"),
    list(itertools.product((False, True), ("relu", "gelu"), (False, True), (False, True))),
)
def test_an_encoder_is_captured_as_torch_runs_it(
    norm_first: bool, activation: str, masked: bool, padded: bool, context: Callable[[], torch.no_grad]
) -> None:
    model, x, new = encoder(norm_first, activation), torch.randn(2, 4, 8), torch.randn(2, 4, 8)
    given: dict[str, torch.Tensor] = {}
    if masked:
        given["mask"] = nn.Transformer.generate_square_subsequent_mask(4)
    if padded:
        given["src_key_padding_mask"] = PADDING
    with context():
        expected, expected_new = model(x, **given), model(new, **given)
        with trace():
            y = model(x, **given)
    np.testing.assert_array_equal(y.numpy(), expected.numpy())
    np.testing.assert_allclose(cnp.evaluate(y), expected.numpy(), atol=2e-6)
    np.testing.assert_allclose(cnp.evaluate(y, inputs={x: new}), expected_new.numpy(), atol=2e-6)


def test_other_lengths_of_the_sequences_are_new_inputs_as_long_as_torch_takes_the_same_path() -> None:
    model, x, padding = encoder(), torch.randn(2, 4, 8), PADDING.clone()
    with torch.no_grad(), trace():
        y = model(x, src_key_padding_mask=padding)
    shorter = torch.tensor([[False, True, True, True], [False, False, True, True]])
    with torch.no_grad():
        expected = model(x, src_key_padding_mask=shorter)
    np.testing.assert_allclose(cnp.evaluate(y, inputs={padding: shorter}), expected.numpy(), atol=2e-6)
    with pytest.raises(GuardError, match="bool read True"):
        cnp.evaluate(y, inputs={padding: ~PADDING})


@pytest.mark.parametrize(("need_weights", "average"), [(True, True), (True, False), (False, True)])
def test_attention_gives_its_weights(need_weights: bool, average: bool) -> None:
    torch.manual_seed(0)
    attention, x = nn.MultiheadAttention(8, 2, batch_first=True).eval(), torch.randn(2, 4, 8)
    with torch.no_grad(), trace():
        outputs = attention(x, x, x, need_weights=need_weights, average_attn_weights=average)
    for value, tensor in zip(cnp.evaluate(outputs), outputs, strict=True):
        if tensor is not None:
            np.testing.assert_allclose(value, tensor.numpy(), atol=1e-6)


def test_a_nested_tensor_is_no_output() -> None:
    x = torch.randn(2, 4, 8)
    with trace():
        y = torch._nested_tensor_from_mask(x, ~PADDING)
    with pytest.raises(NotImplementedError, match="expected a padded tensor"):
        cnp.evaluate(y)
