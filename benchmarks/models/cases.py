"""The models of the suite: modules of transformers and diffusers with random weights, and their inputs.

Weights are random because none are packaged; sizes are those of the published models, except the UNet's. `is_small` gives
the same structure at sizes that a test can compile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from benchmarks.contest import Bound
from benchmarks.module_workload import Built


@dataclass(frozen=True, slots=True)
class Case:
    """A model: `build(is_small)` gives a module in evaluation mode and its inputs; its outputs are a tensor or a tuple."""

    name: str
    bound: Bound
    build: Callable[[bool], Built]

    @property
    def tolerance(self) -> float:
        """Rounding through all layers, as a part of an output's largest value."""
        return 1e-4


class _Adapted(nn.Module):
    """A model called with tensors only, of whose output some tensors are kept."""

    def __init__(self, model: nn.Module, call: Callable[..., Any]) -> None:
        super().__init__()
        self.model, self._call = model, call

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self._call(self.model, *inputs)


def _encoder(
    *, layers: int, hidden: int, heads: int, has_mask: bool, batch: int = 1, length: int = 128
) -> Callable[[bool], Built]:
    def build(is_small: bool) -> Built:
        from transformers import BertConfig, BertModel

        sizes = _small_bert if is_small else _bert(layers, hidden, heads)
        module = BertModel(BertConfig(**sizes), add_pooling_layer=False)
        ids = torch.randint(0, sizes["vocab_size"], (batch, 16 if is_small else length))
        mask = torch.ones_like(ids)
        mask[:, ids.shape[1] * 3 // 4 :] = 0  # a quarter is padding
        inputs = (ids, mask) if has_mask else (ids,)
        return _Adapted(module, lambda model, *given: model(*given).last_hidden_state), inputs

    return build


def _bert(layers: int, hidden: int, heads: int) -> dict[str, Any]:  # Any: what the configuration's classes ask for
    return {
        "vocab_size": 30522,
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "intermediate_size": 4 * hidden,
    }


_small_bert = {**_bert(2, 32, 2), "vocab_size": 64}


def _resnet_50(is_small: bool) -> Built:
    """The default configuration of transformers; small, a bottleneck with and one without a convolution beside it."""
    from transformers import ResNetConfig, ResNetModel

    sizes: dict[str, Any] = {"embedding_size": 8, "hidden_sizes": [16, 32], "depths": [2, 1]} if is_small else {}
    module = ResNetModel(ResNetConfig(**sizes))
    return _Adapted(module, lambda model, pixels: model(pixels).pooler_output), _image(32 if is_small else 224)


def _resnet_18(is_small: bool) -> Built:
    from transformers import ResNetConfig, ResNetModel

    sizes: dict[str, Any] = {"embedding_size": 64, "hidden_sizes": [64, 128, 256, 512], "depths": [2, 2, 2, 2]}
    if is_small:
        sizes = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
    module = ResNetModel(ResNetConfig(layer_type="basic", **sizes))
    return _Adapted(module, lambda model, pixels: model(pixels).pooler_output), _image(32 if is_small else 224)


def _mobilenet(is_small: bool) -> Built:
    from transformers import MobileNetV2Config, MobileNetV2Model

    sizes: dict[str, Any] = {"depth_multiplier": 0.25, "image_size": 32} if is_small else {}
    module = MobileNetV2Model(MobileNetV2Config(**sizes))
    return _Adapted(module, lambda model, pixels: model(pixels).pooler_output), _image(32 if is_small else 224)


def _vision_transformer(is_small: bool) -> Built:
    from transformers import ViTConfig, ViTModel

    sizes: dict[str, Any] = {"num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 2}
    module = ViTModel(
        ViTConfig(**(sizes | {"intermediate_size": 64, "image_size": 32, "patch_size": 8} if is_small else {})),
        add_pooling_layer=False,
    )
    return _Adapted(module, lambda model, pixels: model(pixels).last_hidden_state), _image(32 if is_small else 224)


def _image(length: int) -> tuple[torch.Tensor]:
    return (torch.randn(1, 3, length, length),)


def _language_model(is_small: bool) -> tuple[nn.Module, int, int]:
    """Return GPT-2, how many words it knows, and how many are given before the step."""
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes: dict[str, Any] = {"n_layer": 2, "n_embd": 32, "n_head": 2, "vocab_size": 64}
    config = GPT2Config(**(sizes | {"bos_token_id": 0, "eos_token_id": 0} if is_small else {}))
    return GPT2LMHeadModel(config), config.vocab_size, 16 if is_small else 128


def _prefill(is_small: bool) -> Built:
    module, num_words, length = _language_model(is_small)
    return _Adapted(module, _with_cache), (torch.randint(0, num_words, (1, length)),)


def _decode(is_small: bool) -> Built:
    module, num_words, length = _language_model(is_small)
    config: Any = module.config
    shape = (1, config.n_head, length, config.n_embd // config.n_head)
    kept = [torch.randn(shape) for _ in range(2 * config.n_layer)]
    return _Adapted(module, _with_cache), (torch.randint(0, num_words, (1, 1)), *kept)


def _with_cache(model: Any, ids: torch.Tensor, *kept: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return what `generate` needs of a step: the scores of the next word, and keys and values of each layer."""
    from transformers import DynamicCache

    cache = DynamicCache(list(zip(kept[::2], kept[1::2], strict=True)))
    output = model(ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
    layers = output.past_key_values.layers
    return output.logits, *(each for layer in layers for each in (layer.keys, layer.values))


def _whisper(is_small: bool) -> Built:
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    sizes: dict[str, Any] = {"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 64}
    config = WhisperConfig(**(sizes | {"max_source_positions": 20} if is_small else {}))
    module = WhisperEncoder(config)
    features = torch.randn(1, config.num_mel_bins, 2 * config.max_source_positions)
    return _Adapted(module, lambda model, given: model(given).last_hidden_state), (features,)


def _unet(is_small: bool) -> Built:
    from diffusers import UNet2DConditionModel

    widths = (8, 16) if is_small else (64, 128, 256, 256)
    attentive = len(widths) - 1  # as in Stable Diffusion, the deepest block has no attention
    make: Any = UNet2DConditionModel  # its class is not annotated
    module = make(
        sample_size=8 if is_small else 32,
        block_out_channels=widths,
        layers_per_block=1 if is_small else 2,
        norm_num_groups=4 if is_small else 32,
        attention_head_dim=2 if is_small else 8,
        cross_attention_dim=16 if is_small else 256,
        down_block_types=("CrossAttnDownBlock2D",) * attentive + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * attentive,
    )
    size, width = (8, 16) if is_small else (32, 256)
    inputs = (torch.randn(1, 4, size, size), torch.tensor([7]), torch.randn(1, 77, width))
    return _Adapted(module, lambda model, *given: model(*given).sample), inputs


_TRANSFORMER, _RESNET, _MOBILE, _UNET = Bound(1.00, 0.85), Bound(1.00, 0.80), Bound(1.00, 0.85), Bound(1.00)


def _bert_base(batch: int, length: int) -> Callable[[bool], Built]:
    return _encoder(layers=12, hidden=768, heads=12, has_mask=False, batch=batch, length=length)


_CASES: Sequence[Case] = (
    Case("MiniLM", _TRANSFORMER, _encoder(layers=6, hidden=384, heads=12, has_mask=True)),
    Case("BERT-base", _TRANSFORMER, _bert_base(1, 128)),
    Case("BERT-base, 8 sentences", _TRANSFORMER, _bert_base(8, 128)),
    Case("BERT-base, 32 tokens", _TRANSFORMER, _bert_base(1, 32)),
    Case("ViT-base", _TRANSFORMER, _vision_transformer),
    Case("GPT-2 prefill", _TRANSFORMER, _prefill),
    Case("GPT-2 decode", _TRANSFORMER, _decode),
    Case("Whisper-tiny encoder", _TRANSFORMER, _whisper),
    Case("ResNet-50", _RESNET, _resnet_50),
    Case("ResNet-18", _RESNET, _resnet_18),
    Case("MobileNetV2", _MOBILE, _mobilenet),
    Case("UNet, narrow", _UNET, _unet),
)
CASES: Mapping[str, Case] = {case.name: case for case in _CASES}


def built(name: str, is_small: bool) -> Built:
    """Return a case's module, in evaluation mode with seeded random weights, and its inputs."""
    torch.manual_seed(0)
    module, inputs = CASES[name].build(is_small)
    for each in module.modules():
        if isinstance(each, nn.BatchNorm2d) and each.running_var is not None:  # as if trained, not 0 and 1
            each.running_var.uniform_(0.5, 1.5)
            each.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]  # both are there, or neither
    return module.eval(), inputs
