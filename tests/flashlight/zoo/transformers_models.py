"""Models of transformers with tiny configurations and random weights, made from the library's own classes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from tests.flashlight.zoo.case import Case, Program, floats, ids

VOCABULARY = 99
LENGTH = 8

# Names that many configurations share, with the smallest values at which their models still do all that they do.
SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "d_model": 32,
    "dim": 32,
    "n_embd": 32,
    "embed_dim": 32,
    "hidden_dim": 64,
    "num_hidden_layers": 2,
    "n_layer": 2,
    "n_layers": 2,
    "num_layers": 2,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "num_decoder_layers": 2,
    "num_encoder_layers": 2,
    "num_attention_heads": 4,
    "n_head": 4,
    "n_heads": 4,
    "num_heads": 4,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "d_kv": 8,
    "intermediate_size": 64,
    "ffn_dim": 64,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "d_ff": 64,
    "n_inner": 64,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 64,
    "n_positions": 64,
    "n_ctx": 64,
    "type_vocab_size": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
    "mask_token_id": 3,
    "image_size": 32,
    "patch_size": 8,
    "embedding_size": 16,
    "rotary_dim": 8,
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 32,
    "router_jitter_noise": 0.0,
    "n_group": 1,
    "topk_group": 1,
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 8,
    "state_size": 8,
    "mamba_d_state": 8,
    "mamba_expand": 2,
    "time_step_rank": 4,
    "max_source_positions": 16,
    "num_mel_bins": 16,
    "conv_dim": (16, 16),
    "conv_stride": (5, 2),
    "conv_kernel": (10, 3),
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "attention_dropout": 0.0,
    "projection_dim": 16,
    "num_labels": 3,
}


def shrink(config: Any) -> Any:
    """Set the shared names of a configuration, and of configurations inside it, to small values."""
    for name, value in SIZES.items():
        present = vars(config).get(name)
        if (
            present is not None
            and not isinstance(present, dict)
            and isinstance(present, list | tuple) == isinstance(value, tuple)
        ):
            setattr(config, name, value)
    for child in vars(config).values():
        if hasattr(child, "to_dict") and hasattr(child, "model_type"):
            shrink(child)
    return config


def _build(
    model_class: str, config_class: str, inputs: Callable[..., dict[str, Any]], settings: dict[str, Any]
) -> Program:
    import transformers

    settings = dict(settings)
    attention = settings.pop("attention", "eager")
    kind: Any = getattr(transformers, model_class)
    config = shrink((getattr(transformers, config_class) if config_class else kind.config_class)())
    _apply(config, settings)
    model: Any = kind._from_config(config, attn_implementation=attention).eval()
    randomise(model)
    return Program(model, partial(inputs, config))


def _apply(config: Any, settings: dict[str, Any]) -> None:
    for name, value in settings.items():
        if isinstance(value, dict) and hasattr(getattr(config, name, None), "model_type"):
            _apply(getattr(config, name), value)
        else:
            setattr(config, name, value)


def randomise(model: torch.nn.Module) -> None:
    # Initial values of 0 and 1 hide what a model computes with them.
    generator = torch.Generator().manual_seed(3)
    for parameter in model.parameters():
        if parameter.dtype.is_floating_point:
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.02)


def text(config: Any, generator: torch.Generator) -> dict[str, Any]:
    mask = torch.ones(2, LENGTH, dtype=torch.int64)
    mask[1, -3:] = 0
    return {"input_ids": ids(generator, (2, LENGTH), VOCABULARY), "attention_mask": mask}


def plain_text(config: Any, generator: torch.Generator) -> dict[str, Any]:
    return {"input_ids": ids(generator, (2, LENGTH), VOCABULARY)}


def two_texts(config: Any, generator: torch.Generator) -> dict[str, Any]:
    return {**text(config, generator), "decoder_input_ids": ids(generator, (2, 5), VOCABULARY)}


def image(config: Any, generator: torch.Generator) -> dict[str, Any]:
    size = getattr(config, "image_size", None) or 32
    size = size if isinstance(size, list | tuple) else (size, size)
    return {"pixel_values": floats(generator, 2, getattr(config, "num_channels", 3) or 3, *size)}


def wave(config: Any, generator: torch.Generator) -> dict[str, Any]:
    return {"input_values": floats(generator, 2, 800)}


def spectrum(config: Any, generator: torch.Generator) -> dict[str, Any]:
    return {"input_features": floats(generator, 2, config.num_mel_bins, 2 * config.max_source_positions)}


def speech_to_text(config: Any, generator: torch.Generator) -> dict[str, Any]:
    return {**spectrum(config, generator), "decoder_input_ids": ids(generator, (2, 5), VOCABULARY)}


KINDS: dict[str, Callable[..., dict[str, Any]]] = {
    "text": text, "plain_text": plain_text, "two_texts": two_texts, "image": image, "wave": wave, "spectrum": spectrum,
    "speech_to_text": speech_to_text,
}  # fmt: skip


def case(name: str, model: str, config: str, kind: str, **settings: Any) -> Case:
    """Return the case of a model class and a configuration class, which is the model's own if its name is empty."""
    return Case(f"transformers/{name}", partial(_build, model, config, KINDS[kind], settings))
