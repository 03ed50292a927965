"""Rows of the zoo: denoisers and coders of diffusers for images, video and sound, each with a configuration and inputs of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from tests.flashlight.zoo.configured_models import Make, constant, normal, ones, tokens

STEP = constant(7)
STEPS = constant(3, 11)
TEXT = normal(2, 5, 16)
LATENT = normal(2, 4, 8, 8)
BLOCKS: dict[str, Any] = {"block_out_channels": (8, 16), "layers_per_block": 1, "norm_num_groups": 4}
UNET: dict[str, Any] = {
    **BLOCKS, "sample_size": 8, "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"), "up_block_types": ("UpBlock2D",
        "CrossAttnUpBlock2D"),
    "cross_attention_dim": 16, "attention_head_dim": 8,
}  # fmt: skip
HEADS: dict[str, Any] = {"num_attention_heads": 2, "attention_head_dim": 8, "num_layers": 1}
SHORT: dict[str, Any] = {**HEADS, "in_channels": 4, "sample_size": 8, "patch_size": 2}
FLUX: dict[str, Any] = {
    **HEADS, "in_channels": 4, "num_single_layers": 1, "joint_attention_dim": 16, "pooled_projection_dim": 8, "axes_dims_rope": (2, 2, 4),
}  # fmt: skip
PACKED: dict[str, Make] = {
    "hidden_states": normal(2, 9, 4), "encoder_hidden_states": TEXT, "pooled_projections": normal(2, 8), "timestep": STEPS,
    "img_ids": lambda generator: torch.cartesian_prod(torch.zeros(1), torch.arange(3.0), torch.arange(3.0)),
    "txt_ids": lambda generator: torch.zeros(5, 3),
}  # fmt: skip
GUIDED: dict[str, Make] = {"sample": LATENT, "timestep": STEP, "encoder_hidden_states": TEXT}
VIDEO: dict[str, Make] = {
    "hidden_states": normal(1, 4, 2, 8, 8),
    "encoder_hidden_states": normal(1, 5, 16),
    "timestep": constant(7),
}
SD3: dict[str, Any] = {
    **SHORT, "joint_attention_dim": 16, "caption_projection_dim": 16, "pooled_projection_dim": 8, "out_channels": 4,
        "pos_embed_max_size": 8,
}  # fmt: skip
JOINT: dict[str, Make] = {
    "hidden_states": LATENT, "encoder_hidden_states": TEXT, "pooled_projections": normal(2, 8), "timestep": STEPS,
}  # fmt: skip
CODER: dict[str, Any] = {
    **BLOCKS, "down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2, "latent_channels": 4,
    "sample_size": 16,
}  # fmt: skip
IMAGE: dict[str, Make] = {"sample": normal(2, 3, 16, 16)}
CLIP: dict[str, Make] = {"sample": normal(1, 3, 5, 16, 16)}

ROWS: dict[str, tuple[str, Mapping[str, Any], Mapping[str, Make]]] = {
    "unet of heads of eight": ("UNet2DConditionModel", UNET, GUIDED),
    "unet of two layers": ("UNet2DConditionModel", {**UNET, "layers_per_block": 2, "only_cross_attention": True,
        "attention_head_dim": (2, 4)}, GUIDED),
    "unet of sdxl": (
        "UNet2DConditionModel",
        {**UNET, "addition_embed_type": "text_time", "addition_time_embed_dim": 4, "projection_class_embeddings_input_dim": 32,
         "use_linear_projection": True, "transformer_layers_per_block": 2},
        {**GUIDED, "added_cond_kwargs": lambda g: {"text_embeds": torch.randn(2, 8, generator=g), "time_ids": torch.arange(12.0).view(2,
            6)}},  # type: ignore[dict-item]
    ),
    "unet of shifted scales": (
        "UNet2DConditionModel",
        {**UNET, "resnet_time_scale_shift": "scale_shift", "class_embed_type": "timestep", "upcast_attention": True,
            "dual_cross_attention": False,
         "down_block_types": ("SimpleCrossAttnDownBlock2D", "ResnetDownsampleBlock2D"), "act_fn": "gelu",
         "up_block_types": ("ResnetUpsampleBlock2D", "SimpleCrossAttnUpBlock2D"), "mid_block_type": "UNetMidBlock2DSimpleCrossAttn"},
        {**GUIDED, "class_labels": constant(1, 2)},
    ),
    "unet with skips": (
        "UNet2DModel",
        {**BLOCKS, "sample_size": 8, "in_channels": 3, "out_channels": 3, "down_block_types": ("SkipDownBlock2D", "AttnSkipDownBlock2D"),
         "up_block_types": ("AttnSkipUpBlock2D", "SkipUpBlock2D"), "attention_head_dim": 4, "time_embedding_type": "fourier",
         "block_out_channels": (32, 32), "norm_num_groups": 8},
        {"sample": normal(2, 3, 8, 8), "timestep": STEP},
    ),
    "unet of one axis": (
        "UNet1DModel",
        {"sample_size": 32, "in_channels": 2, "out_channels": 2, "extra_in_channels": 64, "block_out_channels": (32, 32, 64)},
        {"sample": normal(2, 2, 32), "timestep": STEP},
    ),
    "unet of values": (
        "UNet1DModel",
        {"in_channels": 6, "out_channels": 6, "down_block_types": ("DownResnetBlock1D",) * 2, "up_block_types": ("UpResnetBlock1D",),
         "mid_block_type": "MidResTemporalBlock1D", "block_out_channels": (8, 16), "out_block_type": "OutConv1DBlock", "act_fn": "mish",
         "time_embedding_type": "positional", "use_timestep_embedding": True, "flip_sin_to_cos": False, "freq_shift": 1},
        {"sample": normal(2, 6, 16), "timestep": STEP},
    ),
    "unet of video": (
        "UNet3DConditionModel",
        {**BLOCKS, "block_out_channels": (8, 16), "down_block_types": ("CrossAttnDownBlock3D", "DownBlock3D"),
         "up_block_types": ("UpBlock3D", "CrossAttnUpBlock3D"), "cross_attention_dim": 16, "attention_head_dim": 4},
        {"sample": normal(1, 4, 3, 8, 8), "timestep": STEP, "encoder_hidden_states": normal(1, 5, 16)},
    ),
    "unet of motion": (
        "UNetMotionModel",
        {**BLOCKS, "down_block_types": ("CrossAttnDownBlockMotion", "DownBlockMotion"), "up_block_types": ("UpBlockMotion",
            "CrossAttnUpBlockMotion"),
         "cross_attention_dim": 16, "num_attention_heads": 2, "motion_num_attention_heads": 2},
        {"sample": normal(1, 4, 3, 8, 8), "timestep": STEP, "encoder_hidden_states": normal(3, 5, 16)},
    ),
    "unet of stable video": (
        "UNetSpatioTemporalConditionModel",
        {"block_out_channels": (32, 32), "down_block_types": ("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
         "up_block_types": ("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"), "cross_attention_dim": 16,
             "num_attention_heads": (2, 2),
         "addition_time_embed_dim": 4, "projection_class_embeddings_input_dim": 12, "layers_per_block": 1, "num_frames": 2},
        {"sample": normal(1, 2, 8, 8, 8), "timestep": STEP, "encoder_hidden_states": normal(1, 1, 16), "added_time_ids": normal(1, 3)},
    ),
    "cascade": (
        "StableCascadeUNet",
        {"in_channels": 4, "out_channels": 4, "timestep_ratio_embedding_dim": 8, "conditioning_dim": 16, "block_out_channels": (16, 16),
         "num_attention_heads": (2, 2), "down_num_layers_per_block": (1, 1), "up_num_layers_per_block": (1, 1),
             "clip_text_pooled_in_channels": 8,
         "clip_seq": 2},
        {"sample": LATENT, "timestep_ratio": constant(0.3, 0.7, dtype=torch.float32), "clip_text_pooled": normal(2, 1, 8)},
    ),
    "amused": (
        "UVit2DModel",
        {"hidden_size": 16, "cond_embed_dim": 8, "micro_cond_encode_dim": 4, "micro_cond_embed_dim": 20, "encoder_hidden_size": 16,
         "vocab_size": 20, "codebook_size": 16, "in_channels": 16, "block_out_channels": 16, "num_res_blocks": 1, "block_num_heads": 2,
         "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "sample_size": 4},
        {"input_ids": tokens(2, 4, 4, vocabulary=20), "encoder_hidden_states": TEXT, "pooled_text_emb": normal(2, 8),
            "micro_conds": normal(2, 5)},
    ),
    "control": (
        "ControlNetModel",
        {**BLOCKS, "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"), "cross_attention_dim": 16, "attention_head_dim": 4,
         "conditioning_embedding_out_channels": (4, 8)},
        {**GUIDED, "controlnet_cond": normal(2, 3, 16, 16)},
    ),
    "adapter": ("T2IAdapter", {"channels": [8, 8], "num_res_blocks": 1, "downscale_factor": 4}, {"x": normal(2, 3, 16, 16)}),
    "flux": ("FluxTransformer2DModel", FLUX, PACKED),
    "flux that is guided": ("FluxTransformer2DModel", {**FLUX, "guidance_embeds": True}, {**PACKED, "guidance": constant(3.5, 1.5,
        dtype=torch.float32)}),
    "control of flux": ("FluxControlNetModel", FLUX, {**PACKED, "controlnet_cond": normal(2, 9, 4)}),
    "chroma": (
        "ChromaTransformer2DModel",
        {**HEADS, "in_channels": 4, "num_single_layers": 1, "joint_attention_dim": 16, "axes_dims_rope": (2, 2, 4),
            "approximator_num_channels": 8,
         "approximator_hidden_dim": 16, "approximator_layers": 1},
        {name: make for name, make in PACKED.items() if name != "pooled_projections"},
    ),
    "sd3 of two attentions": ("SD3Transformer2DModel", {**SD3, "dual_attention_layers": (0,), "qk_norm": "rms_norm", "num_layers": 2},
        JOINT),
    "control of sd3": ("SD3ControlNetModel", SD3, {**JOINT, "controlnet_cond": LATENT}),
    "pixart": (
        "PixArtTransformer2DModel",
        {**SHORT, "out_channels": 8, "cross_attention_dim": 16, "caption_channels": 16, "norm_num_groups": 4,
            "use_additional_conditions": False},
        {"hidden_states": LATENT, "encoder_hidden_states": TEXT, "timestep": STEPS, "encoder_attention_mask": ones(2, 5),
         "added_cond_kwargs": lambda g: {"resolution": None, "aspect_ratio": None}},  # type: ignore[dict-item]
    ),
    "hunyuan": (
        "HunyuanDiT2DModel",
        {**SHORT, "hidden_size": 16, "cross_attention_dim": 16, "cross_attention_dim_t5": 16, "pooled_projection_dim": 16, "text_len": 5,
         "text_len_t5": 6, "num_layers": 2, "mlp_ratio": 2.0},
        {"hidden_states": LATENT, "timestep": constant(3.0, 5.0, dtype=torch.float32), "encoder_hidden_states": TEXT,
            "text_embedding_mask": ones(2, 5),
         "encoder_hidden_states_t5": normal(2, 6, 16), "text_embedding_mask_t5": ones(2, 6), "image_meta_size": normal(2, 6),
             "style": constant(0, 0),
         "image_rotary_emb": lambda g: (torch.rand(16, 8, generator=g), torch.rand(16, 8, generator=g))},  # type: ignore[dict-item]
    ),
    "video of hunyuan": (
        "HunyuanVideoTransformer3DModel",
        {**HEADS, "in_channels": 4, "out_channels": 4, "num_single_layers": 1, "num_refiner_layers": 1, "text_embed_dim": 16,
         "pooled_projection_dim": 8, "rope_axes_dim": (2, 2, 4), "mlp_ratio": 2.0},
        {**VIDEO, "encoder_attention_mask": ones(1, 5), "pooled_projections": normal(1, 8), "guidance": constant(6.0,
            dtype=torch.float32)},
    ),
    "wan": (
        "WanTransformer3DModel",
        {**HEADS, "attention_head_dim": 12, "in_channels": 4, "out_channels": 4, "text_dim": 16, "freq_dim": 8, "ffn_dim": 32,
         "rope_max_seq_len": 32},
        VIDEO,
    ),
    "ltx": (
        "LTXVideoTransformer3DModel",
        {**HEADS, "in_channels": 4, "out_channels": 4, "cross_attention_dim": 16, "caption_channels": 16},
        {"hidden_states": normal(1, 12, 4), "encoder_hidden_states": normal(1, 5, 16), "timestep": STEP,
            "encoder_attention_mask": ones(1, 5),
         "num_frames": lambda g: 3, "height": lambda g: 2, "width": lambda g: 2},  # type: ignore[dict-item,return-value]
    ),
    "cog video": (
        "CogVideoXTransformer3DModel",
        {**HEADS, "in_channels": 4, "out_channels": 4, "time_embed_dim": 8, "text_embed_dim": 16, "sample_width": 8, "sample_height": 8,
         "sample_frames": 5, "max_text_seq_length": 5},
        {"hidden_states": normal(1, 2, 4, 8, 8), "encoder_hidden_states": normal(1, 5, 16), "timestep": STEP},
    ),
    "mochi": (
        "MochiTransformer3DModel",
        {**HEADS, "num_layers": 2, "pooled_projection_dim": 16, "in_channels": 4, "text_embed_dim": 16, "time_embed_dim": 8,
            "max_sequence_length": 5},
        {**VIDEO, "encoder_attention_mask": lambda g: torch.ones(1, 5, dtype=torch.bool)},
    ),
    "allegro": (
        "AllegroTransformer3DModel",
        {**HEADS, "attention_head_dim": 24, "in_channels": 4, "out_channels": 4, "cross_attention_dim": 48, "sample_height": 8,
            "sample_width": 8,
         "sample_frames": 2, "caption_channels": 16},
        {"hidden_states": normal(1, 4, 2, 8, 8), "encoder_hidden_states": normal(1, 1, 5, 16), "timestep": STEP,
            "attention_mask": normal(1, 2, 8, 8),
         "encoder_attention_mask": normal(1, 1, 5)},
    ),
    "latte": (
        "LatteTransformer3DModel",
        {**SHORT, "out_channels": 8, "cross_attention_dim": 16, "activation_fn": "gelu-approximate", "num_embeds_ada_norm": 10,
         "norm_type": "ada_norm_single", "norm_elementwise_affine": False, "caption_channels": 16, "video_length": 2},
        {"hidden_states": normal(1, 4, 2, 8, 8), "encoder_hidden_states": normal(1, 5, 16), "timestep": STEP},
    ),
    "sana": (
        "SanaTransformer2DModel",
        {**HEADS, "in_channels": 4, "out_channels": 4, "num_cross_attention_heads": 2, "cross_attention_head_dim": 8,
            "cross_attention_dim": 16,
         "caption_channels": 16, "sample_size": 8},
        {"hidden_states": LATENT, "encoder_hidden_states": TEXT, "timestep": STEPS, "encoder_attention_mask": ones(2, 5)},
    ),
    "aura flow": (
        "AuraFlowTransformer2DModel",
        {"sample_size": 8, "in_channels": 4, "num_mmdit_layers": 1, "num_single_dit_layers": 1, "attention_head_dim": 8,
            "num_attention_heads": 2,
         "joint_attention_dim": 16, "caption_projection_dim": 16, "pos_embed_max_size": 16},
        {"hidden_states": LATENT, "encoder_hidden_states": TEXT, "timestep": STEPS},
    ),
    "cog view": (
        "CogView4Transformer2DModel",
        {**HEADS, "in_channels": 4, "out_channels": 4, "text_embed_dim": 16, "time_embed_dim": 8, "condition_dim": 4,
            "pos_embed_max_size": 8,
         "sample_size": 8, "rope_axes_dim": (4, 4)},
        {"hidden_states": LATENT, "encoder_hidden_states": TEXT, "timestep": STEPS, "original_size": normal(2, 2),
            "target_size": normal(2, 2),
         "crop_coords": normal(2, 2)},
    ),
    "prior": (
        "PriorTransformer",
        {**HEADS, "embedding_dim": 16, "num_embeddings": 5, "additional_embeddings": 4},
        {"hidden_states": normal(2, 16), "timestep": STEP, "proj_embedding": normal(2, 16), "encoder_hidden_states": TEXT,
            "attention_mask": ones(2, 5)},
    ),
    "stable audio": (
        "StableAudioDiTModel",
        {**HEADS, "sample_size": 12, "in_channels": 4, "num_key_value_attention_heads": 1, "out_channels": 4, "cross_attention_dim": 8,
         "time_proj_dim": 8, "global_states_input_dim": 8, "cross_attention_input_dim": 16, "attention_head_dim": 8},
        {"hidden_states": normal(2, 4, 12), "timestep": constant(0.3, 0.6, dtype=torch.float32), "encoder_hidden_states": TEXT,
         "global_hidden_states": normal(2, 1, 8), "rotary_embedding": lambda g: (torch.rand(13, 4, generator=g), torch.rand(13, 4,
             generator=g))},  # type: ignore[dict-item]
    ),
    "coder of pictures": ("AutoencoderKL", {**CODER, "layers_per_block": 2, "mid_block_add_attention": False}, IMAGE),
    "coder that samples": ("AutoencoderKL", {**CODER, "use_quant_conv": False, "use_post_quant_conv": False}, {**IMAGE,
        "sample_posterior": lambda g: True}),  # type: ignore[dict-item,return-value]
    "coder of two sizes": (
        "AsymmetricAutoencoderKL",
        {"down_block_types": ("DownEncoderBlock2D",) * 2, "down_block_out_channels": (8, 16), "up_block_types": ("UpDecoderBlock2D",) * 2,
         "up_block_out_channels": (8, 16), "norm_num_groups": 4, "sample_size": 16},
        IMAGE,
    ),
    "coder of stable video": (
        "AutoencoderKLTemporalDecoder",
        {"down_block_types": ("DownEncoderBlock2D",) * 2, "block_out_channels": (32, 32), "sample_size": 16},
        {**IMAGE, "num_frames": lambda g: 2},  # type: ignore[dict-item,return-value]
    ),
    "coder of wan": (
        "AutoencoderKLWan",
        {"base_dim": 4, "z_dim": 4, "dim_mult": [1, 2], "num_res_blocks": 1, "temperal_downsample": [True], "latents_mean": [0.0] * 4,
            "latents_std": [1.0] * 4},
        CLIP,
    ),
    "coder of cog video": (
        "AutoencoderKLCogVideoX",
        {**BLOCKS, "block_out_channels": (8, 8), "down_block_types": ("CogVideoXDownBlock3D",) * 2,
            "up_block_types": ("CogVideoXUpBlock3D",) * 2,
         "latent_channels": 4, "temporal_compression_ratio": 2, "sample_height": 16, "sample_width": 16},
        CLIP,
    ),
    "coder of ltx": (
        "AutoencoderKLLTXVideo",
        {"latent_channels": 8, "block_out_channels": (8, 8, 8, 8), "decoder_block_out_channels": (8, 8, 8, 8), "layers_per_block": (1, 1,
            1, 1, 1),
         "decoder_layers_per_block": (1, 1, 1, 1, 1)},
        {"sample": normal(1, 3, 9, 32, 32)},
    ),
    "deep coder": (
        "AutoencoderDC",
        {"latent_channels": 4, "attention_head_dim": 4, "encoder_block_types": ("ResBlock", "EfficientViTBlock"),
         "decoder_block_types": ("ResBlock", "EfficientViTBlock"), "encoder_block_out_channels": (8, 16),
             "decoder_block_out_channels": (8, 16),
         "encoder_layers_per_block": (1, 1), "decoder_layers_per_block": (1, 1), "encoder_qkv_multiscales": ((), (5,)),
         "decoder_qkv_multiscales": ((), (5,)), "decoder_norm_types": "rms_norm"},
        IMAGE,
    ),
    "coder of sound": (
        "AutoencoderOobleck",
        {"encoder_hidden_size": 8, "downsampling_ratios": [2, 4], "channel_multiples": [1, 2], "decoder_channels": 8,
            "decoder_input_channels": 4},
        {"sample": normal(1, 2, 32)},
    ),
}  # fmt: skip
