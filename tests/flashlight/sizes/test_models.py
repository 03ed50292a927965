"""Models of transformers traced once and evaluated at other batches and lengths, with torch forbidden to compute."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

import composit as cnp
from flashlight.tracer import trace
from tests.flashlight.sizes.no_kernels import no_kernels
from tests.sampling import only

transformers = pytest.importorskip("transformers")

_SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
_TOKENS = {0: "batch", 1: "length"}


def _tokens(batch: int, length: int) -> dict[str, torch.Tensor]:
    mask = torch.ones(batch, length, dtype=torch.long)
    mask[0, 0] = 0
    return {"input_ids": torch.randint(1, 48, (batch, length)), "attention_mask": mask}


def _image(batch: int, length: int) -> dict[str, torch.Tensor]:
    return {"pixel_values": torch.randn(batch, 3, 32, 32)}


def _bert(attention: str) -> Any:
    config = transformers.BertConfig(vocab_size=50, max_position_embeddings=64, attn_implementation=attention, **_SMALL)
    return transformers.BertModel(config)


def _gpt2() -> Any:
    config = transformers.GPT2Config(
        n_layer=2, n_head=2, n_embd=16, vocab_size=50, n_positions=64, bos_token_id=0, eos_token_id=49
    )
    return transformers.GPT2LMHeadModel(config)


def _llama() -> Any:
    config = transformers.LlamaConfig(
        vocab_size=50, max_position_embeddings=64, num_key_value_heads=1, bos_token_id=0, eos_token_id=49, **_SMALL
    )
    return transformers.LlamaForCausalLM(config)


def _vit() -> Any:
    return transformers.ViTModel(transformers.ViTConfig(image_size=32, patch_size=8, **_SMALL))


def _mobilenet() -> Any:
    return transformers.MobileNetV2Model(transformers.MobileNetV2Config(image_size=32, depth_multiplier=0.25))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings(), torch.no_grad():
        # What the library itself warns of.
        warnings.simplefilter("ignore")
        yield


_MODELS: dict[str, tuple[Callable[[], Any], Callable[[int, int], dict[str, torch.Tensor]], dict[int, str]]] = {
    "bert-eager": (lambda: _bert("eager"), _tokens, _TOKENS),
    "bert-sdpa": (lambda: _bert("sdpa"), _tokens, _TOKENS),
    "gpt2": (_gpt2, _tokens, _TOKENS),
    "llama": (_llama, _tokens, _TOKENS),
    "vit": (_vit, _image, {0: "batch"}),
    "mobilenet": (_mobilenet, _image, {0: "batch"}),
}


@pytest.mark.parametrize("name", only(["bert-sdpa", "llama"], _MODELS))
def test_a_model_is_right_at_other_batches_and_lengths(name: str) -> None:
    make, data, names = _MODELS[name]
    torch.manual_seed(0)
    model, given = make().eval(), data(2, 5)
    with trace(dynamic=dict.fromkeys(given.values(), names)):
        output = model(**given)[0]
    for backend, batch, length in (("numpy", 3, 7), ("numpy", 1, 4), ("mosaic", 3, 7), ("mosaic", 4, 2)):
        new = data(batch, length)
        inputs = {key: tensor.numpy() for key, tensor in new.items()}
        with no_kernels():
            found = cnp.evaluate(output, inputs=inputs, backend=backend)
        torch.testing.assert_close(torch.from_numpy(found), model(**new)[0], atol=1e-5, rtol=1e-5)
