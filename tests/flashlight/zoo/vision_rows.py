"""Rows of the zoo: backbones, detectors and segmenters of transformers that multimodal_rows lacks, and forecasts of series."""

from __future__ import annotations

from typing import Any

import torch

from tests.flashlight.zoo.configured_models import Make, Row, constant, normal, ones, tokens
from tests.flashlight.zoo.multimodal_rows import LANGUAGE, VISION

WINDOWS: dict[str, Any] = {
    "image_size": 20, "patch_size": 2, "embed_dim": 8, "depths": [2, 2], "num_heads": [2, 2], "window_size": 4, "encoder_stride": 4,
}  # fmt: skip
STAGES: dict[str, Any] = {"hidden_sizes": [8, 16], "depths": [1, 2]}
PYRAMID: dict[str, Any] = {
    "model_type": "rt_detr_resnet", "embedding_size": 8, "hidden_sizes": [8, 12, 16, 20], "depths": [1, 1, 1, 1], "layer_type": "basic",
    "out_features": ["stage2", "stage3", "stage4"],
}  # fmt: skip
HGNET: dict[str, Any] = {
    "model_type": "hgnet_v2", "stem_channels": [3, 8, 8], "stage_in_channels": [8, 8, 12, 16], "stage_mid_channels": [4, 4, 6, 8],
    "stage_out_channels": [8, 12, 16, 20], "stage_num_blocks": [1, 1, 1, 1], "stage_downsample": [False, True, True, True],
    "stage_light_block": [False, False, True, True], "stage_kernel_size": [3, 3, 5, 5], "stage_numb_of_layers": [2, 2, 2, 2],
    "hidden_sizes": [8, 12, 16, 20], "depths": [1, 1, 1, 1], "embedding_size": 8, "use_learnable_affine_block": True,
    "out_features": ["stage2", "stage3", "stage4"],
}  # fmt: skip
QUERIES: dict[str, Any] = {
    "encoder_hidden_dim": 24, "encoder_in_channels": [12, 16, 20], "encoder_ffn_dim": 32, "encoder_attention_heads": 3,
    "d_model": 24, "num_queries": 6, "decoder_in_channels": [24, 24, 24], "decoder_ffn_dim": 32, "decoder_n_points": 2,
    "decoder_layers": 2, "decoder_attention_heads": 3, "num_labels": 4, "hidden_expansion": 1.0, "initializer_range": 0.3,
}  # fmt: skip
SCENE: dict[str, Make] = {"pixel_values": normal(2, 3, 64, 64)}
SMALL: dict[str, Make] = {"pixel_values": normal(2, 3, 32, 32)}
SERIES: dict[str, Any] = {
    "prediction_length": 4, "context_length": 12, "input_size": 1, "lags_sequence": [1, 2, 3], "num_time_features": 2,
    "num_static_categorical_features": 1, "cardinality": [5], "embedding_dimension": [4], "d_model": 16, "encoder_layers": 2,
    "decoder_layers": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24,
}  # fmt: skip
PAST: dict[str, Make] = {
    "past_values": normal(3, 15), "past_time_features": normal(3, 15, 2), "past_observed_mask": ones(3, 15),
    "static_categorical_features": constant([1], [4], [2]), "future_values": normal(3, 4), "future_time_features": normal(3, 4, 2),
}  # fmt: skip
SAM2_PARTS: dict[str, Any] = {
    "vision_config": {
        "backbone_config": {
            "model_type": "sam2_hiera_det_model", "hidden_size": 8, "num_attention_heads": 1, "image_size": [64, 64],
            "blocks_per_stage": [1, 1, 2, 1], "embed_dim_per_stage": [8, 16, 32, 64], "num_attention_heads_per_stage": [1, 1, 2, 2],
            "window_size_per_stage": [4, 4, 4, 2], "global_attention_blocks": [3], "num_query_pool_stages": 3,
            "window_positional_embedding_background_size": [4, 4],
        },
        "backbone_channel_list": [64, 32, 16, 8], "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]], "fpn_hidden_size": 16,
    },
    "prompt_encoder_config": {"hidden_size": 16, "image_size": 64, "patch_size": 16, "mask_input_channels": 4},
    "mask_decoder_config": {"hidden_size": 16, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 16, "num_hidden_layers": 2},
}  # fmt: skip


def _points(generator: torch.Generator) -> torch.Tensor:
    return torch.rand(1, 1, 2, 2, generator=generator) * 64


ROWS: dict[str, Row] = {
    "align": Row(
        "AlignModel",
        {"text_config": LANGUAGE, "projection_dim": 8,
         "vision_config": {"image_size": 32, "width_coefficient": 0.25, "depth_coefficient": 1.0, "depth_divisor": 4,
                           "kernel_sizes": [3, 5], "in_channels": [32, 16], "out_channels": [16, 24], "strides": [1, 2],
                           "num_block_repeats": [1, 2], "expand_ratios": [1, 2], "hidden_dim": 320}},
        {**SMALL, "input_ids": tokens(2, 7)}, None, "eager",
    ),
    "bit of paddings": Row("BitForImageClassification", {**STAGES, "embedding_size": 8, "num_groups": 4, "global_padding": "SAME"}, SMALL,
                           None, "eager"),
    "bit of bottlenecks": Row("BitForImageClassification", {**STAGES, "embedding_size": 8, "num_groups": 4, "layer_type": "bottleneck"},
                              SMALL, None, "eager"),
    "convnext": Row("ConvNextForImageClassification", {**STAGES, "num_stages": 2}, SMALL, None, "eager"),
    "convnext of responses": Row("ConvNextV2ForImageClassification", {**STAGES, "num_stages": 2}, SMALL, None, "eager"),
    "swin of odd sizes": Row("SwinForImageClassification", WINDOWS, {"pixel_values": normal(2, 3, 20, 20)}),
    "swin with missing patches": Row("SwinForMaskedImageModeling", {**WINDOWS, "use_absolute_embeddings": True},
                                     {"pixel_values": normal(1, 3, 20, 20), "bool_masked_pos": constant([i % 3 == 0 for i in range(100)],
                                                                                                         dtype=torch.bool)}),
    "swin of cosines": Row("Swinv2ForImageClassification", {**WINDOWS, "pretrained_window_sizes": [2, 2]},
                           {"pixel_values": normal(2, 3, 20, 20)}, None, "eager"),
    "donut": Row("DonutSwinModel", WINDOWS, {"pixel_values": normal(1, 3, 20, 28)}, None, "eager"),
    "pyramid": Row("PvtForImageClassification", {"image_size": 32, "num_encoder_blocks": 2, "depths": [1, 1], "hidden_sizes": [8, 16],
                                                 "sequence_reduction_ratios": [2, 1], "patch_sizes": [4, 2], "strides": [4, 2],
                                                 "num_attention_heads": [1, 2], "mlp_ratios": [2, 2], "num_labels": 4}, SMALL, None,
                                                 "eager"),
    "mobile vit 2": Row("MobileViTV2ForImageClassification", {"image_size": 64, "n_attn_blocks": [1, 1, 1],
                                                              "base_attn_unit_dims": [16, 24, 32], "width_multiplier": 0.25}, SCENE, None,
                        "eager"),
    "mobile vit 2 segments": Row("MobileViTV2ForSemanticSegmentation", {"image_size": 64, "n_attn_blocks": [1, 1, 1],
                                 "base_attn_unit_dims": [16, 24, 32], "width_multiplier": 0.25, "aspp_out_channels": 16,
                                 "atrous_rates": [1, 2, 3], "num_labels": 4}, SCENE, None, "eager"),
    "rt detr": Row("RTDetrForObjectDetection", {**QUERIES, "backbone_config": PYRAMID}, SCENE, None, "eager"),
    "rt detr 2": Row("RTDetrV2ForObjectDetection", {**QUERIES, "backbone_config": PYRAMID, "decoder_method": "discrete"}, SCENE, None,
                     "eager"),
    "d fine": Row("DFineForObjectDetection", {**QUERIES, "backbone_config": HGNET, "max_num_bins": 8, "lqe_hidden_dim": 8}, SCENE, None,
                  "eager"),
    "rf detr": Row("RfDetrForObjectDetection",
                   {"backbone_config": {"model_type": "rf_detr_dinov2", **VISION, "image_size": 64, "patch_size": 8, "num_windows": 2,
                                        "num_register_tokens": 0, "out_features": ["stage2"]},
                    "d_model": 24, "decoder_ffn_dim": 32, "decoder_layers": 2, "decoder_self_attention_heads": 3,
                    "decoder_cross_attention_heads": 3, "num_queries": 5, "group_detr": 1, "c2f_num_blocks": 1, "num_labels": 4},
                   SCENE, None, "eager"),
    "eomt": Row("EomtForUniversalSegmentation", {**VISION, "image_size": 32, "num_hidden_layers": 3, "num_blocks": 1, "num_queries": 5,
                                                 "num_register_tokens": 2, "num_labels": 4, "mlp_ratio": 2}, SMALL, None, "eager"),
    "depth of prompts": Row("PromptDepthAnythingForDepthEstimation",
                            {"backbone_config": {"model_type": "dinov2", **VISION, "out_features": ["stage1", "stage2"],
                                                 "reshape_hidden_states": False},
                             "reassemble_factors": [2, 1], "neck_hidden_sizes": [8, 8], "fusion_hidden_size": 8, "patch_size": 4,
                             "reassemble_hidden_size": 24, "head_hidden_size": 8},
                            {"pixel_values": normal(1, 3, 24, 16), "prompt_depth": normal(1, 1, 8, 8)}, None, "eager"),
    "owl 2": Row("Owlv2ForObjectDetection", {"text_config": {**LANGUAGE, "max_position_embeddings": 8}, "vision_config": VISION,
                                             "projection_dim": 24},
                 {"input_ids": tokens(4, 7), "pixel_values": normal(2, 3, 16, 16)}, None, "eager"),
    "segment anything 2": Row("Sam2Model", SAM2_PARTS, {"pixel_values": normal(1, 3, 64, 64), "input_points": _points}, None, "eager"),
    "segments by example": Row("SegGptForImageSegmentation", {"hidden_size": 24, "num_hidden_layers": 5, "num_attention_heads": 3,
                               "image_size": [32, 16], "patch_size": 4, "pretrain_image_size": 16, "decoder_hidden_size": 8, "mlp_dim": 40,
                               "intermediate_hidden_state_indices": [1, 2, 3, 4], "merge_index": 0},
                               {"pixel_values": normal(1, 3, 16, 16), "prompt_pixel_values": normal(1, 3, 16, 16),
                                "prompt_masks": normal(1, 3, 16, 16)}, None, "eager"),
    "features of dinov2": Row("Dinov2Backbone", {**VISION, "out_features": ["stage1", "stage2"]},
                              {"pixel_values": normal(1, 3, 16, 16)}, None, "eager"),
    "features of tips 2": Row("Tipsv2VisionBackbone", {**VISION, "out_features": ["stage1", "stage2"]},
                              {"pixel_values": normal(1, 3, 16, 16)}, None, "eager"),
    "features of lw-detr": Row("LwDetrViTBackbone", {**VISION, "window_block_indices": [0], "num_windows": 4,
                                                     "out_features": ["stage1", "stage2"]},
                               {"pixel_values": normal(1, 3, 16, 16)}),
    "poses of many heads": Row("VitPoseBackbone", {**VISION, "image_size": [32, 24], "patch_size": [8, 8], "num_experts": 3,
                                                   "part_features": 8, "mlp_ratio": 2},
                               {"pixel_values": normal(2, 3, 32, 24), "dataset_index": constant(0, 2)}, None, "eager"),
    "radio": Row("RadioModel", {**VISION, "max_img_size": 32, "num_cls_tokens": 2, "num_registers": 2, "mlp_ratio": 2.0},
                 {"pixel_values": normal(2, 3, 16, 16)}, None, "eager"),
    "matches of glue": Row("SuperGlueForKeypointMatching", {
        "keypoint_detector_config": {"model_type": "superpoint", "encoder_hidden_sizes": [8, 8, 8, 8], "decoder_hidden_size": 16,
                                     "keypoint_decoder_dim": 65, "descriptor_decoder_dim": 16, "max_keypoints": 12},
        "hidden_size": 16, "keypoint_encoder_sizes": [8, 16], "gnn_layers_types": ["self", "cross"], "num_attention_heads": 2,
        "sinkhorn_iterations": 5, "initializer_range": 0.3}, {"pixel_values": normal(1, 2, 3, 32, 32)}, None, "eager"),
    "matches of light": Row("LightGlueForKeypointMatching", {
        "keypoint_detector_config": {"model_type": "superpoint", "encoder_hidden_sizes": [8, 8, 8, 8], "decoder_hidden_size": 16,
                                     "keypoint_decoder_dim": 65, "descriptor_decoder_dim": 16, "max_keypoints": 12},
        "descriptor_dim": 16, "num_hidden_layers": 2, "num_attention_heads": 2}, {"pixel_values": normal(1, 2, 3, 32, 32)}, None, "eager"),
    "video prism": Row("VideoPrismVideoModel", {"image_size": 16, "num_frames": 4, "tubelet_size": [1, 4, 4], "hidden_size": 24,
                       "num_attention_heads": 3, "intermediate_size": 40, "num_spatial_layers": 1, "num_temporal_layers": 1,
                       "num_auxiliary_layers": 1}, {"pixel_values_videos": normal(1, 4, 3, 16, 16)}, None, "eager"),
    "series of students": Row("TimeSeriesTransformerForPrediction", SERIES, PAST, None, "eager"),
    "series by samples": Row("TimeSeriesTransformerForPrediction", {**SERIES, "num_parallel_samples": 3},
                             {name: make for name, make in PAST.items() if name != "future_values"}, None, "eager", "generate"),
    "informer": Row("InformerForPrediction", {**SERIES, "sampling_factor": 2}, PAST, None, "eager"),
    "autoformer": Row("AutoformerForPrediction", {**SERIES, "label_length": 4, "moving_average": 5}, PAST, None, "eager"),
    "mixer": Row("PatchTSMixerForPrediction", {"context_length": 24, "patch_length": 4, "patch_stride": 4, "num_input_channels": 2,
                 "prediction_length": 5, "self_attn": True, "self_attn_heads": 2, "use_positional_encoding": True, "mode": "mix_channel"},
                 {"past_values": normal(3, 24, 2), "future_values": normal(3, 5, 2)}, None, "eager"),
    "times of patches": Row("TimesFmModelForPrediction", {"patch_length": 4, "context_length": 16, "horizon_length": 8, "hidden_size": 24,
                            "num_hidden_layers": 2, "intermediate_size": 24, "head_dim": 8, "num_attention_heads": 3},
                            {"past_values": normal(2, 16)}, None, "eager"),
}  # fmt: skip
