"""Rows of the zoo: models of transformers of images with text, with sound and with video, and for detection and segmentation."""

from __future__ import annotations

from typing import Any

import torch

from tests.flashlight.zoo.configured_models import Make, Row, constant, normal, ones, padded, tokens, tokens_around
from tests.flashlight.zoo.generation_rows import BEAMS, CODER, GREEDY, TEXT

VISION: dict[str, Any] = {
    "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40, "image_size": 16, "patch_size": 4,
    "projection_dim": 16,
}  # fmt: skip
LANGUAGE: dict[str, Any] = {
    "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40, "vocab_size": 99,
    "max_position_embeddings": 40, "projection_dim": 16, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
ROPE: dict[str, Any] = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}
LLAMA: dict[str, Any] = {"model_type": "llama", **TEXT}
PAIR: dict[str, Any] = {"text_config": LANGUAGE, "vision_config": VISION}
IMAGE = 98
PIXELS = normal(2, 3, 16, 16)
CALL: dict[str, Make] = {"input_ids": tokens(2, 7), "pixel_values": PIXELS}
MASKED: dict[str, Make] = {**CALL, "attention_mask": padded(2, 7)}


def _around(count: int, pixels: Make = PIXELS) -> dict[str, Make]:
    return {"input_ids": tokens_around(IMAGE, count), "pixel_values": pixels}


def _generating(count: int, pixels: Make = PIXELS) -> dict[str, Make]:
    return {**_around(count, pixels), "attention_mask": ones(2, 7 + count)}


CLIP = {"model_type": "clip_vision_model", **VISION}
SIGLIP = {"model_type": "siglip_vision_model", **VISION}
LLAVA: dict[str, Any] = {
    "vision_config": CLIP,
    "text_config": LLAMA,
    "image_token_index": IMAGE,
    "vision_feature_layer": -2,
}
QFORMER = {**LANGUAGE, "encoder_hidden_size": 24, "cross_attention_frequency": 1}
OPT = {"model_type": "opt", **LANGUAGE, "ffn_dim": 40, "word_embed_proj_dim": 24}
QWEN: dict[str, Any] = {
    "text_config": {**TEXT, "rope_parameters": ROPE},
    "image_token_id": IMAGE, "video_token_id": 97, "vision_start_token_id": 96, "vision_end_token_id": 95,
}  # fmt: skip
QWEN_VISION: dict[str, Any] = {
    "depth": 2, "hidden_size": 24, "intermediate_size": 40, "num_heads": 3, "patch_size": 4, "out_hidden_size": 24,
        "spatial_merge_size": 2,
}  # fmt: skip


def _types(count: int) -> Make:
    return lambda generator: (tokens_around(IMAGE, count)(generator) == IMAGE).long()


def _two_images(generator: torch.Generator) -> torch.Tensor:
    found = tokens_around(IMAGE, 13, batch=1)(generator)
    found[:, 5] = 7
    return found


# Two images of 16 and 32 patches, of which four make one token.
QWEN_CALL: dict[str, Make] = {
    "input_ids": _two_images,
    "attention_mask": ones(1, 20),
    "pixel_values": normal(48, 3 * 2 * 4 * 4),
    "image_grid_thw": constant([1, 4, 4], [1, 8, 4]),
    "mm_token_type_ids": lambda generator: torch.tensor([[0, *[1] * 4, 0, *[1] * 8, *[0] * 6]]),
}
RESNET: dict[str, Any] = {
    "model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic",
        "out_features": ["stage2"],
}  # fmt: skip
SWIN: dict[str, Any] = {
    "model_type": "swin", "image_size": 32, "patch_size": 2, "embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 2, 2, 2],
        "window_size": 4,
    "out_features": ["stage1", "stage2", "stage3", "stage4"],
}  # fmt: skip
DETR: dict[str, Any] = {
    "use_timm_backbone": False, "use_pretrained_backbone": False, "backbone": None, "backbone_config": RESNET, "d_model": 24,
        "encoder_layers": 1,
    "decoder_layers": 2, "encoder_attention_heads": 3, "decoder_attention_heads": 3, "encoder_ffn_dim": 40, "decoder_ffn_dim": 40,
        "num_queries": 5,
}  # fmt: skip
SCENE: dict[str, Make] = {"pixel_values": normal(2, 3, 48, 64), "pixel_mask": ones(2, 48, 64)}

ROWS: dict[str, Row] = {
    "clip of three": Row("CLIPModel", PAIR, MASKED),
    "clip's images": Row("CLIPModel", PAIR, {"pixel_values": normal(3, 3, 16, 16)}, method="get_image_features"),
    "siglip of two": Row("SiglipModel", PAIR, CALL),
    "siglip2": Row(
        "Siglip2Model",
        {"text_config": LANGUAGE, "vision_config": {**VISION, "num_patches": 16}},
        {"input_ids": tokens(2, 7), "pixel_values": normal(2, 16, 48), "pixel_attention_mask": ones(2, 16),
            "spatial_shapes": constant([4, 4], [2, 8])},
    ),
    "altclip": Row("AltCLIPModel", {"text_config": {**LANGUAGE, "project_dim": 24}, "vision_config": VISION, "projection_dim": 16},
        MASKED, None, "eager"),
    "chinese clip": Row("ChineseCLIPModel", PAIR, MASKED, None, "eager"),
    "group vit": Row(
        "GroupViTModel",
        {"text_config": LANGUAGE,
         "vision_config": {**VISION, "depths": [1, 1], "num_group_tokens": [4, 0], "num_output_groups": [4, 4]}},
        MASKED, None, "eager",
    ),
    "x clip": Row("XCLIPModel", {"text_config": LANGUAGE, "vision_config": {**VISION, "num_frames": 2, "mit_hidden_size": 24,
        "mit_intermediate_size": 40, "mit_num_attention_heads": 3}, "projection_dim": 24, "prompt_num_attention_heads": 2},
                  {"input_ids": tokens(2, 7), "pixel_values": normal(2, 2, 3, 16, 16)}, None, "eager"),
    "owl": Row("OwlViTForObjectDetection", {"text_config": {**LANGUAGE, "max_position_embeddings": 8}, "vision_config": VISION,
        "projection_dim": 24},
               {"input_ids": tokens(4, 7), "pixel_values": PIXELS, "attention_mask": padded(4, 7)}, None, "eager"),
    "clip segments": Row("CLIPSegForImageSegmentation", {**PAIR, "extract_layers": [0, 1], "reduce_dim": 8,
        "decoder_num_attention_heads": 2, "decoder_intermediate_size": 16, "projection_dim": 16, "conditional_layer": 0}, CALL),
    "blip names images": Row("BlipForConditionalGeneration", {"text_config": {**LANGUAGE, "encoder_hidden_size": 24},
        "vision_config": VISION}, CALL, None, "eager"),
    "blip writes": Row("BlipForConditionalGeneration", {"text_config": {**LANGUAGE, "encoder_hidden_size": 24, "sep_token_id": 2},
        "vision_config": VISION}, MASKED, None, "eager"),
    "blip finds": Row("BlipForImageTextRetrieval", {"text_config": {**LANGUAGE, "encoder_hidden_size": 24}, "vision_config": VISION},
        MASKED, None, "eager"),
    "blip2 with opt": Row("Blip2ForConditionalGeneration", {"vision_config": VISION, "qformer_config": QFORMER, "text_config": OPT,
        "num_query_tokens": 3, "image_token_index": IMAGE}, _generating(3)),
    "blip2 writes": Row("Blip2ForConditionalGeneration", {"vision_config": VISION, "qformer_config": QFORMER, "text_config": OPT,
        "num_query_tokens": 3, "image_token_index": IMAGE}, _generating(3), GREEDY),
    "instruct blip": Row("InstructBlipForConditionalGeneration", {"vision_config": VISION, "qformer_config": QFORMER, "text_config": OPT,
        "num_query_tokens": 3, "image_token_index": IMAGE},
                         {**_generating(3), "qformer_input_ids": tokens(2, 5)}),
    "git": Row("GitForCausalLM", {**LANGUAGE, "vision_config": VISION}, CALL, None, "eager"),
    "llava of llama": Row("LlavaForConditionalGeneration", LLAVA, _around(16)),
    "llava writes": Row("LlavaForConditionalGeneration", {**LLAVA, "vision_feature_select_strategy": "full"}, _generating(17), GREEDY),
    "llava by beams": Row("LlavaForConditionalGeneration", LLAVA, _generating(16), {**BEAMS, "num_beams": 2}),
    "vip llava": Row("VipLlavaForConditionalGeneration", {**LLAVA, "vision_feature_layers": [-1, -2]} , _around(16)),
    "pali gemma": Row("PaliGemmaForConditionalGeneration", {"vision_config": {**SIGLIP, "vision_use_head": False},
        "text_config": {"model_type": "gemma", **TEXT}, "image_token_index": IMAGE, "projection_dim": 24, "hidden_size": 24},
                      {**_generating(16), "token_type_ids": _types(16)}),
    "gemma3 with images": Row("Gemma3ForConditionalGeneration", {"vision_config": {**SIGLIP, "vision_use_head": False},
        "text_config": {**TEXT, "sliding_window": 4}, "image_token_index": IMAGE, "mm_tokens_per_image": 4},
                      {**_generating(4), "token_type_ids": _types(4)}, None, "eager"),
    "idefics2": Row("Idefics2ForConditionalGeneration", {"vision_config": VISION, "perceiver_config": {**TEXT, "resampler_n_latents": 3,
        "resampler_depth": 1, "resampler_n_heads": 2, "resampler_head_dim": 8}, "text_config": {"model_type": "mistral", **TEXT},
        "image_token_id": IMAGE},
                    _around(3, normal(2, 1, 3, 16, 16))),
    "idefics3 of two images": Row("Idefics3ForConditionalGeneration", {"vision_config": VISION, "text_config": LLAMA,
        "image_token_id": IMAGE, "scale_factor": 2}, _around(8, normal(2, 2, 3, 16, 16))),
    "smol vlm writes": Row("SmolVLMForConditionalGeneration", {"vision_config": VISION, "text_config": LLAMA, "image_token_id": IMAGE,
        "scale_factor": 2}, _generating(4, normal(2, 1, 3, 16, 16)), GREEDY),
    "qwen2 with images": Row("Qwen2VLForConditionalGeneration", {**QWEN, "vision_config": {"depth": 2, "embed_dim": 24,
        "hidden_size": 24, "num_heads": 3, "patch_size": 4, "mlp_ratio": 2}}, QWEN_CALL),
    "qwen2.5 with images": Row("Qwen2_5_VLForConditionalGeneration", {**QWEN, "vision_config": {**QWEN_VISION, "window_size": 16,
        "fullatt_block_indexes": [1]}}, QWEN_CALL),
    "qwen2.5 writes": Row("Qwen2_5_VLForConditionalGeneration", {**QWEN, "vision_config": {**QWEN_VISION, "window_size": 16,
        "fullatt_block_indexes": [1]}}, QWEN_CALL, GREEDY),
    "qwen3 with images": Row("Qwen3VLForConditionalGeneration", {**QWEN, "vision_config": {**QWEN_VISION, "num_position_embeddings": 16,
        "deepstack_visual_indexes": [0]}}, QWEN_CALL),
    "intern vl": Row("InternVLForConditionalGeneration", {"vision_config": {**VISION, "image_size": [16, 16], "patch_size": [4, 4]},
        "text_config": {"model_type": "qwen2", **TEXT}, "image_token_id": IMAGE, "image_seq_length": 4}, _around(4)),
    "mistral3": Row("Mistral3ForConditionalGeneration", {"vision_config": {"model_type": "pixtral", **VISION, "head_dim": 8},
        "text_config": {"model_type": "mistral", **TEXT}, "image_token_index": IMAGE, "spatial_merge_size": 2,
        "vision_feature_layer": -1},
                    {**_around(4), "image_sizes": constant([16, 16], [16, 16])}),
    "aya": Row("AyaVisionForConditionalGeneration", {"vision_config": SIGLIP, "text_config": {"model_type": "cohere2", **TEXT},
        "image_token_index": IMAGE, "downsample_factor": 2, "alignment_intermediate_size": 40}, _around(4)),
    "got ocr": Row("GotOcr2ForConditionalGeneration", {"vision_config": {"hidden_size": 24, "output_channels": 8, "num_hidden_layers": 2,
        "num_attention_heads": 3, "image_size": 32, "patch_size": 4, "window_size": 4, "global_attn_indexes": [1], "mlp_dim": 40},
        "text_config": {"model_type": "qwen2", **TEXT}, "image_token_index": IMAGE},
                   _around(4, normal(2, 3, 32, 32)), None, "eager"),
    "ovis": Row("Ovis2ForConditionalGeneration", {"vision_config": {**VISION, "vocab_size": 20, "hidden_stride": 2,
        "num_visual_indicator_tokens": 5}, "text_config": {"model_type": "qwen2", **TEXT}, "image_token_id": IMAGE,
        "visual_indicator_token_ids": [91, 92, 93, 94, 95], "hidden_size": 24}, _around(4)),
    "mllama": Row("MllamaForConditionalGeneration",
                  {"vision_config": {**VISION, "attention_heads": 3, "num_global_layers": 1, "intermediate_layers_indices": [0],
                      "vision_output_dim": 48, "max_num_tiles": 2, "supported_aspect_ratios": [[1, 1], [1, 2], [2, 1]], "image_size": 16},
                   "text_config": {**TEXT, "cross_attention_layers": [1]}, "image_token_index": IMAGE},
                  {"input_ids": tokens(1, 8), "pixel_values": normal(1, 1, 2, 3, 16, 16), "aspect_ratio_ids": constant([1]),
                      "aspect_ratio_mask": ones(1, 1, 2), "cross_attention_mask": ones(1, 8, 1, 2), "attention_mask": ones(1, 8)}, None,
                      "eager"),
    "fuyu with patches": Row("FuyuForCausalLM", {**TEXT, "text_config": {"model_type": "persimmon", **TEXT}, "patch_size": 4,
        "image_token_id": IMAGE}, {"input_ids": tokens_around(IMAGE, 4), "image_patches": normal(2, 4, 48)}, None, "eager"),
    "florence": Row("Florence2ForConditionalGeneration",
                    {"vision_config": {"depths": [1, 1], "embed_dim": [8, 16], "num_heads": [2, 2], "num_groups": [2, 2],
                        "patch_size": [3, 3], "patch_stride": [2, 2], "patch_padding": [1, 1], "patch_prenorm": [False, True],
                        "window_size": 2, "projection_dim": 24},
                     "text_config": {"model_type": "bart", **CODER}, "image_token_id": IMAGE},
                    {"input_ids": tokens_around(IMAGE, 17), "pixel_values": normal(2, 3, 16, 16), "decoder_input_ids": tokens(2, 4)},
                        None, "eager"),
    "kosmos": Row("Kosmos2ForConditionalGeneration",
                  {"text_config": {"embed_dim": 24, "layers": 2, "attention_heads": 3, "ffn_dim": 40, "vocab_size": 99,
                      "max_position_embeddings": 40},
                   "vision_config": VISION, "latent_query_num": 3},
                  {**_around(3), "image_embeds_position_mask": lambda generator: _types(3)(generator)}, None, "eager"),
    "pix to text": Row("Pix2StructForConditionalGeneration",
                       {"text_config": {**LANGUAGE, "d_kv": 8, "d_ff": 40, "num_layers": 2, "num_heads": 3, "decoder_start_token_id": 1},
                           "vision_config": {**VISION, "d_kv": 8, "d_ff": 40, "patch_embed_hidden_size": 48, "seq_len": 16}},
                       {"flattened_patches": lambda generator: torch.cat([torch.arange(1.0, 13).reshape(1, 12, 1).expand(2, -1, 2),
                           normal(2, 12, 48)(generator)], -1), "attention_mask": ones(2, 12), "decoder_input_ids": tokens(2, 4)}, None,
                           "eager"),
    "vilt": Row("ViltForQuestionAnswering", {**LANGUAGE, "image_size": 16, "patch_size": 4, "num_labels": 3}, {**MASKED,
        "pixel_mask": ones(2, 16, 16)}, None, "eager"),
    "bridge tower": Row("BridgeTowerModel", {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3,
        "text_config": LANGUAGE, "vision_config": {**VISION, "hidden_size": 64}}, MASKED, None, "eager"),
    "flava of both": Row("FlavaModel", {"text_config": LANGUAGE, "image_config": VISION, "multimodal_config": {**LANGUAGE},
        "projection_dim": 16, "hidden_size": 24}, MASKED, None, "eager"),
    "lxmert": Row("LxmertModel", {**LANGUAGE, "l_layers": 1, "x_layers": 1, "r_layers": 1, "visual_feat_dim": 16},
                  {"input_ids": tokens(2, 7), "visual_feats": normal(2, 5, 16), "visual_pos": normal(2, 5, 4)}, None, "eager"),
    "layout with images": Row("LayoutLMv3Model", {**LANGUAGE, "coordinate_size": 4, "shape_size": 4, "input_size": 16, "patch_size": 4,
        "max_2d_position_embeddings": 64, "has_relative_attention_bias": True, "has_spatial_attention_bias": True, "rel_pos_bins": 8,
        "rel_2d_pos_bins": 8},
                  {"input_ids": tokens(2, 7), "bbox": lambda generator: torch.tensor([[1, 2, 9, 14]]).expand(2, 7, 4).contiguous(),
                      "pixel_values": PIXELS}, None, "eager"),
    "text reader": Row("VisionEncoderDecoderModel", {"encoder": {"model_type": "vit", **VISION}, "decoder": {"model_type": "trocr",
        **CODER, "is_decoder": True, "add_cross_attention": True, "cross_attention_hidden_size": 24}},
                       {"pixel_values": PIXELS, "decoder_input_ids": tokens(2, 5)}, None, "eager"),
    "chameleon": Row("ChameleonForConditionalGeneration", {**TEXT, "num_key_value_heads": 3, "vq_config": {"embed_dim": 8,
        "num_embeddings": 12, "double_latent": False, "latent_channels": 8, "resolution": 16, "base_channels": 32,
        "channel_multiplier": [1, 1], "num_res_blocks": 1},
                     "vocabulary_map": {"<image>": IMAGE, **{f"IMGIMG{letter}Z": 60 + place for place,
                         letter in enumerate("ABCDEFGHIJKL")}}}, {"input_ids": tokens(2, 7)}),
    "video llava": Row("VideoLlavaForConditionalGeneration", {"vision_config": CLIP, "text_config": LLAMA, "image_token_index": IMAGE,
        "video_token_index": 97},
                       {"input_ids": tokens_around(97, 34), "pixel_values_videos": normal(2, 2, 3, 16, 16)}),
    "detr with boxes": Row("DetrForObjectDetection", DETR, SCENE, None, "eager"),
    "conditional detr": Row("ConditionalDetrForObjectDetection", DETR, SCENE, None, "eager"),
    "deformable detr": Row("DeformableDetrForObjectDetection", {**DETR, "d_model": 32, "encoder_attention_heads": 4,
        "decoder_attention_heads": 4, "num_feature_levels": 2, "decoder_n_points": 2, "encoder_n_points": 2}, SCENE, None, "eager"),
    "dab detr": Row("DabDetrForObjectDetection", {**DETR, "hidden_size": 24, "query_dim": 4}, SCENE, None, "eager"),
    "table transformer": Row("TableTransformerForObjectDetection", DETR, SCENE, None, "eager"),
    "yolos": Row("YolosForObjectDetection", {**VISION, "image_size": [16, 24], "num_detection_tokens": 5}, {"pixel_values": normal(2, 3,
        16, 24)}),
    "mask former": Row("MaskFormerForInstanceSegmentation", {"backbone_config": SWIN, "decoder_config": {"model_type": "detr", **DETR},
        "fpn_feature_size": 32, "mask_feature_size": 32}, {"pixel_values": normal(1, 3, 32, 32)}, None, "eager"),
    "mask2former": Row("Mask2FormerForUniversalSegmentation", {"backbone_config": SWIN, "feature_size": 32, "mask_feature_size": 32,
        "hidden_dim": 32, "encoder_feedforward_dim": 32, "encoder_layers": 1, "decoder_layers": 2, "num_attention_heads": 4,
        "dim_feedforward": 32, "num_queries": 5, "num_labels": 3},
                       {"pixel_values": normal(1, 3, 32, 32)}, None, "eager"),
    "grounding dino": Row("GroundingDinoForObjectDetection", {"backbone_config": {**SWIN, "out_features": ["stage2", "stage3",
        "stage4"]}, "text_config": {"model_type": "bert", **LANGUAGE}, "d_model": 32, "encoder_layers": 1, "decoder_layers": 2,
        "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32,
                          "num_queries": 6, "num_feature_levels": 3, "max_text_len": 16, "encoder_n_points": 2, "decoder_n_points": 2},
                          {"pixel_values": normal(1, 3, 32, 32), "input_ids": tokens(1, 6), "attention_mask": ones(1, 6)}, None, "eager"),
    "segment anything": Row("SamModel", {"vision_config": {"hidden_size": 24, "output_channels": 16, "num_hidden_layers": 2,
        "num_attention_heads": 3, "image_size": 32, "patch_size": 4, "window_size": 3, "global_attn_indexes": [1], "mlp_dim": 40,
        "num_pos_feats": 8},
                            "prompt_encoder_config": {"hidden_size": 16, "image_size": 32, "patch_size": 4, "mask_input_channels": 4},
                            "mask_decoder_config": {"hidden_size": 16, "mlp_dim": 32, "num_attention_heads": 2,
                                "iou_head_hidden_dim": 16, "num_hidden_layers": 2}},
                            {"pixel_values": normal(1, 3, 32, 32), "input_points": lambda generator: torch.rand(1, 1, 2, 2,
                                generator=generator) * 32}, None, "eager"),
    "depth anything": Row("DepthAnythingForDepthEstimation", {"backbone_config": {"model_type": "dinov2", **VISION, "image_size": 16,
        "out_features": ["stage1", "stage2"], "reshape_hidden_states": False}, "reassemble_factors": [2, 1], "neck_hidden_sizes": [8, 8],
        "fusion_hidden_size": 8, "patch_size": 4, "reassemble_hidden_size": 24, "head_hidden_size": 8},
                          {"pixel_values": normal(1, 3, 24, 16)}, None, "eager"),
    "zoe depth": Row("ZoeDepthForDepthEstimation", {"backbone_config": {"model_type": "beit", **VISION, "image_size": 16,
        "use_relative_position_bias": True, "num_hidden_layers": 4, "out_features": ["stage1", "stage2", "stage3", "stage4"],
        "reshape_hidden_states": False}, "neck_hidden_sizes": [8, 8, 8, 8], "fusion_hidden_size": 8, "bottleneck_features": 8,
        "num_attractors": [4, 2, 2, 1], "bin_embedding_dim": 8, "use_batch_norm_in_fusion_residual": False, "num_relative_features": 8},
                     {"pixel_values": normal(1, 3, 16, 16)}, None, "eager"),
    "matting": Row("VitMatteForImageMatting", {"backbone_config": {"model_type": "vitdet", **VISION, "num_channels": 4,
        "out_features": ["stage2"], "window_size": 2, "window_block_indices": [0], "use_relative_position_embeddings": True},
        "hidden_size": 24, "fusion_hidden_sizes": [16, 8], "convstream_hidden_sizes": [8]},
                   {"pixel_values": normal(1, 4, 16, 16)}, None, "eager"),
    "poses": Row("VitPoseForPoseEstimation", {"backbone_config": {"model_type": "vitpose_backbone", **VISION, "image_size": [32, 24],
        "patch_size": [8, 8], "out_features": ["stage2"]}, "num_labels": 5, "scale_factor": 2}, {"pixel_values": normal(2, 3, 32, 24)},
        None, "eager"),
    "video mae": Row("VideoMAEForVideoClassification", {**VISION, "num_frames": 4, "tubelet_size": 2}, {"pixel_values": normal(2, 4, 3,
        16, 16)}),
    "vivit": Row("VivitForVideoClassification", {**VISION, "num_frames": 4, "tubelet_size": [2, 4, 4]}, {"pixel_values": normal(2, 4, 3,
        16, 16)}),
    "time sformer": Row("TimesformerForVideoClassification", {**VISION, "num_frames": 3}, {"pixel_values": normal(2, 3, 3, 16, 16)},
        None, "eager"),
    "v jepa": Row("VJEPA2Model", {**VISION, "crop_size": 16, "frames_per_clip": 4, "tubelet_size": 2, "pred_hidden_size": 24,
        "pred_num_attention_heads": 3, "pred_num_hidden_layers": 1, "mlp_ratio": 2}, {"pixel_values_videos": normal(1, 4, 3, 16, 16)}),
    "key points": Row("SuperPointForKeypointDetection", {"encoder_hidden_sizes": [8, 8, 8, 8], "decoder_hidden_size": 16,
        "keypoint_decoder_dim": 65, "descriptor_decoder_dim": 16}, {"pixel_values": normal(1, 3, 32, 32)}, None, "eager"),
    "super resolution": Row("Swin2SRForImageSuperResolution", {"image_size": 16, "patch_size": 1, "embed_dim": 12, "depths": [2],
        "num_heads": [3], "window_size": 4, "upscale": 2}, {"pixel_values": normal(1, 3, 16, 16)}, None, "eager"),
    "perceiver": Row("PerceiverForImageClassificationLearned", {"num_latents": 4, "d_latents": 16, "num_blocks": 1,
        "num_self_attends_per_block": 2, "num_self_attention_heads": 2, "num_cross_attention_heads": 2, "d_model": 16, "image_size": 8},
        {"pixel_values": normal(2, 3, 8, 8)}, None, "eager"),
    "efficient net": Row("EfficientNetForImageClassification", {"image_size": 32, "width_coefficient": 0.25, "depth_coefficient": 0.3,
        "hidden_dim": 320, "depth_divisor": 4}, {"pixel_values": normal(2, 3, 32, 32)}, None, "eager"),
    "levit": Row("LevitForImageClassification", {"image_size": 64, "hidden_sizes": [16, 24, 32], "num_attention_heads": [2, 2, 2],
        "depths": [1, 1, 1], "key_dim": [8, 8, 8], "down_ops": [["Subsample", 8, 2, 4, 2, 2], ["Subsample", 8, 3, 4, 2, 2]]},
        {"pixel_values": normal(2, 3, 64, 64)}, None, "eager"),
    "regnet": Row("RegNetForImageClassification", {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "groups_width": 4,
        "layer_type": "y"}, {"pixel_values": normal(2, 3, 32, 32)}, None, "eager"),
    "pool former": Row("PoolFormerForImageClassification", {"depths": [1, 1], "hidden_sizes": [8, 16], "patch_sizes": [7, 3],
        "strides": [4, 2], "padding": [2, 1], "num_encoder_blocks": 2}, {"pixel_values": normal(2, 3, 32, 32)}, None, "eager"),
    "van of hiera": Row("HieraForImageClassification", {"image_size": [32, 32], "patch_size": [7, 7], "patch_stride": [4, 4],
        "patch_padding": [3, 3], "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "masked_unit_size": [4, 4], "query_stride": [2,
        2], "num_query_pool": 1}, {"pixel_values": normal(2, 3, 32, 32)}, None, "eager"),
    "time series": Row("PatchTSTForPrediction", {"num_input_channels": 2, "context_length": 24, "patch_length": 4, "patch_stride": 4,
        "d_model": 16, "num_attention_heads": 2, "num_hidden_layers": 2, "ffn_dim": 24, "prediction_length": 5},
        {"past_values": normal(3, 24, 2)}),
    "decisions": Row("DecisionTransformerModel", {"state_dim": 5, "act_dim": 3, "hidden_size": 24, "n_layer": 2, "n_head": 3,
        "max_ep_len": 20, "n_positions": 64},
                     {"states": normal(2, 4, 5), "actions": normal(2, 4, 3), "rewards": normal(2, 4, 1), "returns_to_go": normal(2, 4,
                         1), "timesteps": constant([0, 1, 2, 3], [4, 5, 6, 7]), "attention_mask": ones(2, 4)}, None, "eager"),
    "proteins": Row("EsmForMaskedLM", {**LANGUAGE, "position_embedding_type": "rotary", "mask_token_id": 5, "token_dropout": True},
        {"input_ids": tokens(2, 7), "attention_mask": padded(2, 7)}),
}  # fmt: skip
