"""Rows of the zoo: models of text of transformers that transformers_rows lacks, and of text with pages, images and sounds."""

from __future__ import annotations

from typing import Any

import torch

from tests.flashlight.zoo.configured_models import Make, Row, constant, normal, ones, padded, tokens, tokens_around
from tests.flashlight.zoo.generation_rows import GREEDY, PROMPT, T5, TEXT
from tests.flashlight.zoo.multimodal_rows import IMAGE, LANGUAGE, LLAMA, VISION

XLM: dict[str, Any] = {
    "vocab_size": 99, "emb_dim": 24, "n_layers": 2, "n_heads": 3, "max_position_embeddings": 40, "n_langs": 2, "pad_index": 2,
    "pad_token_id": 0,
}  # fmt: skip
LATENT: dict[str, Any] = {
    **TEXT, "num_key_value_heads": 3, "q_lora_rank": 12, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8,
}  # fmt: skip
EXPERTS: dict[str, Any] = {
    "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "n_group": 2, "topk_group": 1, "first_k_dense_replace": 1,
}  # fmt: skip
DELTA: dict[str, Any] = {
    **TEXT, "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
    "layer_types": ["linear_attention", "full_attention"],
}  # fmt: skip
MASKED: dict[str, Make] = {"input_ids": tokens(2, 7), "attention_mask": padded(2, 7)}
GEMMA3N: dict[str, Any] = {
    **TEXT, "vocab_size_per_layer_input": 99, "hidden_size_per_layer_input": 8, "laurel_rank": 4, "altup_num_inputs": 3,
    "num_kv_shared_layers": 1, "num_hidden_layers": 3, "sliding_window": 4, "activation_sparsity_pattern": [0.9, 0.0, 0.0],
    "layer_types": ["sliding_attention", "full_attention", "full_attention"], "intermediate_size": 40,
}  # fmt: skip
GEMMA4: dict[str, Any] = {
    **TEXT, "vocab_size_per_layer_input": 99, "hidden_size_per_layer_input": 8, "num_hidden_layers": 3, "sliding_window": 4,
    "layer_types": ["sliding_attention", "full_attention", "full_attention"], "num_kv_shared_layers": 0, "global_head_dim": 8,
}  # fmt: skip


def boxes(*shape: int) -> Make:
    """Make boxes of words on a page: left, upper, right and lower edge."""

    def make(generator: torch.Generator) -> torch.Tensor:
        return torch.sort(torch.randint(0, 60, (*shape, 2, 2), generator=generator), dim=-2).values.flatten(-2)

    return make


ROWS: dict[str, Row] = {
    "xlm": Row("XLMWithLMHeadModel", {**XLM, "sinusoidal_embeddings": True}, {**MASKED, "langs": constant([0] * 7, [1] * 7)}, None,
        "eager"),
    "xlm answers": Row("XLMForQuestionAnswering", {**XLM, "init_std": 0.3}, {"input_ids": tokens(2, 7)}, None, "eager"),
    "xmod": Row("XmodForMaskedLM", {**LANGUAGE, "languages": ["en_XX", "de_DE"], "default_language": "de_DE"}, MASKED, None, "eager"),
    "squeeze bert": Row("SqueezeBertForMaskedLM", {**LANGUAGE, "embedding_size": 24, "num_attention_heads": 4, "q_groups": 2, "k_groups": 2,
                                                   "v_groups": 2, "intermediate_groups": 2, "output_groups": 2}, MASKED, None, "eager"),
    "luke": Row("LukeForEntityPairClassification", {**LANGUAGE, "entity_vocab_size": 20, "entity_emb_size": 8, "num_labels": 4},
                {**MASKED, "entity_ids": constant([1, 2], [3, 4]), "entity_attention_mask": ones(2, 2),
                 "entity_position_ids": constant([[1, 2, -1], [4, -1, -1]], [[0, -1, -1], [2, 3, 4]])}, None, "eager"),
    "lilt": Row("LiltForTokenClassification", {**LANGUAGE, "num_attention_heads": 4, "channel_shrink_ratio": 2,
                                               "max_2d_position_embeddings": 64, "pad_token_id": 1}, {**MASKED, "bbox": boxes(2, 7)},
                                               None, "eager"),
    "bros": Row("BrosModel", {**LANGUAGE, "hidden_size": 64, "num_attention_heads": 2}, {**MASKED, "bbox": normal(2, 7, 8)}, None, "eager"),
    "udop": Row("UdopForConditionalGeneration", {**T5, "max_2d_position_embeddings": 64, "image_size": 16, "patch_size": 4},
                {**MASKED, "bbox": lambda generator: torch.rand(2, 7, 4, generator=generator), "pixel_values": normal(2, 3, 16, 16),
                 "decoder_input_ids": tokens(2, 4)}, None, "eager"),
    "t5 gemma": Row("T5GemmaForConditionalGeneration", {"encoder": {**TEXT, "sliding_window": 4}, "decoder": {**TEXT, "sliding_window": 4,
                                                        "cross_attention_hidden_size": 24}, "vocab_size": 99},
                    {**MASKED, "decoder_input_ids": tokens(2, 4)}, None, "eager"),
    "t5 gemma writes": Row("T5GemmaForConditionalGeneration", {"encoder": {**TEXT, "sliding_window": 4}, "decoder": {**TEXT,
                           "sliding_window": 4, "cross_attention_hidden_size": 24}, "vocab_size": 99, "bos_token_id": 1,
                           "decoder_start_token_id": 1}, MASKED, GREEDY, "eager"),
    "bert to bert": Row("EncoderDecoderModel", {"encoder": {"model_type": "bert", **LANGUAGE}, "decoder": {"model_type": "bert", **LANGUAGE,
                        "is_decoder": True, "add_cross_attention": True}}, {**MASKED, "decoder_input_ids": tokens(2, 4)}, None, "eager"),
    "dbrx": Row("DbrxForCausalLM", {"d_model": 24, "n_heads": 3, "n_layers": 2, "max_seq_len": 64, "vocab_size": 99,
                                    "attn_config": {"kv_n_heads": 1, "clip_qkv": 1.0, "rope_theta": 10000.0},
                                    "ffn_config": {"hidden_size": 24, "ffn_hidden_size": 16, "moe_num_experts": 4, "moe_top_k": 2}}, MASKED,
                None, "eager"),
    "deepseek 3.2": Row("DeepseekV32ForCausalLM", {**LATENT, **EXPERTS, "index_topk": 4, "index_head_dim": 16, "index_n_heads": 2,
                                                   "head_dim": 8}, MASKED, None, "eager"),
    "deepseek 3.2 writes": Row("DeepseekV32ForCausalLM", {**LATENT, **EXPERTS, "index_topk": 4, "index_head_dim": 16, "index_n_heads": 2,
                                                          "head_dim": 8}, PROMPT, GREEDY, "eager"),
    "bytes": Row("BltForCausalLM", {"vocab_size": 99, "use_cache": False, "max_position_embeddings": 64, "patching_threshold": 1.0,
        "patch_size": 4,
                 "encoder_hash_byte_group_size": [2, 3], "encoder_hash_byte_group_vocab": 60, "cross_attn_k": 1,
                 "patcher_config": {**TEXT, "num_key_value_heads": 3}, "encoder_config": {**TEXT, "hidden_size_global": 24,
                     "cross_attn_k": 1,
                 "num_key_value_heads": 3}, "decoder_config": {**TEXT, "hidden_size_global": 24, "cross_attn_k": 1,
                     "num_key_value_heads": 3},
                 "global_config": {**TEXT, "num_key_value_heads": 3}}, {"input_ids": tokens(2, 12)}, None, "eager"),
    "long cat": Row("LongcatFlashForCausalLM", {**LATENT, "num_layers": 2, "ffn_hidden_size": 32, "moe_topk": 2, "n_routed_experts": 4,
                                                "zero_expert_num": 2, "expert_ffn_hidden_size": 16}, MASKED, None, "eager"),
    "hun yuan experts": Row("HunYuanMoEV1ForCausalLM", {**TEXT, "num_experts": 4, "moe_topk": 2}, MASKED, None, "eager"),
    "hun yuan": Row("HunYuanDenseV1ForCausalLM", TEXT, PROMPT, GREEDY, "eager"),
    "mini cpm 3": Row("MiniCPM3ForCausalLM", {**LATENT, "head_dim": None}, PROMPT, GREEDY),
    "olmo hybrid": Row("OlmoHybridForCausalLM", DELTA, PROMPT, GREEDY),
    "qwen 3.5 text": Row("Qwen3_5ForCausalLM", DELTA, MASKED, None, "eager"),
    "qwen 3.5 writes": Row("Qwen3_5ForCausalLM", DELTA, PROMPT, GREEDY, "eager"),
    "youtu": Row("YoutuForCausalLM", LATENT, PROMPT, GREEDY),
    "gemma 3n": Row("Gemma3nForCausalLM", GEMMA3N, MASKED, None, "eager"),
    "gemma 3n writes": Row("Gemma3nForCausalLM", GEMMA3N, PROMPT, GREEDY),
    "gemma 4": Row("Gemma4ForCausalLM", GEMMA4, MASKED, None, "eager"),
    "gemma 4 writes": Row("Gemma4ForCausalLM", GEMMA4, PROMPT, GREEDY),
    "xlstm": Row("xLSTMForCausalLM", {"vocab_size": 99, "hidden_size": 128, "num_hidden_layers": 2, "num_heads": 2, "chunk_size": 8,
                                      "ffn_round_up_to_multiple_of": 8, "pad_token_id": 0}, {"input_ids": tokens(2, 16)}, None, "eager"),
    "ministral": Row("MinistralForCausalLM", {**TEXT, "sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"]}, PROMPT,
                     GREEDY),
    "mistral 4": Row("Mistral4ForCausalLM", {**LATENT, **EXPERTS, "head_dim": 16, "n_group": 1, "n_shared_experts": 1}, MASKED, None,
        "eager"),
    "glm experts lite": Row("Glm4MoeLiteForCausalLM", {**LATENT, **EXPERTS}, MASKED, None, "eager"),
    "pair of towers": Row("VisionTextDualEncoderModel", {"vision_config": {"model_type": "vit", **VISION},
        "text_config": {"model_type": "bert",
                          **LANGUAGE}, "projection_dim": 16}, {**MASKED, "pixel_values": normal(2, 3, 16, 16)}, None, "eager"),
    "idefics": Row("IdeficsForVisionText2Text", {**TEXT, "num_key_value_heads": 3, "additional_vocab_size": 2, "vision_config": {**VISION,
                   "embed_dim": 24}, "use_resampler": True, "perceiver_config": {"resampler_n_latents": 3, "resampler_depth": 1,
                   "resampler_n_heads": 2, "resampler_head_dim": 8}},
                   {**MASKED, "pixel_values": normal(2, 1, 3, 16, 16), "image_attention_mask": ones(2, 7, 1)}, None, "eager"),
    "janus": Row("JanusForConditionalGeneration", {"text_config": LLAMA, "vision_config": {**VISION, "mlp_ratio": 2.0, "projection_dim": 24,
                 "num_image_tokens": 16}, "vq_config": {"embed_dim": 8, "num_embeddings": 12, "latent_channels": 8, "base_channels": 32,
                 "channel_multiplier": [1, 1], "num_res_blocks": 1, "num_patches": 4, "projection_dim": 24, "image_token_embed_dim": 24},
                 "image_token_id": IMAGE},
                 {"input_ids": tokens_around(IMAGE, 16), "pixel_values": normal(2, 3, 16, 16)}, None, "eager"),
    "glm with images": Row("Glm4vForConditionalGeneration", {
        "text_config": {**TEXT, "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}},
        "vision_config": {"depth": 2, "hidden_size": 24, "intermediate_size": 40, "num_heads": 3, "patch_size": 4, "image_size": 16,
                          "out_hidden_size": 24, "spatial_merge_size": 2},
        "image_token_id": IMAGE, "video_token_id": 97, "image_start_token_id": 96, "image_end_token_id": 95},
        {"input_ids": lambda generator: tokens_around(IMAGE, 4, batch=1)(generator), "pixel_values": normal(16, 3 * 2 * 4 * 4),
         "image_grid_thw": constant([1, 4, 4]), "mm_token_type_ids": lambda generator: torch.tensor([[0, *[1] * 4, *[0] * 6]])}, None,
             "eager"),
}  # fmt: skip
