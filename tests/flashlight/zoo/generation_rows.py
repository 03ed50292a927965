"""Rows of the zoo: generate() of transformers, greedy, by beams and sampled, with caches of all kinds."""

from __future__ import annotations

from typing import Any

from tests.flashlight.zoo.configured_models import Make, Row, normal, ones, padded, tokens

TEXT: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "intermediate_size": 40,
    "vocab_size": 99,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GPT2: dict[str, Any] = {
    "n_embd": 24, "n_layer": 2, "n_head": 3, "vocab_size": 99, "n_positions": 64, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
CODER: dict[str, Any] = {
    "d_model": 24,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 3,
    "encoder_ffn_dim": 40,
    "decoder_ffn_dim": 40,
    "vocab_size": 99,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
    "forced_eos_token_id": None,
}
T5: dict[str, Any] = {
    "d_model": 24, "d_kv": 8, "d_ff": 40, "num_layers": 2, "num_decoder_layers": 2, "num_heads": 3, "vocab_size": 99,
    "pad_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 0,
}  # fmt: skip
PROMPT: dict[str, Make] = {"input_ids": tokens(3, 6), "attention_mask": padded(3, 6, on_the_left=True)}
ONE: dict[str, Make] = {"input_ids": tokens(1, 5), "attention_mask": ones(1, 5)}
GREEDY: dict[str, Any] = {"do_sample": False}
BEAMS: dict[str, Any] = {"do_sample": False, "num_beams": 3}
SAMPLED: dict[str, Any] = {"do_sample": True}


def _greedy(model: str, attention: str = "sdpa", **settings: Any) -> Row:
    return Row(model, TEXT | settings, PROMPT, GREEDY, attention)


ROWS: dict[str, Row] = {
    **{
        f"greedy {model}": _greedy(model)
        for model in (
            "LlamaForCausalLM MistralForCausalLM GemmaForCausalLM Qwen2ForCausalLM Qwen3ForCausalLM "
            "PhiForCausalLM Phi3ForCausalLM GPTNeoXForCausalLM StableLmForCausalLM CohereForCausalLM OlmoForCausalLM "
            "Olmo2ForCausalLM GraniteForCausalLM SmolLM3ForCausalLM HeliumForCausalLM Starcoder2ForCausalLM"
        ).split()
    },
    "greedy gpt2": Row("GPT2LMHeadModel", GPT2, PROMPT, GREEDY),
    "greedy gpt2 alone": Row("GPT2LMHeadModel", GPT2, ONE, GREEDY, "eager"),
    "greedy gptj": Row("GPTJForCausalLM", {**GPT2, "rotary_dim": 4}, PROMPT, GREEDY, "eager"),
    "greedy opt": Row(
        "OPTForCausalLM", {**TEXT, "ffn_dim": 40, "word_embed_proj_dim": 24}, PROMPT, GREEDY
    ),
    "greedy bloom": Row("BloomForCausalLM", {**GPT2, "hidden_size": 24}, PROMPT, GREEDY, "eager"),
    "greedy falcon": Row("FalconForCausalLM", {"hidden_size": 24, "num_attention_heads": 3, "num_hidden_layers": 2, "vocab_size": 99,
        "alibi": True, "multi_query": True}, PROMPT, GREEDY, "eager"),
    "greedy mpt": Row("MptForCausalLM", {"d_model": 32, "n_heads": 4, "n_layers": 2, "vocab_size": 99}, PROMPT, GREEDY, "eager"),
    "greedy xglm": Row(
        "XGLMForCausalLM",
        {"d_model": 24, "num_layers": 2, "attention_heads": 3, "ffn_dim": 40, "vocab_size": 99, "max_position_embeddings": 64},
        PROMPT,
        GREEDY,
        "eager",
    ),
    "greedy sliding windows": _greedy("MistralForCausalLM", sliding_window=4),
    "greedy sliding windows of gemma": _greedy("Gemma3ForCausalLM", "eager", sliding_window=4, sliding_window_pattern=2),
    "greedy without a cache": Row("LlamaForCausalLM", TEXT, PROMPT, {**GREEDY, "use_cache": False}),
    "greedy with a static cache": Row("LlamaForCausalLM", TEXT, PROMPT, {**GREEDY, "cache_implementation": "static"}),
    "greedy with a static cache of windows": Row(
        "Gemma2ForCausalLM", {**TEXT, "sliding_window": 4}, PROMPT, {**GREEDY, "cache_implementation": "static"}, "eager"
    ),
    "greedy with scores": Row(
        "LlamaForCausalLM",
        TEXT,
        PROMPT,
        {**GREEDY, "return_dict_in_generate": True, "output_scores": True, "output_logits": True, "output_hidden_states": True},
    ),
    "greedy with penalties": Row(
        "GPT2LMHeadModel",
        GPT2,
        PROMPT,
        {**GREEDY, "no_repeat_ngram_size": 2, "repetition_penalty": 1.3, "min_new_tokens": 3, "bad_words_ids": [[7], [8, 9]]},
    ),
    "greedy with suppressed tokens": Row(
        "GPT2LMHeadModel",
        GPT2,
        ONE,
        {**GREEDY, "suppress_tokens": [5, 6], "begin_suppress_tokens": [7], "forced_eos_token_id": 2, "sequence_bias": {(10,): -5.0}},
    ),
    "greedy with guidance": Row("LlamaForCausalLM", TEXT, ONE, {**GREEDY, "guidance_scale": 1.5}),
    "prompt lookup": Row("LlamaForCausalLM", TEXT, ONE, {**GREEDY, "prompt_lookup_num_tokens": 2}),
    "beams of llama": Row("LlamaForCausalLM", TEXT, PROMPT, {**BEAMS, "num_return_sequences": 2, "length_penalty": 0.5}),
    "beams of gpt2": Row("GPT2LMHeadModel", GPT2, ONE, {**BEAMS, "early_stopping": True, "output_scores": True,
        "return_dict_in_generate": True}),
    "sampled beams": Row("GPT2LMHeadModel", GPT2, ONE, {**SAMPLED, "num_beams": 2}),
    "sampled with top_k": Row("GPT2LMHeadModel", GPT2, PROMPT, {**SAMPLED, "top_k": 10, "temperature": 0.7}),
    "sampled with top_p": Row("LlamaForCausalLM", TEXT, ONE, {**SAMPLED, "top_p": 0.8, "num_return_sequences": 2}),
    "sampled with min_p": Row("Qwen2ForCausalLM", TEXT, ONE, {**SAMPLED, "min_p": 0.02, "repetition_penalty": 1.2}),
    "sampled with typical_p": Row("LlamaForCausalLM", TEXT, ONE, {**SAMPLED, "typical_p": 0.7, "epsilon_cutoff": 1e-3,
        "eta_cutoff": 1e-3}),
    "greedy t5": Row("T5ForConditionalGeneration", T5, PROMPT, GREEDY, "eager"),
    "beams of t5": Row("T5ForConditionalGeneration", {**T5, "feed_forward_proj": "gated-gelu"}, ONE, BEAMS, "eager"),
    "beams of bart": Row("BartForConditionalGeneration", CODER, PROMPT, {**BEAMS, "no_repeat_ngram_size": 2}),
    "greedy bart": Row("BartForConditionalGeneration", CODER, ONE, GREEDY),
    "greedy marian": Row("MarianMTModel", {**CODER, "bad_words_ids": None}, PROMPT, GREEDY),
    "greedy m2m": Row("M2M100ForConditionalGeneration", CODER, PROMPT, {**GREEDY, "forced_bos_token_id": 5}),
    "greedy pegasus": Row("PegasusForConditionalGeneration", CODER, PROMPT, GREEDY),
    "greedy whisper": Row(
        "WhisperForConditionalGeneration",
        {**CODER, "num_mel_bins": 8, "max_source_positions": 12, "max_target_positions": 32, "suppress_tokens": None,
         "begin_suppress_tokens": None},
        {"input_features": normal(2, 8, 24)},
        GREEDY,
    ),
    "beams of whisper": Row(
        "WhisperForConditionalGeneration",
        {**CODER, "num_mel_bins": 8, "max_source_positions": 12, "max_target_positions": 32, "suppress_tokens": None,
         "begin_suppress_tokens": None},
        {"input_features": normal(1, 8, 24)},
        {**BEAMS, "num_beams": 2},
    ),
    "greedy speech2text": Row(
        "Speech2TextForConditionalGeneration",
        {**CODER, "input_feat_per_channel": 8, "max_source_positions": 40, "max_target_positions": 32, "conv_channels": 16},
        {"input_features": normal(2, 24, 8)},
        GREEDY,
        "eager",
    ),
}  # fmt: skip
