"""Rows of the zoo: mixtures of experts and state-space models of transformers, called and generating."""

from __future__ import annotations

from typing import Any

from tests.flashlight.zoo.configured_models import Make, Row, padded, tokens
from tests.flashlight.zoo.generation_rows import GREEDY, PROMPT, TEXT

EXPERTS: dict[str, Any] = {**TEXT, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "output_router_logits": True}
ROUTED: dict[str, Any] = {**EXPERTS, "num_experts": 4}
LOCAL: dict[str, Any] = {**EXPERTS, "num_local_experts": 4}
DEEPSEEK: dict[str, Any] = {
    **TEXT, "head_dim": 4, "num_key_value_heads": 3, "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16,
        "n_group": 2,
    "topk_group": 1, "q_lora_rank": 8, "kv_lora_rank": 8, "qk_rope_head_dim": 4, "qk_nope_head_dim": 8, "v_head_dim": 8,
    "first_k_dense_replace": 1, "n_shared_experts": 1, "num_local_experts": 4,
}  # fmt: skip
CALL: dict[str, Make] = {"input_ids": tokens(3, 7), "attention_mask": padded(3, 7)}
ALONE: dict[str, Make] = {"input_ids": tokens(1, 9)}
MAMBA: dict[str, Any] = {
    "hidden_size": 24, "num_hidden_layers": 2, "state_size": 4, "expand": 2, "conv_kernel": 3, "time_step_rank": 3, "vocab_size": 99,
}  # fmt: skip
MAMBA2: dict[str, Any] = {
    "hidden_size": 24, "num_heads": 6, "head_dim": 8, "state_size": 8, "n_groups": 2, "chunk_size": 4, "num_hidden_layers": 2,
    "expand": 2, "vocab_size": 99,
}  # fmt: skip


def _both(name: str, model: str, settings: dict[str, Any], attention: str = "sdpa") -> dict[str, Row]:
    """Return the rows of a model that is called and that generates."""
    return {
        name: Row(model, settings, CALL, None, attention),
        f"greedy {name}": Row(model, settings | {"output_router_logits": False}, PROMPT, GREEDY, attention),
    }


ROWS: dict[str, Row] = {
    **_both("mixtral experts", "MixtralForCausalLM", LOCAL),
    **_both("qwen2 experts", "Qwen2MoeForCausalLM", {**ROUTED, "shared_expert_intermediate_size": 24}),
    **_both("qwen3 experts", "Qwen3MoeForCausalLM", {**ROUTED, "norm_topk_prob": True}),
    **_both("deepseek v3", "DeepseekV3ForCausalLM", DEEPSEEK),
    **_both("deepseek v2", "DeepseekV2ForCausalLM", DEEPSEEK),
    **_both("olmoe", "OlmoeForCausalLM", ROUTED),
    **_both("gpt oss", "GptOssForCausalLM", {**LOCAL, "sliding_window": 4}, "eager"),
    **_both("phi experts", "PhimoeForCausalLM", LOCAL),
    **_both("granite experts", "GraniteMoeForCausalLM", LOCAL),
    **_both("glm experts", "Glm4MoeForCausalLM", {**DEEPSEEK, "partial_rotary_factor": 0.5}),
    **_both("ernie experts", "Ernie4_5_MoeForCausalLM", {**TEXT, "moe_num_experts": 4, "moe_k": 2, "moe_intermediate_size": 16}),
    **_both("dots experts", "Dots1ForCausalLM", DEEPSEEK),
    **_both("lfm experts", "Lfm2MoeForCausalLM", {**ROUTED, "num_dense_layers": 1, "layer_types": ["conv", "full_attention"]}),
    **_both("next", "Qwen3NextForCausalLM",
            {**ROUTED, "shared_expert_intermediate_size": 24, "linear_num_value_heads": 4, "linear_num_key_heads": 2,
             "linear_key_head_dim": 8, "linear_value_head_dim": 8, "layer_types": ["linear_attention", "full_attention"]}),
    "switch": Row(
        "SwitchTransformersForConditionalGeneration",
        {"d_model": 24, "d_kv": 8, "d_ff": 40, "num_layers": 2, "num_decoder_layers": 2, "num_heads": 3, "vocab_size": 99,
            "num_experts": 3,
         "expert_capacity": 4, "decoder_start_token_id": 0},
        {"input_ids": tokens(3, 7), "decoder_input_ids": tokens(3, 5)},
        None,
        "eager",
    ),
    **_both("mamba states", "MambaForCausalLM", MAMBA, "eager"),
    **_both("mamba2 states", "Mamba2ForCausalLM", MAMBA2, "eager"),
    "mamba2 in chunks": Row("Mamba2ForCausalLM", {**MAMBA2, "chunk_size": 8}, {"input_ids": tokens(1, 21)}, None, "eager"),
    **_both("falcon mamba", "FalconMambaForCausalLM", MAMBA, "eager"),
    **_both("zamba", "ZambaForCausalLM",
            {**TEXT, "num_hidden_layers": 4, "attention_hidden_size": 48, "num_key_value_heads": 3, "n_mamba_heads": 2,
                "mamba_d_state": 4,
             "mamba_dt_rank": 4, "use_mamba_kernels": False, "layers_block_type": ["mamba", "hybrid", "mamba", "hybrid"]}),
    **_both("zamba2", "Zamba2ForCausalLM",
            {**TEXT, "num_hidden_layers": 3, "num_key_value_heads": 3, "mamba_d_state": 4, "n_mamba_heads": 6, "mamba_headdim": 8,
             "mamba_ngroups": 1, "chunk_size": 4, "use_mamba_kernels": False, "num_mem_blocks": 1,
             "layers_block_type": ["mamba", "hybrid", "mamba"]}),
    **_both("jamba", "JambaForCausalLM",
            {**ROUTED, "num_hidden_layers": 4, "attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2,
             "expert_layer_offset": 1, "mamba_d_state": 4, "mamba_dt_rank": 4, "use_mamba_kernels": False}),
    **_both("bamba", "BambaForCausalLM",
            {**TEXT, "mamba_d_state": 4, "mamba_n_heads": 6, "mamba_d_head": 8, "mamba_chunk_size": 4, "attn_layer_indices": [1]}),
    **_both("granite hybrid", "GraniteMoeHybridForCausalLM",
            {**LOCAL, "shared_intermediate_size": 24, "mamba_d_state": 4, "mamba_n_heads": 6, "mamba_d_head": 8, "mamba_chunk_size": 4,
             "layer_types": ["mamba", "attention"]}),
    **_both("nemotron", "NemotronForCausalLM", TEXT),
    **_both("recurrent gemma", "RecurrentGemmaForCausalLM",
            {**TEXT, "num_hidden_layers": 3, "lru_width": 24, "attention_window_size": 4, "conv1d_width": 3}, "eager"),
    **_both("rwkv", "RwkvForCausalLM",
            {"hidden_size": 24, "num_hidden_layers": 2, "attention_hidden_size": 24, "intermediate_size": 40, "vocab_size": 99,
             "context_length": 32}, "eager"),
    **_both("lfm2 states", "Lfm2ForCausalLM", {**TEXT, "layer_types": ["conv", "full_attention"]}),
    **_both("minimax experts", "MiniMaxForCausalLM",
            {**LOCAL, "layer_types": ["linear_attention", "full_attention"], "block_size": 4}),
    **_both("kimi", "KimiLinearForCausalLM", {**DEEPSEEK, "num_experts": 4, "layer_types": ["linear_attention", "full_attention"]}),
    "reformer": Row(
        "ReformerModelWithLMHead",
        {"hidden_size": 24, "attention_head_size": 8, "num_attention_heads": 3, "axial_pos_shape": (4, 4), "axial_pos_embds_dim": (8, 16),
         "attn_layers": ["local", "lsh"], "lsh_attn_chunk_length": 4, "local_attn_chunk_length": 4, "num_buckets": 2,
             "feed_forward_size": 40,
         "vocab_size": 99, "is_decoder": True, "hash_seed": 3},
        {"input_ids": tokens(2, 16)}, None, "eager",
    ),
}  # fmt: skip
