"""Rows of the zoo: speech, sound and music models of transformers."""

from __future__ import annotations

from typing import Any

from tests.flashlight.zoo.configured_models import Row, normal, ones, tokens
from tests.flashlight.zoo.generation_rows import CODER, GREEDY, TEXT

CONVOLUTIONS: dict[str, Any] = {"conv_dim": (16, 16), "conv_stride": (5, 2), "conv_kernel": (10, 3)}
SPEECH: dict[str, Any] = {
    **CONVOLUTIONS,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "vocab_size": 20,
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
    "pad_token_id": 0,
}
WAVE = {"input_values": normal(3, 500)}
WHISPER: dict[str, Any] = {
    **CODER, "num_mel_bins": 8, "max_source_positions": 12, "max_target_positions": 32, "suppress_tokens": None,
    "begin_suppress_tokens": None,
}  # fmt: skip
ENCODEC: dict[str, Any] = {
    "num_filters": 4, "hidden_size": 16, "codebook_size": 16, "codebook_dim": 16, "upsampling_ratios": [4, 2], "num_lstm_layers": 1,
    "target_bandwidths": [4.0], "sampling_rate": 800,
}  # fmt: skip
DAC: dict[str, Any] = {
    "encoder_hidden_size": 4, "decoder_hidden_size": 16, "downsampling_ratios": [2, 4], "upsampling_ratios": [4, 2], "n_codebooks": 2,
    "codebook_size": 16, "codebook_dim": 4, "hidden_size": 16,
}  # fmt: skip
SPEECHT5: dict[str, Any] = {
    **CONVOLUTIONS, "hidden_size": 24, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 3,
        "decoder_attention_heads": 3,
    "encoder_ffn_dim": 40, "decoder_ffn_dim": 40, "vocab_size": 99, "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2,
    "num_mel_bins": 8, "speaker_embedding_dim": 6, "speech_decoder_prenet_units": 8, "speech_decoder_postnet_units": 8,
    "speech_decoder_postnet_layers": 2, "reduction_factor": 2,
}  # fmt: skip

ROWS: dict[str, Row] = {
    "wav2vec2 for letters": Row("Wav2Vec2ForCTC", SPEECH, WAVE),
    "wav2vec2 of stable norms": Row("Wav2Vec2ForCTC", {**SPEECH, "do_stable_layer_norm": True, "feat_extract_norm": "layer"}, WAVE),
    "wav2vec2 for speakers": Row("Wav2Vec2ForXVector", {**SPEECH, "tdnn_dim": (8, 8, 12), "tdnn_kernel": (3, 3, 1), "tdnn_dilation": (1,
        2, 1)}, WAVE),
    "wav2vec2 quantised": Row(
        "Wav2Vec2ForPreTraining", {**SPEECH, "codevector_dim": 16, "proj_codevector_dim": 16, "num_codevectors_per_group": 8}, WAVE
    ),
    "hubert for letters": Row("HubertForCTC", SPEECH, WAVE),
    "wavlm for letters": Row("WavLMForCTC", {**SPEECH, "num_buckets": 16, "max_bucket_distance": 20}, WAVE, None, "eager"),
    "conformer of wav2vec2": Row(
        "Wav2Vec2ConformerForCTC", {**SPEECH, "position_embeddings_type": "relative", "conv_depthwise_kernel_size": 3}, WAVE, None,
            "eager"
    ),
    "sew for letters": Row("SEWForCTC", {**SPEECH, "squeeze_factor": 2}, WAVE),
    "wav2vec2 bert": Row(
        "Wav2Vec2BertForCTC",
        {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40, "vocab_size": 20,
         "feature_projection_input_dim": 16, "position_embeddings_type": "relative_key", "conv_depthwise_kernel_size": 3,
             "pad_token_id": 0},
        {"input_features": normal(2, 14, 16)}, None, "eager",
    ),
    "whisper of two windows": Row("WhisperForConditionalGeneration", WHISPER, {"input_features": normal(3, 8, 24),
        "decoder_input_ids": tokens(3, 4)}, None, "eager"),
    "whisper's classes": Row("WhisperForAudioClassification", {**WHISPER, "num_labels": 3}, {"input_features": normal(1, 8, 24)}),
    "spectrogram transformer": Row(
        "ASTForAudioClassification",
        {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40, "patch_size": 4, "max_length": 20,
         "num_mel_bins": 12, "frequency_stride": 3, "time_stride": 3},
        {"input_values": normal(2, 20, 12)},
    ),
    "speecht5 speaks": Row(
        "SpeechT5ForTextToSpeech",
        SPEECHT5,
        {"input_ids": tokens(2, 6), "decoder_input_values": normal(2, 6, 8), "speaker_embeddings": normal(2, 6)}, None, "eager",
    ),
    "speecht5 listens": Row("SpeechT5ForSpeechToText", SPEECHT5, {"input_values": normal(2, 400), "decoder_input_ids": tokens(2, 4)},
        None, "eager"),
    "speecht5's vocoder": Row(
        "SpeechT5HifiGan",
        {"model_in_dim": 8, "upsample_initial_channel": 16, "upsample_rates": [2, 2], "upsample_kernel_sizes": [4, 4],
         "resblock_kernel_sizes": [3, 5], "resblock_dilation_sizes": [[1, 3], [1, 2]]},
        {"spectrogram": normal(2, 10, 8)}, None, "eager",
    ),
    "encodec": Row("EncodecModel", ENCODEC, {"input_values": normal(2, 1, 96)}, None, "eager"),
    "encodec of weights in norms": Row(
        "EncodecModel", {**ENCODEC, "norm_type": "time_group_norm", "use_causal_conv": False, "normalize": True},
        {"input_values": normal(1, 1, 64)}, None, "eager",
    ),
    "dac": Row("DacModel", DAC, {"input_values": normal(2, 1, 96)}, None, "eager"),
    "mimi": Row(
        "MimiModel",
        {"num_filters": 4, "hidden_size": 16, "codebook_size": 16, "codebook_dim": 16, "upsampling_ratios": [4, 2], "num_quantizers": 3,
         "num_semantic_quantizers": 1, "vector_quantization_hidden_dimension": 16, "num_hidden_layers": 2, "intermediate_size": 32,
         "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8, "sampling_rate": 800, "frame_rate": 50.0, "sliding_window": 8,
         "upsample_groups": 16},
        {"input_values": normal(2, 1, 96)}, None,
    ),
    "univnet": Row(
        "UnivNetModel",
        {"model_in_channels": 6, "model_hidden_channels": 6, "num_mel_bins": 8, "kernel_predictor_hidden_channels": 6},
        {"input_features": normal(1, 5, 8), "noise_sequence": normal(1, 5, 6)}, None, "eager",
    ),
    "vits": Row(
        "VitsModel",
        {"vocab_size": 40, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "ffn_dim": 32, "flow_size": 24,
         "spectrogram_bins": 9, "upsample_initial_channel": 16, "upsample_rates": [4, 4], "upsample_kernel_sizes": [8, 8],
         "posterior_encoder_num_wavenet_layers": 2, "prior_encoder_num_wavenet_layers": 2, "duration_predictor_filter_channels": 16,
         "noise_scale": 0.0, "noise_scale_duration": 0.0},
        {"input_ids": tokens(1, 6, vocabulary=40)}, None, "eager",
    ),
    "fastspeech": Row(
        "FastSpeech2ConformerModel",
        {"hidden_size": 24, "vocab_size": 40, "num_mel_bins": 8, "encoder_layers": 1, "decoder_layers": 1,
            "encoder_num_attention_heads": 3,
         "decoder_num_attention_heads": 3, "encoder_linear_units": 32, "decoder_linear_units": 32, "speech_decoder_postnet_units": 8},
        {"input_ids": tokens(1, 6, vocabulary=40)}, None, "eager",
    ),
    "clap": Row(
        "ClapModel",
        {"projection_dim": 8,
         "text_config": {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40, "vocab_size": 99,
                         "projection_dim": 8, "max_position_embeddings": 40},
         "audio_config": {"patch_embeds_hidden_size": 16, "hidden_size": 32, "depths": [1, 1], "num_attention_heads": [2, 2],
             "window_size": 4,
                          "num_mel_bins": 16, "spec_size": 64, "patch_size": 4, "patch_stride": [4, 4], "projection_dim": 8,
                          "num_hidden_layers": 2, "enable_fusion": False}},
        {"input_ids": tokens(2, 7), "input_features": normal(2, 1, 256, 16)}, None, "eager",
    ),
    "moonshine": Row(
        "MoonshineForConditionalGeneration",
        {"hidden_size": 24, "intermediate_size": 40, "encoder_num_hidden_layers": 1, "decoder_num_hidden_layers": 2,
         "encoder_num_attention_heads": 3, "decoder_num_attention_heads": 3, "vocab_size": 99, "partial_rotary_factor": 0.5,
         "decoder_start_token_id": 1, "eos_token_id": 2, "pad_token_id": 0},
        {"input_values": normal(2, 1600)}, GREEDY,
    ),
    "musicgen": Row(
        "MusicgenForCausalLM",
        {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "ffn_dim": 40, "vocab_size": 32, "num_codebooks": 2,
         "max_position_embeddings": 64, "pad_token_id": 32, "bos_token_id": 32},
        {"input_ids": tokens(4, 5, vocabulary=32), "encoder_hidden_states": normal(2, 3, 24)},
    ),
    "musicgen generates": Row(
        "MusicgenForConditionalGeneration",
        {"text_encoder": {"model_type": "t5", "d_model": 24, "d_kv": 8, "d_ff": 40, "num_layers": 1, "num_heads": 3, "vocab_size": 99},
         "audio_encoder": {"model_type": "encodec", **ENCODEC},
         "decoder": {"model_type": "musicgen_decoder", "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "ffn_dim": 40,
                     "vocab_size": 16, "num_codebooks": 2, "max_position_embeddings": 64, "pad_token_id": 16, "bos_token_id": 16}},
        {"input_ids": tokens(1, 5), "attention_mask": ones(1, 5)},
        {**GREEDY, "guidance_scale": 2.0, "decoder_start_token_id": 16, "pad_token_id": 16, "max_new_tokens": 5}, "eager",
    ),
    "seamless": Row(
        "SeamlessM4Tv2ForTextToText",
        {"hidden_size": 24, "vocab_size": 99, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 3,
         "decoder_attention_heads": 3, "encoder_ffn_dim": 40, "decoder_ffn_dim": 40, "max_position_embeddings": 64, "pad_token_id": 0},
        {"input_ids": tokens(2, 6), "decoder_input_ids": tokens(2, 4)}, None, "eager",
    ),
    "seamless of the first version": Row(
        "SeamlessM4TForTextToText",
        {"hidden_size": 24, "vocab_size": 99, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 3,
         "decoder_attention_heads": 3, "encoder_ffn_dim": 40, "decoder_ffn_dim": 40, "max_position_embeddings": 64, "pad_token_id": 0},
        {"input_ids": tokens(2, 6), "decoder_input_ids": tokens(2, 4)}, None, "eager",
    ),
    "csm": Row(
        "CsmForConditionalGeneration",
        {**TEXT, "num_codebooks": 3, "vocab_size": 20, "text_vocab_size": 99, "codebook_pad_token_id": 19, "codebook_eos_token_id": 0,
         "depth_decoder_config": {**TEXT, "num_codebooks": 3, "vocab_size": 20, "backbone_hidden_size": 24, "max_position_embeddings": 8},
         "codec_config": {"model_type": "mimi", "num_filters": 4, "hidden_size": 16, "codebook_size": 16, "codebook_dim": 16,
                          "upsampling_ratios": [4, 2], "num_quantizers": 3, "vector_quantization_hidden_dimension": 16,
                              "num_hidden_layers": 1,
                          "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8, "upsample_groups": 16}},
        {"input_ids": tokens(2, 6)},
    ),
    "dia": Row(
        "DiaForConditionalGeneration",
        {"encoder_config": {**TEXT, "num_key_value_heads": 3},
         "delay_pattern": [0, 1, 2],
         "decoder_config": {**TEXT, "cross_num_attention_heads": 3, "cross_num_key_value_heads": 3, "cross_head_dim": 8,
                            "cross_hidden_size": 24, "num_channels": 3, "vocab_size": 40}},
        {"input_ids": tokens(2, 6), "decoder_input_ids": tokens(2, 4, 3, vocabulary=30)},
    ),
    "bark": Row(
        "BarkSemanticModel",
        {"hidden_size": 24, "num_layers": 2, "num_heads": 3, "input_vocab_size": 99, "output_vocab_size": 99, "block_size": 32},
        {"input_ids": tokens(2, 6)}, None, "eager",
    ),
    "bark's fine model": Row(
        "BarkFineModel",
        {"hidden_size": 24, "num_layers": 2, "num_heads": 3, "input_vocab_size": 32, "output_vocab_size": 32, "block_size": 32,
         "n_codes_total": 4, "n_codes_given": 1},
        {"input_ids": tokens(2, 6, 4, vocabulary=32), "codebook_idx": lambda generator: 2}, None, "eager",
    ),
    "bark's coarse model": Row(
        "BarkCoarseModel",
        {"hidden_size": 24, "num_layers": 2, "num_heads": 3, "input_vocab_size": 60, "output_vocab_size": 60, "block_size": 32},
        {"input_ids": tokens(1, 6, vocabulary=60)}, None, "eager",
    ),
}  # fmt: skip
