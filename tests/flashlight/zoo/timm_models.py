"""Small models of timm with random weights; they run where timm and the torchvision that it needs can be imported."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from tests.flashlight.zoo.case import Case, Program, floats

# One of each family.
NAMES = (
    "cait_xs24_384 coat_lite_mini convit_tiny convmixer_768_32 convnext_atto cpubone_s0 csatv2 cs3darknet_s cspnext_s davit_tiny "
    "deit_tiny_patch16_224 dla34 dpn68 edgenext_small efficientformer_l1 efficientformerv2_s0 mixnet_s efficientvim_m1 "
    "efficientvit_b0 efficientvit_m0 eva02_tiny_patch14_224 fasternet_s fastvit_t8 focalnet_tiny_lrf gcvit_tiny gernet_s ghostnet_050 "
    "halonet26t hardcorenas_a hgnet_tiny hiera_tiny_224 hieradet_small hrnet_w18_small iformer_s inception_next_atto lcnetv2_base "
    "levit_192 lowformer_b1 mambaout_femto maxvit_pico_rw_256 convformer_s18 gmlp_s16_224 mobilenetv4_conv_small_050 mobilevit_xs "
    "mvitv2_small nest_tiny nextvit_small pit_s_224 pvt_v2_b1 regnetv_064 repghostnet_058 repvit_m1 res2net50_26w_6s resnet26 "
    "resnetv2_18d rexnet_130 selecsls60 legacy_seresnext26_32x4d shvit_s2 skresnet34 starnet_s1 swiftformer_xs swinv2_cr_tiny_384 "
    "tiny_vit_11m_224 tnt_s_legacy_patch16_224 tresnet_m twins_pcpvt_small visformer_small flexivit_small vit_small_r26_s32_384 "
    "vit_srelpos_small_patch16_224 volo_d1_384 vovnet57a xception41 xcit_nano_12_p8_224 "
).split()
# Those that cannot be made for small images.
SIZES = {"halonet26t": 256, "efficientformer_l1": 224}


def _build(name: str) -> Program:
    import timm

    size = SIZES.get(name, 64)
    is_fixed = timm.models.get_pretrained_cfg_value(name, "fixed_input_size") and name not in SIZES
    torch.manual_seed(0)
    model: Any = timm.create_model(name, num_classes=10, **({"img_size": size} if is_fixed else {})).eval()
    return Program(lambda x: model(x), lambda generator: {"x": floats(generator, 2, 3, size, size)})


def cases() -> list[Case]:
    """Return the cases; building one needs timm."""
    return [Case(f"timm/{name}", partial(_build, name)) for name in NAMES]
