"""Objects in a model's output that hold tensors, such as a cache of keys and values, are evaluated with it."""

import numpy as np
import pytest
import torch

import composit.numpy as cnp
import flashlight

transformers = pytest.importorskip("transformers")


def test_the_cache_of_new_inputs_is_that_of_torch() -> None:
    torch.manual_seed(0)
    sizes = {"n_layer": 2, "n_embd": 32, "n_head": 2, "vocab_size": 50, "n_positions": 32}
    config = transformers.GPT2Config(**sizes, bos_token_id=0, eos_token_id=0)
    model = transformers.GPT2LMHeadModel(config).eval()
    ids, others = torch.randint(0, 50, (1, 5)), torch.randint(0, 50, (1, 5))
    with torch.no_grad():
        with flashlight.tracer.trace():
            output = model(ids, use_cache=True)
        expected = model(others, use_cache=True)
    found = cnp.evaluate(output, inputs={"input_ids": others})
    np.testing.assert_allclose(found["logits"], expected.logits.numpy(), atol=1e-5)
    assert type(found["past_key_values"]) is type(expected.past_key_values)
    for layer, other in zip(found["past_key_values"].layers, expected.past_key_values.layers, strict=True):
        np.testing.assert_allclose(layer.keys, other.keys.numpy(), atol=1e-5)
        np.testing.assert_allclose(layer.values, other.values.numpy(), atol=1e-5)
